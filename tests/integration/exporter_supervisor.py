"""The exporter under a real supervisord, by the configuration that is made for it."""

import getpass
import http.client
import os
import re
import shutil
import subprocess
import sys

from exporter_lib import run_tests, wait_for
from tools_lib import BUILD, SOURCE, memhist

TEMPLATE = "exporter/memhist-exporter.supervisor.conf"
USER = "nobody" if os.geteuid() == 0 else getpass.getuser()


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def configure():
    """What the build makes of the template, for the programs of the build and for this user."""
    text = read(os.path.join(SOURCE, TEMPLATE + ".in"))
    history = os.path.abspath("history")
    for name, value in {"bindir": BUILD, "user": USER, "historydir": history}.items():
        assert f"@{name}@" in text, name
        text = text.replace(f"@{name}@", value)
    assert not re.search("@[a-z]+@", text), text
    write("memhist-exporter.conf", text.replace(
        f"--history.dir={history}",
        f"--history.dir={history} --web.listen-address=127.0.0.1:0 --interval=100ms"
        " --history.min-free=none --history.sealer=none"))
    os.chmod(".", 0o755)  # others pass through on their way to the history
    os.mkdir("history")
    shutil.chown("history", USER)
    write("supervisord.conf", f"""
[supervisord]
nodaemon=true
logfile={os.getcwd()}/supervisord.log
pidfile={os.getcwd()}/supervisord.pid
childlogdir={os.getcwd()}
{"user=root" if os.geteuid() == 0 else ""}
[unix_http_server]
file={os.getcwd()}/s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{os.getcwd()}/s
[include]
files=memhist-exporter.conf
""")


def control(*words):
    """What supervisorctl prints; its exit status differs from version to version."""
    return subprocess.run(["supervisorctl", "-c", "supervisord.conf", *words], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False).stdout


def log():
    """Of the exporter, in all its lives."""
    return "".join(read(name) for name in os.listdir(".")
                   if re.fullmatch(r"memhist-exporter-stdout.*\.log", name))


def is_healthy(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/metrics")
        return b"\nmemhist_up 1\n" in connection.getresponse().read()
    finally:
        connection.close()


def wait_until_serving(lives):
    ports = wait_for(lambda: len(re.findall(r"listening on 127.0.0.1:(\d+)", log())) == lives
                     and re.findall(r"listening on 127.0.0.1:(\d+)", log()), what="listening")
    wait_for(lambda: is_healthy(int(ports[-1])), what="metrics")


def supervisor_starts_shows_and_stops_it():
    configure()
    supervisord = subprocess.Popen(["supervisord", "-c", "supervisord.conf"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: os.path.exists("s") or supervisord.poll() is not None, what="supervisord")
        wait_until_serving(1)
        wait_for(lambda: " RUNNING " in control("status"), what="RUNNING")
        pid = int(re.search(r"pid (\d+)", control("status"))[1])
        assert f"running as user {USER}" in log()
        control("stop", "memhist-exporter")
        wait_for(lambda: " STOPPED " in control("status"), what="STOPPED")
        assert not os.path.exists(f"/proc/{pid}")
        assert 'msg="ending for SIGTERM"' in log()
        memhist("verify", "--history", "history")
        control("start", "memhist-exporter")
        wait_until_serving(2)
    finally:
        supervisord.terminate()  # and with it, whom it started
        assert supervisord.wait(timeout=60) == 0, read("supervisord.log")
    assert log().count("ending for SIGTERM") == 2


def the_build_makes_the_configuration():
    made = os.path.join(BUILD, TEMPLATE)
    if not os.path.exists(made):
        assert not os.path.exists(os.path.join(BUILD, "memhist-exporter")), made
        return
    text = read(made)
    assert not re.search("@[a-z]+@", text), text
    assert re.search("^command=/.*/memhist-exporter --user=memhist --history.dir=/var/lib/memhist$",
                     text, re.M), text


if not shutil.which("supervisord") or not shutil.which("supervisorctl"):
    print("1..0 # SKIP supervisor is not installed")
    sys.exit(0)
run_tests([
    supervisor_starts_shows_and_stops_it,
    the_build_makes_the_configuration,
])

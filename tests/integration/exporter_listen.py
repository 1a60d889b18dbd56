"""Where the exporter listens: several addresses, and sockets that a service manager hands over."""

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys

from exporter_lib import EXPORTER, Exporter, run_tests, single, wait_for
from tools_lib import Skip

OTHER, USAGE = 1, 2
LOOPBACK = "127.0.0.1"

# Hands over the descriptors of its first argument, as systemd does, to the program of the others;
# "LISTEN_PID" is that of its parent when the environment says so.
HAND_OVER = """
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",") if fd]
far = [os.dup2(fd, 200 + i) for i, fd in enumerate(fds)]
for i, fd in enumerate(far):
    os.dup2(fd, 3 + i, inheritable=True)
os.closerange(3 + len(fds), 1000)
os.environ.setdefault("LISTEN_PID", str(os.getpid()))
os.environ.setdefault("LISTEN_FDS", str(len(fds)))
os.execv(sys.argv[2], sys.argv[2:])
"""


def handing_over(sockets):
    fds = [s.fileno() for s in sockets]
    return {"before": [sys.executable, "-c", HAND_OVER, ",".join(map(str, fds))],
            "pass_fds": fds}


class Connection(http.client.HTTPConnection):
    """To any socket's address."""

    def __init__(self, family, address):
        super().__init__("x", timeout=60)
        self.family, self.address = family, address

    def connect(self):
        self.sock = socket.socket(self.family, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(self.address)


def healthy(family, address):
    connection = Connection(family, address)
    try:
        connection.request("GET", "/-/healthy")
        response = connection.getresponse()
        return response.status == 200 and response.read() == b"memhist-exporter is healthy\n"
    finally:
        connection.close()


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def listening(exporter):
    """The addresses of the log: [(family, address)]."""
    said = re.search(r'listening on (.*), metrics at', exporter.read_log()).group(1).split(", ")
    return [(socket.AF_INET6, (a[1:a.index("]")], int(a.rsplit(":", 1)[1]))) if a[0] == "["
            else (socket.AF_UNIX, a[5:]) if a.startswith("unix:")
            else (socket.AF_INET, (a.split(":")[0], int(a.split(":")[1]))) for a in said]


def refuses(status, flags, *words, before=(), pass_fds=(), **env):
    done = subprocess.run([*before, EXPORTER, *flags], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False, pass_fds=pass_fds,
                          env={**os.environ, **env})
    assert done.returncode == status, (done.returncode, done.stderr)
    last = done.stderr.split("\n")[-2]
    for word in words:
        assert word in last, f"{word!r} is not in {done.stderr!r}"


def every_address_is_served():
    more = ["--web.listen-address=localhost:0"]
    if has_ipv6():
        more.append("--web.listen-address=[::1]:0")
    with Exporter(*more) as exporter:
        addresses = listening(exporter)
        assert len(addresses) == 1 + len(more), addresses
        assert addresses[0] == (socket.AF_INET, (LOOPBACK, exporter.port)), addresses
        assert len(set(addresses)) == len(addresses), addresses
        for family, address in addresses:
            assert healthy(family, address), address


def one_that_fails_is_named():
    with socket.create_server((LOOPBACK, 0)) as taken:
        address = f"{LOOPBACK}:{taken.getsockname()[1]}"
        refuses(OTHER, [f"--web.listen-address={LOOPBACK}:0", f"--web.listen-address={address}"],
                address, "another program")
    refuses(USAGE, ["--web.listen-address=:0", "--web.listen-address=[::1]"], "[::1]")
    refuses(USAGE, ["--web.listen-address=:0", "--web.listen-address=vsock://2:9100"],
            "vsock://2:9100", "vsock is not supported")
    refuses(USAGE, ["--web.listen-address=:0"] * 17, "more than 16")
    refuses(USAGE, ["--web.listen-address=localhost:9", "--web.listen-address=:9",
                    "--web.listen-address=LOCALHOST:09"], "'LOCALHOST:09' is given twice")
    refuses(USAGE, ["--web.listen-address=http://localhost:9"],
            "'http://localhost:9': write HOST:PORT, without http://")


def unix_server(name):
    s = socket.socket(socket.AF_UNIX)
    s.bind(name)
    s.listen()
    return s


def sockets_that_are_handed_over_are_served():
    sockets = [socket.create_server((LOOPBACK, 0)), unix_server(os.path.abspath("s")),
               unix_server(f"\0memhist-{os.getpid()}")]
    if has_ipv6():
        sockets.append(socket.create_server(("::1", 0), family=socket.AF_INET6))
    with Exporter("--web.systemd-socket", **handing_over(sockets)) as exporter:
        log = exporter.read_log()
        assert "level=warn msg=\"--web.listen-address is without effect" in log, log
        assert exporter.port == sockets[0].getsockname()[1]
        assert f"unix:{os.path.abspath('s')}, unix:@memhist-{os.getpid()}" in log, log
        assert len(listening(exporter)) == len(sockets), log
        def descriptors():
            """Without those of processes that are kept open, as many as there are processes."""
            page = exporter.metrics()
            return single(page, "process_open_fds") - single(page, "memhist_sampler_open_files")
        before = descriptors()
        for _ in range(10):
            for s in sockets:
                assert healthy(s.family, s.getsockname()), s
        wait_for(lambda: descriptors() <= before + 5, what="descriptors of connections given back")
        for i in range(len(sockets)):
            with open(f"/proc/{exporter.process.pid}/fdinfo/{3 + i}", encoding="ascii") as file:
                flags = int(re.search(r"flags:\s+(\d+)", file.read()).group(1), 8)
            assert flags & os.O_CLOEXEC and flags & os.O_NONBLOCK, (i, oct(flags))
        assert exporter.end() == 0
    for s in sockets:  # still the manager's: the next one can be started with them
        s.close()


def what_was_handed_over_is_looked_at():
    flags = ["--web.systemd-socket"]
    with socket.create_server((LOOPBACK, 0)) as good, socket.socket() as silent, \
            socket.socket(type=socket.SOCK_DGRAM) as datagrams, open("file", "wb") as file, \
            socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as other:
        refuses(OTHER, flags, "no socket was handed over")
        refuses(OTHER, flags, "no socket was handed over", LISTEN_PID="1", LISTEN_FDS="1")
        for number in "", "-1", "1x", "99999999999":
            refuses(OTHER, flags, "no socket was handed over", **handing_over([good]),
                    LISTEN_FDS=number)
        refuses(OTHER, flags, "17 sockets", "16 are the most", **handing_over([good] * 17))
        for wrong, words in (silent, ["does not listen"]), (datagrams, ["stream"]), \
                (file, ["is no socket"]), (other, ["neither IPv4"]):
            refuses(OTHER, flags, "descriptor 4 (web two)", *words, **handing_over([good, wrong]),
                    LISTEN_FDNAMES="one:web two")
        refuses(OTHER, flags, "descriptor 4 is not open", **handing_over([good]), LISTEN_FDS="2",
                LISTEN_FDNAMES="one")


def sockets_that_nobody_asked_for_are_left_alone():
    with socket.create_server((LOOPBACK, 0)) as s, Exporter(**handing_over([s])) as exporter:
        assert "1 sockets were handed over and are not used" in exporter.read_log()
        assert exporter.port != s.getsockname()[1]


def is_there(path):
    """Whether somebody listens: the socket has its name some moments before."""
    try:
        return healthy(socket.AF_UNIX, path)
    except (FileNotFoundError, ConnectionRefusedError):
        return False


def systemd_starts_it_at_the_first_connection():
    program = shutil.which("systemd-socket-activate")
    if not program:
        raise Skip("systemd-socket-activate is not installed")
    path = os.path.abspath("socket")
    with open("log", "wb") as log:
        process = subprocess.Popen([program, "-l", path, EXPORTER, "--web.systemd-socket",
                                    "--process.top=0"],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        # the same process, which has become the exporter
        wait_for(lambda: is_there(path) or process.poll() is not None, what="the socket")
        assert healthy(socket.AF_UNIX, path)
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0, open("log", encoding="utf-8").read()


run_tests([
    every_address_is_served,
    one_that_fails_is_named,
    sockets_that_are_handed_over_are_served,
    what_was_handed_over_is_looked_at,
    sockets_that_nobody_asked_for_are_left_alone,
    systemd_starts_it_at_the_first_connection,
])

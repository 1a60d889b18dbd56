"""The exporter and the configuration file: what it takes from there, what it refuses, where it writes."""

import os
import pwd
import signal
import subprocess

from exporter_lib import EXPORTER, Exporter, run_tests, single, wait_for
from tools_lib import Skip, memhist

OTHER, USAGE = 1, 2
USER = "nobody"


def configure(text, name="memhist.yaml", mode=0o640):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(name, mode)
    return os.path.abspath(name)


def refuses(status, flags, *words):
    """One line on stderr with these words, nothing on stdout, this exit status."""
    done = subprocess.run([EXPORTER, "--web.listen-address=127.0.0.1:0", *flags], text=True,
                          capture_output=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == status, (done.returncode, done.stderr)
    assert not done.stdout and done.stderr.count("\n") == 1, done
    for word in words:
        assert word in done.stderr, f"{word!r} is not in {done.stderr!r}"


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def the_file_says_where_the_history_is():
    path = configure(f"history: {{dir: {os.getcwd()}/history}}\n")
    with Exporter("--interval=100ms", f"--config.file={path}") as exporter:
        exporter.next_sample()
        assert f"configuration: {path}" in exporter.read_log(), exporter.read_log()
        assert f"writing history to {os.getcwd()}/history" in exporter.read_log()
        exporter.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "the configuration was read again" in exporter.read_log(),
                 what="a word on SIGHUP")
        assert exporter.end() == 0
    memhist("verify", "--config", path)
    with Exporter("--interval=100ms", "--config.file", path, "--history.dir=other") as exporter:
        exporter.next_sample()
        assert "writing history to other" in exporter.read_log()
    with Exporter("--interval=100ms", "--config.file", path, "--history.dir=") as exporter:
        exporter.next_sample()
        assert "history" not in exporter.read_log()
    os.environ["MEMHIST_CONFIG"] = path
    try:
        with Exporter("--interval=100ms") as exporter:
            assert f"configuration: {path}" in exporter.read_log(), exporter.read_log()
        with Exporter("--interval=100ms", "--config.file=") as exporter:
            assert "configuration" not in exporter.read_log()
    finally:
        os.environ["MEMHIST_CONFIG"] = ""


def a_wrong_file_is_no_start():
    path = configure("history:\n  dri: /x\n")
    refuses(OTHER, ["--config.file", path], f"{path}:2:3: unknown key “dri”: did you mean “dir”?")
    refuses(OTHER, ["--config.file=missing.yaml"], "cannot read missing.yaml")
    path = configure("history: {}\n", mode=0o644)
    refuses(OTHER, ["--config.file", path], "may be read by everybody (mode 0644): chmod 0640 ")
    path = configure("history: {}\n", mode=0o660)
    refuses(OTHER, ["--config.file", path], "may be changed by its group (mode 0660)")
    refuses(OTHER, ["--config.file=/dev/null"], "no regular file")
    refuses(USAGE, ["--config.fiel=x"], "did you mean --config.file?")
    refuses(USAGE, ["--config.file"], "--config.file needs a value (FILE)")


def histories_are_kept_where_it_is_allowed():
    os.mkdir("allowed")
    os.symlink("/etc", "allowed/etc")
    path = configure(f"allowed_output_paths: [{os.getcwd()}/allowed]\n")
    for place in "history", "allowed/../history":
        refuses(OTHER, ["--config.file", path, "--history.dir", place],
                "not beneath one of allowed_output_paths")
    refuses(OTHER, ["--config.file", path, "--history.dir=allowed/etc/x"], "system (/etc)")
    refuses(OTHER, ["--history.dir=/usr/lib/memhist-test"], "system (/usr)")
    refuses(OTHER, ["--history.dir=/"], "/ is shared by the whole system")
    assert sorted(os.listdir(".")) == ["allowed", "memhist.yaml"]
    with Exporter("--interval=100ms", "--config.file", path, "--history.dir=allowed/h") as exporter:
        exporter.next_sample()
        # who may not write there may follow who may
        nowhere = configure("allowed_output_paths: []\n", "nowhere.yaml")
        with Exporter("--interval=100ms", "--config.file", nowhere,
                      "--history.dir=allowed/h") as follower:
            page = follower.next_sample()
            assert "following allowed/h" in follower.read_log()
            assert single(page, "memhist_last_sample_timestamp_seconds")
        assert exporter.end() == 0


def root_writes_no_history_of_another():
    need_root()
    os.chmod(".", 0o755)
    user = pwd.getpwnam(USER)
    os.mkdir("history", 0o750)
    os.chown("history", user.pw_uid, user.pw_gid)
    refuses(OTHER, ["--history.dir=history"], f"belongs to user {USER}",
            "run as that user, or give it to root (chown root history)")
    assert not os.listdir("history")
    path = configure("history: {}\n", mode=0o600)  # read by root, before it is that user
    with Exporter("--interval=100ms", "--history.dir=history", f"--user={USER}",
                  f"--config.file={path}") as exporter:
        exporter.next_sample()
        # another one as root follows: it writes nothing
        with Exporter("--interval=100ms", "--history.dir=history") as follower:
            assert "following history" in follower.read_log()
        assert exporter.end() == 0
    os.chown(path, user.pw_uid, user.pw_gid)
    refuses(OTHER, [f"--user={USER}", f"--config.file={path}"], f"belongs to user {USER}")


def a_history_for_everybody_is_refused():
    os.mkdir("history")
    os.chmod("history", 0o777)
    refuses(OTHER, ["--history.dir=history"], "everybody may write", "chmod o-w history")
    os.chmod("history", 0o770)
    with Exporter("--interval=100ms", "--history.dir=history") as exporter:
        exporter.next_sample()


run_tests([
    the_file_says_where_the_history_is,
    a_wrong_file_is_no_start,
    histories_are_kept_where_it_is_allowed,
    root_writes_no_history_of_another,
    a_history_for_everybody_is_refused,
])

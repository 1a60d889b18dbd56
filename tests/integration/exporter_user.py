"""Least privilege: what the exporter is and may do once it runs, and that this suffices."""

import glob
import os
import pwd
import shutil
import subprocess
import sys

from exporter_lib import EXPORTER, Child, Exporter, run_tests, series, single, wait_for
from tools_lib import Skip, memhist

OTHER, USAGE = 1, 2
USER = "nobody"
LISTEN = "--web.listen-address=127.0.0.1:0"

CAP_SETPCAP, CAP_SYS_PTRACE = 1 << 8, 1 << 19
TO_USE_FILES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH

# The leak detector of a build with sanitizers looks at the process as a debugger would, which is
# not allowed for one that has changed its user.
os.environ["ASAN_OPTIONS"] = "detect_leaks=0"


def status(pid, task="self"):
    """The lines of /proc/PID/status on users and capabilities, as numbers."""
    path = f"/proc/{pid}/status" if task == "self" else f"/proc/{pid}/task/{task}/status"
    with open(path, encoding="utf-8") as file:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    found = {key: int(lines[key], 16) for key in lines if key.startswith("Cap")}
    found["Uid"] = [int(n) for n in lines["Uid"].split()]
    found["Gid"] = [int(n) for n in lines["Gid"].split()]
    found["Groups"] = sorted(int(n) for n in lines["Groups"].split())
    found["NoNewPrivs"] = int(lines["NoNewPrivs"])
    return found


def need_root():
    """The entry of USER; a test that must be root to become it is skipped for others."""
    if os.geteuid() != 0:
        raise Skip("only root can become another user")
    os.chmod(".", 0o755)  # the folder of the test is root's alone
    return pwd.getpwnam(USER)


def folder_of(user, name="history"):
    os.mkdir(name, 0o750)
    os.chown(name, user.pw_uid, user.pw_gid)
    return name


def privileges(exporter):
    """status() of every thread, which must be the same."""
    pid = exporter.process.pid
    found = [status(pid, task) for task in os.listdir(f"/proc/{pid}/task")]
    assert len(found) >= 3 and all(one == found[0] for one in found), found
    return found[0]


def as_user(user, *command):
    """(exit status, what it said) of a command run by `user`."""
    try:
        done = subprocess.run(command, user=user.pw_uid, group=user.pw_gid, extra_groups=[],
                              capture_output=True, text=True, timeout=60, check=False)
    except PermissionError as e:
        raise Skip(f"{USER} may not run programs of the build directory") from e
    return done.returncode, done.stdout + done.stderr


def backend(page):
    return series(page, "memhist_collector_backend_info")[0][0]["backend"]


def it_gives_up_everything_and_goes_on():
    user = need_root()
    with Exporter("--interval=1h") as exporter:
        best = backend(exporter.metrics())
    with Child(b"memhist-known", 16) as child, \
            Exporter("--interval=200ms", f"--user={USER}") as exporter:
        found = privileges(exporter)
        assert found["Uid"] == [user.pw_uid] * 4 and found["Gid"] == [user.pw_gid] * 4, found
        assert found["Groups"] == sorted(os.getgrouplist(USER, user.pw_gid)), found
        assert found["CapPrm"] == found["CapEff"] == found["CapInh"] == found["CapAmb"] == 0, found
        if status("self")["CapEff"] & CAP_SETPCAP:
            assert found["CapBnd"] == 0, found
        assert found["NoNewPrivs"] == 1
        log = exporter.read_log()
        assert f"running as user {USER}" in log and "capabilities kept: none" in log, log

        page = exporter.next_sample()
        assert backend(page) == best
        assert page[("memhist_group_resident_memory_bytes",
                     frozenset({("group", "memhist-known")}))] == child.statm()[1]
        assert single(page, "memhist_sampler_partial") == 0
        errors = {labels["reason"]: n
                  for labels, n in series(page, "memhist_sampler_errors_total")}
        errors.pop("stuck")  # on a busy machine a command line may take too long
        assert not any(errors.values()), errors
        assert single(page, "process_open_fds") > 5  # it still sees itself
        assert exporter.end() == 0


def its_history_goes_on_in_new_segments():
    user = need_root()
    history = folder_of(user)
    with Exporter("--interval=100ms", f"--history.dir={history}", f"--user={USER}") as exporter:
        exporter.next_sample()

        def limit_files(size):
            code, said = as_user(user, "prlimit", f"--pid={exporter.process.pid}",
                                 f"--fsize={size}:")
            assert code == 0, said

        def value(name):
            return single(exporter.metrics(), f"memhist_history_{name}_total")
        limit_files(1)  # EFBIG for every write; a segment ends at an error
        wait_for(lambda: value("write_errors"), what="a write error")
        limit_files("unlimited")
        written, begun = value("snapshots_written"), value("segments")
        wait_for(lambda: value("snapshots_written") > written + 2, what="writing again")
        assert value("segments") >= max(begun, 2)
        assert exporter.end() == 0
    files = glob.glob(f"{history}/*.open")
    assert len(files) >= 2
    for path in files + [f"{history}/LOCK"]:
        assert os.stat(path).st_uid == user.pw_uid, path
    memhist("verify", "--history", history)


def one_capability_stays_on_demand():
    need_root()
    with Exporter(f"--user={USER}", "--user.capabilities=sys_ptrace") as exporter:
        found = privileges(exporter)
        assert found["CapPrm"] == found["CapEff"] == CAP_SYS_PTRACE, found
        assert found["CapInh"] == found["CapAmb"] == 0, found
        assert "capabilities kept: sys_ptrace" in exporter.read_log()


def without_user_root_stays_root_with_what_it_uses():
    need_root()
    with Exporter() as exporter:
        found = privileges(exporter)
        assert found["Uid"] == [0] * 4
        assert found["CapPrm"] == found["CapEff"] \
            == status("self")["CapPrm"] & (CAP_SYS_PTRACE | TO_USE_FILES), found
        if status("self")["CapEff"] & CAP_SETPCAP:
            assert found["CapBnd"] == 0, found
        assert found["NoNewPrivs"] == 1


class Setpriv(Exporter):
    """An exporter started by USER with capabilities, as systemd's AmbientCapabilities= does."""

    def __init__(self, user, capabilities, *flags):
        plus = ",".join("+" + name for name in capabilities)
        self.before = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
                       "--clear-groups", f"--inh-caps={plus}", f"--ambient-caps={plus}"]
        super().__init__(*flags, before=self.before)


def capabilities_to_load_bpf_do_not_outlive_the_start():
    user = need_root()
    if not shutil.which("setpriv"):
        raise Skip("setpriv is not installed")
    as_user(user, EXPORTER, "--version")
    with Exporter("--interval=1h") as exporter:
        best = backend(exporter.metrics())
    with Setpriv(user, ["bpf", "perfmon"], "--interval=200ms") as exporter:
        assert backend(exporter.next_sample()) == best
        found = privileges(exporter)
        assert found["CapPrm"] == found["CapEff"] == found["CapAmb"] == 0, found
        assert found["NoNewPrivs"] == 1
    with Setpriv(user, ["sys_ptrace", "net_raw"]) as exporter:
        assert privileges(exporter)["CapPrm"] == CAP_SYS_PTRACE


def where_the_user_may_not_write_is_said_at_the_start():
    need_root()
    os.mkdir("mine", 0o755)
    for path in "mine", "mine/history":
        done = subprocess.run([EXPORTER, LISTEN, f"--user={USER}", f"--history.dir={path}"],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == OTHER and done.stderr.count("\n") == 1, done.stderr
        for word in path, "Permission denied", f"as user {USER}":
            assert word in done.stderr, (word, done.stderr)
    assert not os.listdir("mine")


def an_unknown_user_is_a_wrong_flag():
    done = subprocess.run([EXPORTER, LISTEN, "--user=no-such-user"], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == USAGE, done
    assert done.stderr == "memhist-exporter: --user: there is no user 'no-such-user'\n", done.stderr


def who_is_not_root_cannot_become_another():
    user = need_root()
    code, said = as_user(user, EXPORTER, LISTEN, "--user=root")
    assert code == OTHER and said.count("\n") == 1, (code, said)
    assert "cannot become user root: start as root, or as root without --user" in said, said


if sys.version_info < (3, 9):
    print("1..0 # SKIP python3 is older than 3.9, and cannot run programs as another user")
    sys.exit(0)
run_tests([
    it_gives_up_everything_and_goes_on,
    its_history_goes_on_in_new_segments,
    one_capability_stays_on_demand,
    without_user_root_stays_root_with_what_it_uses,
    capabilities_to_load_bpf_do_not_outlive_the_start,
    where_the_user_may_not_write_is_said_at_the_start,
    an_unknown_user_is_a_wrong_flag,
    who_is_not_root_cannot_become_another,
])

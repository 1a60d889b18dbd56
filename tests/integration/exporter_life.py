"""The exporter's life: flags, starts that fail with one sentence, signals, histories that cannot be
written, a /proc that goes away."""

import errno
import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import sys

from exporter_lib import EXPORTER, Exporter, fake_proc, run_tests, series, single, wait_for
from tools_lib import Skip, memhist

OTHER, USAGE = 1, 2


def run(*flags):
    """(exit status, stdout, stderr) of an exporter that ends by itself."""
    done = subprocess.run([EXPORTER, *flags], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout, done.stderr


def refuses(status, flags, *words):
    """One line on stderr with these words, nothing on stdout, this exit status."""
    got, out, err = run(*flags)
    assert got == status, (got, err)
    assert not out, out
    assert err.count("\n") == 1 and err.endswith("\n"), err
    for word in words:
        assert word in err, f"{word!r} is not in {err!r}"


def help_and_version_go_to_standard_output():
    status, out, err = run("--help")
    assert status == 0 and not err and out.startswith("Usage: memhist-exporter"), (status, err)
    assert run("-h") == (0, out, "")
    status, out, err = run("--version")
    assert status == 0 and not err and out.startswith("memhist-exporter "), (status, out, err)


def wrong_flags_are_named():
    refuses(USAGE, ["--histroy.dir=x"], "--histroy.dir", "did you mean --history.dir?")
    refuses(USAGE, ["--interval=1ms"], "--interval", "1ms", "100ms to 1d")
    refuses(USAGE, ["--interval"], "--interval needs a value")
    refuses(USAGE, ["--web.listen-address=nowhere"], "--web.listen-address", "nowhere")
    refuses(USAGE, ["--process.top=many"], "--process.top", "many")
    refuses(USAGE, ["--collector.backend=bpf-sek"], "--collector.backend", "bpf-sek",
            "did you mean bpf-seq?")
    refuses(USAGE, ["--collector.backend=psutil"], "none of auto, bpf, bpf-seq, procfs")
    refuses(USAGE, ["--user.capabilities=sys_admin"], "--user.capabilities", "sys_admin")
    refuses(USAGE, ["metrics"], "metrics")
    refuses(USAGE, ["--\x1b[31m"], "unknown flag --?[31m")


def a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refuses(OTHER, ["--web.listen-address", address, "--history.dir=history"], address,
                "another program")
    assert not os.path.exists("history")  # the port was looked at first


def a_second_exporter_on_the_port_does_not_disturb_the_first():
    with Exporter() as exporter:
        refuses(OTHER, [f"--web.listen-address=127.0.0.1:{exporter.port}"], "another program")
        assert exporter.get()[0] == 200


def addresses_that_are_not_here_are_named():
    refuses(OTHER, ["--web.listen-address=192.0.2.1:0"], "192.0.2.1")
    refuses(OTHER, ["--web.listen-address=no-such-host.invalid:0"], "no-such-host.invalid")


def what_is_no_procfs_is_named():
    os.mkdir("empty")
    for path in ("empty", "missing", "/dev/null"):
        refuses(OTHER, ["--web.listen-address=127.0.0.1:0", f"--path.procfs={path}"], path)


def histories_that_cannot_be_written_are_named():
    with open("file", "wb"):
        pass
    for path in ("file", "missing/history", "/proc/history"):
        refuses(OTHER, ["--web.listen-address=127.0.0.1:0", f"--history.dir={path}"], path)


def ends_cleanly(number):
    with Exporter("--interval=100ms", "--history.dir=history") as exporter:
        page = exporter.next_sample()
        assert exporter.end(number) == 0
        assert "level=info msg=\"ending for " + number.name in exporter.read_log()
    written = single(page, "memhist_history_snapshots_written_total")
    assert written >= 1
    assert memhist("dump", "--history", "history").text.count('"type":"snapshot"') >= written
    memhist("verify", "--history", "history")
    shutil.rmtree("history")


def sigterm_and_sigint_end_it_with_the_history_whole():
    ends_cleanly(signal.SIGTERM)
    ends_cleanly(signal.SIGINT)


def sighup_and_sigpipe_do_not_end_it():
    with Exporter("--interval=100ms") as exporter:
        exporter.process.send_signal(signal.SIGHUP)
        exporter.process.send_signal(signal.SIGPIPE)
        wait_for(lambda: "the configuration was read again" in exporter.read_log(), what="a word on SIGHUP")
        exporter.next_sample()
        assert exporter.end() == 0


def a_history_that_cannot_be_written_is_counted_and_resumed():
    with Exporter("--interval=100ms", "--history.dir=history") as exporter:
        exporter.next_sample()
        pid = exporter.process.pid
        hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        def value(name):
            return single(exporter.metrics(), f"memhist_history_{name}_total")
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))  # EFBIG for every write
        errors = wait_for(lambda: value("write_errors"), what="a write error")
        wait_for(lambda: value("write_errors") > errors + 2, what="more write errors")
        assert exporter.get("/-/ready")[0] == 200  # what is shown live is not concerned
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        written = value("snapshots_written")
        wait_for(lambda: value("snapshots_written") > written + 2, what="writing again")
        wait_for(lambda: "written again" in exporter.read_log(), what="a word on it")
        assert exporter.end() == 0
    text = memhist("dump", "--history", "history").text
    assert '"kind":"write error"' in text, "the gap is not recorded"
    memhist("verify", "--history", "history")


def a_full_disk_is_counted_and_recovered_from():
    """A file system of 1 MiB of its own, filled to the brim and emptied again."""
    os.mkdir("history")
    if os.geteuid() != 0 or subprocess.run(
            ["unshare", "-m", "mount", "-t", "tmpfs", "none", "history"], check=False,
            capture_output=True).returncode:
        raise Skip("needs root, who may mount here")
    script = "mount -t tmpfs -o size=1m,mode=0750 none history && exec \"$@\""
    with Exporter("--interval=100ms", "--history.dir=history", "--history.min-free=none",
                  before=("unshare", "-m", "sh", "-c", script, "sh")) as exporter:
        exporter.next_sample()
        seen = f"/proc/{exporter.process.pid}/root{os.getcwd()}/history"  # as the exporter does
        def value(name):
            return single(exporter.metrics(), f"memhist_history_{name}_total")
        with open(seen + "/filler", "wb", buffering=0) as filler:
            def fill():
                try:
                    while filler.write(bytes(4096)):
                        pass
                except OSError as e:
                    assert e.errno == errno.ENOSPC, e
                return value("write_errors")
            errors = wait_for(fill, what="a write error")
        wait_for(lambda: value("write_errors") > errors + 2, what="more write errors")
        assert exporter.get("/-/ready")[0] == 200
        assert exporter.read_log().count("No space left") <= 3, exporter.read_log()
        os.unlink(seen + "/filler")
        written = value("snapshots_written")
        wait_for(lambda: value("snapshots_written") > written + 2, what="writing again")
        text = memhist("verify", "--history", seen).text
        assert "damage           none" in text and "torn" not in text, text
        assert exporter.end() == 0


def another_procfs_is_read_and_may_go_away():
    fake_proc()
    with Exporter("--path.procfs=proc", "--interval=100ms") as exporter:
        page = exporter.next_sample()
        assert single(page, "memhist_processes") == 1
        group = frozenset({("group", "seven")})
        assert page[("memhist_group_resident_memory_bytes", group)] == 250 * 4096
        assert single(page, "memhist_meminfo_mem_free_bytes") == 500 * 1024

        shutil.rmtree("proc")
        wait_for(lambda: exporter.get("/-/ready")[0] == 503, what="unreadiness")
        reason = exporter.get("/-/ready")[2].decode()
        assert reason.startswith("not ready: ") and reason.count("\n") == 1, reason
        assert exporter.get("/-/healthy")[0] == 200
        page = exporter.metrics()
        assert single(page, "memhist_up") == 0
        assert not [1 for name, _ in page if name.startswith("memhist_group_")], "old values shown"
        failed = single(page, "memhist_sampler_failed_total")
        wait_for(lambda: single(exporter.metrics(), "memhist_sampler_failed_total") > failed + 3)
        assert exporter.read_log().count("level=warn") == 1, exporter.read_log()
        assert exporter.end() == 0


def a_backend_that_cannot_be_had_is_said_at_the_start():
    fake_proc()  # BPF could not read it
    for name in "bpf", "bpf-seq":
        refuses(OTHER, ["--web.listen-address=127.0.0.1:0", "--path.procfs=proc",
                        f"--collector.backend={name}"], "level=error", "BPF")
    with Exporter("--path.procfs=proc", "--collector.backend=auto") as exporter:
        assert "processes are read by procfs (" in exporter.read_log()


# Runs a command in a sandbox: some system calls are not permitted there.
SANDBOX = """
import ctypes, os, struct, sys
LOAD, IF_EQUAL, RETURN, ALLOW, EPERM = 0x20, 0x15, 0x06, 0x7fff0000, 0x00050001
code = b"".join(struct.pack("HBBI", *instruction) for instruction in %s)
text = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(struct.pack("HP", len(code) // 8, ctypes.addressof(text)))
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_NO_NEW_PRIVS = 22, 2, 38
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \\
        libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
"""


def sandbox(*instructions):
    return [sys.executable, "-c", SANDBOX % f"({', '.join(instructions)})"]


def no_attaching():
    """bpf(2) attaches no program; reading processes by "bpf" takes none."""
    bpf = {"x86_64": 321, "aarch64": 280}[platform.machine()]
    raw_tracepoint_open, link_create = 17, 28
    return sandbox("(LOAD, 0, 0, 0)", f"(IF_EQUAL, 0, 3, {bpf})",  # seccomp_data.nr
                   "(LOAD, 0, 0, 16)", f"(IF_EQUAL, 2, 0, {raw_tracepoint_open})",
                   f"(IF_EQUAL, 1, 0, {link_create})",
                   "(RETURN, 0, 0, ALLOW)", "(RETURN, 0, 0, EPERM)")


def no_capget():
    capget = {"x86_64": 125, "aarch64": 90}[platform.machine()]
    return sandbox("(LOAD, 0, 0, 0)", f"(IF_EQUAL, 1, 0, {capget})",
                   "(RETURN, 0, 0, ALLOW)", "(RETURN, 0, 0, EPERM)")


def exits_that_are_refused_are_said_at_the_start():
    if platform.machine() not in ("x86_64", "aarch64"):
        raise Skip("the number of bpf(2) is not known here")
    with Exporter() as exporter:
        log = exporter.read_log()
        assert "not seen" not in log, log
        if 'processes are read by bpf"' not in log:
            raise Skip("processes cannot be read by bpf")
    with Exporter(before=no_attaching()) as exporter:
        log, page = exporter.read_log(), exporter.metrics()
    assert 'processes are read by bpf"' in log, log
    assert log.count("not seen: BPF record of exits (Linux 5.8 or later): not permitted") == 1, log
    ((labels, value),) = series(page, "memhist_collector_exits_reported")
    assert value == 0 and labels["reason"] in log, labels


def capabilities_that_are_not_known_are_no_reason_to_go_on():
    if platform.machine() not in ("x86_64", "aarch64"):
        raise Skip("the number of capget(2) is not known here")
    done = subprocess.run([*no_capget(), EXPORTER, "--web.listen-address=127.0.0.1:0"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == OTHER and "capget(2)" in done.stderr, (done.returncode, done.stderr)


run_tests([
    help_and_version_go_to_standard_output,
    wrong_flags_are_named,
    a_taken_port_is_named,
    a_second_exporter_on_the_port_does_not_disturb_the_first,
    addresses_that_are_not_here_are_named,
    what_is_no_procfs_is_named,
    histories_that_cannot_be_written_are_named,
    sigterm_and_sigint_end_it_with_the_history_whole,
    sighup_and_sigpipe_do_not_end_it,
    a_history_that_cannot_be_written_is_counted_and_resumed,
    a_full_disk_is_counted_and_recovered_from,
    another_procfs_is_read_and_may_go_away,
    a_backend_that_cannot_be_had_is_said_at_the_start,
    exits_that_are_refused_are_said_at_the_start,
    capabilities_that_are_not_known_are_no_reason_to_go_on,
])

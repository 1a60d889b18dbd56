"""The plugin's life in a real collectd: recording, flushing, stopping, and days when the history
cannot be had."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

from collectd_lib import Collectd, collectd, complaints, configure, log, run_tests, sanitizer, times
from exporter_lib import Child
from tools_lib import BUILD, Skip, memhist, names

CYCLES = 50


def history(path="history"):
    return f'HistoryDir "{os.path.abspath(path)}"'


def snapshots(path="history"):
    lines = memhist("dump", "--history", path).text.splitlines()
    return [item for item in map(json.loads, lines) if item["type"] == "snapshot"]


def is_clean(path="history"):
    assert "damage           none" in memhist("verify", "--history", path).text


def what_is_reported_is_recorded():
    configure(history())
    with Child(b"mh-test-life", 4) as child, Collectd() as daemon:
        daemon.sample()
        reported = times()
        # while it is written: every value that anybody has seen is in it
        recorded = {f"{item['wall_ms'] / 1000:.3f}" for item in snapshots()}
        assert reported <= recorded, reported - recorded
        assert daemon.end() == 0
        born = [p for item in snapshots() for p in item.get("born", []) if p["pid"] == child.pid]
    assert [p["comm"] for p in born] == ["mh-test-life"]
    is_clean()
    assert not complaints(log())


def what_was_recorded_before_is_sealed():
    configure(f'{history()}\nHistorySealer "{BUILD}/memhist"')
    for _ in range(3):
        with Collectd() as daemon:
            daemon.sample()
            assert daemon.end() == 0
    with Collectd() as daemon:
        daemon.wait_for(lambda: len(names(".mh")) >= 2 and len(names(".open")) == 1, "sealing")
        daemon.sample()
        # it has waited for its child, which collectd knows nothing of
        def no_child_is_left():
            with open(f"/proc/{daemon.process.pid}/status", encoding="utf-8",
                      errors="replace") as file:
                assert "\nState:\tZ" not in file.read()
            return not children(daemon.process.pid)
        daemon.wait_for(no_child_is_left, "the end of the sealer")
        assert daemon.end() == 0
    is_clean()
    assert not complaints(log()), log()


def a_sealer_that_is_not_there_is_said_once():
    configure(f'{history()}\nHistorySealer "{os.getcwd()}/nothing"')
    with Collectd() as daemon:
        daemon.wait_for(lambda: "nothing" in log(), "the warning")
        daemon.sample()
        assert daemon.end() == 0
    assert len(complaints(log())) == 1 and "cannot run" in log(), log()
    is_clean()


def children(pid):
    """The processes that this one has started, zombies included."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                if int(file.read().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def the_history_is_for_its_owner_and_group():
    configure(history())
    with Collectd() as daemon:
        daemon.sample()
    assert os.stat("history").st_mode & 0o7777 == 0o750
    for name in os.listdir("history"):
        assert os.stat(f"history/{name}").st_mode & 0o7777 == 0o640, name


def killed_collectd_loses_nothing_that_was_reported():
    configure(history())
    with Collectd() as daemon:
        daemon.sample()
        daemon.process.kill()
        daemon.process.wait()
    recorded = {f"{item['wall_ms'] / 1000:.3f}" for item in snapshots()}
    assert times() <= recorded
    is_clean()


def a_history_of_somebody_else_does_not_stop_values():
    configure(history())
    with Collectd() as first:
        first.sample()
        before = os.getcwd()
        os.mkdir("second")
        os.chdir("second")
        try:
            configure(history("../history"))
            with Collectd() as second:
                found = second.sample()
                said = log()
                assert second.end() == 0
        finally:
            os.chdir(before)
        assert found["memhist-collectd/ps_count"][0] >= 2
        assert said.count(f"is written by process {first.process.pid}; values go on") == 1, said
        first.sample()
        assert first.end() == 0
    is_clean()


def a_history_that_cannot_be_made_does_not_stop_values():
    with open("file", "w", encoding="ascii"):
        pass
    os.symlink("file", "link")
    for path in "file", "link", "missing/history", "file/history":
        configure(history(path))
        with Collectd() as daemon:
            assert "memhist-meminfo/memory-total" in daemon.sample()
            assert daemon.end() == 0
        assert log().count("values go on without it") == 1, (path, log())
        os.remove("log")
        shutil.rmtree("csv")


def the_configuration_file_says_where_the_history_is():
    os.mkdir("allowed")
    with open("memhist.yaml", "w", encoding="ascii") as file:
        file.write(f"allowed_output_paths: [{os.getcwd()}/allowed]\n"
                   f"history: {{dir: {os.getcwd()}/allowed/history}}\n")
    os.chmod("memhist.yaml", 0o640)
    use_it = f'ConfigFile "{os.getcwd()}/memhist.yaml"'
    configure(f"# no HistoryDir\n{use_it}")
    with Collectd() as daemon:
        daemon.sample()
        assert daemon.end() == 0
    is_clean("allowed/history")
    configure(f'{history("elsewhere")}\n{use_it}')
    with Collectd() as daemon:
        daemon.sample()
        assert daemon.end() == 0
    assert "not beneath one of allowed_output_paths" in log(), log()
    assert not os.path.exists("elsewhere")
    os.chmod("memhist.yaml", 0o664)
    configure(f"# no HistoryDir\n{use_it}")
    with Collectd() as daemon:
        daemon.wait_for(lambda: "Nothing is measured." in log(), "a word on the file")
        daemon.end()  # its status tells of the plugin that could not start
    assert "may be changed by its group (mode 0664): chmod 0640 " in log()


def sigusr1_brings_the_history_to_the_disk():
    strace = shutil.which("strace")
    if not strace:
        raise Skip("strace is not installed")
    configure(history())
    # -D: the daemon stays our child, and gets our signals
    trace = [strace, "-D", "-f", "-q", "-o", "trace", "-e", "trace=fdatasync"]

    def synced(times):
        with open("trace", encoding="ascii") as file:
            return file.read().count("fdatasync(") >= times

    if subprocess.run([*trace, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        raise Skip("strace may not trace here")
    with Collectd(before=trace) as daemon:
        daemon.sample()
        daemon.wait_for(lambda: synced(1), "fdatasync of a new segment")
        daemon.sample()
        daemon.process.send_signal(signal.SIGUSR1)
        daemon.wait_for(lambda: synced(2), "fdatasync")
        daemon.sample()
        assert daemon.end() == 0
    is_clean()


def fifty_lives_are_fifty_pieces_of_one_history():
    configure(history())
    for _ in range(CYCLES):
        status, said = collectd("-T")
        assert status == 0, said
    assert len(snapshots()) == CYCLES
    is_clean()
    assert not complaints(log())


def stopping_takes_no_time():
    configure(history())
    with Collectd() as daemon:
        daemon.sample()
        began = time.monotonic()
        assert daemon.end() == 0
        # two seconds are promised; the others are for a machine with other things to do
        assert time.monotonic() - began < 30


def collectd_never_suspends_it():
    configure(history("missing/history"), interval=0.1)
    with Collectd() as daemon:
        daemon.wait_for(lambda: len(times()) >= 10, "ten samples")
    assert "suspend" not in log()


def valgrind_finds_nothing():
    valgrind = shutil.which("valgrind")
    if not valgrind:
        raise Skip("valgrind is not installed")
    if sanitizer():
        raise Skip("valgrind and sanitizers exclude one another")
    configure(history() + '\nSelect "/./"')
    status, said = collectd("-T", before=[
        valgrind, "--leak-check=full", "--show-leak-kinds=definite,indirect,possible",
        "--num-callers=40", "--log-file=valgrind.log"])
    assert status == 0, said
    with open("valgrind.log", encoding="utf-8") as file:
        report = file.read()
    assert "ERROR SUMMARY" in report
    # collectd has findings of its own; ours have a frame in our object. Of the argument of bpf(2)
    # valgrind does not know which part the command reads.
    blocks = re.split(r"^==\d+== *$", report, flags=re.M)
    ours = [block for block in blocks if ("memhist.so" in block or "mh_" in block)
            and "Syscall param bpf(" not in block]
    assert not ours, "\n".join(ours)


run_tests([
    what_is_reported_is_recorded,
    what_was_recorded_before_is_sealed,
    a_sealer_that_is_not_there_is_said_once,
    the_history_is_for_its_owner_and_group,
    killed_collectd_loses_nothing_that_was_reported,
    a_history_of_somebody_else_does_not_stop_values,
    a_history_that_cannot_be_made_does_not_stop_values,
    the_configuration_file_says_where_the_history_is,
    sigusr1_brings_the_history_to_the_disk,
    fifty_lives_are_fifty_pieces_of_one_history,
    stopping_takes_no_time,
    collectd_never_suspends_it,
    valgrind_finds_nothing,
])

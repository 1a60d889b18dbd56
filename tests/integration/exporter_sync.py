"""What an exporter brings to the disk, and which of its threads does: as strace sees it."""

import os
import re
import shutil
import subprocess

from exporter_lib import Exporter, run_tests, single, wait_for
from tools_lib import Skip

DISK = "memhist-disk"
CALL = re.compile(r"^(\d+) +(writev|fdatasync|fsync)\(\d+<([^>]*)>")

# The leak detector of sanitizers does not work under strace.
os.environ["ASAN_OPTIONS"] = "detect_leaks=0"


class Traced:
    """An exporter that writes ./history, every 100 ms, and all its writes and syncs in order."""

    def __init__(self, interval):
        strace = shutil.which("strace")
        if not strace:
            raise Skip("strace is not installed")
        if subprocess.run([strace, "-o", os.devnull, "true"], check=False,
                          capture_output=True).returncode:
            raise Skip("strace may not trace here")
        trace = [strace, "-D", "-f", "-q", "-y", "-o", "trace", "-e",
                 "trace=writev,fdatasync,fsync"]
        shutil.rmtree("history", ignore_errors=True)
        self.exporter = Exporter("--interval=100ms", "--history.dir=history",
                                 f"--history.sync-interval={interval}", before=trace)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.exporter.kill()

    def times(self):
        """(that of the last snapshot handed to the kernel, of the last one on the disk, how many)"""
        page = self.exporter.metrics()
        return (single(page, "memhist_history_last_snapshot_timestamp_seconds"),
                single(page, "memhist_history_synced_timestamp_seconds", 0),
                single(page, "memhist_history_snapshots_written_total"))

    def catch_up(self):
        """Wait until what has been written by now is on the disk."""
        written = self.times()[0]
        wait_for(lambda: self.times()[1] >= written, what="a sync")

    def end(self):
        """[(whether the thread for the disk did it, call, name of the file)]"""
        pid = self.exporter.process.pid
        names = {}
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/comm", encoding="utf-8") as file:
                names[task] = file.read().strip()
        assert list(names.values()).count(DISK) == 1, names
        assert self.exporter.end() == 0
        def trace():
            with open("trace", encoding="utf-8", errors="replace") as file:
                return file.read()
        wait_for(lambda: re.search(rf"^{pid} +\+\+\+ exited", trace(), re.M), what="the trace")
        found = [CALL.match(line) for line in trace().splitlines()]
        home = os.getcwd() + "/history"
        return [(names.get(m[1]) == DISK, m[2], os.path.relpath(m[3], home)) for m in found
                if m and (m[3] + "/").startswith(home + "/")]


def every_sync_is_by_the_thread_for_it(calls):
    for is_disk, call, name in calls:
        assert is_disk == (call != "writev"), (is_disk, call, name)
    # the first thing that comes to the disk is the new file, then its name
    syncs = [(call, name) for _, call, name in calls if call != "writev"]
    segment = next(name for _, call, name in calls if call == "writev")
    assert syncs[:2] == [("fdatasync", segment), ("fsync", ".")], syncs
    # and the last thing is what was written last
    assert calls[-1][1] != "writev", calls[-3:]


def with_an_interval_of_none_each_snapshot_is_synced():
    with Traced("0") as traced:
        for _ in range(5):
            traced.exporter.next_sample()
            traced.catch_up()
        calls = traced.end()
    every_sync_is_by_the_thread_for_it(calls)
    # nothing is written that no sync follows: what comes in while one runs is for the next
    runs = re.findall(r"w+s", "".join("w" if call == "writev" else "s" for _, call, _ in calls))
    assert len(runs) >= 5, calls


def with_an_interval_snapshots_wait_for_it():
    with Traced("1s") as traced:
        for _ in range(2):
            traced.exporter.next_sample()
            traced.catch_up()
        calls = traced.end()
    every_sync_is_by_the_thread_for_it(calls)
    assert sum(call == "fdatasync" for _, call, _ in calls) >= 2, calls


def with_a_long_interval_nothing_is_synced_before_the_end():
    with Traced("1h") as traced:
        wait_for(lambda: traced.times()[2] >= 15, what="snapshots")
        calls = traced.end()
    every_sync_is_by_the_thread_for_it(calls)
    assert sum(call == "writev" for _, call, _ in calls) >= 15, calls
    segments = {name for _, call, name in calls if call == "writev"}  # one, if no clock was set
    # at once, for what came in before the name was on the disk, and at the end
    assert sum(call == "fdatasync" for _, call, _ in calls) <= 3 * len(segments), calls


run_tests([
    with_an_interval_of_none_each_snapshot_is_synced,
    with_an_interval_snapshots_wait_for_it,
    with_a_long_interval_nothing_is_synced_before_the_end,
])

"""memhist seal: smaller, and nothing else changes; beside a writer, twice at a time, when killed."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time

import tools_lib as lib
from exporter_lib import Exporter
from tools_lib import OK, OTHER, BUILD, candles, memhist, record, refuses, row, trace_path


def names(suffix, folder="history"):
    return sorted(name for name in os.listdir(folder) if name.endswith(suffix))


def size(folder="history"):
    return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))


def everything(history="history"):
    """All that the tools say of a history, but for where it is stored."""
    snapshots = [json.loads(line) for line in
                 memhist("dump", "--full", "--history", history).text.splitlines()]
    for snapshot in snapshots:
        for key in "file", "offset", "bytes", "seq", "key":
            snapshot.pop(key, None)
        snapshot.get("processes", []).sort(key=lambda p: (p["pid"], p["start_ticks"]))
    return (snapshots,
            candles("--long", "--all", history=history).text,
            candles("--metric", "vsz", "--by", "command", "--all", history=history).text)


def a_sealed_trace_is_the_trace():
    memhist("import", "--from", "csv", "--history", "history", trace_path())
    before, was = everything(), size()
    found = memhist("seal", "--history", "history", "--verbose")
    assert "1 segment sealed" in found.text and not found.err
    assert names(".mh") and not names(".open")
    assert size() < was / 3, (size(), was)
    assert everything() == before
    assert "damage           none" in memhist("verify", "--history", "history").text
    assert "nothing to seal" in memhist("seal", "--history", "history").text


def what_cannot_be_sealed_is_said():
    refuses(memhist("seal", "--history", "nowhere", status=OTHER), "nowhere")
    record([row(0, 7, 100)])
    with open("history/LOCK", "a", encoding="ascii"):
        folder = os.open("history", os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
        refuses(memhist("seal", "--history", "history", status=OTHER), "by another process")
        os.close(folder)


def the_segment_that_is_written_is_left_alone():
    with Exporter("--history.dir=history", "--interval=100ms") as exporter:
        exporter.next_sample()
        first = names(".open")
        assert "nothing to seal" in memhist("seal", "--history", "history").text
        exporter.next_sample()
        assert names(".open") == first
    assert "1 segment sealed" in memhist("seal", "--history", "history").text
    assert not names(".open")
    assert "damage           none" in memhist("verify", "--history", "history").text


def a_killed_sealer_leaves_one_of_the_two():
    rows = [row(second, pid, 100 + (second * pid) % 977) for second in range(600)
            for pid in range(1, 40)]
    record(rows, "made")
    before = everything("made")
    for attempt in range(12):
        shutil.rmtree("history", ignore_errors=True)
        shutil.copytree("made", "history")
        sealer = subprocess.Popen([os.path.join(BUILD, "memhist"), "seal", "--history",
                                   "history"], stdout=subprocess.DEVNULL)
        time.sleep(attempt * 0.002)
        sealer.send_signal(signal.SIGKILL)
        sealer.wait()
        assert len(names(".open")) + len(names(".mh")) in (1, 2)
        assert everything() == before
    memhist("seal", "--history", "history", status=OK)
    assert everything() == before
    assert [name for name in os.listdir("history") if name.endswith(".sealing")] == []


lib.run_tests([
    a_sealed_trace_is_the_trace,
    what_cannot_be_sealed_is_said,
    the_segment_that_is_written_is_left_alone,
    a_killed_sealer_leaves_one_of_the_two,
])

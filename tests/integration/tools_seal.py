"""memhist seal: smaller, and nothing else changes; beside a writer, twice at a time, when killed."""

import fcntl
import os
import shutil
import signal
import subprocess
import time

import tools_lib as lib
from exporter_lib import Exporter
from tools_lib import (DAMAGED, OK, OTHER, BUILD, candles, everything, memhist, names, record, refuses, row, size,
                       trace_path)


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
        found = memhist("seal", "--history", "history", "--background")
        assert not found.text + found.err, found.text + found.err
        os.close(folder)


def a_damaged_segment_stays():
    record([row(second, 7, 100 + second) for second in range(90)])
    damaged = os.path.join("history", names(".open")[0])
    record([row(100 + second, 7, 100 + second) for second in range(90)], "later")
    sound, = set(os.listdir("later")) - {"LOCK"}
    os.rename(f"later/{sound}", f"history/{int(sound[:10]) + 1:010}{sound[10:]}")
    with open(damaged, "r+b") as file:
        file.seek(os.path.getsize(damaged) // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0x10]))
    with open(damaged, "rb") as file:
        content = file.read()
    before = candles("--long", "--all", status=DAMAGED).text
    for _ in range(2):
        found = memhist("seal", "--quiet", "--history", "history", status=DAMAGED)
        refuses(found, "memhist repair")
        assert names(".open") == [os.path.basename(damaged)] and len(names(".mh")) == 1
        with open(damaged, "rb") as file:
            assert file.read() == content
    assert candles("--long", "--all", status=DAMAGED).text == before


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
    a_damaged_segment_stays,
    the_segment_that_is_written_is_left_alone,
    a_killed_sealer_leaves_one_of_the_two,
])

"""The tools on a history that is being written by an exporter."""

import json
import os
import re
import subprocess
import sys

import exporter_lib
import tools_lib as lib
from tools_lib import candles, memhist


class Recording:
    """An exporter that records this machine every 100 ms into ./history."""

    def __enter__(self):
        if not os.path.exists(exporter_lib.EXPORTER):
            raise lib.Skip("memhist-exporter was not built")
        self.exporter = exporter_lib.Exporter("--interval=100ms", "--history.dir=history")
        self.exporter.__enter__()
        return self.exporter

    def __exit__(self, *args):
        self.exporter.__exit__(*args)


def nothing_is_damaged_while_it_is_written():
    with Recording() as exporter:
        exporter.next_sample()
        seen = 0
        for _ in range(15):
            text = memhist("verify", "--history", "history").text
            assert re.search(r"^  damage +none$", text, re.M), text
            assert "torn" not in text, text
            n = int(re.search(r"^  snapshots +(\d+) ", text, re.M).group(1))
            assert n >= seen
            seen = n
            candles("-i", "1s", "--output", "out.tsv")
            candles("-i", "1s", "--long", "--output", "long.tsv")
            memhist("dump", "--history", "history", "--output", "dump.json")
        exporter.next_sample()
        assert memhist("status", "--history", "history").text.count("\n") > 5
        assert int(re.search(r"snapshots +(\d+)", memhist("verify", "--history", "history").text)[1]) > seen


def status_names_the_writer():
    with Recording() as exporter:
        exporter.next_sample()
        found = json.loads(memhist("status", "--history", "history", "--json").text)
        assert found["being_written"] and found["writer_pid"] == exporter.process.pid
        assert found["host"] == os.uname().nodename
        text = memhist("status", "--history", "history", "--top", 5).text
        assert f"yes, by process {exporter.process.pid} (memhist-export" in text
        assert exporter.end() == 0
    assert not json.loads(memhist("status", "--history", "history", "--json").text)["being_written"]


def a_real_process_has_its_candle():
    """It waits until after the last sample, so the close is what the kernel says of it."""
    name = f"candle {os.getpid()}"  # of nobody else on this machine
    with Recording() as exporter, exporter_lib.Child(name.encode(), mib=40) as child:
        exporter.next_sample()
        vsz, rss = child.statm()
        exporter.end()
    for metric, expected in ("rss", rss), ("vsz", vsz):
        rows = candles("--long", "--match", name, "--metric", metric, "--unit", "bytes",
                       "--pid-map", "pids").rows[1:]
        assert {(r[1], r[3]) for r in rows} == {(str(child.pid), name)}
        assert int(rows[-1][7]) == expected >= 40 << 20
    with open("pids", encoding="utf-8") as file:
        assert file.read().startswith(f"PID\tCOMMAND\n{child.pid}\t")


def a_peak_between_two_samples_is_the_high():
    """One that takes 256 MiB for a moment, soon after a sample, seconds before the next."""
    with exporter_lib.Exporter("--interval=3s", "--history.dir=history") as exporter:
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; print('ready', flush=True); sys.stdin.readline();"
             "x = bytearray(256 << 20); del x; print('done', flush=True); sys.stdin.read()"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert child.stdout.readline() == "ready\n"
            exporter.next_sample()
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "done\n"
            exporter.next_sample()
        finally:
            child.kill()
            child.wait()
    if lib.run("memhist-candles", "--history", "history", "--metric", "hwm", status=None).status:
        raise lib.Skip("high-water marks are read through BPF, which cannot be had here")
    shots = [json.loads(line) for line in
             memhist("dump", "--history", "history", "--full").text.splitlines()]
    seen = [p["rss_bytes"] for shot in shots for p in shot.get("processes", ())
            if p["pid"] == child.pid]
    rows = candles("--long", "-i", "1d", "--unit", "bytes").rows
    high = max(int(row[rows[0].index("high")]) for row in rows[1:]
               if row[rows[0].index("pid")] == str(child.pid))
    assert high >= 256 << 20, high
    if max(seen) >= 256 << 20:
        raise lib.Skip("a sample met the peak: the machine has too much to do")


def a_process_that_no_sample_saw_is_in_both_tables():
    """It takes 64 MiB between two samples, and ends."""
    name = f"brief {os.getpid()}"  # of nobody else on this machine
    with exporter_lib.Exporter("--interval=3s", "--history.dir=history") as exporter:
        exporter.next_sample()
        if not exporter.value("memhist_collector_exits_reported", reason=""):
            raise lib.Skip("the kernel does not report exits here")
        with exporter_lib.Child(name.encode(), mib=64) as child:
            pass
        exporter.next_sample()
    ask = "-i", "1d", "--unit", "bytes", "--match", name
    for metric in "rss", "hwm":
        header, row = candles("--long", "--metric", metric, *ask).rows
        assert header[-1] == "samples" and row[1] == str(child.pid), row
        if row[-1] != "0":
            raise lib.Skip("a sample saw it: the machine has too much to do")
        peak = row[4]
        assert row[4:8] == [peak] * 4 and 64 << 20 <= int(peak) < 256 << 20, row
        assert [row[1:] for row in candles("--metric", metric, *ask).rows] == [
            [f"{child.pid}_{end}" for end in ("open", "high", "low", "close")], [peak] * 4]


lib.run_tests([
    nothing_is_damaged_while_it_is_written,
    status_names_the_writer,
    a_real_process_has_its_candle,
    a_peak_between_two_samples_is_the_high,
    a_process_that_no_sample_saw_is_in_both_tables,
])

"""The benchmark of histories works, small: its made day, what it compares, what it prints."""

import os
import re
import sys

import tools_lib as lib
from tools_lib import BUILD, SOURCE, candles, memhist


def made_day(*args, status=0):
    return lib.run("tests/bench/made_day", *args, status=status)


def a_made_day_is_read_back():
    made = made_day("--history", "history", "--csv", "made.csv", "--processes", 100,
                    "--snapshots", 50, "--seed", 7)
    samples = re.match(r"50 snapshots, (\d+) process-samples, ", made.text)[1]
    assert f"snapshots        50 with {samples} " in memhist("verify", "--history", "history").text
    memhist("import", "--from", "csv", "--history", "imported", "made.csv")
    # not RSS, whose highs are exact where VmHWM was recorded
    for args in ["--metric", "swap"], ["--metric", "rss", "--interval", "10s"]:
        recorded, imported = [candles("--long", "--all", *args, history=history).rows
                              for history in ("history", "imported")]
        for table in recorded, imported:
            for row in table[1:]:
                row[5] = row[5] if "swap" in args else ""
        assert len(recorded) > 100 and recorded == imported


def a_made_day_needs_a_sensible_request():
    for wrong in (["--processes", "99"], ["--days", "0"], ["--days", "x"], ["--interval", "0"],
                  ["--snapshots", "-1"], ["more"]):
        assert "usage: made_day" in made_day(*wrong, status=2).err
    found = made_day("--history", "nowhere/history", "--snapshots", 1, status=1)
    assert found.err.startswith("made_day: ") and "nowhere" in found.err


def the_benchmark_runs():
    done = lib.subprocess.run(
        [sys.executable, os.path.join(SOURCE, "tests/bench/bench_history.py"), "--quick"],
        stdout=lib.subprocess.PIPE, stderr=lib.subprocess.PIPE, text=True, check=False,
        env=dict(os.environ, TMPDIR=os.getcwd(), MEMHIST_BUILDDIR=BUILD, MEMHIST_SRCDIR=SOURCE))
    assert done.returncode == 0, done.stderr
    assert "the same of all" in done.stdout
    for name in ("a made day, sealed", "memhist-candles --long --output FILE, sealed", "sqlite3",
                 "candles of one process", "JSON, a file per snapshot", "memhist, open"):
        assert re.search(rf"^\| {name}.*\| \d", done.stdout, re.M), (name, done.stdout)


lib.run_tests([
    a_made_day_is_read_back,
    a_made_day_needs_a_sensible_request,
    the_benchmark_runs,
])

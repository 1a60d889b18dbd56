"""Histories as earlier versions wrote them (tests/data/README.md): every value is still there."""

import csv
import json
import os
import re
import shutil

import tools_lib as lib
from export_lib import export, read_csv
from tools_lib import candles, memhist, names

DATA = os.path.join(lib.SOURCE, "tests/data")


def fetch(name, history="history"):
    """A copy: the tree may be read-only, and programs leave their locks behind."""
    shutil.copytree(os.path.join(DATA, name), history, copy_function=shutil.copyfile)
    os.chmod(history, 0o755)


def verified(*words, history="history"):
    text = re.sub(r" +", " ", memhist("verify", "--history", history).text)
    for word in *words, "damage none\n":
        assert f"\n {word}" in text, f"{word!r} is not in {text}"


def samples():
    with open(os.path.join(DATA, "samples.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == lib.COLUMNS
    return [[int(value) for value in r[:8]] + r[8:] for r in rows[1:]]


def are_samples(history="history"):
    """The values of samples.csv, nothing besides but who ended, and that half an hour is missing."""
    expected = samples()
    found = read_csv(export("csv", history=history).text)
    gaps = [row for row in found if row["kind"] == "gap"]
    ends = [(row["pid"], row["starttime"]) for row in found if row["kind"] == "ended"]
    found = [row for row in found if row["kind"] not in ("gap", "ended")]
    assert [(g["gap"], int(g["ts_ms"]) - int(g["gap_since_ms"])) for g in gaps] == \
        [("stopped", 32 * 60000)]
    assert ends == [("30", "300"), ("21", "21"), ("30", "310"), ("30", "320")]
    assert {row["kind"] for row in found} == {"sample"}
    assert [[row["ts_ms"]] + [row[c] for c in lib.COLUMNS[1:]] for row in found] == \
        [[str(value) for value in row] for row in expected]
    assert not any(row[c] for row in found for c in ("hwm_kb", "peak_kb", "threads", "exe"))
    for by in "identity", "command":
        labels, _ = lib.label_rows(expected, by)
        for metric in "rss", "vsz", "swap":
            for interval, seconds in ("15m", 900), ("1h", 3600), ("6m", 360):
                table = candles("--long", "--by", by, "--metric", metric, "-i", interval,
                                history=history).rows
                lib.same(lib.long_table(table), lib.oracle(expected, labels, seconds, metric))


def ordered(rows):
    """Within an instant the order says nothing."""
    return sorted(rows, key=lambda row: (row["boot_id"], int(row["boot_ns"]), sorted(row.items())))


def are_marks(history="history"):
    with open(os.path.join(DATA, "marks.csv"), newline="", encoding="utf-8") as file:
        expected = read_csv(file.read())
    assert ordered(read_csv(export("csv", history=history).text)) == ordered(expected)
    memhist("import", "--history", "again", os.path.join(DATA, "marks.csv"))
    for args in [], ["--metric", "hwm"], ["--metric", "anon"], ["-i", "1h", "--metric", "vsz"], \
            ["-i", "7m"], ["--by", "command"]:
        assert candles("--long", *args, history=history).rows == \
            candles("--long", *args, history="again").rows, args
    shutil.rmtree("again")


def columns_are_right():
    found = candles("--check").text
    match = re.fullmatch(r"(\d+) candles compared, no difference; columns in (\d+) parts? of \2\n",
                         found)
    assert match and int(match[1]) > 20, found


def seal_and_merge(check):
    """Rewritten by today's, it says the same."""
    if names(".open"):
        memhist("seal", "--history", "history")
        check()
        columns_are_right()
    assert not names(".open")
    memhist("merge", "--all", "--history", "history")
    check()
    columns_are_right()


def the_first_rows():
    fetch("rows")
    verified("segments 2, 5623 bytes", "frames 37, 12 of them keyframes",
             "snapshots 36 with 171 process-samples", "gaps 1: 1 stopped")
    are_samples()
    seal_and_merge(are_samples)


def columns_without_candles():
    fetch("columns")
    verified("segments 2, 1798 bytes", "frames 12, 2 of them keyframes",
             "snapshots 36 with 171 process-samples", "gaps 1: 1 stopped")
    are_samples()
    assert candles("--check").text == \
        "0 candles compared: none of 2 parts was read from columns; open segments have none, nor " \
        "windows that are not made of quarters of an hour\n"
    seal_and_merge(are_samples)


def dumped():
    """Each thing that was said, whatever else is said today."""
    with open(os.path.join(DATA, "recorded.jsonl"), encoding="utf-8") as file:
        expected = [json.loads(line) for line in file]
    found = [json.loads(line) for line in
             memhist("dump", "--full", "--history", "history").text.splitlines()]
    is_rows = bool(names(".open"))
    assert len(found) == len(expected) == 13
    for was, now in zip(expected, found):
        processes = was.pop("processes", None)
        if processes is not None:
            assert [{key: p[key] for key in q} for p, q in zip(now["processes"], processes)] == \
                processes and len(now["processes"]) == len(processes)
        for key, value in was.items():
            if is_rows or key not in ("file", "offset", "bytes", "seq", "key", "collect_us"):
                assert now[key] == value, f"{key}: {now[key]}, not {value}"


def the_first_recording():
    """With meminfo, by a writer that was stopped for a while and then killed."""
    fetch("recorded")
    verified("segments 2, 1180 bytes", "frames 13, 2 of them keyframes",
             "snapshots 12 with 17 process-samples", "gaps 1: 1 late")
    dumped()
    memhist("seal", "--history", "history")
    dumped()
    memhist("merge", "--all", "--history", "history")
    dumped()


def columns_with_candles():
    for name, words in ("candles", ("segments 4, 8348 bytes", "frames 108, 4 of them keyframes")), \
            ("merged", ("segments 2, 4994 bytes", "frames 54, 2 of them keyframes")):
        shutil.rmtree("history", ignore_errors=True)
        fetch(name)
        verified(*words, "snapshots 38 with 175 process-samples",
                 "gaps 3: 1 stopped, 1 clock step, 1 reboot")
        are_marks()
        columns_are_right()
        if name == "candles":
            seal_and_merge(are_marks)


lib.run_tests([
    the_first_rows,
    the_first_recording,
    columns_without_candles,
    columns_with_candles,
])

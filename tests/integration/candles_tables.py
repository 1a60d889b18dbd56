"""The tables of memhist-candles, on small recordings whose candles can be told by eye."""

import datetime
import os

import tools_lib as lib
from tools_lib import candles, row

HOSTILE = [
    "tab\there", "line\nfeed", "back\\slash", "quote\"s,comma", "esc\x1b[31m", "bad\udcff\udcfeutf8",
    ") R 1 1 (", "=cmd()", "日本語", "",
]


def life():
    """Reused pids, a gap, an exec, a second run of a command, names that want to break out."""
    rows = []
    for s in range(0, 180, 10):
        if 60 <= s < 120:
            continue  # nobody recorded: this minute has no candles
        rows.append(row(s, 1, 1000 + s, "init", "init"))
        if s < 30:
            rows.append(row(s, 7, 200, "sh", "sh -c make", start=500))
        elif s < 60:
            rows.append(row(s, 7, 300 + s, "make", "make all", start=500))
        elif s < 150:
            rows.append(row(s, 7, 50, "sh", "sh -c make", start=900))
        if s >= 150:
            rows.append(row(s, 7, 60, "sleep", "sleep 1", start=1500))
        rows.append(row(s, 9, 0, "kworker/0:1", "", start=2, vsz=0))
        for i, name in enumerate(HOSTILE):
            rows.append(row(s, 20 + i, 4 * i, name[:15], name, start=50))
    return rows


def golden(name, found):
    path = os.path.join(lib.GOLDEN, name)
    with open(path, "rb") as file:
        expected = file.read()
    assert found == expected, f"{path} is not what came out:\n{found.decode()}"


def read(name):
    with open(name, "rb") as file:
        return file.read()


def wide_table_and_map_are_the_golden_ones():
    lib.record(life())
    candles("--interval", "1m", "--all", "--output", "out.tsv")
    golden("candles-wide.tsv", read("out.tsv"))
    golden("candles-wide.pids.tsv", read("out.pids.tsv"))


def long_table_by_command_is_the_golden_one():
    lib.record(life())
    candles("--interval", "1m", "--long", "--by", "command", "--output", "long.tsv")
    golden("candles-long-by-command.tsv", read("long.tsv"))
    golden("candles-long-by-command.pids.tsv", read("long.pids.tsv"))


def a_cell_can_be_read_back():
    """The escapes of TSV undo to the bytes that went in."""
    lib.record(life())
    candles("--pid-map", "pids", "--output", "out")
    commands = {line.split(b"\t")[0]: line.split(b"\t")[1] for line in read("pids").split(b"\n")[1:-1]}
    for i, name in enumerate(HOSTILE[:-1]):
        cell = commands[str(20 + i).encode()].decode("unicode_escape" if i < 7 else "utf-8")
        back = cell.encode("latin-1" if i < 7 else "utf-8")
        assert back == name.encode("utf-8", "surrogateescape"), (cell, name)
    assert commands[b"29"] == b"[]"


def wide_and_long_say_the_same():
    lib.record(life())
    for by in "identity", "command":
        wide = candles("--interval", "30s", "--all", "--by", by).rows
        from_wide = {
            (r[0], wide[0][at].removesuffix("_open")): r[at : at + 4]
            for r in wide[1:] for at in range(1, len(r), 4) if r[at]
        }
        long = candles("--interval", "30s", "--long", "--by", by).rows
        assert from_wide == {(r[0], r[1]): r[4:8] for r in long[1:]}


def rows_are_in_order_of_time_pid_and_appearance():
    lib.record(life())
    rows = candles("--interval", "30s", "--long").rows[1:]
    keys = [(r[0], int(r[2]), int((r[1] + "(1)").split("(")[1].split(")")[0])) for r in rows]
    assert keys == sorted(keys)
    columns = [c.split("_")[0] for c in candles("--all").rows[0][1::4]]
    assert columns[:5] == ["1", "7", "7(2)", "7(3)", "9"]


def top_takes_the_highest_highs():
    lib.record([row(s, pid, 1000 + pid if s == 1 else 5) for s in range(3) for pid in range(1, 31)])
    found = candles("--top", 3)
    assert found.rows[0][1::4] == ["28_open", "29_open", "30_open"]
    assert "; 27 left out" in found.err
    found = candles("--top", 3, "--long")
    assert [r[1] for r in found.rows[1:]] == ["28", "29", "30"]
    assert "; 27 left out" in found.err
    assert ": 1 label shown, with the highest highs; 29 left out" in candles("--top", 1).err
    found = candles("--top", 30)
    assert len(found.rows[0]) == 1 + 4 * 30 and not found.err


def a_wide_table_shows_500_and_says_so():
    lib.record([row(s, pid, pid) for s in range(2) for pid in range(1, 512)])
    found = candles()
    assert found.rows[0][1] == "12_open" and len(found.rows[0]) == 1 + 4 * 500
    assert "500 labels shown, with the highest highs; 11 left out" in found.err and "--all" in found.err
    found = candles("--all")
    assert len(found.rows[0]) == 1 + 4 * 511 and not found.err
    assert len(candles("--long").rows) == 1 + 511


def the_map_has_the_rows_of_the_table():
    lib.record(life())
    candles("--top", 4, "--pid-map", "pids", "--output", "out.tsv")
    shown = [c.removesuffix("_open") for c in lib.table(read("out.tsv").decode())[0][1::4]]
    assert [r[0] for r in lib.table(read("pids").decode())[1:]] == shown
    assert not os.path.exists("out.pids.tsv")


def a_match_that_is_too_costly_is_said():
    hard = "a" * 40 + "b"
    lib.record([row(s, pid, 4, "x", name) for s in range(2)
                for pid, name in [(1, "aaa"), (2, hard), (3, hard), (4, "b")]])
    for shape in (), ("--long",):
        found = candles("--match", "/^((a|aa)+)+$/", "--output", "out.tsv", *shape, status=lib.PARTIAL)
        lib.refuses(found, "--match /^((a|aa)+)+$/: too costly for 2 labels")
        assert read("out.pids.tsv") == b"PID\tCOMMAND\n1\taaa\n"
        os.unlink("out.tsv")
    found = candles("--match", "/^((a|aa)+)+$(?<=aaaa)/", "--output", "none.tsv",
                    status=lib.PARTIAL)
    assert "too costly for 2 labels" in found.err and "no process" in found.err
    assert not os.path.exists("none.tsv")
    assert not candles("--match", "/^a+$/").err


def match_looks_at_every_name_a_process_had():
    lib.record(life())
    assert candles("--match", "sh -c").rows[0][1::4] == ["7_open", "7(2)_open"]
    assert candles("--match", "/^make/").rows[0][1::4] == ["7_open"]
    assert candles("--match", "kworker").rows[0][1::4] == ["9_open"]
    assert {r[1] for r in candles("--match", "make all", "--long").rows[1:]} == {"7"}
    by_command = candles("--match", "make all", "--long", "--by", "command")
    assert {r[1] for r in by_command.rows[1:]} == {"7(2)"}
    lib.refuses(candles("--match", "nobody", status=lib.NO_DATA), "--match")
    lib.refuses(candles("--match", "/(/", status=lib.USAGE), "--match")


def headers_speak_three_languages():
    lib.record([row(0, 1234, 4)])
    header = candles("--lang", "ja").out.split(b"\n")[0]
    assert header == "時間\t1234_始値\t1234_高値\t1234_安値\t1234_終値".encode()
    header = candles("--lang", "zh").out.split(b"\n")[0]
    assert header == "时间\t1234_开盘\t1234_最高\t1234_最低\t1234_收盘".encode()
    header = candles("--lang=en").out.split(b"\n")[0]
    assert header == b"time\t1234_open\t1234_high\t1234_low\t1234_close"
    header = candles("--lang", "ja", "--long").text.split("\n")[0]
    assert header == "時間\tラベル\tPID\tプログラム\t始値\t高値\t安値\t終値\t標本数"
    header = candles("--lang", "zh", "--long").text.split("\n")[0]
    assert header == "时间\t标签\tPID\t程序\t开盘\t最高\t最低\t收盘\t样本数"


def units_are_exact():
    lib.record([row(0, 1, 1537, vsz=2**40, swap=1)])
    values = lambda *args: candles("--long", *args).rows[1][4:8]
    assert values() == ["1537"] * 4
    assert values("--unit", "bytes") == [str(1537 * 1024)] * 4
    assert values("--unit", "MiB") == ["1.501"] * 4  # 1.50098
    assert values("--unit", "MiB", "--metric", "vsz") == [f"{2**30}.000"] * 4
    assert values("--unit", "bytes", "--metric", "swap") == ["1024"] * 4


def bare_intervals_are_minutes():
    lib.record([row(s, 1, 4) for s in range(0, 3600, 60)])
    assert len(candles("--interval", 15).rows) == 1 + 4
    assert len(candles("--interval", "15m").rows) == 1 + 4
    assert len(candles().rows) == 1 + 4
    assert len(candles("--interval", "1h30m").rows) == 1 + 1
    assert len(candles("-i", "1s").rows) == 1 + 60
    assert len(candles("-i", "1d").rows) == 1 + 1
    for text in "999ms", "0", "x", "1q", "-5m", "":
        lib.refuses(candles("--interval", text, status=lib.USAGE), "--interval")


def windows_follow_the_local_clock():
    """Zones half an hour off, and the days with 23 and 25 hours."""
    lib.record([row(60 * m, 1, 4) for m in range(0, 120, 10)])
    times = lambda tz, *args: [r[0][11:] for r in candles("-i", "1h", *args, tz=tz).rows[1:]]
    assert times("UTC") == ["12:00:00", "13:00:00"]
    assert times("IST-5:30") == ["17:00:00", "18:00:00", "19:00:00"]
    assert times("IST-5:30", "--utc") == ["12:00:00", "13:00:00"]
    berlin = "CET-1CEST,M3.5.0,M10.5.0/3"
    for midnight, day, minutes in [
        ("2026-03-28T23:00+00:00", "2026-03-29", 23 * 60),
        ("2026-10-24T22:00+00:00", "2026-10-25", 25 * 60),
    ]:
        begin = datetime.datetime.fromisoformat(midnight).timestamp() - lib.BASE_MS / 1000
        rows = [row(begin + 60 * m, 1, 4) for m in range(-60, minutes + 60)]
        lib.record(rows, day)
        days = candles("-i", "1d", "--long", history=day, tz=berlin).rows[1:]
        assert all(r[0].endswith(" 00:00:00") for r in days)
        assert [int(r[8]) for r in days] == [60, minutes, 60]
        assert days[1][0].startswith(day)
        hours = candles("-i", "1h", "--long", history=day, tz=berlin).rows[1:]
        assert [int(r[8]) for r in hours] == [60] * (minutes // 60 + 2)


lib.run_tests([
    wide_table_and_map_are_the_golden_ones,
    long_table_by_command_is_the_golden_one,
    a_cell_can_be_read_back,
    wide_and_long_say_the_same,
    rows_are_in_order_of_time_pid_and_appearance,
    top_takes_the_highest_highs,
    a_wide_table_shows_500_and_says_so,
    the_map_has_the_rows_of_the_table,
    a_match_that_is_too_costly_is_said,
    match_looks_at_every_name_a_process_had,
    headers_speak_three_languages,
    units_are_exact,
    bare_intervals_are_minutes,
    windows_follow_the_local_clock,
])

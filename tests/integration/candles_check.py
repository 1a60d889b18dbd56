"""Candle columns of sealed histories: the same tables as ever, and --check."""

import os
import random
import re
import shutil
import struct

import tools_lib as lib
from tools_lib import DAMAGED, NO_DATA, USAGE, candles, memhist, record, refuses, row

CANDLES = 5  # type of frame


def life(seed=1, minutes=130, pids=30):
    """Processes that come, go, return under their pid, get names and move, a sample a minute."""
    chance = random.Random(seed)
    alive, rows = {}, []
    for minute in range(minutes):
        for pid in range(1, pids):
            if chance.random() < 0.05:
                alive.pop(pid, None)
            if pid not in alive and chance.random() < 0.1:
                alive[pid] = [100 + minute, chance.randrange(1, 999), "a"]
            if pid in alive and chance.random() < 0.3:
                alive[pid][1] = chance.randrange(1, 999)
            if pid in alive and chance.random() < 0.02:
                alive[pid][2] = chance.choice("bcd")
        for pid, (start, rss, comm) in sorted(alive.items()):
            rows.append(row(60 * minute, pid, rss, comm=comm, cmdline=comm + " -x", start=start))
    return rows


def tables(history):
    """Everything memhist-candles says of a history, in several ways."""
    found = []
    for args in [
        ("--long",),
        ("--all",),
        ("--top", 5),
        ("--long", "--match", "b"),
        ("--long", "-i", "1h"),
        ("--long", "-i", "45m", "--metric", "vsz"),
        ("--long", "-i", "7m"),
        ("--all", "-i", "1d", "--metric", "swap"),
        ("--long", "--since", "2026-06-01 12:20", "--until", "2026-06-01 13:40"),
        ("--long", "--since", "2026-06-01 12:15", "--until", "2026-06-01 13:30"),
        ("--long", "--by", "command"),
    ]:
        candles(*args, "--output", "t.tsv", history=history)
        for name in "t.tsv", "t.pids.tsv":
            with open(name, "rb") as file:
                found.append(file.read())
    return found


def sealed_tables_are_the_open_ones():
    for seed in range(3):
        shutil.rmtree("history", ignore_errors=True)
        shutil.rmtree("open", ignore_errors=True)
        record(life(seed))
        shutil.copytree("history", "open")
        memhist("seal", "--history", "history")
        assert not any(name.endswith(".open") for name in os.listdir("history"))
        assert tables("history") == tables("open")


def one_pid_is_the_rows_of_that_pid():
    for sealed in False, True:
        if not sealed:
            record(life(minutes=200))
        else:
            memhist("seal", "--history", "history")
        everything = candles("--long").rows
        for pid in 1, 7, 29:
            rows = [r for r in everything[1:] if r[2] == str(pid)]
            assert rows and candles("--long", "--pid", pid).rows == everything[:1] + rows
            candles("--pid", pid, "--output", "t.tsv")
            with open("t.pids.tsv", encoding="utf-8") as file:
                labels = [line.split("\t")[0] for line in file.read().split("\n")[1:-1]]
            assert sorted(labels) == sorted({r[1] for r in rows})
        refuses(candles("--pid", 999, status=NO_DATA), "no process", "had the pid 999")
        refuses(candles("--pid", 1, "--by", "command", status=USAGE), "--pid")


def table_and_map(*args):
    candles(*args, "--output", "t.tsv")
    found = []
    for name in "t.tsv", "t.pids.tsv":
        with open(name, encoding="utf-8") as file:
            found.append(file.read())
    return found


def one_pid_is_read_once_and_shown_the_same():
    """Whom --match may leave out, or --top, is found out before."""
    record(life(minutes=400))
    for command in None, "seal", "merge":
        if command:
            memhist(command, *["--all"] * (command == "merge"), "--history", "history")
        for pid in 1, 7, 29:
            for args in (), ("-i", "7m"), ("--since", "2026-06-01 14:05"), ("--metric", "vsz"), ("--all",):
                once = table_and_map("--pid", pid, *args)
                assert once == table_and_map("--pid", pid, "--match", "/./", *args)
                assert f"{pid}(2)_" in once[0].split("\n")[0]
            highest = table_and_map("--pid", pid, "--top", 1)
            assert highest == table_and_map("--pid", pid, "--top", 1, "--match", "/./")
            assert highest[1].count("\n") == 2 and highest[0].split("\t", 1)[1].count("_") == 4


def zones_that_are_no_quarters_off_are_made_of_samples():
    record(life())
    shutil.copytree("history", "open")
    memhist("seal", "--history", "history")
    for tz in "EET-2", "X-5:45", "X-0:07":
        assert candles("--long", tz=tz).out == candles("--long", tz=tz, history="open").out


def compared(*args):
    """How many candles were compared, in how many parts."""
    found = candles("--check", *args)
    assert not found.err
    nothing = re.fullmatch(r"0 candles compared: none of (\d+) parts? was read from columns; .*\n",
                           found.text)
    if nothing:
        return 0, 0, int(nothing.group(1))
    match = re.fullmatch(r"(\d+) candles compared, no difference; "
                         r"columns in (\d+) parts? of (\d+)\n", found.text)
    assert match and match.group(1) != "0", found.text
    return tuple(map(int, match.groups()))


def all_is_compared():
    record(life())
    n, columns, parts = compared()
    assert n == columns == 0 < parts
    memhist("seal", "--history", "history")
    n, columns, parts = compared()
    assert columns == parts
    # some lie in two parts, or are of a process that went and came back
    rows = len(candles("--long").rows) - 1
    assert rows <= n <= 2 * rows
    hours, columns, parts = compared("-i", "1h")
    assert len(candles("--long", "-i", "1h").rows) - 1 <= hours < n and columns == parts
    assert compared("-i", "7m") == (0, 0, parts)
    refuses(candles("--check", "--until", "2000-01-01", status=NO_DATA), "no snapshot")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def frames(data):
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        yield at, length, data[at + 32], data[at + 33]
        at += 40 + length


def a_lie_is_found():
    """A column that says something else than the samples, with a checksum that is right."""
    record([row(60 * m, 7, 100 + m * m % 37) for m in range(60)])
    memhist("seal", "--history", "history")
    path = next(os.path.join("history", name) for name in os.listdir("history") if name[-3:] == ".mh")
    with open(path, "rb") as file:
        good = file.read()
    honest = candles("--long").out
    at, length = next((at, length) for at, length, kind, flags in frames(good)
                      if kind == CANDLES and not flags & 2)
    lies = 0
    for byte in range(at + 40, at + 40 + length):
        bad = bytearray(good)
        bad[byte] ^= 2
        struct.pack_into("<I", bad, at + 36, crc32c(bad[at:at + 36] + bad[at + 40:at + 40 + length]))
        with open(path, "wb") as file:
            file.write(bad)
        found = candles("--check", status=None)
        assert found.status in (0, DAMAGED, NO_DATA, lib.OTHER), found.err
        if "differ" in found.err:
            assert found.status == DAMAGED
            refuses(found, "candles differ, first: columns say process 7 from 2026-06-01 12:",
                    "samples say process 7 from 2026-06-01 12:")
            assert candles("--long").out != honest
            lies += 1
    assert lies > 3, lies


def damage_is_said():
    record(life())
    memhist("seal", "--history", "history")
    path = sorted(name for name in os.listdir("history") if name.endswith(".mh"))[0]
    os.truncate("history/" + path, os.path.getsize("history/" + path) - 1)
    found = candles("--check", status=DAMAGED)
    assert re.fullmatch(r"\d+ candles compared, no difference; .*\n", found.text), found.text
    assert found.err == "memhist-candles: history is damaged in 1 place (" + \
        found.err.partition("(")[2].partition(" ")[0] + \
        " bytes): what is readable was compared; memhist verify tells more\n", found.err


def nothing_else_goes_with_it():
    record([row(0, 7, 100)])
    for args in [("--long",), ("--all",), ("--top", 3), ("--match", "x"), ("--pid", 7), ("--output", "x.tsv"),
                 ("--pid-map", "x.tsv"), ("--by", "command")]:
        refuses(candles("--check", *args, status=USAGE), "--check")
    assert os.listdir(".") == ["history"]


lib.run_tests([
    sealed_tables_are_the_open_ones,
    one_pid_is_the_rows_of_that_pid,
    one_pid_is_read_once_and_shown_the_same,
    zones_that_are_no_quarters_off_are_made_of_samples,
    all_is_compared,
    a_lie_is_found,
    damage_is_said,
    nothing_else_goes_with_it,
])

"""The long table of all processes forgets those that are gone: it and its map are what they are where
all are kept, as they are when the highest of them are asked for."""

import os
import random
import shutil

import tools_lib as lib
from tools_lib import candles, memhist, record, row

COMMANDS = ["a", "b -x", "c\td", "", "b -x -y", "\\"]


def life(seed, minutes=400, pids=40, back_in_time=0):
    """Processes that come, go, come again as the same, lose their command lines, get names; and, from
    a minute on, older ones of a pid that others had since."""
    chance = random.Random(seed)
    alive, gone, rows = {}, {}, []
    for minute in range(minutes):
        for pid in range(1, pids):
            if chance.random() < 0.05 and pid in alive:
                gone.setdefault(pid, []).append(alive.pop(pid))
            # some rest for longer than a segment
            if pid not in alive and chance.random() < (0.1 if pid % 3 else 0.01):
                before = gone.get(pid, [])
                if before and back_in_time and minute >= back_in_time and chance.random() < 0.3:
                    alive[pid] = chance.choice(before)
                elif before and chance.random() < 0.5:
                    alive[pid] = before[-1]
                else:
                    alive[pid] = [100 + minute, chance.randrange(1, 999), 0]
            if pid in alive and chance.random() < 0.3:
                alive[pid][1] = chance.randrange(1, 999)
            if pid in alive and chance.random() < 0.05:
                alive[pid][2] = chance.randrange(len(COMMANDS))
        rows.append(row(60 * minute, 9999, 4))
        for pid, (start, rss, number) in sorted(alive.items()):
            rows.append(row(60 * minute, pid, rss, comm=f"n{number}", cmdline=COMMANDS[number],
                            start=start))
    return rows


def read(name):
    with open(name, "rb") as file:
        return file.read()


def both(*args):
    """The table and its map with all labels kept, and without."""
    found = []
    for kept in ("--top", 1000000), ():
        candles("--long", *args, *kept, "--output", "t.tsv")
        found.append((read("t.tsv"), read("t.pids.tsv")))
    assert found[0] == found[1], args
    assert candles("--long", *args).out == found[0][0]
    return found[0]


def in_all_ways():
    for args in [
        (),
        ("-i", "1m"),
        ("-i", "7m"),
        ("-i", "1h"),
        ("-i", "3h"),
        ("-i", "1d"),
        ("--metric", "vsz"),
        ("--since", "2026-06-01 13:20", "--until", "2026-06-01 16:41"),
        ("--pid", 7),
    ]:
        both(*args)


def again(rows):
    shutil.rmtree("history", ignore_errors=True)
    record(rows)


def forgotten_labels_are_those_that_were_kept():
    for seed in range(3):
        again(life(seed))
        in_all_ways()
        memhist("seal", "--history", "history")
        assert len(lib.names(".mh")) > 3
        in_all_ways()
        memhist("merge", "--all", "--history", "history")
        assert len(lib.names(".mh")) == 1
        in_all_ways()


def pids_that_go_back_in_time_are_told_apart():
    for seed in range(2):
        again(life(seed, back_in_time=250))
        memhist("seal", "--history", "history")
        table, _ = both("-i", "1m")
        at = table.index(b"\n2026-06-01 16:10:00")
        assert at > 100000  # written before it is known
        in_all_ways()


def labels_and_map_are_those_of_the_rules():
    for back_in_time in 0, 100:
        rows = life(5, minutes=200, back_in_time=back_in_time)
        again(rows)
        labels, commands = lib.label_rows(rows)
        table, pids = both("-i", "1m")
        assert [line.split(b"\t")[1].decode() for line in table.split(b"\n")[1:-1]] == [
            label for _, _, label in sorted(
                (r[0], (r[1], int((label + "(1)").split("(")[1].split(")")[0])), label)
                for r, label in zip(rows, labels))]
        assert {line.split(b"\t")[0].decode(): line.split(b"\t")[1].decode()
                for line in pids.split(b"\n")[1:-1]} == {
                    label: command.replace("\\", "\\\\").replace("\t", "\\t")
                    for label, command in commands.items()}


def nothing_is_left_beside_the_table():
    again(life(1))
    candles("--long", "--output", "t.tsv")
    assert sorted(os.listdir(".")) == ["history", "t.pids.tsv", "t.tsv"]


lib.run_tests([
    forgotten_labels_are_those_that_were_kept,
    pids_that_go_back_in_time_are_told_apart,
    labels_and_map_are_those_of_the_rules,
    nothing_is_left_beside_the_table,
])

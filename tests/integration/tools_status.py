"""memhist status counts processes, and finds the highest, without keeping those that are gone."""

import json
import os
import random
import subprocess
import sys

import tools_lib as lib
from tools_lib import memhist, record, row


def status(*args, history="history"):
    return json.loads(memhist("status", "--history", history, "--json", *args).text)


def life(seed, minutes, back_in_time):
    """Processes that come, go, and come again as the same, after more than a segment too; from a
    minute on, also older ones of a pid that others had since."""
    chance = random.Random(seed)
    alive, gone, rows = {}, {}, []
    for minute in range(minutes):
        for pid in range(1, 40):
            if pid in alive and chance.random() < 0.05:
                gone.setdefault(pid, []).append(alive.pop(pid))
            if pid not in alive and chance.random() < (0.1 if pid % 3 else 0.01):
                before = gone.get(pid, [])
                if len(before) > 1 and back_in_time and minute >= back_in_time:
                    alive[pid] = before[0]
                elif before and chance.random() < 0.5:
                    alive[pid] = before[-1]
                else:
                    alive[pid] = 100 + minute
        rows.append(row(60 * minute, 9999, 4))
        rows += [row(60 * minute, pid, chance.randrange(1, 99999), comm="x", start=start,
                     cmdline=chance.choice(["", "a", "b"]))
                 for pid, start in sorted(alive.items())]
    return rows


def check(rows):
    """Against the rows themselves."""
    labels, commands = lib.label_rows(rows)
    last, highest = {}, {}
    for sample, label in zip(rows, labels):
        last[label] = sample[5] * 1024
        highest[label] = max(highest.get(label, 0), last[label])
    expected = sorted(((label, last[label], highest[label], commands[label]) for label in last),
                      key=lambda found: (-found[2], int(found[0].split("(")[0])))
    assert status()["processes"] == len(expected)
    for n in 1, 3, 50, 1000:
        found = status("--top", n)
        assert found["processes"] == len(expected)
        found = [(p["label"], p["last_rss_bytes"], p["highest_rss_bytes"], p["command"])
                 for p in found["top"]]
        assert sorted(found) == sorted(expected[:n]), (n, found, expected[:n])
        assert [p[2] for p in found] == [p[2] for p in expected[:n]]


def the_highest_are_those_of_the_rows():
    for number, back_in_time in enumerate((0, 0, 250)):
        rows = life(number, 400, back_in_time)
        os.mkdir(str(number))
        os.chdir(str(number))
        record(rows)
        check(rows)
        memhist("seal", "--history", "history")
        assert len(lib.names(".mh")) > 3
        check(rows)
        memhist("merge", "--all", "--history", "history")
        check(rows)
        os.chdir("..")


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak_kib(*args):
    """The most memory that memhist had; by a program that has little, since a child begins with as much."""
    # what is freed is not kept for long where a sanitizer watches
    options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
    done = subprocess.run([sys.executable, "-c", PEAK, os.path.join(lib.BUILD, "memhist"), *args],
                          stdout=subprocess.PIPE, env=dict(os.environ, ASAN_OPTIONS=options),
                          timeout=120, check=True)
    return int(done.stdout)


def memory_does_not_grow_with_the_length_of_a_history():
    """Fifty hours, each with processes of its own: their commands are 40 MB together."""
    for name, hours in ("short", 5), ("long", 50):
        rows = []
        for hour in range(hours):
            for minute in range(0, 60, 10):
                at = 3600 * hour + 60 * minute
                rows += [row(at, 200 * hour + n + 1, 4, cmdline=f"{hour} {n} " + 4000 * "x", start=hour)
                         for n in range(200)]
        record(rows, name)
        memhist("seal", "--history", name)
    assert len(lib.names(".mh", "long")) > 40
    for args in [], ["--top", "3"]:
        more = peak_kib("status", "--history", "long", *args) - \
            peak_kib("status", "--history", "short", *args)
        print(f"# {more} KiB more for ten times as many processes", flush=True)
        assert more < 16 << 10, (args, more)


lib.run_tests([
    the_highest_are_those_of_the_rows,
    memory_does_not_grow_with_the_length_of_a_history,
])

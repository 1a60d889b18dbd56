"""A history beside databases: bytes, sealing, candles of a day, one process out of 30 days.

    bench_history.py [--quick]

Of the recorded trace (MEMHIST_TRACE, else the one beside the source tree; left out where there is
none), and of made days of 2,000 processes (made_day.c), which DuckDB, pandas and sqlite3 get as
well: their candles have to be the same as ours, to the last one. CPU time is user and system time
of whole commands, of the peers that of the query; medians of several runs where they are short.
Everything is done in a folder in TMPDIR, of up to 5 GB, that does not stay; DuckDB is installed by
npm below the build folder. Prints tables in Markdown for docs/BENCHMARKS.md; exit status 1 when a
target is missed. --quick: a small history and no targets, to see that all of this works.
"""

import contextlib
import datetime
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile

import history_peers as peers
import history_sizes as sizes
from history_lib import MIB, SOURCE, Bars, Cost, Missing, built, folder_bytes, machine, run, table

QUICK = "--quick" in sys.argv[1:]
DAY = ["--processes", 100, "--snapshots", 400] if QUICK else []
MONTH = ["--processes", 100, "--snapshots", 1000] if QUICK else ["--days", 30]
ROUNDS, PEER_ROUNDS, LONG_ROUNDS = (1, 1, 1) if QUICK else (7, 5, 3)
MEMHIST, CANDLES = built("memhist"), built("memhist-candles")
ONLY_ONE = "1"  # the pid of a process that lasts; nobody else gets it


def trace_path():
    path = os.environ.get("MEMHIST_TRACE",
                          os.path.join(SOURCE, "../shared/data/trace-small.csv.zst"))
    return path if os.path.exists(path) else None


def samples_of(history):
    status = json.loads(run(MEMHIST, "status", "--json", "--history", history))
    return status["process_samples"]


# --- bytes, and getting there ---------------------------------------------------------------------


class Stage:
    """A history in one of its states."""

    def __init__(self, name, folder, samples, cost=None):
        self.name, self.folder, self.samples, self.cost = name, folder, samples, cost
        self.bytes, self.disk = folder_bytes(folder)

    def each(self):
        return self.bytes / self.samples

    def rate(self):
        return self.samples / self.cost.cpu_s / 1e6 if self.cost else None

    def row(self, title):
        return [f"{title}, {self.name}", f"{self.samples:,}", f"{self.each():.3f}",
                f"{self.disk / self.samples:.3f}",
                f"{self.rate():.1f}" if self.cost else None,
                f"{self.cost.resident / MIB:.1f}" if self.cost else None]


def stages_of(history, rounds):
    """[open, sealed, merged]; `history` is open and stays."""
    samples = samples_of(history)
    stages = [Stage("open", history, samples)]
    for name, command in ("sealed", ["seal"]), ("merged", ["merge", "--all"]):
        folder, before = f"{history}-{name}", stages[-1].folder

        def copy(folder=folder, before=before):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(before, folder)

        cost = Cost([MEMHIST, *command, "--history", folder], rounds, copy)
        stages.append(Stage(name, folder, samples, cost))
    return stages


def report_sizes(all_stages, bars):
    table(["history", "process-samples", "bytes each", "on the disk", "M samples/s",
           "MiB resident"],
          [stage.row(title) for title, stages in all_stages for stage in stages])
    for title, stages in all_stages:
        _, sealed, merged = stages
        for stage in sealed, merged:
            bars.at_most(f"bytes per process-sample, {title}, {stage.name}",
                         0.25 if title == "trace" else 0.65, stage.each())
    bars.at_least("sealing, M samples/s/core", 15, sealed.rate())
    bars.at_most("sealing, resident", 64, max(s[1].cost.resident for _, s in all_stages) / MIB,
                 " MiB")


# --- candles of a day -----------------------------------------------------------------------------


def comparable(table_path, to):
    """memhist's long table as the peers write theirs; (candles, sums) of open, low and close."""
    windows, sums, count = {}, [0, 0, 0], 0
    with open(table_path, encoding="utf-8") as lines, open(to, "w", encoding="ascii") as f:
        next(lines)
        for line in lines:
            at, _, pid, _, first, high, low, last, samples = line.rstrip("\n").split("\t")
            if at not in windows:
                moment = datetime.datetime.fromisoformat(at + "+00:00")
                windows[at] = int(moment.timestamp() * 1000) // peers.WINDOW_MS
            f.write(f"{windows[at]},{pid},{first},{high},{low},{last},{samples}\n")
            count += 1
            for i, value in enumerate((first, low, last)):
                sums[i] += int(value)
    with open(to, "rb") as f:
        return hashlib.file_digest(f, "md5").hexdigest(), count, sums


def ours(stage):
    """[(name, million process-samples a second, resident bytes)] and what they are compared by."""
    cost = Cost([CANDLES, "--history", stage.folder, "--long", "--utc", "--output", "ours.tsv"],
                ROUNDS)
    row = (f"memhist-candles --long --output FILE, {stage.name}", stage.samples / cost.cpu_s / 1e6,
           cost.resident)
    return row, comparable("ours.tsv", "ours.csv")


def in_memory(samples):
    """{"sealed, from columns": million process-samples a second, …} of the day, by bench_candles."""
    line = re.compile(r"^(made|sealed) +(from \w+): (\d+) process-samples, .*: ([\d.]+) M proc")
    found = {}
    for text in run(built("tests/bench/bench_candles")).splitlines():
        match = line.match(text)
        if match and int(match[3]) == samples:
            found[f"{'open' if match[1] == 'made' else 'sealed'}, {match[2]}"] = float(match[4])
    return found


def theirs(samples_csv):
    """What the peers made, as far as they are there."""
    wanted = {
        "DuckDB": lambda: peers.by_duckdb(samples_csv, "duckdb.csv", PEER_ROUNDS),
        "pandas": lambda: peers.in_python("pandas", samples_csv, "pandas.csv", LONG_ROUNDS),
        "sqlite3": lambda: peers.in_python("sqlite3", samples_csv, "sqlite3.csv", 1),
    }
    found = {}
    for name, ask in wanted.items():
        if QUICK and name != "sqlite3":
            continue
        try:
            found[name] = ask()
        except Missing as reason:
            print(f"left out: {name}: {reason}", flush=True)
    return found


def same_candles(name, mine, peer):
    digest, count, (first, low, last) = mine
    if [count, first, low, last] != [peer.sums[i] for i in (0, 1, 3, 4)]:
        raise RuntimeError(f"{name}: {count} candles, sums {first} {low} {last}; "
                           f"{peer.name}: {peer.sums}")
    if digest != peer.digest():
        raise RuntimeError(f"{name} and {peer.name} made other candles")


def compare_candles(stages, samples_csv, bars):
    found = theirs(samples_csv)
    duckdb = found["DuckDB"].rate() if "DuckDB" in found else None
    rows, rates = [], {}
    for stage in stages:
        (name, rate, resident), mine = ours(stage)
        for peer in found.values():
            same_candles(name, mine, peer)
        rows.append((name, rate, f"{resident / MIB:.1f} MiB resident"))
        rates[stage.name] = rate
    if not QUICK:
        for name, rate in in_memory(stages[0].samples).items():
            rows.append((f"the library alone, {name}", rate, ""))
            rates[name] = rate
    for name, peer in found.items():
        rows.append((peer.name, peer.rate(), f"after {peer.prepare_s:.1f} s of loading"))
    print(f"{mine[1]:,} candles of {stages[0].samples:,} process-samples, checksum {mine[0]}, "
          f"the same of all")
    table(["15-minute candles of a day", "M process-samples/s", "of DuckDB", ""],
          [[name, f"{rate:,.1f}", f"{rate / duckdb:.2f}" if duckdb else None, note]
           for name, rate, note in rows])
    bars.at_least("candles of a day, whole command, sealed, M samples/s", 150, rates["sealed"])
    for name, wanted, times in ("from columns", 1000, 40), ("from samples", 150, 7):
        rate = rates.get(f"sealed, {name}", 0)
        bars.at_least(f"candles of a day {name}, in memory, M samples/s", wanted, rate)
        if duckdb:
            bars.at_least(f"candles of a day {name}, times DuckDB", times, rate / duckdb)


# --- a month --------------------------------------------------------------------------------------


def month(bars):
    run(built("tests/bench/made_day"), "--history", "month", *MONTH)
    samples = samples_of("month")
    rows = []
    sealing = Cost([MEMHIST, "seal", "--history", "month"])
    rows.append(("seal", sealing))
    rows.append(("merge", Cost([MEMHIST, "merge", "--all", "--history", "month"])))
    base = [CANDLES, "--history", "month", "--long", "--utc", "--output", "month.tsv"]
    one = Cost([*base, "--pid", ONLY_ONE], ROUNDS)
    rows.append(("candles of one process", one))
    with open("month.tsv", encoding="utf-8") as f:
        found = sum(1 for _ in f) - 1
    everything = Cost(base)
    rows.append(("candles of all", everything))
    rows.append(("verify: every sample", Cost([MEMHIST, "verify", "--history", "month"])))
    rows.append(("status", Cost([MEMHIST, "status", "--history", "month"])))
    size, _ = folder_bytes("month")
    print(f"30 days: {samples:,} process-samples in {size / MIB:.0f} MiB and "
          f"{len(os.listdir('month')) - 1} segments; {found:,} candles of the one process")
    table(["of 30 days", "CPU, s", "wall, s", "MiB resident"],
          [[name, f"{cost.cpu_s:.3f}", f"{cost.wall_s:.3f}", f"{cost.resident / MIB:.1f}"]
           for name, cost in rows])
    bars.at_most("candles of one process out of 30 days", 50, one.wall_s * 1e3, " ms")
    readers = [cost.resident for name, cost in rows if name not in ("seal", "merge")]
    bars.at_most("reading 30 days, resident", 128, max(readers) / MIB, " MiB")


# --- all of it ------------------------------------------------------------------------------------


def measure(bars):
    print(run(built("tests/bench/made_day"), "--history", "day", "--samples", "day.csv",
              *DAY).strip(), flush=True)
    all_stages = []
    trace = trace_path()
    if trace and not QUICK:
        run(MEMHIST, "import", "--from", "csv", "--history", "trace", trace)
        all_stages.append(("trace", stages_of("trace", ROUNDS)))
    elif not trace:
        print("left out: the recorded trace: none is there")
    all_stages.append(("a made day", stages_of("day", LONG_ROUNDS)))
    report_sizes(all_stages, bars)
    compare_candles(all_stages[-1][1], "day.csv", bars)
    month(bars)
    sizes.report(None if QUICK else trace, QUICK)


def main():
    bars = Bars()
    print(f"{datetime.date.today()}, {machine()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="memhist-bench-") as folder, contextlib.chdir(folder):
        measure(bars)
    if QUICK:
        return 0
    bars.report()
    return 0 if bars.all_met() else 1


if __name__ == "__main__":
    sys.exit(main())

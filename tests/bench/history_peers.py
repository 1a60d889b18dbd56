"""15-minute candles of a table of samples by others: DuckDB, sqlite3 and pandas.

    history_peers.py sqlite3|pandas SAMPLES.csv CANDLES.csv ROUNDS

SAMPLES.csv is what `made_day --samples` writes. Each peer is asked for the candles of RSS, and its
CPU time is measured; then, without being measured, it writes CANDLES.csv: a line
"window,pid,open,high,low,close,samples" for each candle in order of window, pid and appearance,
where high is the one that memhist's candles have. So the files of all must be the same.
"""

import csv
import hashlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import time

from history_lib import CACHE, Missing, find, run

WINDOW_MS = 15 * 60 * 1000
HERE = os.path.dirname(os.path.abspath(__file__))
DUCKDB = "@duckdb/node-api"


class Candles:
    """What a peer made of the samples, and what it cost."""

    def __init__(self, name, samples, sums, cpu_s, prepare_s, path):
        self.name, self.samples, self.sums, self.path = name, samples, sums, path
        self.cpu_s, self.rounds = statistics.median(cpu_s), len(cpu_s)
        self.prepare_s = prepare_s  # loading, before that

    def rate(self):
        """Million process-samples a second."""
        return self.samples / self.cpu_s / 1e6

    def digest(self):
        with open(self.path, "rb") as f:
            return hashlib.file_digest(f, "md5").hexdigest()


# --- DuckDB, by the package of npm: SQL on a Parquet file -----------------------------------------


def install_duckdb():
    """The folder that has it in node_modules."""
    folder = os.path.join(CACHE, "duckdb")
    if not os.path.isdir(f"{folder}/node_modules/@duckdb/node-api"):
        npm = find("npm", "npm")
        os.makedirs(folder, exist_ok=True)
        try:
            run(npm, "install", "--no-audit", "--no-fund", "--prefix", folder, DUCKDB, timeout=300)
        except (RuntimeError, subprocess.TimeoutExpired) as reason:
            raise Missing(f"npm cannot install {DUCKDB}: {str(reason)[-200:]}") from reason
    return folder


def duckdb(jobs):
    """(version, [result of each (SQL, rounds)])"""
    node = find("node", "nodejs")
    answer = json.loads(run(node, f"{HERE}/duckdb.mjs", install_duckdb(), input=json.dumps(jobs)))
    return answer["version"], answer["done"]


def duckdb_parquet(columns, source, to):
    """A query: this CSV as Parquet, compressed by zstd."""
    return (f"COPY (SELECT {columns} FROM read_csv('{source}', header = true)) "
            f"TO '{to}' (FORMAT parquet, COMPRESSION zstd)")


def by_duckdb(samples_csv, candles_csv, rounds):
    parquet = candles_csv + ".parquet"
    columns = ", ".join(f"{name}::INTEGER AS {name}" for name in
                        ("series", "pid", "rss_kb", "high_kb")) + ", ts_ms"
    one = "first(rss_kb) AS o, max(rss_kb) AS h, min(rss_kb) AS l, last(rss_kb) AS c"
    group = f"FROM '{parquet}' GROUP BY ts_ms // {WINDOW_MS}, series"
    version, done = duckdb([
        (duckdb_parquet(columns, samples_csv, parquet), 1),
        (f"SELECT count(*), sum(o), sum(h), sum(l), sum(c) FROM (SELECT {one} {group})", rounds),
        (f"COPY (SELECT min(ts_ms) // {WINDOW_MS} AS w, min(pid) AS pid, first(rss_kb), "
         f"max(high_kb), min(rss_kb), last(rss_kb), count(*) {group} ORDER BY w, pid, series) "
         f"TO '{candles_csv}' (HEADER false)", 1),
        (f"SELECT count(*) FROM '{parquet}'", 1),
    ])
    return Candles(f"DuckDB {version.removeprefix('v')} on Parquet, one thread",
                   int(done[3]["rows"][0][0]), [int(n) for n in done[1]["rows"][0]],
                   done[1]["cpu_s"], done[0]["cpu_s"][0], candles_csv)


# --- in a Python of their own ---------------------------------------------------------------------


def timed(work):
    """(CPU seconds, result)"""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def sqlite3_candles(samples_csv, candles_csv, rounds):
    database = sqlite3.connect(candles_csv + ".sqlite3")
    database.executescript("""
        PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
        PRAGMA temp_store = MEMORY; PRAGMA cache_size = -1000000;
        CREATE TABLE sample (ts_ms INTEGER, series INTEGER, pid INTEGER, rss_kb INTEGER,
                             high_kb INTEGER, PRIMARY KEY (ts_ms, series)) WITHOUT ROWID""")

    def load():
        with open(samples_csv, encoding="ascii", newline="") as f:
            lines = csv.reader(f)
            next(lines)
            database.executemany("INSERT INTO sample (series, pid, ts_ms, rss_kb, high_kb) "
                                 "VALUES (?, ?, ?, ?, ?)", lines)
        database.commit()

    prepare_s, _ = timed(load)

    def make():
        database.executescript(f"""
            DROP TABLE IF EXISTS candle;
            CREATE TEMPORARY TABLE candle AS
            SELECT w, candle.series, o.pid, o.rss_kb AS o, h, l, c.rss_kb AS c, high, n
            FROM (SELECT series, ts_ms / {WINDOW_MS} AS w, min(ts_ms) AS t0, max(ts_ms) AS t1,
                         max(rss_kb) AS h, min(rss_kb) AS l, max(high_kb) AS high, count(*) AS n
                  FROM sample GROUP BY w, series) AS candle
            JOIN sample AS o ON o.ts_ms = t0 AND o.series = candle.series
            JOIN sample AS c ON c.ts_ms = t1 AND c.series = candle.series""")

    costs, _ = zip(*[timed(make) for _ in range(rounds)])
    sums = database.execute("SELECT count(*), sum(o), sum(h), sum(l), sum(c) FROM candle")
    with open(candles_csv, "w", encoding="ascii", newline="") as f:
        csv.writer(f, lineterminator="\n").writerows(database.execute(
            "SELECT w, pid, o, high, l, c, n FROM candle ORDER BY w, pid, series"))
    (samples,) = database.execute("SELECT count(*) FROM sample").fetchone()
    return f"sqlite3 {sqlite3.sqlite_version}", samples, sums.fetchone(), costs, prepare_s


def pandas_candles(samples_csv, candles_csv, rounds):
    import pandas  # it takes a second and 50 MB, so only where it is wanted

    prepare_s, frame = timed(lambda: pandas.read_csv(
        samples_csv, dtype={"series": "int32", "pid": "int32", "rss_kb": "int32",
                            "high_kb": "int32", "ts_ms": "int64"}))

    def group():
        return frame.groupby([frame["ts_ms"] // WINDOW_MS, "series"], sort=False)

    costs, found = zip(*[timed(lambda: group()["rss_kb"].agg(["first", "max", "min", "last"]))
                         for _ in range(rounds)])
    candles = found[-1]
    sums = [len(candles)] + [int(candles[column].sum()) for column in candles]
    more = group().agg(pid=("pid", "first"), high=("high_kb", "max"), n=("pid", "size"))
    candles = candles.join(more).reset_index().sort_values(["ts_ms", "pid", "series"])
    candles[["ts_ms", "pid", "first", "high", "min", "last", "n"]].to_csv(
        candles_csv, header=False, index=False)
    return f"pandas {pandas.__version__}, groupby", len(frame), sums, costs, prepare_s


IN_PYTHON = {"sqlite3": sqlite3_candles, "pandas": pandas_candles}


def python_with(module):
    """An interpreter that has this module: ours, or the system's, whose packages Debian installs."""
    for python in (sys.executable, "/usr/bin/python3"):
        if os.path.exists(python) and not subprocess.run(
                [python, "-c", f"import {module}"], stderr=subprocess.DEVNULL,
                check=False).returncode:
            return python
    raise Missing(f"python3-{module} is not installed")


def in_python(peer, samples_csv, candles_csv, rounds):
    python = python_with("pandas") if peer == "pandas" else sys.executable
    figures = json.loads(run(python, os.path.abspath(__file__), peer, samples_csv, candles_csv,
                             rounds))
    return Candles(*figures, candles_csv)


def main():
    peer, samples_csv, candles_csv, rounds = sys.argv[1:]
    print(json.dumps(IN_PYTHON[peer](samples_csv, candles_csv, int(rounds))))


if __name__ == "__main__":
    main()

"""Bytes per process-sample, side by side: the same samples as others keep them.

Of the recorded trace, and of an hour of the made day: timestamp, pid, start time, parent, user, RSS,
VSZ, swap, name and command line of each process in each snapshot. Then live, where atop is
installed: a crowd of processes, recorded by atop and by memhist-exporter at the same time; these
read more than the columns above.
"""

import contextlib
import csv
import datetime
import io
import itertools
import json
import os
import sqlite3
import subprocess
import time

import history_peers as peers
from history_lib import Missing, built, find, folder_bytes, run, table

LIVE_SECONDS, LIVE_PROCESSES = 30, 2000
MEMHIST = built("memhist")
BLOCK = 4096


def on_disk(size):
    return -(-size // BLOCK) * BLOCK


def as_text(path):
    """CSV, unpacked when it is by zstd."""
    if path.endswith(".zst"):
        return io.StringIO(run(find("zstd", "zstd"), "-dcq", path))
    return open(path, encoding="utf-8", newline="")


def snapshots(path):
    """[row, …] of each instant."""
    with as_text(path) as text:
        for _, rows in itertools.groupby(csv.DictReader(text), key=lambda row: row["ts_ms"]):
            yield list(rows)


def json_files(path, _folder):
    """One JSON file for each snapshot: (bytes, bytes in blocks of the disk)."""
    total = disk = 0
    for rows in snapshots(path):
        at = datetime.datetime.fromtimestamp(int(rows[0]["ts_ms"]) / 1000, datetime.timezone.utc)
        used = sum(int(row["rss_kb"]) for row in rows) / 1024
        size = len(json.dumps({
            "timestamp": at.isoformat(timespec="seconds"), "hostname": "host",
            "items": [{"pid": int(row["pid"]), "cmd": row["cmdline"] or f"[{row['comm']}]",
                       "rss": int(row["rss_kb"]), "group": row["comm"]} for row in rows],
            "total_mb": round(used, 3), "total_gb": round(used / 1024, 3),
            "total_tb": round(used / 1024 ** 2, 3)}, ensure_ascii=False).encode())
        total, disk = total + size, disk + on_disk(size)
    return total, disk


def csv_files(path, _folder):
    """One CSV file for each snapshot, of what `ps -eo pid,ppid,user,rss,vsz,cmd` shows."""
    total = disk = 0
    for rows in snapshots(path):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["PID", "PPID", "USER", "RSS_MB", "VSZ_MB", "CMD"])
        writer.writerows([row["pid"], row["ppid"], row["uid"], f"{int(row['rss_kb']) / 1024:.2f}",
                          f"{int(row['vsz_kb']) / 1024:.2f}", row["cmdline"] or f"[{row['comm']}]"]
                         for row in rows)
        size = len(text.getvalue().encode())
        total, disk = total + size, disk + on_disk(size)
    return total, disk


def of_file(path):
    size = os.path.getsize(path)
    return size, on_disk(size)


def sqlite_rows(path, folder):
    """A row for each process and snapshot, under a number of its own."""
    to = f"{folder}/rows.sqlite3"
    with contextlib.closing(sqlite3.connect(to)) as database:
        database.executescript("""
            PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
            CREATE TABLE record (record_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
                                 ts REAL NOT NULL, cmdline TEXT, stat_pid INTEGER,
                                 stat_comm TEXT, stat_ppid INTEGER, stat_starttime INTEGER,
                                 stat_vsize INTEGER, stat_rss INTEGER, uid INTEGER,
                                 swap_kb INTEGER)""")
        database.executemany(
            "INSERT INTO record VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((int(row["ts_ms"]) / 1000, row["cmdline"], int(row["pid"]), row["comm"],
              int(row["ppid"]), int(row["starttime"]), int(row["vsz_kb"]) * 1024,
              int(row["rss_kb"]) // 4, int(row["uid"]), int(row["swap_kb"]))
             for rows in snapshots(path) for row in rows))
        database.commit()
    return of_file(to)


def plain(path, folder):
    """The CSV of all columns, in one file."""
    to = f"{folder}/plain.csv"
    with as_text(path) as text, open(to, "w", encoding="utf-8", newline="") as f:
        f.write(text.read())
    return to


def zstd_csv(path, folder, level):
    to = f"{folder}/plain.csv.zst"
    run(find("zstd", "zstd"), f"-{level}", "-qf", "-o", to, plain(path, folder))
    return of_file(to)


def zstd_19(path, folder):
    if not path.endswith(".zst"):
        raise Missing(f"minutes for what is as large as {path}")
    return zstd_csv(path, folder, 19)


def parquet(path, folder):
    to = f"{folder}/all.parquet"
    peers.duckdb([(peers.duckdb_parquet("*", plain(path, folder), to), 1)])
    return of_file(to)


def memhist_open(path, folder):
    run(MEMHIST, "import", "--from", "csv", "--history", f"{folder}/history", path)
    return folder_bytes(f"{folder}/history")


def memhist_sealed(_path, folder):
    """After memhist_open."""
    run(MEMHIST, "seal", "--history", f"{folder}/history")
    return folder_bytes(f"{folder}/history")


KEEPERS = {
    "SQLite, a row per sample": sqlite_rows,
    "JSON, a file per snapshot: pid, command, RSS, group": json_files,
    "CSV, a file per snapshot: no start time, swap, name": csv_files,
    "CSV, one file": lambda path, folder: of_file(plain(path, folder)),
    "CSV, one file, `zstd -3`": lambda path, folder: zstd_csv(path, folder, 3),
    "CSV, one file, `zstd -19`": zstd_19,
    "Parquet, zstd (DuckDB)": parquet,
    "memhist, open": memhist_open,
    "memhist, sealed": memhist_sealed,
}


def keep(path, quick):
    """{name: (bytes, on the disk), per process-sample}"""
    samples = sum(len(rows) for rows in snapshots(path))
    folder = os.path.basename(path) + ".kept"
    os.mkdir(folder)
    found = {}
    for name, keeper in KEEPERS.items():
        if quick and keeper is parquet:
            continue
        try:
            found[name] = [size / samples for size in keeper(path, folder)]
        except Missing as reason:
            print(f"left out: {name}: {reason}", flush=True)
    return found


# --- live -----------------------------------------------------------------------------------------


def live():
    """Rows of what recorded the same machine at the same time, once a second."""
    atop = find("atop", "atop")
    exporter = subprocess.Popen(
        [built("memhist-exporter"), "--history.dir=live", "--interval=1s",
         "--web.listen-address=127.0.0.1:0"], stderr=subprocess.DEVNULL)
    try:
        run(atop, "-w", "atop.raw", "1", str(LIVE_SECONDS), timeout=LIVE_SECONDS * 20)
    finally:
        exporter.terminate()
        exporter.wait()
    listed = sum(line.startswith("PRM ")
                 for line in run(atop, "-r", "atop.raw", "-P", "PRM").splitlines())
    samples = json.loads(run(MEMHIST, "status", "--json", "--history", "live"))["process_samples"]
    rows = [["`atop -w`, kernel threads too", f"{listed:,}",
             f"{os.path.getsize('atop.raw') / listed:.2f}"],
            ["memhist-exporter, open", f"{samples:,}", f"{folder_bytes('live')[0] / samples:.2f}"]]
    run(MEMHIST, "seal", "--history", "live")
    rows.append(["… sealed", f"{samples:,}", f"{folder_bytes('live')[0] / samples:.2f}"])
    return rows


def report_live():
    with subprocess.Popen([built("tests/bench/hold_crowd"), str(LIVE_PROCESSES)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as crowd:
        try:
            crowd.stdout.readline()
            time.sleep(1)
            rows = live()
        except Missing as reason:
            print(f"left out: recording side by side: {reason}")
            rows = None
        finally:
            crowd.stdin.close()
    if rows:
        table([f"{LIVE_SECONDS} s of {LIVE_PROCESSES:,} mostly idle processes", "process-samples",
               "bytes each"], rows)


def report(trace, quick):
    """`trace` may be None."""
    run(built("tests/bench/made_day"), "--csv", "hour.csv", "--snapshots",
        *([20, "--processes", 100] if quick else [360]))
    columns = {"an hour of the made day": keep("hour.csv", quick)}
    if trace:
        columns = {"trace": keep(trace, quick), **columns}
    names = [name for name in KEEPERS if any(name in found for found in columns.values())]
    table(["bytes per process-sample (on the disk, in blocks of 4 KiB)", *columns],
          [[name, *("{:.2f} ({:.2f})".format(*found[name]) if name in found else None
                    for found in columns.values())]
           for name in names])
    if not quick:
        report_live()

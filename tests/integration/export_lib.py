"""A small history that has everything: what the tests of memhist export share."""

import csv
import io
import json
import re

import tools_lib as lib
from tools_lib import memhist

FIELDS = "rss_kb,vsz_kb,swap_kb,hwm_kb,file_kb,shmem_kb,peak_kb,locked_kb,threads".split(",")
COLUMNS = ("kind,time,ts_ms,boot_id,boot_ns,pid,starttime,twin,ppid,uid,comm,cmdline,exe,cgroup"
           ).split(",") + FIELDS + ["gap", "gap_since_ms"]
TEXTS = ["comm", "cmdline", "exe", "cgroup"]
BOOTS = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"]

# Names for which somebody has a meaning: spreadsheets, CSV, SQL, terminals, labels, JSON.
NASTY = ["=1+1", "+x", "-x", "@SUM(A1)", "'=x", "'plain", 'say "hi", twice', "two\nlines", "tab\there",
         "back\\slash \\n", " blanks ", "日本語", "{a=\"b\"}", "Robert'); DROP TABLE sample;--",
         "\r", "", "-", "'"]


def guarded(text, formulas=False):
    """As a cell of an export has it."""
    quoted = re.match(r"'+[=+\-@\t\r]", text)
    return "'" + text if quoted or (not formulas and re.match(r"[=+\-@\t\r]", text)) else text


class Recording:
    """Rows as memhist export writes them, put together instant by instant."""

    def __init__(self):
        self.rows = []
        self.ms, self.ns, self.boot = lib.BASE_MS, 10**12, 0

    def next(self, seconds=1.0, wall=None, boot=None):
        """Another instant; the clock on the wall may be set, or the machine boot anew."""
        self.ms += round((seconds if wall is None else wall) * 1000)
        self.ns += round(seconds * 1e9)
        if boot is not None:
            self.boot, self.ns = boot, 10**9

    def add(self, kind="sample", gap="", since="", **cells):
        row = dict.fromkeys(COLUMNS, "")
        seconds = self.ms // 1000 - lib.BASE_MS // 1000 + 12 * 3600
        row.update(kind=kind, ts_ms=self.ms, boot_id=BOOTS[self.boot], boot_ns=self.ns,
                   time=f"2026-06-01 {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}")
        if kind == "gap":
            row.update(gap=gap, gap_since_ms=since)
        else:
            row.update(starttime=100, twin=0, ppid=1, uid=0, comm="a", cmdline="a -b")
        row.update(cells)
        self.rows.append({key: str(value) for key, value in row.items()})

    def process(self, pid, rss, kind="sample", **cells):
        values = {}
        if kind == "sample":
            values = dict(vsz_kb=10 * rss, swap_kb=pid, hwm_kb=rss + 100, file_kb=rss // 2,
                          shmem_kb=rss // 4, peak_kb=10 * rss + 8, locked_kb=0, threads=pid % 5 + 1,
                          rss_kb=rss)
        self.add(kind, pid=pid, **{**values, **cells})

    def cells(self, formulas=False):
        return [{key: guarded(value, formulas) if key in TEXTS else value
                 for key, value in row.items()} for row in self.rows]

    def bytes(self):
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(self.cells())
        return text.getvalue().encode()


def everything():
    """Gaps of several kinds, two boots, twins, reuse, brief lives, last marks, renames, a clock
    that is set back, values that were not measured."""
    r = Recording()
    for second in range(6):
        for pid in range(1, 6):
            r.process(pid, 1000 * pid + second, starttime=pid, comm=f"p{pid}",
                      cmdline=f"run {pid}", exe=f"/bin/p{pid}", cgroup="/system.slice")
        if second == 3:
            r.process(77, 0, "brief", starttime=9, comm="brief", cmdline="true", hwm_kb=512,
                      peak_kb=4096)
            r.process(77, 0, "brief", starttime=9, twin=1, comm="brief", cmdline="false")
        r.next()
    last = r.ms - 1000
    r.next(30)
    r.add("gap", "stopped", last)
    r.process(5, 0, "ended", starttime=5, comm="p5", cmdline="run 5", exe="/bin/p5",
              cgroup="/system.slice", hwm_kb=9999, peak_kb=99999)
    for pid in range(1, 5):
        r.process(pid, 2000 * pid, starttime=pid, comm=f"q{pid}", cmdline=f"other {pid}", uid=1000)
    r.process(5, 7, starttime=5, twin=1)
    last = r.ms
    r.next(1, wall=-3600)
    r.add("gap", "clock step", last)
    for pid in range(1, 5):
        r.process(pid, 2000 * pid, starttime=pid, comm=f"q{pid}", cmdline=f"other {pid}", uid=1000)
    r.process(5, 7, starttime=5, twin=1)
    last = r.ms
    r.next(600, wall=7200, boot=1)
    r.add("gap", "reboot", last)
    for i, name in enumerate(NASTY):
        r.add(pid=i + 1, comm=name, cmdline=name, rss_kb=64 + i)
    return r


def record(recording, history="history"):
    memhist("import", "--from", "csv", "--history", history, "--host", "box", "-",
            stdin=recording.bytes())


def export(form, *args, history="history", **options):
    return memhist("export", "--format", form, "--history", history, "--utc", *args, **options)


def read_csv(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def sorted_rows(rows):
    """Within an instant the order says nothing."""
    return sorted(rows, key=lambda r: (r["boot_id"] != BOOTS[0], int(r["boot_ns"]), r["kind"],
                                       r["pid"], r["starttime"], r["twin"], r["cmdline"]))


def dump(history="history"):
    """All that a history says, but for where it is stored and what CSV has no place for."""
    found = []
    for line in memhist("dump", "--full", "--history", history).text.splitlines():
        line = json.loads(line)
        for key in "file", "offset", "bytes", "seq", "key", "collect_us", "meminfo":
            line.pop(key, None)
        for process in line.get("processes", []):
            process["cmdline"] = " ".join(process["cmdline"])
        line.get("processes", []).sort(key=lambda p: p["pid"])
        found.append(line)
    return found

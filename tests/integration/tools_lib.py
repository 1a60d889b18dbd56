"""What the tests of the command-line programs share: TAP, running them, recordings, an oracle."""

import csv
import datetime
import functools
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback

BUILD = os.environ.get("MEMHIST_BUILDDIR", os.getcwd())
SOURCE = os.environ.get("MEMHIST_SRCDIR", os.path.join(os.path.dirname(__file__), "../.."))
GOLDEN = os.path.join(SOURCE, "tests/golden")
COLUMNS = "ts_ms,pid,starttime,ppid,uid,rss_kb,vsz_kb,swap_kb,comm,cmdline".split(",")

OK, OTHER, USAGE, NO_DATA, PARTIAL, DAMAGED = range(6)


class Skip(Exception):
    """This test point cannot run here; the text says why."""


def run_tests(tests):
    """Run the functions in order as TAP test points, each in an empty folder of its own."""
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    home = os.getcwd()
    for number, test in enumerate(tests, 1):
        name = test.__name__.replace("_", " ")
        folder = tempfile.mkdtemp(prefix="memhist-test-")
        os.chdir(folder)
        try:
            test()
            print(f"ok {number} - {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except Exception:  # a test point fails for whatever went wrong in it
            failed += 1
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {number} - {name}", flush=True)
        finally:
            os.chdir(home)
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)


class Result:
    def __init__(self, done):
        self.status = done.returncode
        self.out = done.stdout
        self.err = done.stderr.decode()

    @property
    def text(self):
        return self.out.decode()

    @property
    def rows(self):
        """Standard output as TSV: a list of lists."""
        return table(self.text)


def table(text):
    return [line.split("\t") for line in text.split("\n")[:-1]]


def run(program, *args, status=OK, tz="UTC", stdin=b"", **options):
    """Run a program of the build; fails when it does not exit with `status`."""
    environment = dict(os.environ, TZ=tz, LC_ALL="C")
    options.setdefault("stdout", subprocess.PIPE)
    result = Result(
        subprocess.run(
            [os.path.join(BUILD, program), *map(str, args)],
            input=stdin, stderr=subprocess.PIPE, env=environment, timeout=120, **options,
        )
    )
    assert status in (None, result.status), (
        f"{program} {' '.join(map(str, args))}: exit {result.status}, not {status}; {result.err}"
    )
    assert "Sanitizer" not in result.err, result.err
    return result


def memhist(*args, **options):
    return run("memhist", *args, **options)


def candles(*args, history="history", **options):
    return run("memhist-candles", "--history", history, *args, **options)


def refuses(result, *words):
    """One sentence on standard error, with these words in it, and nothing else anywhere."""
    lines = result.err.split("\n")
    assert len(lines) == 2 and not lines[1], f"not one sentence: {result.err!r}"
    for word in words:
        assert word in result.err, f"{word!r} is not in {result.err!r}"
    assert not result.out, f"printed nevertheless: {result.out[:100]!r}"


# --- recordings ----------------------------------------------------------------------------------

BASE_MS = 1780315200000  # 2026-06-01 12:00:00 UTC


def row(second, pid, rss, comm="a", cmdline="a", start=100, vsz=None, swap=0, ppid=1, uid=0):
    """One line of a recording: a process at an instant, in seconds after 12:00."""
    ts_ms = BASE_MS + round(second * 1000)
    return [ts_ms, pid, start, ppid, uid, rss, 10 * rss if vsz is None else vsz, swap, comm, cmdline]


def csv_bytes(rows, columns=COLUMNS):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def record(rows, history="history", *args):
    """A history of these rows."""
    memhist("import", "--from", "csv", "--history", history, *args, "-", stdin=csv_bytes(rows))


def trace_path():
    path = os.path.join(SOURCE, "../shared/data/trace-small.csv.zst")
    if not os.path.exists(path):
        raise Skip("the recorded trace is not there")
    return path


def trace_rows():
    path = trace_path()
    if not shutil.which("zstd"):
        raise Skip("zstd is not installed")
    text = subprocess.run(["zstd", "-dc", path], stdout=subprocess.PIPE, check=True).stdout
    rows = list(csv.reader(io.StringIO(text.decode())))
    assert rows[0] == COLUMNS
    return [[int(v) for v in r[:8]] + r[8:] for r in rows[1:]]


# --- whole histories -----------------------------------------------------------------------------


def names(suffix, folder="history"):
    return sorted(name for name in os.listdir(folder) if name.endswith(suffix))


def size(folder="history"):
    return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))


def everything(history="history"):
    """All that the tools say of a history, but for where it is stored."""
    snapshots = [json.loads(line) for line in
                 memhist("dump", "--full", "--history", history).text.splitlines()]
    for snapshot in snapshots:
        for key in "file", "offset", "bytes", "seq", "key":
            snapshot.pop(key, None)
        snapshot.get("processes", []).sort(key=lambda p: (p["pid"], p["start_ticks"]))
    return (snapshots,
            candles("--long", "--all", history=history).text,
            candles("--metric", "vsz", "--by", "command", "--all", history=history).text)


# --- the oracle: candles by the rules, without memhist -------------------------------------------


class Labels:
    """1234, 1234(2), … in order of appearance, by identity or by command."""

    def __init__(self, by):
        self.by = by
        self.label = {}
        self.n_of_pid = {}
        self.alive = {}  # (pid, start): key of the series it is in
        self.command = {}  # by label, the latest

    def of(self, sample, was_alive):
        pid, start, comm, cmdline = sample[1], sample[2], sample[8], sample[9]
        process = (pid, start)
        if self.by == "identity":
            key = process
        elif cmdline or not was_alive:
            key = (pid, cmdline or f"[{comm}]")
        else:
            key = self.alive[process]
        self.alive[process] = key
        if key not in self.label:
            nth = self.n_of_pid[pid] = self.n_of_pid.get(pid, 0) + 1
            self.label[key] = f"{pid}({nth})" if nth > 1 else str(pid)
        label = self.label[key]
        if cmdline or label not in self.command or self.command[label].startswith("["):
            self.command[label] = cmdline or f"[{comm}]"
        return label


def label_rows(rows, by="identity"):
    """([label of each row], {label: its latest command})."""
    labels = Labels(by)
    found = []
    alive, alive_now, instant = set(), set(), None
    for sample in rows:
        if sample[0] != instant:
            alive, alive_now, instant = alive_now, set(), sample[0]
        process = (sample[1], sample[2])
        found.append(labels.of(sample, process in alive))
        alive_now.add(process)
    return found, labels.command


def oracle(rows, labels, interval_s, metric="rss"):
    """{(start of the window in seconds UTC, label): (open, high, low, close, samples)}"""
    column = COLUMNS.index(metric + "_kb")
    samples = {}
    for sample, label in zip(rows, labels):
        window = sample[0] // 1000 // interval_s * interval_s
        samples.setdefault((window, label), []).append(sample[column])
    return {key: (v[0], max(v), min(v), v[-1], len(v)) for key, v in samples.items()}


@functools.cache
def seconds(text):
    moment = datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S")
    return int(moment.replace(tzinfo=datetime.timezone.utc).timestamp())


def long_table(found):
    assert found[0] == "time label pid program open high low close samples".split()
    return {(seconds(r[0]), r[1]): tuple(map(int, r[4:])) for r in found[1:]}


def same(found, expected):
    for key in expected:
        assert key in found, f"{key} is missing"
        assert found[key] == expected[key], f"{key}: {found[key]}, not {expected[key]}"
    assert len(found) == len(expected)

"""memhist export --format openmetrics, taken in by promtool and served by a real Prometheus."""

import os
import re
import shutil
import socket
import subprocess
import sys

import export_lib
import tools_lib as lib
from exporter_lib import wait_for
from exporter_prometheus_lib import Api
from export_lib import everything, export, record
from tools_lib import memhist

SAMPLE = re.compile(r'(\w+)(?:\{(.*)\})? (\S+) (\S+)')


def parse(text):
    """{(name, labels): [(ms, value)]}, in order of appearance; checks the layout."""
    assert text.endswith("\n# EOF\n")
    found, family, done = {}, None, set()
    for line in text.split("\n")[:-2]:
        if line.startswith("# "):
            word, name = line.split(" ")[1:3]
            assert word in ("TYPE", "UNIT", "HELP")
            if word == "TYPE":
                assert name not in done, f"{name} comes twice"
                done.add(name)
                family = name
            continue
        name, labels, value, seconds = SAMPLE.fullmatch(line).groups()
        assert name in (family, family + "_total"), line
        key = (name, labels or "")
        # as Prometheus does: times 1000, and cut
        sample = (int(float(seconds) * 1000), float(value))
        if key in found:
            assert next(reversed(found)) == key, f"{key} is torn apart"
            assert found[key][-1][0] < sample[0], f"{key} goes back"
        found.setdefault(key, []).append(sample)
    return found


def blocks(path, *folder):
    """promtool makes blocks of the file; how many samples, by its own count."""
    done = subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", path, "tsdb"],
                          capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr.decode()
    rows = [line.split() for line in done.stdout.decode().splitlines()]
    column = rows[0].index("SAMPLES") - 4  # BLOCK ULID, MIN TIME, MAX TIME, DURATION, NUM SAMPLES
    return sum(int(row[column]) for row in rows[1:])


class Prometheus(Api):
    """A Prometheus that scrapes nothing and shows the blocks in ./tsdb; for a `with`."""

    def __init__(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        with open("prometheus.yml", "w", encoding="ascii") as file:
            file.write("{}\n")
        with open("log", "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb",
                 # what is old must not be deleted at once
                 "--storage.tsdb.retention.time=100y",
                 f"--web.listen-address=127.0.0.1:{self.port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        wait_for(lambda: self.api("status/buildinfo"), 120, "Prometheus")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def count(prometheus, selector, at_ms, days):
    found = wait_for(lambda: prometheus.api("query", query=f"count_over_time({selector}[{days}d])",
                                            time=at_ms / 1000 + 60), 120, "an answer")
    return {(r["metric"].pop("__name__", ""), tuple(sorted(r["metric"].items()))): int(r["value"][1])
            for r in found["result"]}


def labels_of(text):
    """What a strict reader makes of labels."""
    found, rest = [], text
    while rest:
        name, value, rest = re.fullmatch(r'(\w+)="((?:[^"\\\n]|\\["\\n])*)",?(.*)', rest,
                                         re.S).groups()
        found.append((name, re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), value)))
    return tuple(sorted(found))


def every_sample_is_in_prometheus():
    record(everything())
    text = export("openmetrics", "-o", "all.om")
    assert not text.out and "left out" not in text.err
    with open("all.om", encoding="utf-8", newline="") as file:
        found = parse(file.read())
    n = sum(map(len, found.values()))
    assert blocks("all.om") == n
    last_ms = max(samples[-1][0] for samples in found.values())
    with Prometheus() as prometheus:
        for name in sorted({name for name, _ in found}):
            expected = {("", labels_of(labels)): len(samples)
                        for (its, labels), samples in found.items() if its == name}
            got = count(prometheus, name, last_ms, 2)
            assert got == expected, (name, got.items() ^ expected.items())
        # spot values, at their very milliseconds
        some = list(found.items())[::7]
        for (name, labels), samples in some:
            data = prometheus.api("query", query=f"{name}{{{labels}}}[2d]", time=last_ms / 1000 + 60)
            (result,) = [r for r in data["result"]
                         if tuple(sorted((k, v) for k, v in r["metric"].items() if k != "__name__"))
                         == labels_of(labels)]
            assert [(round(float(s) * 1000), float(v)) for s, v in result["values"]] == samples


def what_is_exported_is_what_was_recorded():
    recording = everything()
    record(recording)
    found = parse(export("openmetrics").out.decode())
    rss = {(dict(labels_of(labels))["pid"], dict(labels_of(labels))["start"],
            dict(labels_of(labels)).get("twin", "0"), dict(labels_of(labels))["boot"], ms): value
           for (name, labels), samples in found.items()
           if name == "memhist_process_resident_memory_bytes" for ms, value in samples}
    assert rss == {(r["pid"], r["starttime"], r["twin"], r["boot_id"][:8], int(r["ts_ms"])):
                   float(r["rss_kb"]) * 1024 for r in recording.rows if r["kind"] == "sample"}
    # the latest name, for the whole series; the mark that only the end showed
    names = {dict(labels_of(labels)).get("comm") for (name, labels) in found
             if name == "memhist_process_threads" and 'pid="2"' in labels and "01234567" in labels}
    assert names == {"q2"}
    marks = [samples for (name, labels), samples in found.items()
             if name == "memhist_process_resident_memory_peak_bytes" and
             'pid="5",start="5",comm' in labels]
    assert [s[-1] for s in marks] == [(export_lib.lib.BASE_MS + 36000, 9999 * 1024.0)]
    gaps = {labels: samples for (name, labels), samples in found.items()
            if name == "memhist_gap_seconds"}
    assert {dict(labels_of(k))["kind"]: [v for _, v in s] for k, s in gaps.items()} == \
        {"stopped": [31.0], "clock step": [0.0], "reboot": [7200.0]}


def milliseconds_survive():
    """Also of times that come out one less when multiplied and cut: in 2004, and from 2038 on."""
    times = [lib.BASE_MS + s * 1001 for s in range(1, 2001)]
    times += [ms for ms in range(2150 * 10**9, 2150 * 10**9 + 10**5) if int(ms / 1000 * 1000) != ms]
    assert len(times) > 3000
    lib.record([[ms, 1, 100, 1, 0, i, i, 0, "a", "a"] for i, ms in enumerate(times)])
    export("openmetrics", "--field", "rss", "-o", "ms.om")
    with open("ms.om", encoding="utf-8") as file:
        found = parse(file.read())
    expected = [(ms, i * 1024.0) for i, ms in enumerate(times)]
    assert [s for (name, _), s in found.items() if "resident" in name] == [expected]


def a_clock_set_back_leaves_out_what_cannot_be_held():
    r = export_lib.Recording()
    for second in range(10):
        r.process(1, 100 + second)
        r.next()
    r.next(1, wall=-5)
    for second in range(10):
        r.process(1, 200 + second)
        r.next()
    record(r)
    found = export("openmetrics", "--field", "rss", "-o", "back.om")
    # five times came again, in the series of the process and in that of their number
    assert found.err.count("\n") == 1 and "10 samples left out" in found.err, found.err
    with open("back.om", encoding="utf-8") as file:
        parsed = parse(file.read())
    (samples,) = [s for (name, _), s in parsed.items() if "resident" in name]
    first = {lib.BASE_MS + 1000 * s: (100 + s) * 1024.0 for s in range(10)}
    second = {lib.BASE_MS + 1000 * (s + 5): (200 + s) * 1024.0 for s in range(10)}
    assert len(samples) == len(first | second) and dict(samples) == second | first
    assert blocks("back.om") == 2 * len(samples)


def more_than_memory_holds_is_sorted_on_disk():
    """More samples than one piece of the sorter has: of each of the ten fields."""
    def values(second, pid):
        rss = (second * pid) % 1000 + 8
        return [rss, 10 * rss, second, rss + pid, 4, 2, 11 * rss, 0, pid]

    lines = [",".join(["ts_ms,pid,starttime,ppid,uid,comm,cmdline", *export_lib.FIELDS])]
    lines += [f"{lib.BASE_MS + 1000 * second},{pid},1,1,0,a,a," + ",".join(map(str, values(second, pid)))
              for second in range(600) for pid in range(1, 101)]
    memhist("import", "--history", "history", "-", stdin="\n".join(lines).encode())
    export("openmetrics", "-o", "much.om")
    assert sorted(os.listdir(".")) == ["history", "much.om"]
    with open("much.om", encoding="utf-8") as file:
        found = parse(file.read())
    assert len(found) == 10 * 100 + 1
    assert sum(map(len, found.values())) == 600 * (10 * 100 + 1)
    for (name, labels), samples in found.items():
        if name == "memhist_process_resident_memory_peak_bytes":
            pid = int(dict(labels_of(labels))["pid"])
            assert samples == [(lib.BASE_MS + 1000 * s, values(s, pid)[3] * 1024) for s in range(600)]


if not shutil.which("prometheus") or not shutil.which("promtool"):
    print("1..0 # SKIP prometheus is not installed")
    sys.exit(0)
lib.run_tests([
    what_is_exported_is_what_was_recorded,
    every_sample_is_in_prometheus,
    milliseconds_survive,
    a_clock_set_back_leaves_out_what_cannot_be_held,
    more_than_memory_holds_is_sorted_on_disk,
])

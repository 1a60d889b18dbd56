"""A scrape of memhist-exporter beside those of process-exporter and node_exporter.

    bench_scrapes.py [PROCESSES [ROUNDS [WINDOW]]]        5000, 9 and 15m when not given

A crowd of mostly idle processes under 300 names, and all exporters at once on it: memhist-exporter by
default and with one group per process, process-exporter grouping by program and with one group per
process, by the same configuration file, and node_exporter. In each round everybody is scraped once, as
text; memhist-exporter also as Prometheus asks it to, gzip included, and each time after a new sample,
so that it has its page to write. Its page is at its longest when a window of 15 minutes is complete,
which is waited for; WINDOW 1m does not. Then:

- what is used at a scrape interval of 15 s is what a scrape takes and what is used without scrapes,
- bytes and memory,
- 100 scrapers that ask at the same moment, with the count of pages that were written for them.

CPU time is user and system time of the exporter, by its process clock. Medians, least and most. A table
in Markdown, and whether what is wanted was found; exit status 1 when not. Who is not installed is left
out, and what is wanted in relation to it.
"""

import contextlib
import ctypes
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

BUILD = os.environ.get("MEMHIST_BUILDDIR", os.getcwd())
PROCESSES, ROUNDS = [int(arg) for arg in sys.argv[1:3]] + [5000, 9][len(sys.argv) - 1:]
WINDOW = sys.argv[3] if len(sys.argv) > 3 else "15m"
SCRAPE_INTERVAL_S = 15
QUIET_S = 30  # for what is used without scrapes
SCRAPERS, BURSTS = 100, 20
MIB = 1 << 20
PR_SET_PDEATHSIG, SIGKILL = 1, 9
TEXT = ()
PROMETHEUS = ("Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
              "Accept-Encoding: gzip")
PROTOBUF = ("Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
            "encoding=delimited",)
GZIP = ("Accept-Encoding: gzip",)


class Failed(Exception):
    """It cannot be measured here; the text says why."""


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)


class Target:
    """An exporter that runs."""

    def __init__(self, folder, port, *command):
        self.port, self.start_most = port, 0
        self.seconds, self.cpu, self.bytes = {}, {}, {}  # by the headers of the request
        self.log, self.command = f"{folder}/{port}.log", command
        self.start()

    def start(self):
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=die_with_parent)

    def wait_to_listen(self):
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.1)
        raise Failed(f"nobody listens at port {self.port}")

    def end(self):
        self.process.kill()
        self.process.wait()

    def cpu_seconds(self):
        """Of all its threads, to the nanosecond: clock_getcpuclockid(3)."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def memory(self):
        """(resident bytes, the most they ever were)"""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            status = f.read()
        return [int(re.search(rf"^{key}:\s+(\d+) kB", status, re.M)[1]) * 1024
                for key in ("VmRSS", "VmHWM")]

    def forget_most(self):
        """What was resident at most, from now on; what it was at the start."""
        self.start_most = self.memory()[1]
        with contextlib.suppress(PermissionError), \
                open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="ascii") as f:
            f.write("5")

    def page(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=120) as answer:
            return answer.read().decode()

    def value(self, name):
        """Of a metric without labels; None while there is no page, or no such metric."""
        with contextlib.suppress(OSError):
            found = re.search(rf"^{name} (\S+)$", self.page(), re.M)
            return float(found[1]) if found else None
        return None

    def wait(self, name, least, seconds=120):
        """Until the metric has this value."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.value(name)
            if value is not None and value >= least:
                return
            if self.process.poll() is not None:
                with open(self.log, encoding="utf-8") as log:
                    raise Failed(f"it ended: {log.read()[-300:].strip()}")
            time.sleep(0.5)
        raise Failed(f"{name} did not come to {least}")

    def scrape(self, headers, scrapers=1, rounds=1, interval_ms=0):
        """[(seconds, bytes of the body)], by tests/bench/scrapers."""
        done = subprocess.run([f"{BUILD}/tests/bench/scrapers", str(self.port), "/metrics",
                               str(scrapers), str(rounds), str(interval_ms), *headers],
                              stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise Failed(f"no answer at port {self.port}")
        return [(int(ns) / 1e9, int(size))
                for ns, size in (line.split() for line in done.stdout.splitlines())]

    def measure(self, headers):
        """One scrape, booked with what it took."""
        cpu = self.cpu_seconds()
        [(seconds, size)] = self.scrape(headers)
        self.cpu.setdefault(headers, []).append(self.cpu_seconds() - cpu)
        self.seconds.setdefault(headers, []).append(seconds)
        self.bytes[headers] = size


class Peer(Target):
    """process-exporter ends when it is scraped while some process has a name that is not UTF-8: then it
    is started again, and that scrape does not count."""

    def measure(self, headers):
        try:
            super().measure(headers)
        except Failed as reason:
            if self.process.poll() is None:
                raise
            print(f"started again, {reason}: {os.path.basename(self.command[0])}", file=sys.stderr)
            self.start()
            self.wait_to_listen()


class Memhist(Target):
    """With the backend that it takes by itself, samples of a second and candles of both windows."""

    def __init__(self, folder, port, *flags):
        super().__init__(folder, port, f"{BUILD}/memhist-exporter", *flags,
                         "--config.file=", f"--web.listen-address=127.0.0.1:{port}")

    def next_sample(self):
        """Its log says nothing of samples and its page is not to be written for this: two intervals
        of a second have one in them, also on a busy machine, or nothing comes of it but a page that
        is there already, which the median does not see."""
        time.sleep(1.2)

    def wait_for_window(self):
        self.wait(f"memhist_window_{WINDOW}_samples", 1, 1000)


def one_group_each(folder):
    path = f"{folder}/each.yml"
    with open(path, "w", encoding="ascii") as f:
        f.write('process_names:\n  - name: "{{.PID}}"\n    cmdline: [".+"]\n')
    return path


def by_program(folder):
    path = f"{folder}/program.yml"
    with open(path, "w", encoding="ascii") as f:
        f.write('process_names:\n  - name: "{{.Comm}}"\n    cmdline: [".+"]\n')
    return path


def peer(folder, port, program, *flags):
    path = shutil.which(program)
    return Peer(folder, port, path, *flags, f"{'--' if 'node' in program else '-'}"
                  f"web.listen-address=127.0.0.1:{port}") if path else None


PROCESS_EXPORTER, NODE_EXPORTER = "prometheus-process-exporter", "prometheus-node-exporter"
NAMES = {
    "ours": "memhist-exporter, by default",
    "ours_each": "memhist-exporter, a group per process",
    "ours_seldom": "… with a sample every 15 s",
    "pe": "process-exporter, by program",
    "pe_each": "process-exporter, a group per process",
    "pe_least": "… without smaps and threads",
    "node": "node_exporter",
}


def start_all(folder):
    each, program = one_group_each(folder), by_program(folder)
    worst_case = f"--config.path={each}", f"--groups.max={2 * PROCESSES}", "--web.max-series=500000"
    targets = {
        "ours": Memhist(folder, 19271),
        "ours_each": Memhist(folder, 19272, *worst_case),
        "ours_seldom": Memhist(folder, 19277, *worst_case, f"--interval={SCRAPE_INTERVAL_S}s"),
        "pe": peer(folder, 19273, PROCESS_EXPORTER, f"-config.path={program}"),
        "pe_each": peer(folder, 19274, PROCESS_EXPORTER, f"-config.path={each}"),
        "pe_least": peer(folder, 19275, PROCESS_EXPORTER, f"-config.path={each}",
                         "-gather-smaps=false", "-threads=false"),
        "node": peer(folder, 19276, NODE_EXPORTER),
    }
    for name in [name for name, target in targets.items() if not target]:
        print(f"left out, not installed: {NAMES[name]}")
        del targets[name]
    return targets


def wait_for_all(targets):
    for target in targets.values():
        if isinstance(target, Memhist):
            target.wait("memhist_up", 1)  # a sample is there
        else:
            target.wait_to_listen()
            target.measure(TEXT)  # the first one, which takes longer, is forgotten
            target.seconds, target.cpu = {}, {}
    print(f"waiting for a window of {WINDOW} to be complete", file=sys.stderr, flush=True)
    targets["ours_each"].wait_for_window()
    targets["ours"].wait_for_window()
    for target in targets.values():
        target.forget_most()


def idle_cpu(targets):
    """{name: CPU seconds of a second without scrapes}."""
    begin, cpu = time.monotonic(), {name: t.cpu_seconds() for name, t in targets.items()}
    time.sleep(QUIET_S)
    seconds = time.monotonic() - begin
    return {name: (t.cpu_seconds() - cpu[name]) / seconds for name, t in targets.items()}


def counts(target):
    """[pages written, samples taken], of one page that is written now."""
    target.next_sample()
    page = target.page()
    return [float(re.search(rf"^{name} (\S+)$", page, re.M)[1])
            for name in ("memhist_pages_written_total", "memhist_sampler_samples_total")]


def many_scrapers(target, headers):
    """(seconds of each answer, pages written, samples taken, bytes). A page does not count itself,
    so that the one with the counts from before is among those counted after."""
    before = counts(target)
    answers = target.scrape(headers, SCRAPERS, BURSTS, 1000)
    after = counts(target)
    return ([seconds for seconds, _ in answers], after[0] - before[0] - 1, after[1] - before[1],
            answers[0][1])


def range_of(values, factor=1e3, digits=2):
    return (f"{statistics.median(values) * factor:.{digits}f} "
            f"({min(values) * factor:.{digits}f} … {max(values) * factor:.{digits}f})")


def rank(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


class Wishes:
    """What is wanted, and whether it was found."""

    def __init__(self):
        self.lines, self.met = [], True

    def at_most(self, what, value, limit, unit):
        self.say(what, value <= limit, f"{value:.3g} {unit}, wanted at most {limit:g}")

    def at_least(self, what, value, limit, unit):
        self.say(what, value >= limit, f"{value:.3g} {unit}, wanted at least {limit:g}")

    def say(self, what, met, text):
        self.met &= met
        self.lines.append(f"- {'met' if met else 'MISSED'}: {what}: {text}")


def median_ms(values):
    return statistics.median(values) * 1e3


def print_scrapes(targets, idle):
    print("\n| | a scrape, ms | CPU of it, ms | … every 15 s, with what goes on between, ms | page, KiB "
          "| resident, MiB | at most, MiB | … at its start |\n|---|---|---|---|---|---|---|---|")
    for name, target in targets.items():
        memory = target.memory()
        for headers in target.seconds:
            cpu = target.cpu[headers]
            whole = statistics.median(cpu) + SCRAPE_INTERVAL_S * idle[name]
            way = ", OpenMetrics by gzip" if headers == PROMETHEUS else ""
            print(f"| {NAMES[name]}{way}", range_of(target.seconds[headers]), range_of(cpu),
                  f"{whole * 1e3:.1f}", f"{target.bytes[headers] / 1024:.0f}",
                  *(f"{size / MIB:.1f}" for size in (*memory, target.start_most)), sep=" | ", end=" |\n")


def print_formats(targets):
    print("\n| the page as | " + " | ".join(NAMES[name] + ", bytes" for name in ("ours", "ours_each"))
          + " |\n|---|---|---|")
    for title, headers in (("text", TEXT), ("text, gzip", GZIP), ("OpenMetrics", PROMETHEUS[:1]),
                           ("OpenMetrics, gzip", PROMETHEUS), ("protobuf", PROTOBUF),
                           ("protobuf, gzip", PROTOBUF + GZIP)):
        sizes = [targets[name].scrape(headers)[0][1] for name in ("ours", "ours_each")]
        print(f"| {title} | {sizes[0]:,} | {sizes[1]:,} |")


def print_many(targets, wishes):
    print(f"\n| {SCRAPERS} scrapers at once, {BURSTS} times | page, KiB | p50, ms | p99, ms | most, ms "
          "| samples meanwhile | pages written |\n|---|---|---|---|---|---|---|")
    for name in ("ours", "ours_each"):
        for title, headers in (("text", TEXT), ("OpenMetrics by gzip", PROMETHEUS)):
            seconds, pages, samples, size = many_scrapers(targets[name], headers)
            p99 = rank(seconds, 0.99) * 1e3
            print(f"| {NAMES[name]}, {title} | {size / 1024:.0f} | {median_ms(seconds):.1f} | {p99:.1f} "
                  f"| {max(seconds) * 1e3:.1f} | {samples:.0f} | {pages:.0f} |")
            wishes.say(f"one page per sample for {SCRAPERS} scrapers", pages <= samples,
                       f"{pages:.0f} in {samples:.0f} samples")
            if name == "ours" or headers:
                wishes.at_most(f"p99 of {SCRAPERS} scrapers, {NAMES[name]}, {title}", p99, 100, "ms")


def leave_out_unmeasured(targets):
    for name in [name for name, target in targets.items()
                 if isinstance(target, Peer) and (not target.seconds or target.process.poll() is not None)]:
        print(f"left out, it does not last: {NAMES[name]}")
        targets.pop(name).end()


def judge(targets, idle, wishes):
    ours, each = targets["ours"], targets["ours_each"]
    scrape = median_ms(each.seconds[TEXT])
    wishes.at_most("a scrape, a group per process", scrape, 15, "ms")
    wishes.at_most("… as Prometheus asks for it", median_ms(each.seconds[PROMETHEUS]), 15, "ms")
    wishes.at_most("a scrape, by default", median_ms(ours.seconds[TEXT]), 2, "ms")
    wishes.at_most("resident, by default", ours.memory()[1] / MIB, 16, "MiB")
    wishes.at_most("resident, a group per process", each.memory()[1] / MIB, 40, "MiB")
    if "pe_each" not in targets:
        return
    peer_ms, peer_cpu = [median_ms(targets["pe_each"].seconds[TEXT]),
                         median_ms(targets["pe_each"].cpu[TEXT])]
    wishes.at_least("process-exporter's scrape, a group per process", peer_ms / scrape, 80, "times")
    wishes.at_least("… its CPU time", peer_cpu / median_ms(each.cpu[TEXT]), 100, "times")
    for name, how in (("ours_seldom", "with a sample for it"), ("ours_each", "with 15 samples")):
        whole = median_ms(each.cpu[TEXT]) + SCRAPE_INTERVAL_S * idle[name] * 1e3
        wishes.lines.append(f"- its CPU time, {how}: {peer_cpu / whole:.3g} times, {whole:.1f} ms")


def measure(folder):
    targets = start_all(folder)
    try:
        wait_for_all(targets)
        for number in range(ROUNDS):
            for name, target in targets.items():
                if name == "ours_seldom":  # it has no new sample to be scraped
                    continue
                for headers in (TEXT, PROMETHEUS) if isinstance(target, Memhist) else (TEXT,):
                    if isinstance(target, Memhist):
                        target.next_sample()
                    target.measure(headers)
            print(f"round {number + 1} is over, load average {os.getloadavg()[0]:.1f}",
                  file=sys.stderr, flush=True)
        leave_out_unmeasured(targets)
        idle = idle_cpu(targets)
        print_scrapes(targets, idle)
        wishes = Wishes()
        judge(targets, idle, wishes)
        print_formats(targets)
        print_many(targets, wishes)
        print("", *wishes.lines, sep="\n")
        return wishes.met
    finally:
        for target in targets.values():
            target.end()


def main():
    with subprocess.Popen([f"{BUILD}/tests/bench/hold_crowd", str(PROCESSES)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as crowd, \
            tempfile.TemporaryDirectory(prefix="memhist-bench-") as folder:
        started = int(crowd.stdout.readline())
        if started != PROCESSES:
            print(f"only {started} of {PROCESSES} processes could be started")
            return 1
        met = measure(folder)
        crowd.stdin.close()
    return 0 if met else 1


sys.exit(main())

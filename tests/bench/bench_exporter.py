"""What the exporter takes: memory over many samples, and the time of a scrape.

    bench_exporter.py [PROCESSES [TICKS [BACKEND]]]        5000, 1000 and auto when not given

Sleeping children under 300 program names; the exporter samples them ten times a second, with a
history. Its memory is read from /proc before each page is fetched. The last lines say whether the
targets are met; exit status 1 when not.
"""

import http.client
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("MEMHIST_BUILDDIR", os.getcwd())
PROCESSES = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
TICKS = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
BACKEND = sys.argv[3] if len(sys.argv) > 3 else "auto"
NAMES, INTERVAL_S = 300, 0.1
WARM_UP = 300  # samples: five keyframes of the history, after which its buffers have their size
RSS_TARGET = (16 if PROCESSES <= 5000 else 48) << 20  # the latter is meant for 20,000
GROWTH_TARGET = 256 << 10
MIB = 1 << 20


def start_crowd(folder):
    """Children that sleep, under program names of symbolic links to sleep."""
    for i in range(NAMES):
        os.symlink("/bin/sleep", f"{folder}/idle-{i}")
    return [subprocess.Popen([f"{folder}/idle-{i % NAMES}", "100000"], close_fds=False)
            for i in range(PROCESSES)]


class Exporter:
    def __init__(self, folder):
        self.log = open(f"{folder}/log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [f"{BUILD}/memhist-exporter", "--web.listen-address=127.0.0.1:0",
             f"--history.dir={folder}/history", f"--interval={int(INTERVAL_S * 1000)}ms",
             f"--collector.backend={BACKEND}"],
            stderr=self.log)
        found = None
        while not found:
            assert self.process.poll() is None, "the exporter did not start"
            time.sleep(0.05)
            with open(f"{folder}/log", encoding="utf-8") as log:
                found = re.search(r"listening on 127\.0\.0\.1:(\d+)", log.read())
        self.connection = http.client.HTTPConnection("127.0.0.1", int(found[1]))

    def rss(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def scrape(self):
        """(page, seconds)"""
        begin = time.perf_counter()
        self.connection.request("GET", "/metrics")
        page = self.connection.getresponse().read().decode()
        return page, time.perf_counter() - begin


def value(page, name):
    return float(re.search(rf"^{name} (\S+)$", page, re.MULTILINE)[1])


def main():
    first, again, written, rss, pages = [], [], [], [], []
    with tempfile.TemporaryDirectory(prefix="memhist-bench-") as folder:
        crowd = []
        exporter = None
        try:
            crowd = start_crowd(folder)
            exporter = Exporter(folder)
            ticks, cpu_begin, ticks_begin = 0, 0.0, 0
            while ticks < WARM_UP + TICKS:
                time.sleep(INTERVAL_S)
                memory = exporter.rss()
                page, seconds = exporter.scrape()
                if value(page, "memhist_sampler_samples_total") == ticks:
                    continue
                ticks = int(value(page, "memhist_sampler_samples_total"))
                if ticks < WARM_UP:
                    continue
                if not cpu_begin:
                    cpu_begin = value(page, "process_cpu_seconds_total")
                    ticks_begin = ticks
                rss.append(memory)
                first.append(seconds)
                written.append(value(page, "memhist_scrape_duration_seconds"))
                again.append(exporter.scrape()[1])
                pages.append(len(page))
            cpu = value(page, "process_cpu_seconds_total") - cpu_begin
        finally:
            if exporter:
                exporter.process.terminate()
                exporter.process.wait()
            for child in crowd:
                child.kill()
            for child in crowd:
                child.wait()
    # the ends as medians: a page that is being sent makes single readings a little larger
    begin, end = statistics.median(rss[:20]), statistics.median(rss[-20:])
    backend = re.search(r'backend_info{backend="([^"]*)"', page)[1]
    print(f"{value(page, 'memhist_processes'):.0f} processes, {ticks} samples by {backend}, "
          f"page of {statistics.median(pages) / 1024:.0f} KiB")
    print(f"resident memory   {begin / MIB:.2f} MiB at the start, {end / MIB:.2f} MiB at the end, "
          f"{max(rss) / MIB:.2f} MiB at most")
    print(f"scrape            {statistics.median(first) * 1e3:.2f} ms when the page is written "
          f"({statistics.median(written) * 1e3:.2f} ms of it writing), "
          f"{statistics.median(again) * 1e3:.2f} ms when it is there already")
    print(f"CPU, all of it    {cpu / (ticks - ticks_begin) * 1e3:.1f} ms a sample, with scrapes")
    met = max(rss) <= RSS_TARGET and end - begin <= GROWTH_TARGET
    print(f"targets           {'met' if met else 'MISSED'}: at most {RSS_TARGET // MIB} MiB, "
          f"growth at most {GROWTH_TARGET // 1024} KiB")
    return 0 if met else 1


sys.exit(main())

"""A real Prometheus scrapes the exporter: OpenMetrics, which it asks for by itself, and protobuf, which it
asks for where native histograms are enabled."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

from exporter_prometheus_lib import Api
from exporter_lib import EXPORTER, Child, Exporter, run_tests, single, wait_for
from tools_lib import run


class Prometheus(Api):
    """A Prometheus in a folder of its own that scrapes one target every second; for a `with`."""

    def __init__(self, target_port, *flags):
        self.folder = tempfile.TemporaryDirectory(prefix="memhist-test-")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        config = os.path.join(self.folder.name, "prometheus.yml")
        with open(config, "w", encoding="ascii") as f:
            json.dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                       "scrape_configs": [{"job_name": "memhist", "static_configs": [
                           {"targets": [f"127.0.0.1:{target_port}"]}]}]}, f)
        with open(os.path.join(self.folder.name, "log"), "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={config}",
                 f"--storage.tsdb.path={self.folder.name}/tsdb",
                 f"--web.listen-address=127.0.0.1:{self.port}", *flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def query(self, expression):
        """[(labels, value)], empty also while Prometheus starts."""
        data = self.api("query", query=expression)
        return [(r["metric"], float(r["value"][1])) for r in data["result"]] if data else []

    def value(self, expression):
        result = self.query(expression)
        return result[0][1] if result else None


def tests_of(exporter, prometheus, way, family):
    """`family`: what a family of counters is called that are called x_total."""

    def it_is_up():
        wait_for(lambda: prometheus.value('up{job="memhist"}') == 1, 60, "the target up")
        target = prometheus.api("targets")["activeTargets"][0]
        assert target["health"] == "up" and target["lastError"] == "", target
        assert prometheus.value("memhist_up") == 1

    def it_stores_what_the_kernel_counts():
        with Child(b"memhist-\xff\"x", 48) as child:
            pid = f'{{pid="{child.pid}"}}'
            name = 'memhist-\ufffd"x'
            vsz, rss = child.statm()
            resident = "memhist_process_resident_memory_bytes" + pid
            # the first sample may be of the time when it still grew
            found = wait_for(lambda: [labels for labels, value in prometheus.query(resident)
                                      if value == rss], what="the child at its size")
            assert found[0]["comm"] == found[0]["group"] == name, found
            assert prometheus.value("memhist_process_virtual_memory_bytes" + pid) == vsz
            group = f"memhist_group_resident_memory_bytes{{group={json.dumps(name)}}}"
            assert prometheus.value(group) == rss
        wait_for(lambda: not prometheus.query(resident), 60, "a stale marker at its end")
        assert not prometheus.query(group)

    def its_candles_are_read_back():
        with Child(b"candled", 32) as child:
            rss = child.statm()[1]
            resident = f'memhist_process_resident_memory_bytes{{pid="{child.pid}"}}'
            wait_for(lambda: prometheus.value(resident) == rss, 60, "the child at its size")
            started = f'memhist_process_start_time_seconds{{pid="{child.pid}"}}'
            assert prometheus.value(started) > 0
            table = run("memhist-candles", "--prometheus", f"http://127.0.0.1:{prometheus.port}",
                        "--hours", "1", "--long", "--unit", "bytes").rows
        rows = [row for row in table if row[1] == str(child.pid)]
        assert rows and rows[-1][3] == "candled" and rows[-1][7] == str(rss), rows

    def it_stores_every_metric_of_the_page():
        page = exporter.metrics()
        shown = {name for name, _ in page}
        stored = set(prometheus.api("label/__name__/values"))
        assert shown <= stored, shown - stored
        assert prometheus.value("scrape_samples_scraped") > 60
        assert prometheus.value("memhist_meminfo_mem_total_bytes") == \
            single(page, "memhist_meminfo_mem_total_bytes")

    def it_knows_their_types():
        """By the name of the family it is seen which format it was."""
        for name, kind in ((family("memhist_sampler_samples_total"), "counter"),
                           ("memhist_group_processes", "gauge")):
            metadata = prometheus.api("metadata", metric=name)[name]
            assert metadata[0]["type"] == kind and metadata[0]["help"], metadata

    tests = [it_is_up, it_stores_what_the_kernel_counts, its_candles_are_read_back,
             it_stores_every_metric_of_the_page, it_knows_their_types]
    for test in tests:
        test.__name__ = f"{way}: {test.__name__}"
    return tests


if not shutil.which("prometheus") or not os.path.exists(EXPORTER):
    print("1..0 # SKIP prometheus is not installed, or memhist-exporter was not built")
    sys.exit(0)
with Exporter("--interval=200ms") as its_target, \
        Prometheus(its_target.port) as by_itself, \
        Prometheus(its_target.port, "--enable-feature=native-histograms") as with_histograms:
    run_tests(tests_of(its_target, by_itself, "openmetrics", lambda n: n.removesuffix("_total"))
              + tests_of(its_target, with_histograms, "protobuf", lambda name: name))

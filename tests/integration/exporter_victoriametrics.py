"""A real VictoriaMetrics scrapes the exporter: it asks for text."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

from exporter_lib import EXPORTER, Child, Exporter, run_tests, single, wait_for
from exporter_prometheus_lib import Api


class VictoriaMetrics(Api):
    """One in a folder of its own that scrapes one target every second; for a `with`."""

    def __init__(self, target_port):
        self.folder = tempfile.TemporaryDirectory(prefix="memhist-test-")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        config = os.path.join(self.folder.name, "scrape.yml")
        with open(config, "w", encoding="ascii") as f:
            json.dump({"global": {"scrape_interval": "1s"},
                       "scrape_configs": [{"job_name": "memhist", "static_configs": [
                           {"targets": [f"127.0.0.1:{target_port}"]}]}]}, f)
        with open(os.path.join(self.folder.name, "log"), "wb") as log:
            self.process = subprocess.Popen(
                ["victoria-metrics", f"-promscrape.config={config}",
                 f"-storageDataPath={self.folder.name}/data", "-search.latencyOffset=0s",
                 f"-httpListenAddr=127.0.0.1:{self.port}", "-memory.allowedBytes=128MB"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def value(self, expression):
        data = self.api("query", query=expression)
        return float(data["result"][0]["value"][1]) if data and data["result"] else None


def test(exporter, store):
    def it_is_up():
        wait_for(lambda: store.value('up{job="memhist"}') == 1, 120, "the target up")
        wait_for(lambda: store.value("memhist_up") == 1, 120, "its figures")

    def it_stores_what_the_kernel_counts():
        with Child(b"memhist-\xff\"x\\", 48) as child:
            group = json.dumps('memhist-\ufffd"x\\', ensure_ascii=False)
            resident = f"memhist_group_resident_memory_bytes{{group={group}}}"
            wait_for(lambda: store.value(resident) == child.statm()[1], 120, "the child's size")
        assert store.value("memhist_meminfo_mem_total_bytes") == \
            single(exporter.metrics(), "memhist_meminfo_mem_total_bytes")

    run_tests([it_is_up, it_stores_what_the_kernel_counts])


if not shutil.which("victoria-metrics") or not os.path.exists(EXPORTER):
    print("1..0 # SKIP victoria-metrics is not installed, or memhist-exporter was not built")
    sys.exit(0)
with Exporter("--interval=200ms") as its_target, VictoriaMetrics(its_target.port) as its_store:
    test(its_target, its_store)

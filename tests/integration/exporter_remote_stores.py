"""Remote write into a real Prometheus and a real VictoriaMetrics: after outages of the stores and of the
exporter, they have each sample of the history, with its value and time, and no other.

With a number as its argument there are so many outages more, in an order that is chance."""

import csv
import io
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import remote_lib
from exporter_lib import EXPORTER, run_tests, series, wait_for
from exporter_prometheus_lib import Api
from tools_lib import candles, memhist, run

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 0
RESIDENT = "memhist_process_resident_memory_bytes"


class Store(Api):
    """A program with data in a folder of its own, on one port through all of its lives."""

    def __init__(self, folder, name):
        self.folder = os.path.join(folder, name)
        os.mkdir(self.folder)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.start()

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        wait_for(self.is_ready, 120, "a store that is ready")

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(timeout=120)

    def fetch(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as r:
                return r.read()
        except OSError:
            assert self.process.poll() is None, "the store ended"
            return None

    def is_ready(self):
        return self.fetch(self.READY) is not None


class Prometheus(Store):
    READY = "/-/ready"

    def command(self):
        config = os.path.join(self.folder, "prometheus.yml")
        with open(config, "w", encoding="ascii") as f:
            f.write("{}\n")
        return ["prometheus", f"--config.file={config}", "--web.enable-remote-write-receiver",
                f"--storage.tsdb.path={self.folder}/tsdb",
                f"--web.listen-address=127.0.0.1:{self.port}"]

    def write_url(self):
        return f"http://127.0.0.1:{self.port}/api/v1/write"

    def samples(self, name):
        """{(pid, ms): value} of all series of that name."""
        data = self.api("query", query=f"{name}[1h]")
        return {(r["metric"]["pid"], round(float(at) * 1000)): float(value)
                for r in data["result"] for at, value in r["values"]}

    def labels(self, name):
        return [r["metric"] for r in self.api("query", query=f"last_over_time({name}[1h])")["result"]]


class VictoriaMetrics(Store):
    READY = "/health"

    def command(self):
        return ["victoria-metrics", f"-storageDataPath={self.folder}/data",
                f"-httpListenAddr=127.0.0.1:{self.port}", "-memory.allowedBytes=128MB"]

    def write_url(self):
        return f"http://127.0.0.1:{self.port}/api/v1/write"

    def samples(self, name):
        found = {}
        self.fetch("/internal/force_flush")
        for line in self.fetch(f"/api/v1/export?match[]={name}").splitlines():
            one = json.loads(line)
            for at, value in zip(one["timestamps"], one["values"]):
                if value is not None:  # a stale marker
                    found[(one["metric"]["pid"], at)] = value
        return found


def recorded(history):
    """{(pid, ms): RSS in bytes}, as `memhist export` says."""
    text = memhist("export", "--format", "csv", "--history", history, "--utc").text
    return {(row["pid"], int(row["ts_ms"])): int(row["rss_kb"]) * 1024.0
            for row in csv.DictReader(io.StringIO(text)) if row["kind"] == "sample"}


def sent(exporter, name):
    """The time until which a store has everything."""
    values = [value for labels, value in series(
        exporter.metrics(), "memhist_remote_write_highest_sent_timestamp_seconds")
        if labels["remote_name"] == name]
    return values[0] if values else 0


def wait_until_sent(exporter, *names):
    now = time.time()
    for name in names:
        wait_for(lambda n=name: sent(exporter, n) > now, what=f"what is recorded now at {name}")


def settled(store, history):
    """What a store has, once it shows what it has taken: VictoriaMetrics takes a while for that."""
    end = time.monotonic() + 30
    while True:
        found = store.samples(RESIDENT)
        if history.items() <= found.items() or time.monotonic() > end:
            return found
        time.sleep(0.1)


def tables(history, stores):
    """{whose: its table}; each second is a window, where everything shows."""
    args = "--hours", "1", "--interval", "1s", "--utc", "--unit", "bytes"
    found = {"history": candles(*args, history=history).text}
    for name, store in stores.items():
        found[name] = run("memhist-candles", "--prometheus", f"http://127.0.0.1:{store.port}",
                          "--selector", '{instance="here"}', *args).text
    return found


def live(folder):
    """All lives of the stores and of the exporter; what was recorded and what the stores have."""
    prometheus, victoria = Prometheus(folder, "prometheus"), VictoriaMetrics(folder, "victoria")
    remote_lib.SmallProc(f"{folder}/proc", 30)
    queue = {"batch_send_deadline": "400ms", "max_backoff": "200ms"}
    config = remote_lib.configure(folder, [
        {"url": store.write_url(), "name": name, "queue_config": queue,
         "external_labels": {"instance": "here"}}
        for name, store in (("prometheus", prometheus), ("victoria", victoria))])
    flags = ("--interval=100ms", f"--path.procfs={folder}/proc")
    logs = []
    try:
        exporter = remote_lib.exporter(config, *flags)
        try:
            wait_until_sent(exporter, "prometheus", "victoria")
            victoria.stop()
            wait_until_sent(exporter, "prometheus")  # it does not wait for the other
            prometheus.stop()
            wait_for(lambda: "remote write to prometheus fails" in exporter.read_log(),
                     what="a word on the outage")
            victoria.start()
            wait_until_sent(exporter, "victoria")
            exporter.kill()
            logs.append(exporter.read_log())
            prometheus.start()
            exporter = remote_lib.exporter(config, *flags)
            wait_until_sent(exporter, "prometheus", "victoria")
            exporter.kill()
            logs.append(exporter.read_log())
            exporter = remote_lib.exporter(config, *flags)
            for _ in range(ROUNDS):
                what = random.choice([prometheus, victoria, None])
                if what:
                    what.stop()
                    time.sleep(random.random())
                    what.start()
                else:
                    exporter.kill()
                    exporter = remote_lib.exporter(config, *flags)
                    time.sleep(random.random())
            wait_until_sent(exporter, "prometheus", "victoria")
            assert exporter.end() == 0
            logs.append(exporter.read_log())
        finally:
            exporter.kill()
        history = recorded(f"{folder}/history")
        return {"history": history, "prometheus": settled(prometheus, history),
                "victoria": settled(victoria, history), "logs": logs,
                "tables": tables(f"{folder}/history",
                                 {"prometheus": prometheus, "victoria": victoria}),
                "labels": prometheus.labels(RESIDENT),
                "now": prometheus.api("query", query=RESIDENT)["result"]}
    finally:
        prometheus.stop()
        victoria.stop()


def same(name):
    def check():
        recorded_there, stored = LIVE["history"], LIVE[name]
        assert len(recorded_there) > 500
        missing = {k: v for k, v in recorded_there.items() if stored.get(k) != v}
        assert not missing, f"{len(missing)} of {len(recorded_there)}: {sorted(missing.items())[:5]}"
        assert set(stored) == set(recorded_there)
    check.__name__ = f"{name} has the whole history"
    return check


def candles_are_those_of_the_history():
    expected = LIVE["tables"]["history"]
    assert expected.count("\n") > 3 and expected.count("_open") == 30, expected[:500]
    for name in "prometheus", "victoria":
        assert LIVE["tables"][name] == expected, f"{LIVE['tables'][name]}\nnot\n{expected}"


def labels_are_complete():
    for labels in LIVE["labels"]:
        assert labels["job"] == "memhist" and labels["instance"] == "here", labels
        assert {"pid", "comm", "start", "group"} <= set(labels), labels


def series_have_ended():
    assert LIVE["now"] == [], LIVE["now"]  # within the five minutes in which it would look back


def outages_are_logged():
    first = LIVE["logs"][0]
    assert "remote write to victoria fails and is tried again" in first, first
    assert "remote write to victoria works again" in first, first


for program in ("prometheus", "victoria-metrics"):
    if not shutil.which(program):
        print(f"1..0 # SKIP {program} is not installed")
        sys.exit(0)
if not os.path.exists(EXPORTER):
    print("1..0 # SKIP memhist-exporter was not built")
    sys.exit(0)
with tempfile.TemporaryDirectory(prefix="memhist-test-") as where:
    LIVE = live(where)
run_tests([same("prometheus"), same("victoria"), candles_are_those_of_the_history,
           labels_are_complete, series_have_ended, outages_are_logged])

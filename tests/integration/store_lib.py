"""Stores for tests: a Prometheus that takes remote write, a VictoriaMetrics, and what is written to them."""

import json
import os
import socket
import struct
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from exporter_prometheus_lib import Api

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


# --- remote write, from the specification ---------------------------------------------------------


def varint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def snappy(data):
    """A block of literals only."""
    out = [varint(len(data))]
    for at in range(0, len(data), 1 << 16):
        piece = data[at:at + (1 << 16)]
        out.append(b"\xf4" + struct.pack("<H", len(piece) - 1) + piece)
    return b"".join(out)


def write_request(series):
    """{(("name", "value"), …): [(ms, value), …]}"""
    out = []
    for labels, samples in series.items():
        one = b"".join(field(1, field(1, name.encode()) + field(2, value.encode()))
                       for name, value in sorted(labels))
        one += b"".join(field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(ms))
                        for ms, value in samples)
        out.append(field(1, one))
    return snappy(b"".join(out))


def remote_write(url, series):
    request = urllib.request.Request(url + "/api/v1/write", write_request(series), {
        "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
        "User-Agent": "memhist-test", "X-Prometheus-Remote-Write-Version": "0.1.0"})
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status in (200, 204)


# --- stores ----------------------------------------------------------------------------------------


class Store(Api):
    """A process in a folder of its own; for a `with`."""

    def __init__(self, command):
        self.folder = tempfile.TemporaryDirectory(prefix="memhist-test-")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        with open(os.path.join(self.folder.name, "log"), "wb") as log:
            self.process = subprocess.Popen(command(self.folder.name, self.port),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        until = time.monotonic() + 120
        while not self.is_ready():
            assert self.process.poll() is None, "the store ended"
            assert time.monotonic() < until, "the store is not ready after two minutes"
            time.sleep(0.05)
        return self

    def is_ready(self):
        try:
            with urllib.request.urlopen(self.url + self.ready, timeout=60) as response:
                return response.status == 200
        except OSError:
            return False

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


class Prometheus(Store):
    ready = "/-/ready"

    def __init__(self, *flags):
        def command(folder, port):
            config = os.path.join(folder, "prometheus.yml")
            with open(config, "w", encoding="ascii") as f:
                json.dump({"scrape_configs": []}, f)
            return ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb",
                    f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
                    *flags]

        super().__init__(command)

    def flush(self):
        """What was written can be read."""


class VictoriaMetrics(Store):
    ready = "/health"

    def __init__(self):
        super().__init__(lambda folder, port: [
            "victoria-metrics", f"-storageDataPath={folder}/data", "-search.latencyOffset=0s",
            f"-httpListenAddr=127.0.0.1:{port}", "-memory.allowedBytes=128MB"])

    def flush(self):
        urllib.request.urlopen(self.url + "/internal/force_flush", timeout=60).close()


# --- a machine, as a history and as series -----------------------------------------------------------


class Machine:
    """Processes over half an hour that ended a while ago, every `step` seconds. `lives`:
    [(pid, start, [(from, comm)], until)], in steps; each comm from its step on."""

    steps, step = 360, 5
    lives = [
        (1, 1, [(0, "init")], 360),
        (20, 7, [(0, "sh"), (100, "make"), (200, "cc1")], 300),  # executes others
        (30, 9, [(10, "a")], 50),
        (30, 55, [(55, "b")], 90),  # the pid once more
        (30, 90, [(90, "b")], 200),  # and again, without a snapshot in between, with that name
        (31, 11, [(120, "odd \\ \"name\" é\n")], 350),
        (400, 100, [(340, "last")], 360),
    ] + [(1000 + i, i, [(0, f"worker{i}")], 360) for i in range(5)]

    def __init__(self, now=None):
        self.begin_ms = int((now or time.time()) - 45 * 60) * 1000

    def values(self, pid, start, at):
        """(rss, vsz) in KiB: whole pages."""
        rss = 4 * (1000 + pid + (at * (7 + start) * 31 + pid) % 997)
        return rss, 4 * (50000 + pid * 3 + at // 40)

    def alive(self):
        """(step, ms, pid, start, comm), by step."""
        for at in range(self.steps):
            for pid, start, names, until in self.lives:
                if names[0][0] <= at < until:
                    comm = [name for begin, name in names if begin <= at][-1]
                    yield at, self.begin_ms + at * self.step * 1000, pid, start, comm

    def rows(self):
        """As tools_lib.record() takes them: no command lines."""
        return [[ms, pid, start, 0, 0, *self.values(pid, start, at), 0, comm, ""]
                for at, ms, pid, start, comm in self.alive()]

    def series(self, instance, form):
        """`form`: start: with the label `start`; value: with start_time_seconds beside; none."""
        found = {}
        last = {}
        for at, ms, pid, start, comm in self.alive():
            labels = {"instance": instance, "job": "memhist", "group": comm.strip("\n"),
                      "comm": comm, "pid": str(pid)}
            start_ms = self.begin_ms - 3600000 + start * 10000
            if form == "start":
                labels["start"] = str(start_ms)
            rss, vsz = self.values(pid, start, at)
            samples = [("resident_memory_bytes", rss * 1024), ("virtual_memory_bytes", vsz * 1024)]
            if form == "value":
                samples.append(("start_time_seconds", start_ms / 1000))
            for metric, value in samples:
                key = tuple(sorted({**labels, "__name__": "memhist_process_" + metric}.items()))
                found.setdefault(key, []).append((ms, float(value)))
                last[key] = at
        for key, at in last.items():
            if at + 1 < self.steps:
                found[key].append((self.begin_ms + (at + 1) * self.step * 1000, STALE))
        return found

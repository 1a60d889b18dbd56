"""Remote write from a history to a receiver that takes everything and keeps nothing: samples for each
second of the exporter's CPU, beside curl that posts the same bytes, and memory while it catches up.

    bench_remote_send.py [PROCESSES [SNAPSHOTS]]           2000 and 360 when not given

A made machine's history (made_day), which is sent whole: all processes, their RSS and VSZ, and groups. CPU is
user and system time of all threads of the exporter, which samples once an hour meanwhile. The last line says
whether the target is met; exit status 1 when not.
"""

import json
import os
import re
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))
from remote_lib import SmallProc

BUILD = os.environ.get("MEMHIST_BUILDDIR", os.getcwd())
PROCESSES = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
SNAPSHOTS = int(sys.argv[2]) if len(sys.argv) > 2 else 360
SAMPLES_TARGET = 200_000
BODIES = 300  # that curl posts
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class NullReceiver:
    """Answers 204 to each request, and keeps the first bodies."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.requests, self.bodies, self.at = 0, [], []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection:
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    piece = connection.recv(1 << 20)
                    if not piece:
                        return
                    data += piece
                head, _, data = data.partition(b"\r\n\r\n")
                length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
                while len(data) < length:
                    data += connection.recv(1 << 20)
                if len(self.bodies) < BODIES:
                    self.bodies.append(data[:length])
                data = data[length:]
                connection.sendall(ANSWER)
                self.requests += 1
                self.at.append(time.monotonic())


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        user, system = f.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def start(folder, receiver, send):
    config = f"{folder}/memhist.yaml"
    endpoints = [{"url": f"http://127.0.0.1:{receiver.port}/", "backfill": "50y",
                  "send": {"processes": "all", "max_series": 100000}}] if send else []
    with open(config, "w", encoding="ascii") as f:
        json.dump({"history": {"dir": f"{folder}/history", "max_size": "none"},
                   "remote_write": endpoints}, f)
    os.chmod(config, 0o640)
    SmallProc(f"{folder}/proc", 1)
    return subprocess.Popen(
        [f"{BUILD}/memhist-exporter", f"--config.file={config}", "--interval=1h",
         f"--path.procfs={folder}/proc", "--web.listen-address=127.0.0.1:0",
         "--history.sealer=none", "--history.min-free=none"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def send(folder, receiver):
    """(requests, CPU seconds, seconds, memory over that of an exporter without endpoints)"""
    idle = start(folder, receiver, False)
    time.sleep(2)
    at_rest = resident(idle.pid)
    idle.terminate()
    idle.wait()
    most = 0
    exporter = start(folder, receiver, True)
    while not receiver.requests or time.monotonic() - receiver.at[-1] < 7:
        most = max(most, resident(exporter.pid))
        time.sleep(0.02)
        assert exporter.poll() is None
    taken = cpu_s(exporter.pid)
    exporter.terminate()
    exporter.wait()
    # the last one has waited for others to go with it
    return receiver.requests, taken, receiver.at[-2] - receiver.at[0], most - at_rest


def curl(folder, receiver):
    """CPU seconds of curl for each of these bodies, over one connection."""
    lines = []
    for i, body in enumerate(receiver.bodies):
        with open(f"{folder}/{i}", "wb") as f:
            f.write(body)
        lines.append(f'url = "http://127.0.0.1:{receiver.port}/"\ndata-binary = "@{folder}/{i}"\n'
                     'header = "Expect:"\noutput = "/dev/null"\n')
    with open(f"{folder}/curl", "w", encoding="ascii") as f:
        f.write("next\n".join(lines))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["curl", "-s", "-K", f"{folder}/curl"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / len(lines)


with tempfile.TemporaryDirectory(prefix="memhist-bench-") as where:
    made = subprocess.run([f"{BUILD}/tests/bench/made_day", "--history", f"{where}/history",
                           "--snapshots", str(SNAPSHOTS), "--interval", "10",
                           "--processes", str(PROCESSES)], check=True, capture_output=True)
    store = NullReceiver()
    requests, spent, took, growth = send(where, store)
    by_curl = curl(where, store)
samples = 2000 * (requests - 1)  # all but the last are full
size = sum(map(len, store.bodies)) / len(store.bodies)
print(f"{samples:,} samples in {requests:,} requests of {size / 1024:.1f} KiB, in {took:.1f} s: "
      f"{samples / took:,.0f} a second")
print(f"exporter: {spent:.2f} s of CPU, {samples / spent:,.0f} samples a second of CPU, "
      f"{spent / requests * 1e6:.0f} µs a request")
print(f"curl, of the same bodies: {by_curl * 1e6:.0f} µs a request; "
      f"the exporter takes {spent / requests / by_curl:.1f} times that")
print(f"memory: {growth / (1 << 20):.1f} MiB more than without endpoints, libcurl included")
is_met = samples / spent >= SAMPLES_TARGET
print(f"target {SAMPLES_TARGET:,} samples a second of CPU: {'met' if is_met else 'MISSED'}")
sys.exit(0 if is_met else 1)

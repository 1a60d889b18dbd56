"""kill -9 on a recording exporter, again and again in one directory: every snapshot that was
reported as written before the kill is read back, and verify finds no damage.

    kill9.py [ROUNDS [SEED]]        20 rounds in `make check`

More rounds, of a writer alone: tests/faults/kill9.c.
"""

import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

from exporter_lib import EXPORTER, parse_page, single, wait_for
from tools_lib import memhist


class Round:
    """One exporter, from its start to its violent end."""

    def __init__(self):
        self.began = time.time()
        self.reported = 0  # snapshots of this exporter, as it counts them
        self.stamps = set()  # wall times in ms of those whose report was seen
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [EXPORTER, "--web.listen-address=127.0.0.1:0", "--history.dir=history",
             "--history.min-free=none", "--interval=100ms", "--process.top=0"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def kill(self):
        self.process.kill()
        status = self.process.wait()
        assert status == -9, f"ended by itself with {status}:\n{self.read_log()}"

    def read_log(self):
        return os.pread(self.log.fileno(), 1 << 16, 0).decode()

    def port(self):
        before, found, after = self.read_log().partition("listening on 127.0.0.1:")
        return int(after.split(",")[0]) if found and "," in after else None

    def watch(self, seconds):
        """Read reports until the time is over."""
        end = time.monotonic() + seconds
        connection = http.client.HTTPConnection("127.0.0.1", wait_for(self.port), timeout=60)
        while time.monotonic() < end:
            connection.request("GET", "/metrics")
            page = parse_page(connection.getresponse().read())
            written = single(page, "memhist_history_snapshots_written_total")
            if written:
                self.reported = int(written)
                stamp = single(page, "memhist_history_last_snapshot_timestamp_seconds")
                self.stamps.add(round(stamp * 1000))
            time.sleep(0.005)
        connection.close()

    def check(self, any_before):
        if not self.reported and not any_before:
            return  # killed before its first snapshot: there is no history to speak of
        memhist("verify", "--history", "history")
        if not self.reported:
            return
        since = f"@{int(self.began) - 1}"
        lines = memhist("dump", "--history", "history", "--since", since).text.splitlines()
        found = {e["wall_ms"] for e in map(json.loads, lines) if e["type"] == "snapshot"}
        assert self.stamps <= found, f"lost: {sorted(self.stamps - found)} of {sorted(found)}"
        own = [ms for ms in found if ms >= self.began * 1000 - 1]
        assert len(own) >= self.reported, f"{self.reported} reported, {len(own)} found"


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    chance = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns())
    if not os.path.exists(EXPORTER):
        print("1..0 # SKIP memhist-exporter was not built: libmicrohttpd-dev is missing")
        return 0
    print("1..1")
    folder = tempfile.mkdtemp(prefix="memhist-test-")
    os.chdir(folder)
    reported = 0
    try:
        for number in range(1, rounds + 1):
            r = Round()
            try:
                if number % 5 == 0:
                    time.sleep(chance.uniform(0, 0.05))  # sometimes while it starts
                else:
                    r.watch(chance.uniform(0.1, 0.5))
            finally:
                r.kill()
            r.check(reported > 0)
            reported += r.reported
            if number % 100 == 0:
                print(f"# {number} rounds, {reported} snapshots reported and found", flush=True)
        print(f"# {rounds} rounds, {reported} snapshots reported, none lost")
        print("ok 1 - what was reported as written survives kill -9")
        return 0
    except AssertionError as e:
        for line in f"in round {number}: {e}".splitlines():
            print(f"# {line}")
        print("not ok 1 - what was reported as written survives kill -9")
        return 1
    finally:
        os.chdir("/")
        shutil.rmtree(folder)


sys.exit(main())

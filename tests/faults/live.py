"""A history that lives: written, rotated, sealed, merged, its oldest segments deleted, and all the
while read by `memhist verify`, again and again, which never sees damage, a torn tail, or a segment
missing in the middle.

    live.py [SECONDS]       10 in `make check`, 600 in `make check-live`
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

BUILD = os.environ.get("MEMHIST_BUILDDIR", os.getcwd())
MEMHIST = os.path.join(BUILD, "memhist")
WRITER = os.path.join(BUILD, "tests/faults/record")
KEPT = 12  # segments
PATIENCE_S = 300
ENVIRONMENT = dict(os.environ, LC_ALL="C", TZ="UTC")


def segments():
    return sorted(name for name in os.listdir("history") if name.endswith((".open", ".mh")))


def run(*args):
    return subprocess.run([MEMHIST, *args, "--history", "history"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S, env=ENVIRONMENT)


class Tenders(threading.Thread):
    """Seals and merges, and deletes the oldest."""

    def __init__(self):
        super().__init__()
        self.done = threading.Event()
        self.sealed = self.merged = self.deleted = 0
        self.fault = None

    def run(self):
        try:
            while not self.done.is_set():
                self.tend()
        except Exception as fault:  # told by the main thread
            self.fault = fault

    def tend(self):
        for args in ("seal", "--quiet"), ("merge", "--all", "--quiet"):
            done = run(*args)
            # 3: nothing to do it to; segments come and go
            if done.returncode not in (0, 3) or done.stdout:
                raise AssertionError(f"{args}: {done.returncode}: {done.stdout}{done.stderr}")
            self.sealed += any("+" not in name for name in segments() if name.endswith(".mh"))
            self.merged += any("+" in name for name in segments())
            self.done.wait(0.2)
        there = segments()
        old = there[:-KEPT] or there[:1] * (self.merged % 3 == 0)
        for name in old if len(there) > 2 else ():  # so that there is always something to read
            if name.endswith(".mh"):
                os.unlink("history/" + name)
                self.deleted += 1

    def have_done_all(self):
        return self.sealed and self.merged and self.deleted


def check():
    done = run("verify")
    text = done.stdout
    if done.returncode or done.stderr:
        raise AssertionError(f"verify: exit {done.returncode}: {done.stderr}{text}")
    if not re.search(r"^  damage +none$", text, re.M):
        raise AssertionError(text)
    for word in "torn", "missing", "unreadable", "orphan", "without frames":
        if word in text:
            raise AssertionError(f"{word}: {text}")


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    print("1..1", flush=True)
    folder = tempfile.mkdtemp(prefix="memhist-test-")
    os.chdir(folder)
    tenders = Tenders()
    # a snapshot each 5 ms, to the disk after 50, segments of 40, a day of the clock in minutes
    writer = subprocess.Popen(
        [WRITER, "history", "1", "1000000000", "1795206528000", "50", "0", "0", "40", "1",
         "0", "5000"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    n, fault = 0, None
    try:
        until = time.monotonic() + seconds
        while run("verify").returncode:  # nothing is written yet
            assert writer.poll() is None, "the writer ended"
            time.sleep(0.01)
        tenders.start()
        while time.monotonic() < until or not tenders.have_done_all():
            check()
            n += 1
            if tenders.fault or writer.poll() is not None:
                raise AssertionError(tenders.fault or writer.stderr.read().decode())
            if time.monotonic() > until + PATIENCE_S:
                raise AssertionError("it was not sealed, merged and deleted in time")
    except AssertionError as e:
        fault = str(e)
    finally:
        tenders.done.set()
        if tenders.is_alive():
            tenders.join()
        writer.kill()
        writer.communicate()
        os.chdir("/")
        shutil.rmtree(folder)
    for line in (fault or "").splitlines():
        print(f"# {line}")
    print(f"{'not ' if fault else ''}ok 1 - {n} times verified while it was written, sealed "
          f"{tenders.sealed} times, merged {tenders.merged}, {tenders.deleted} segments deleted")
    return bool(fault)


sys.exit(main())

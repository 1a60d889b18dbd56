"""Power cuts: a writer that records, rotates, syncs, seals, merges and lets the oldest go is watched
by strace, and each state in which a crash can leave its disk (disk.py) is opened. All that was
synced is there, all that is there was written, a writer can go on; and where syncs are ignored, this
test sees it.

    powercut.py [full]      a part of the states, as `make check` has it; or all
"""

import random
import re
import os
import shutil
import subprocess
import sys
import tempfile

import disk

BUILD = os.environ.get("MEMHIST_BUILDDIR", os.getcwd())
PROGRAMS = os.path.join(BUILD, "tests/faults")
FIRST_WALL = 1795206528000
# steps, snapshots between syncs, seals, merges, of a segment; syncs by a thread of their own, bytes
STORIES = [(26, 3, 8, 13, 5, 0, 0), (24, 1, 7, 0, 4, 1, 0), (24, 5, 0, 0, 3, 0, 0),
           (30, 7, 11, 0, 6, 1, 0), (18, 0, 5, 9, 3, 0, 0), (20, 4, 6, 12, 3, 1, 0),
           (60, 4, 6, 0, 3, 1, 65536)]
SAMPLE = 5000  # states of all stories together in `make check`


class Fault(Exception):
    pass


def record(folder, number, seed):
    steps, *every = STORIES[number]
    directory = os.path.join(folder, f"story{number}-{seed}")
    trace = directory + ".trace"
    done = subprocess.run(
        ["strace", "-f", "-y", "-xx", "-s", "1000000", "-o", trace, "-e", "trace=" + disk.TRACED,
         os.path.join(PROGRAMS, "record"), directory,
         *map(str, (seed, steps, FIRST_WALL, *every))],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
        env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    if done.returncode:
        raise Fault(f"record: exit {done.returncode}: {done.stderr.decode()}")
    with open(trace, encoding="ascii") as file:
        recording = disk.Recording(file.read(), directory)
    for name, number in recording.names.items():  # the model has seen what was done
        if name != "LOCK":
            path = os.path.join(directory, name)
            assert os.path.getsize(path) == recording.size[number], f"{name}: not understood"
    assert sorted(os.listdir(directory)) == sorted(recording.names)
    return recording.ops


def numbers_of(name):
    """Those of a segment's name; a merged one has several."""
    found = re.match(r"(\d{10})(?:\+(\d{5}))?-.*\.(?:open|mh)$", name)
    return range(int(found[1]), int(found[1]) + int(found[2] or 0) + 1) if found else ()


def note_name(op, names):
    names.discard(op.old)
    if op.kind == "unlink":
        names.discard(op.name)
    else:
        names.add(op.name)


def expectations(ops):
    """([snapshots tried], how many of them the last finished sync covers, numbers of those that
    were in segments which were let go)."""
    tried, done, asked, sure = [], 0, 0, 0
    opened = {op.file: n for op in ops if op.kind == "create" and op.name.endswith(".open")
              for n in numbers_of(op.name)}
    held, names = {}, set()  # by number of a segment: numbers of snapshots; segments there are
    for op in ops:
        if op.kind == "write" and tried and op.file in opened:
            held.setdefault(opened[op.file], set()).add(len(tried) - 1)
        if op.is_name:
            note_name(op, names)
        if op.kind != "mark":
            continue
        for line in op.data.decode().splitlines():
            word, wall, digest = line.split()
            if word == "try":
                tried.append((wall, digest))
            elif word == "refused":
                tried.pop()
            elif word == "done":
                done = len(tried)
            elif word == "sync":
                asked = done
            else:
                sure = asked
    there = {number for name in names for number in numbers_of(name)}
    return tried, sure, set().union(*(held[n] for n in held if n not in there))


class Reader:
    """recall, and a directory that it reads."""

    def __init__(self, folder):
        self.directory = os.path.join(folder, "state")
        os.mkdir(self.directory)
        self.there = {}
        self.process = subprocess.Popen(
            [os.path.join(PROGRAMS, "recall")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(timeout=60)

    def put(self, files):
        for name in self.there.keys() - files.keys():
            os.unlink(os.path.join(self.directory, name))
        for name, content in files.items():
            if self.there.get(name) != content:
                with open(os.path.join(self.directory, name), "wb") as file:
                    file.write(content)
        self.there = dict(files)

    def ask(self, go_on):
        self.process.stdin.write(("+" if go_on else "") + self.directory + "\n")
        self.process.stdin.flush()
        found = []
        while True:
            line = self.process.stdout.readline().split()
            if not line:
                raise Fault(f"the reader ended with {self.process.wait(timeout=60)}")
            if line[0] == "error":
                raise Fault(" ".join(line))
            if line[0] == "end":
                break
            found.append(line)
        if go_on:
            for name in os.listdir(self.directory):
                os.unlink(os.path.join(self.directory, name))
            self.there = {}
        return found, list(map(int, line[1:]))


def check(reader, files, expected, in_order, go_on):
    tried, sure, let_go = expected
    reader.put(files)
    found, (damages, orphans, missing, torn) = reader.ask(go_on)
    more = [tuple(line[1:]) for line in found if line[0] == "more"]
    shots = [tuple(line[:2]) for line in found if line[0] != "more"]
    if go_on:
        if len(more) != 2 or shots[-2:] != more:
            raise Fault("a writer cannot go on")
        shots = shots[:-2]
    if len(set(shots)) != len(shots):
        raise Fault("a snapshot is there twice")
    places = {snapshot: i for i, snapshot in enumerate(tried)}
    if not all(snapshot in places for snapshot in shots):
        raise Fault("a snapshot is there that was never written")
    numbers = [places[snapshot] for snapshot in shots]
    if numbers != sorted(numbers):
        raise Fault("snapshots are out of order")
    lost = set(range(sure)) - set(numbers) - let_go
    if lost:
        raise Fault(f"{len(lost)} synced snapshots of {sure} are lost, the first is {min(lost)}")
    if in_order and numbers != list(range(len(numbers))):
        raise Fault("what is left is no beginning of what was written")


def crash_points(ops):
    """How many operations are done when the power fails: after each that is no mark, and after
    each mark that promises something."""
    return [k for k in range(1, len(ops) + 1)
            if ops[k - 1].kind != "mark" or b"synced" in ops[k - 1].data]


def walk(reader, recordings, ignore=(), share=1.0, until=None):
    """Check the states, or a share of them, or until there is such a fault. (how many, faults by
    text)"""
    chance, faults, n = random.Random(1), {}, 0
    for number, ops in recordings:
        seen = set()
        for k in crash_points(ops):
            expected = expectations(ops[:k])
            for in_order, files in disk.states(ops[:k], ignore):
                if chance.random() >= share:
                    continue
                key = hash((in_order, expected[1], tuple(sorted(files.items()))))
                if key in seen:
                    continue
                seen.add(key)
                n += 1
                try:
                    # a thread that syncs promises no order of files
                    check(reader, files, expected, in_order and not STORIES[number][-2],
                          go_on=n % 5 == 0)
                except Fault as fault:
                    kind = re.sub(r"\d+", "N", str(fault))
                    faults.setdefault(kind, f"story {number} after {k} operations: {fault}: "
                                      f"{ {name: len(files[name]) for name in sorted(files)} }")
                    if "reader ended" in kind or until and until in kind:
                        return n, faults
    return n, faults


def report(number, name, faults):
    for text in faults.values():
        print(f"# {text}")
    print(f"{'not ' if faults else ''}ok {number} - {name}", flush=True)
    return bool(faults)


def main():
    full = sys.argv[1:] == ["full"]
    if not shutil.which("strace") or subprocess.run(["strace", "-o", "/dev/null", "true"]).returncode:
        print("1..0 # SKIP strace is not installed, or may not trace here")
        return 0
    folder = tempfile.mkdtemp(dir=os.environ.get("TEST_MEMORY"))  # no disk is waited for
    reader = Reader(folder)
    failed = False
    try:
        print("1..3", flush=True)
        recordings = [(number, record(folder, number, seed)) for number in range(len(STORIES))
                      for seed in range(5 if full else 1)]
        total = sum(sum(1 for _ in disk.states(ops[:k])) for _, ops in recordings
                    for k in crash_points(ops))
        share = 1.0 if full else min(1.0, SAMPLE / total)
        n, faults = walk(reader, recordings, share=share)
        let_go = sum(len(expectations(ops)[2]) for _, ops in recordings)
        if not let_go:
            faults["retention"] = "no story has let go of a snapshot"
        failed |= report(1, f"{n} of {total} states after a power cut are sound, "
                         f"{let_go} snapshots were let go", faults)
        for number, what in (2, "file"), (3, "directory"):
            n, faults = walk(reader, recordings, ignore=(what,), share=share, until="lost")
            silent = not any("lost" in kind for kind in faults)
            failed |= report(number, f"without syncs of the {what} snapshots are "
                             f"lost, as {n} states tell", {"": "none was"} if silent else {})
        failed |= reader.close() != 0  # the sanitizers' last word
        return int(failed)
    finally:
        reader.process.kill()
        reader.process.wait()
        shutil.rmtree(folder)


sys.exit(main())

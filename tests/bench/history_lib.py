"""What the parts of bench_history.py share: where things are, running and measuring, tables."""

import os
import re
import shutil
import statistics
import subprocess

BUILD = os.environ.get("MEMHIST_BUILDDIR", os.getcwd())
SOURCE = os.environ.get("MEMHIST_SRCDIR", os.path.join(os.path.dirname(__file__), "../.."))
CACHE = os.path.join(BUILD, "tests/bench/cache")  # what is installed for peers stays there
MIB = 1 << 20
LONG_S = 15


class Missing(Exception):
    """It cannot be measured here; the text says why."""


def built(name):
    return os.path.join(BUILD, name)


def find(program, package):
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    if not path:
        raise Missing(f"{package} is not installed")
    return path


def run(*command, **options):
    """Standard output of a command that must succeed."""
    options.setdefault("stdout", subprocess.PIPE)
    done = subprocess.run([str(word) for word in command], stderr=subprocess.PIPE, text=True,
                          check=False, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}; "
                           f"{done.stderr.strip()[-500:]}")
    return done.stdout


class Cost:
    """CPU and wall seconds and resident bytes of a command: medians of some rounds."""

    def __init__(self, command, rounds=1, before=lambda: None):
        """
        `before` is called before each round, and is not measured. What takes long is not done as
        often as asked for.
        """
        figures = []
        report = f"cost-{os.getpid()}"
        while len(figures) < rounds and sum(wall_s for _, wall_s, _ in figures) < LONG_S:
            before()
            self.output = run(built("tests/bench/cost"), report, *command)
            with open(report, encoding="ascii") as f:
                figures.append([float(word) for word in f.read().split()])
            os.unlink(report)
        self.rounds = len(figures)
        self.cpu_s, self.wall_s, resident_kib = map(statistics.median, zip(*figures))
        self.resident = int(resident_kib) << 10


def folder_bytes(folder):
    """(bytes of all files, bytes that they take on the disk)"""
    stats = [os.stat(os.path.join(where, name))
             for where, _, names in os.walk(folder) for name in names]
    return sum(s.st_size for s in stats), sum(s.st_blocks for s in stats) * 512


def machine():
    """One line: processor, kernel, load."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        found = re.search(r"^model name\s*: (.*)$", f.read(), re.M)
    if found:
        model = found[1]
    return (f"{os.cpu_count()} CPUs ({model}), Linux {os.uname().release}, "
            f"load average {os.getloadavg()[0]:.1f}")


def table(header, rows):
    """Markdown."""
    print("\n| " + " | ".join(header) + " |\n|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join("" if cell is None else str(cell) for cell in row) + " |")
    print(flush=True)


class Bars:
    """What was promised, and what was found."""

    def __init__(self):
        self.rows = []

    def at_least(self, name, wanted, found, unit=""):
        self._add(name, f"≥ {wanted:,}{unit}", f"{found:,.0f}{unit}", found >= wanted)

    def at_most(self, name, wanted, found, unit=""):
        shown = f"{found:,.3g}" if found < 100 else f"{found:,.0f}"
        self._add(name, f"≤ {wanted:,}{unit}", f"{shown}{unit}", found <= wanted)

    def _add(self, name, wanted, found, met):
        self.rows.append((name, wanted, found, "met" if met else "MISSED"))

    def all_met(self):
        return all(row[-1] == "met" for row in self.rows)

    def report(self):
        table(["", "wanted", "found", ""], self.rows)

"""What the tests of the tree share: its files, and TAP."""

import os
import pathlib
import sys

ROOT = pathlib.Path(os.environ.get("MEMHIST_SRCDIR", pathlib.Path(__file__).parents[2]))
ROOMS = ("libmemhist", "plugin", "exporter", "tools", "proto", "grafana", "docs", "tests", ".ci")
TOP_LEVEL = ("autogen.sh", "configure.ac", "Makefile.am", "README.md", "NEWS")


def sources(*suffixes, rooms=ROOMS):
    """Files under the rooms that were written, not generated, as paths from the root."""
    found = []
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*")):
            generated = path.name.endswith((".pb-c.c", ".pb-c.h", ".skel.h")) \
                or "__pycache__" in path.parts
            if path.suffix in suffixes and path.is_file() and not generated:
                found.append(path.relative_to(ROOT))
    return found


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def fragments():
    """Makefile.am and the fragments of all folders, as one text."""
    return "\n".join(text(path) for path in ["Makefile.am", *sources(".am")])


class Tap:
    """One test point per rule; a rule lists what breaks it."""

    def __init__(self):
        self.count = 0

    def rule(self, name, offences):
        self.count += 1
        print(f"{'not ok' if offences else 'ok'} {self.count} - {name}")
        for offence in offences:
            print(f"# {offence}")

    def skip(self, name, reason):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {reason}")

    def done(self):
        print(f"1..{self.count}")
        sys.stdout.flush()

"""Names of any bytes, in every format and back again by strict readers.

    exporter_names.py [NAMES [SEED]]        2000 names that all differ, and seed 1, when not given

Of each page is known what it has to say: the bytes of a name where they are UTF-8, U+FFFD for each
byte that is not, and one group for all names that are spelled alike.
"""

import collections
import os
import random
import re
import struct
import subprocess
import sys

from exporter_formats_lib import parse_openmetrics, parse_protobuf
from exporter_lib import parse_page, run_tests
from tools_lib import BUILD, Skip

NAMES, SEED = [int(arg) for arg in sys.argv[1:]] + [2000, 1][len(sys.argv) - 1:]
BATCH = 1000
LONGEST = 15  # bytes, as the kernel has them
# what some reader might take for something else, and characters that are cut or are none
PIECES = [b"\\", b"\\\\", b"\"", b"\n", b"\\n", b"{", b"}", b",", b"=", b" ", b"#", b"# EOF", b"\r", b"\t",
          b"'", b"n", b"a", b"0", b"\x01", b"\x7f", b"\x80", b"\xc2\x85", b"\xe2\x80\xa8", b"\xef\xbf\xbd",
          b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98\x80", b"\xff",
          b"other", b"(unnamed)", b"group=\"", b"\"} 1"]


def make_name(rng):
    way = rng.random()
    if way < 0.4:
        return bytes(rng.randrange(1, 256) for _ in range(rng.randrange(LONGEST + 1)))
    if way < 0.8:
        return b"".join(rng.choice(PIECES) for _ in range(rng.randrange(8)))[:LONGEST]
    text = "".join(chr(rng.choice((rng.randrange(1, 0x80), rng.randrange(1, 0x800),
                                   rng.randrange(1, 0xd800), rng.randrange(0xe000, 0x110000))))
                   for _ in range(rng.randrange(1, 6)))
    return text.encode()[:LONGEST]


def make_names(count):
    """Batches of names, no two of all of them alike."""
    rng, seen, batch = random.Random(SEED), set(), []
    while len(seen) < count:
        name = make_name(rng)
        if name in seen:
            continue
        seen.add(name)
        batch.append(name)
        if len(batch) == BATCH or len(seen) == count:
            yield batch
            batch = []


def spell(name):
    """What is shown of a name, by Python's own decoder: each byte that is no UTF-8 is one surrogate."""
    text = name.decode("utf-8", "surrogateescape")
    return re.sub("[\udc80-\udcff]", "\ufffd", text)


def expected(names):
    """{(metric, labels): value} of the metrics that are compared."""
    samples, groups = {}, collections.Counter()
    for pid, name in enumerate(names, 1):
        text = spell(name)
        group = text or "(unnamed)"
        groups[group] += 1
        who = {"pid": str(pid), "group": group, "comm": group}
        samples["memhist_process_resident_memory_bytes", frozenset(who.items())] = \
            len(names) + 1 - pid
        who.update(user="0", exe=text, cgroup=text)
        samples["memhist_process_info", frozenset(who.items())] = 1
    for group, count in groups.items():
        samples["memhist_group_processes", frozenset({("group", group)})] = count
    return samples


def normal(samples):
    """A user is shown by name; here that is not of interest."""
    return {(name, frozenset((key, "0" if key == "user" else value) for key, value in labels)): value
            for (name, labels), value in samples.items()
            if name in ("memhist_process_resident_memory_bytes", "memhist_process_info",
                        "memhist_group_processes")}


def parse_text(body):
    """As parse_page(), by the reader of prometheus_client."""
    try:
        from prometheus_client.parser import text_string_to_metric_families
    except ImportError as e:
        raise Skip("python3-prometheus-client is not installed") from e
    samples = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, key
            samples[key] = sample.value
    return samples


class Writer:
    """tests/integration/page_of_names; for a `with`."""

    def __init__(self):
        self.process = subprocess.Popen([f"{BUILD}/tests/integration/page_of_names"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def pages(self, names):
        """As text, OpenMetrics and protobuf."""
        self.process.stdin.write(struct.pack("<I", len(names)) + b"".join(
            bytes([len(name)]) + name for name in names))
        self.process.stdin.flush()
        return [self.process.stdout.read(struct.unpack("<I", self.process.stdout.read(4))[0])
                for _ in range(3)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait() == 0 or sys.exc_info()[0]


def any_name_comes_back():
    count = plain = 0
    with Writer() as writer:
        for names in make_names(NAMES):
            wanted = expected(names)
            text, openmetrics, protobuf = writer.pages(names)
            for samples in (parse_page(text), parse_text(text), parse_openmetrics(openmetrics),
                            parse_protobuf(protobuf)):
                found = normal(samples)
                assert found == wanted, sorted(map(repr, found.items() ^ wanted.items()))[:6]
            count += len(names)
            plain += sum(spell(name).encode() == name for name in names)
            if count % 100000 == 0:
                print(f"# {count} names, {plain} of them UTF-8", flush=True)
    assert count == NAMES
    print(f"# {count} names, {plain} of them UTF-8, which came back to the byte", flush=True)


run_tests([any_name_comes_back])

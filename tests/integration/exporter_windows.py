"""Groups over time: candles of complete windows, and memory over time."""

import ctypes
import mmap
import os
import re
import signal
import threading

from exporter_lib import Child, Exporter, run_tests, series, single, wait_for
from tools_lib import SOURCE

SPIKE = 64 << 20
MINUTE = "memhist_group_resident_memory_1m_"


class Spike:
    """A process that holds SPIKE bytes until it is told to give them back; for a `with`."""

    def __init__(self, name):
        wait, self.tell = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                ctypes.CDLL(None).prctl(15, ctypes.c_char_p(name), 0, 0, 0)
                memory = mmap.mmap(-1, SPIKE)
                for at in range(0, SPIKE, mmap.PAGESIZE):
                    memory[at] = 1
                os.read(wait, 1)
                memory.close()
                while True:
                    signal.pause()
            finally:
                os._exit(1)
        os.close(wait)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.tell)


def figures(page, group):
    """open, high, low and close of the last minute, or None."""
    found = [page.get((f"{MINUTE}{name}_bytes", frozenset({("group", group)})))
             for name in ("open", "high", "low", "close")]
    assert all(value is None for value in found) or None not in found, found
    return found if found[0] is not None else None


def a_spike_is_seen_by_who_looks_later():
    """In the window that it was in, until the next is complete."""
    name = "memhist_group_resident_memory_bytes"
    with Spike(b"memhist-spike") as spike, Exporter("--interval=100ms") as exporter:
        wait_for(lambda: (exporter.value(name, group="memhist-spike") or 0) >= SPIKE, what="spike")
        os.write(spike.tell, b"x")
        wait_for(lambda: exporter.value(name, group="memhist-spike") < SPIKE, what="its end")

        def window():
            page = exporter.metrics()
            found = figures(page, "memhist-spike")
            return page if found and found[1] >= SPIKE else None

        page = wait_for(window, 180, "the end of the minute")
        first, high, low, last = figures(page, "memhist-spike")
        assert low <= first <= high and low <= last <= high, (first, high, low, last)
        begin = single(page, "memhist_window_1m_start_timestamp_seconds")
        assert begin % 60 == 0
        assert begin + 60 <= single(page, "memhist_last_sample_timestamp_seconds")
        assert 0 < single(page, "memhist_window_1m_samples") <= 601
        for group in {labels["group"] for labels, _ in series(page, MINUTE + "open_bytes")}:
            first, high, low, last = figures(page, group)
            assert low <= first <= high and low <= last <= high, (group, first, high, low, last)
        with open(os.path.join(SOURCE, "docs/memhist-exporter.1.pod"), encoding="utf-8") as f:
            documented = set(re.findall(r"memhist_\w+_15?m_\w+", f.read()))
        shown = {name for name, _ in page if "_1m_" in name}
        assert documented == shown | {name.replace("_1m_", "_15m_") for name in shown}
        # a quarter of an hour is not over, unless it was just now
        assert begin % 900 == 840 or not series(page, "memhist_group_resident_memory_15m_open_bytes")


def all_scrapers_see_the_same_windows():
    pages = []
    with Exporter("--interval=100ms") as exporter:
        def scrape():
            for _ in range(10):
                pages.append(exporter.metrics())
        threads = [threading.Thread(target=scrape) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    by_window = {}
    for page in pages:
        begin = single(page, "memhist_window_1m_start_timestamp_seconds")
        shown = {key: value for key, value in page.items() if key[0].startswith(MINUTE)}
        assert by_window.setdefault(begin, shown) == shown
        assert bool(shown) == (begin is not None)


def memory_over_time_grows_by_what_is_there():
    """A process that does nothing has the same at all times: its mean is known."""
    total = "memhist_group_resident_memory_byte_seconds_total"
    with Child(b"memhist-idle", 32) as child, Exporter("--interval=500ms") as exporter:
        group = frozenset({("group", "memhist-idle")})

        def point():
            """When a sample was taken that showed the group at its size."""
            page = exporter.next_sample()
            resident = page.get(("memhist_group_resident_memory_bytes", group))
            return page if resident == child.statm()[1] and (total, group) in page else None

        begin = wait_for(point, what="the group")
        observed = single(begin, "memhist_observed_seconds_total") + 2
        wait_for(lambda: exporter.value("memhist_observed_seconds_total") > observed, 120,
                 "two seconds without gaps")
        end = exporter.next_sample()
        seconds = single(end, "memhist_observed_seconds_total") \
            - single(begin, "memhist_observed_seconds_total")
        grown = end[(total, group)] - begin[(total, group)]
        assert abs(grown - child.statm()[1] * seconds) <= 2, (grown, seconds, child.statm())


def windows_may_be_left_out():
    for value, names in (("none", set()), ("15m", {"15m"})):
        with Exporter("--interval=100ms", f"--groups.windows={value}") as exporter:
            page = exporter.next_sample()
            assert single(page, "memhist_observed_seconds_total") is not None
            shown = {name for name in ("1m", "15m") for metric, _ in page if f"_{name}_" in metric}
            assert shown <= names, shown


run_tests([
    a_spike_is_seen_by_who_looks_later,
    all_scrapers_see_the_same_windows,
    memory_over_time_grows_by_what_is_there,
    windows_may_be_left_out,
])

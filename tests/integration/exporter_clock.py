"""A clock that is set a day forward and an hour back under a running exporter that keeps a day."""

import glob
import os
import time

from exporter_lib import Exporter, run_tests, single, wait_for
from tools_lib import Skip, memhist, names, record, row
import tools_lib as lib

HOURS = 20


def library():
    """libfaketime, which gives a program another time of day and leaves the other clocks alone."""
    found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    if not found:
        raise Skip("faketime is not installed")
    return found[0]


def set_clock(offset_s):
    with open("clock.new", "w", encoding="ascii") as file:
        file.write(f"{offset_s:+}\n")
    os.rename("clock.new", "clock")


def old_history():
    """A segment for each of the last hours; their names."""
    since = time.time() - lib.BASE_MS / 1000 - HOURS * 3600
    record([row(since + 1800 * i, 7, 100 + i) for i in range(2 * HOURS - 1)])
    return names(".open")


def a_clock_that_is_set_costs_no_history():
    faketime = library()
    old = old_history()
    assert len(old) >= HOURS - 2
    set_clock(0)
    # nothing is cached, for the clock is to be set at once; and only that of the wall
    before = ["env", f"LD_PRELOAD={faketime}", f"FAKETIME_TIMESTAMP_FILE={os.getcwd()}/clock",
              "ASAN_OPTIONS=verify_asan_link_order=0", "FAKETIME_NO_CACHE=1",
              "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"]
    with Exporter("--interval=100ms", "--history.dir=history", "--history.max-age=1d",
                  before=before) as exporter:
        def metric(name):
            return single(exporter.metrics(), name)
        def wait_for_time(offset_s):
            wait_for(lambda: abs(metric("memhist_last_sample_timestamp_seconds") - time.time()
                                 - offset_s) < 600, what="a sample at that time")
        wait_for_time(0)
        set_clock(86400)
        wait_for_time(86400)
        size = metric("memhist_history_size_bytes")
        set_clock(2 * 86400)
        wait_for_time(2 * 86400)
        # what is counted when limits are checked, as at the end of a segment
        wait_for(lambda: metric("memhist_history_size_bytes") != size, what="a check")
        for offset in -3600, 0:
            set_clock(offset)
            wait_for_time(offset)
        deleted = {labels: value for (name, labels), value in exporter.metrics().items()
                   if name == "memhist_history_deleted_segments_total"}
        assert len(deleted) == 3 and not any(deleted.values()), deleted
        assert exporter.end() == 0
    new = names(".open")
    assert new[:len(old)] == old and len(new) >= len(old) + 4, new
    text = memhist("verify", "--history", "history").text
    assert "damage           none" in text and "missing" not in text, text
    assert "4 clock step" in text, text


run_tests([
    a_clock_that_is_set_costs_no_history,
])

"""The plugin's options about history, in a real collectd: what each of them does, and how a value is
refused that it cannot have. (Where the history is: collectd_life.py.)"""

import json
import os
import re
import shutil
import signal
import subprocess
import time

from collectd_lib import Collectd, collectd, complaints, configure, log, run_tests
from exporter_lib import wait_for
from tools_lib import BASE_MS, BUILD, Skip, memhist, names, record, row

DAY_S = 24 * 3600
KIB = 1024

# What is written in the block, and the one thing that collectd has to say to it.
QUOTES = 'takes a value in quotes, as in "{}"'
WRONG = [
    ('HistoryMaxSize "12X"', 'HistoryMaxSize: "12X" is no size: digits and K, M, G or T (powers of 1024), '
                             '"none" for no limit'),
    ('HistoryMaxSize "1000K"', 'HistoryMaxSize: "1000K" is too small: it is 1 MiB at least'),
    ('HistoryMaxSize "99999999T"', 'HistoryMaxSize: "99999999T" is more than any disk holds'),
    ("HistoryMaxSize 2000000", "HistoryMaxSize " + QUOTES.format("2G")),
    ('HistoryMaxAge "30"', 'HistoryMaxAge: "30" is no duration: digits and s, m, h, d, w or y, as in '
                           '"90s" or "1y"'),
    ('HistoryMaxAge "59s"', 'HistoryMaxAge: "59s" is too short: it is a minute at least'),
    ('HistoryMaxAge "101y"', 'HistoryMaxAge: "101y" is longer than 100 years'),
    ("HistoryMaxAge true", "HistoryMaxAge " + QUOTES.format("1y")),
    ('HistoryMinFree "100%"', 'HistoryMinFree: "100%" is not within 1% … 99%'),
    ('HistoryMinFree "much"', 'HistoryMinFree: "much" is neither a size (digits and K, M, G or T) nor '
                              'a percentage ("5%") nor "none"'),
    ("HistoryMinFree 5", "HistoryMinFree " + QUOTES.format("5%")),
    ('HistorySyncInterval "61m"', 'HistorySyncInterval: "61m" is too long: it is an hour at most'),
    ("HistorySyncInterval 60", "HistorySyncInterval " + QUOTES.format("60s")),
    ('HistorySealer "memhist"', 'HistorySealer takes an absolute path, or "none" to leave segments '
                                'open'),
    ("HistorySealer false", 'HistorySealer takes an absolute path, or "none" to leave segments open'),
]


def recording(*options, interval=0.2):
    """Configure a collectd that records in ./history, with these options."""
    configure("\n".join([f'HistoryDir "{os.getcwd()}/history"', *options]), interval=interval)


def limits():
    """Those that the history's writer keeps, as everybody can read them."""
    found = json.loads(memhist("status", "--history", "history", "--json").text)
    return [found[key] for key in ("max_size_bytes", "max_age_ms", "min_free_bytes",
                                   "min_free_percent")]


def each_wrong_value_is_refused_with_one_sentence():
    for option, sentence in WRONG:
        recording(option)
        status, _ = collectd("-T")
        said = complaints(log())
        assert status == 1 and len(said) == 1, (option, status, said)
        assert said[0].endswith(f"] memhist plugin: {sentence}"), (option, said)
        assert not os.path.exists("history"), option
        os.remove("log")


def the_limits_are_those_of_the_options():
    for options, expected in (
            (["# no HistoryMinFree"], [2 << 30, 0, 1 << 30, 5]),  # the defaults of all
            (['HistoryMaxSize "3M"', 'HistoryMaxAge "2d"', 'HistoryMinFree "10%"'],
             [3 << 20, 2 * DAY_S * 1000, 0, 10]),
            (["HistoryMaxSize 0", 'HistoryMaxAge "NONE"', 'HistoryMinFree "7K"'],
             [0, 0, 7 * KIB, 0])):
        recording(*options)
        assert collectd("-T")[0] == 0, log()
        assert limits() == expected, options


def beyond_the_size_the_oldest_are_deleted():
    os.mkdir("history", 0o750)
    for number in range(1, 11):  # 2.5 MiB that have the names of segments, an hour each
        name = f"{number:010}-20260101T{number:02}0000Z-01234567.open"
        with open(f"history/{name}", "wb") as file:
            file.write(bytes(256 * KIB))
    before = names(".open")
    recording('HistoryMaxSize "2M"')
    with Collectd() as daemon:
        daemon.sample()
        daemon.wait_for(lambda: "deleted" in log(), "the line")
        line = re.search(r"\] memhist plugin: (\d+) segments were deleted, [\d.]+ [KM]iB, for "
                         r"max_size; the history begins at 2026-01-01 (\d\d):00:00 UTC\.$", log(), re.M)
        assert line, log()
        gone = int(line[1])
        assert gone >= 3 and int(line[2]) == gone + 1, line
        assert daemon.end() == 0
    kept = [name for name in names(".open") if name in before]
    assert kept == before[10 - len(kept):] and len(kept) <= 10 - gone, (gone, kept)
    assert names(".open")[-1] not in before
    taken = sum(os.stat(f"history/{name}").st_blocks * 512 for name in os.listdir("history"))
    assert taken <= 2048 * KIB, taken


def days_ago(days):
    """In seconds since the time from which recordings count."""
    return time.time() - days * DAY_S - BASE_MS / 1000


def old_days_are_merged_by_the_sealer_and_deleted_by_age():
    # up to a quarter of an hour ago: behind a hole of hours the clock would not be trusted
    record([row(days_ago(days) + second, 7, 100 + abs(second)) for days in (9, 7, 5, 0)
            for second in (range(0, 5400, 900) if days else range(-5400, 0, 900))])
    assert len(names(".open")) >= 6
    # it waits for data to be there: by these is known how old the others are
    with open("sealer", "w", encoding="ascii") as file:
        file.write(f'#!/bin/sh\ncd {os.getcwd()}\necho "$PPID $*" >>called\n'
                   'until [ -e go ]; do sleep 0.1; done\n'
                   f'{BUILD}/memhist "$@"; status=$?\nls history >made\nexit $status\n')
    os.chmod("sealer", 0o700)
    recording('HistoryMaxAge "6d"', f'HistorySealer "{os.getcwd()}/sealer"')
    with Collectd() as daemon:
        daemon.sample()
        with open("go", "w", encoding="ascii"):
            pass
        daemon.wait_for(lambda: "deleted" in log(), "the line")
        with open("called", encoding="utf-8") as file:
            called = file.read().splitlines()
        assert called[0].startswith(f"{daemon.process.pid} seal --merge --background --quiet "), called
        with open("made", encoding="utf-8") as file:
            made = file.read().splitlines()
        days = [name for name in made if name.endswith(".mh")]
        assert len(days) >= 3 and len([name for name in made if name.endswith(".open")]) == 1, made
        assert re.search(r"segments? w\w+ deleted, .* for max_age; the history begins at 20", log()), log()
        left = names(".mh")  # one goes a minute
        assert left and left == days[len(days) - len(left):] and len(left) < len(days), (left, days)
        daemon.sample()
        assert daemon.end() == 0
    assert "damage           none" in memhist("verify", "--history", "history").text
    assert [line for line in complaints(log()) if "deleted" not in line and
            "there is room for" not in line] == [], log()


def below_the_free_space_writing_pauses():
    record([row(days_ago(9), 7, 100)])
    before = names(".open")
    recording('HistoryMinFree "4000T"')  # more than any disk has
    with Collectd() as daemon:
        daemon.wait_for(lambda: "writing pauses until there is more space" in log(), "a word")
        assert "memhist-collectd/ps_rss" in daemon.sample()
        assert daemon.end() == 0
    assert log().count("writing pauses") == 1, log()
    assert names(".open") == before  # deleting it would not have been enough
    recording('HistoryMinFree "none"')
    assert collectd("-T")[0] == 0, log()
    assert len(names(".open")) == 2 and log().count("writing pauses") == 1, log()


class Traced(Collectd):
    """One whose writes and syncs are in ./trace."""

    def __init__(self):
        strace = shutil.which("strace")
        if not strace:
            raise Skip("strace is not installed")
        # -D: the daemon stays our child, and gets our signals
        trace = [strace, "-D", "-f", "-q", "-y", "-o", "trace", "-e", "trace=writev,fdatasync,fsync"]
        if subprocess.run([*trace, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
            raise Skip("strace may not trace here")
        super().__init__(before=trace)

    @staticmethod
    def calls():
        """What has begun once the directory has the name of the one segment: "w" for each write, "s" for
        each sync. (Until then every sample is a reason to bring the file to the disk.)"""
        with open("trace", encoding="utf-8", errors="replace") as file:
            found = re.findall(r"^\d+ +(writev|fdatasync|fsync)\(\d+<[^>]*/history(/[^>]*\.open)?>",
                               file.read(), re.M)
        assert len({name for _, name in found if name}) <= 1, found
        letters = {"writev": "w", "fdatasync": "s", "fsync": "d"}
        return "".join(letters[call] for call, _ in found).lstrip("d").partition("d")[2]

    def end(self):
        assert super().end() == 0
        pid = self.process.pid

        def is_whole():
            with open("trace", encoding="utf-8", errors="replace") as file:
                return re.search(rf"^{pid} +\+\+\+ exited", file.read(), re.M)
        wait_for(is_whole, what="the trace")
        return self.calls()


def against_the_file(option, value):
    """Record with this option, where the configuration file says something else. Nothing is
    reported: whoever writes values might not keep up under strace."""
    with open("memhist.yaml", "w", encoding="ascii") as file:
        file.write(f"history: {{{value}}}\n")
    os.chmod("memhist.yaml", 0o640)
    recording(f'ConfigFile "{os.getcwd()}/memhist.yaml"', "ReportProcesses false",
              "ReportMeminfo false", option, interval=0.1)


def with_a_sync_interval_of_0_each_sample_is_synced():
    against_the_file('HistorySyncInterval "0"', "sync_interval: 1h")
    with Traced() as daemon:
        daemon.wait_for(lambda: len(re.findall("w+s", daemon.calls())) >= 4, "syncs")
        calls = daemon.end()
    assert calls.endswith("s"), calls


def with_a_long_sync_interval_samples_wait_for_the_end_or_a_flush():
    against_the_file('HistorySyncInterval "1h"', "sync_interval: 0")
    with Traced() as daemon:
        daemon.wait_for(lambda: daemon.calls().endswith(8 * "w"), "samples that nobody syncs")
        calls = daemon.calls()
        assert calls.count("s") <= 1, calls  # of a sample that came while the name was on its way
        at = len(calls)
        daemon.process.send_signal(signal.SIGUSR1)
        daemon.wait_for(lambda: re.search("s.*w", daemon.calls()[at:]), "the flush, and a sample")
        calls = daemon.end()
    assert calls.endswith("s"), calls


run_tests([
    each_wrong_value_is_refused_with_one_sentence,
    the_limits_are_those_of_the_options,
    beyond_the_size_the_oldest_are_deleted,
    old_days_are_merged_by_the_sealer_and_deleted_by_age,
    below_the_free_space_writing_pauses,
    with_a_sync_interval_of_0_each_sample_is_synced,
    with_a_long_sync_interval_samples_wait_for_the_end_or_a_flush,
])

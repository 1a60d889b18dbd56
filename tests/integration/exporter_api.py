"""The exporter's JSON API: every answer, every error, names that mean harm."""

import ctypes
import os
import shutil
import signal
from urllib.parse import quote

from exporter_api_lib import ROOT, ask
from exporter_lib import Child, Exporter, fake_proc, run_tests, single, wait_for

def find(rows, **members):
    """The row with these members, or None."""
    found = [row for row in rows if all(row[name] == value for name, value in members.items())]
    assert len(found) <= 1, found
    return found[0] if found else None


def status_says_what_is_shown():
    with Exporter("--interval=1h") as exporter:
        status = ask(exporter, "status")
        page = exporter.metrics()
        assert status["up"] is True and status["reason"] is None
        assert status["source"] == "machine" and status["history"] is False
        assert status["interval_ms"] == 3600000 and status["step_ms"] == 10000
        assert status["at_ms"] == round(single(page, "memhist_last_sample_timestamp_seconds") * 1000)
        assert status["memory_total_bytes"] == single(page, "memhist_meminfo_mem_total_bytes")
        assert status["memory_available_bytes"] == \
            single(page, "memhist_meminfo_mem_available_bytes")
        assert f'version="{status["version"]}"'.encode() in exporter.get()[2]


def lists_say_what_the_metrics_say():
    with Exporter("--interval=1h") as exporter:
        page = exporter.metrics()
        processes = ask(exporter, "processes?limit=100")["processes"]
        sizes = [row["rss_bytes"] for row in processes]
        assert sizes == sorted(sizes, reverse=True) and sizes
        metrics = sorted((value for (name, _), value in page.items()
                          if name == "memhist_process_resident_memory_bytes"), reverse=True)
        assert sizes == metrics[:100], (sizes, metrics[:100])
        groups = ask(exporter, "groups?limit=100")["groups"]
        for row in groups:
            key = ("memhist_group_resident_memory_bytes", frozenset({("group", row["name"])}))
            assert page[key] == row["rss_bytes"], row
        sizes = [row["rss_bytes"] for row in groups]
        assert sizes == sorted(sizes, reverse=True) and sizes
        assert len(ask(exporter, "processes")["processes"]) <= 20
        assert len(ask(exporter, "processes?limit=1")["processes"]) == 1
        assert ask(exporter, "processes?sort=growth")["processes"] == []  # of one sample
        row = processes[0]
        assert row["growth_bytes_per_second"] is None and row["growth_seconds"] is None


def grow_when_told(name, mib):
    """Fork a process that takes so much more once a byte comes; its pid and where to write it."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            ctypes.CDLL(None).prctl(15, ctypes.c_char_p(name), 0, 0, 0)
            os.read(read, 1)
            held = bytearray(os.urandom(4096) * (mib * 256))
            while held is not None:
                signal.pause()
        finally:
            os._exit(1)
    os.close(read)
    return pid, write


def growth_is_found():
    """A process that has 32 MiB more than when it was first seen, and one that began with as much."""
    pid, tell = grow_when_told(b"grower", 32)
    try:
        # both are there in the first sample, which is a point
        with Child(b"steady", 32) as steady, Exporter("--interval=200ms") as exporter:
            first = ask(exporter, f"series?process={pid}")["rss_bytes"][0]
            os.write(tell, b"x")
            def growing():
                rows = ask(exporter, "processes?sort=growth&limit=100&window=15m")["processes"]
                row = find(rows, pid=pid)
                return row if row and row["rss_bytes"] >= first + 32 * 2**20 else None
            row = wait_for(growing, what="growth")
            assert row["comm"] == "grower" and row["growth_seconds"] >= 60
            grown = row["rss_bytes"] - first
            assert grown // (row["growth_seconds"] + 1) <= row["growth_bytes_per_second"] <= \
                grown // row["growth_seconds"], row
            assert row["id"].startswith(f"{pid}-")
            series = ask(exporter, f"series?process={steady.pid}")["rss_bytes"]
            assert abs(series[-1] - series[0]) < 2**20
            series = ask(exporter, f"series?process={row['id']}")
            assert series["process"] == row["id"]
            assert len(series["times_ms"]) == len(series["rss_bytes"])
            assert series["rss_bytes"][0] == first
            assert series["rss_bytes"][-1] - first >= 32 * 2**20
            assert series["times_ms"] == sorted(series["times_ms"])
            last = series["times_ms"][-1]
            late = ask(exporter, f"series?process={pid}&since={last // 1000}.{last % 1000:03}")
            assert all(t >= last for t in late["times_ms"]) and late["times_ms"]
            candles = ask(exporter, f"candles?process={pid}")
            assert candles["source"] == "memory" and candles["field"] == "rss"
            for start, begin, high, low, end, samples in candles["candles"]:
                assert low <= begin <= high and low <= end <= high and samples > 0
                assert start % 60000 == 0
            assert candles["candles"][0][1] == first
            assert max(c[2] for c in candles["candles"]) >= first + 32 * 2**20
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(tell)


def a_process_that_ended_is_nobody():
    with Exporter("--interval=200ms") as exporter:
        with Child(b"short") as child:
            found = wait_for(lambda: exporter.get(f"{ROOT}series?process={child.pid}")[0] == 200,
                             what="the process")
            assert found
        wait_for(lambda: exporter.get(f"{ROOT}series?process={child.pid}")[0] == 404, what="its end")


HOSTILE = [b"\"}]}", b"\\", b"<img src=x>", b"\xff\xfe", b"a\nb\tc\x01", b"\xe2\x80\xae", b"%41+%",
           b"-->';"]


def names_are_data():
    children = [Child(name, 1) for name in HOSTILE]
    try:
        with Exporter("--interval=1h") as exporter:
            for child, name in zip(children, HOSTILE):
                text = name.decode("utf-8", "replace")
                series = ask(exporter, f"series?process={child.pid}")
                # the group of the same name is found by what is shown of it
                group = ask(exporter, "series?group=" + quote(text, safe=""))
                assert group["group"] == text, (group["group"], text)
                assert group["rss_bytes"][0] >= series["rss_bytes"][0] > 0
                candles = ask(exporter, "candles?group=" + quote(text, safe=""))
                assert candles["group"] == text
            names = {row["name"] for row in ask(exporter, "groups?limit=100")["groups"]}
            everybody = {frozenset(row) for row in ask(exporter, "processes?limit=100")["processes"]}
            assert len(everybody) == 1  # all rows have the same members
            if len(names) < 100:
                assert {name.decode("utf-8", "replace") for name in HOSTILE} <= names
    finally:
        for child in children:
            child.__exit__()


ERRORS = [
    ("nothing", 404, "there is no such path in the API"),
    ("", 404, "there is no such path in the API"),
    ("status/", 404, "there is no such path in the API"),
    ("status?a=1", 400, "there is a parameter that is not known here"),
    ("groups?needle=1", 400, "there is a parameter that is not known here"),
    ("groups?Sort=rss", 400, "there is a parameter that is not known here"),
    ("groups?sort=rss&sort=rss", 400, "a parameter is given twice"),
    ("groups?sort=rss&so%72t=rss", 400, "there is a parameter that is not known here"),
    ("groups?sort", 400, "a parameter has no value"),
    ("groups?sort=", 400, "a parameter is empty"),
    ("groups?sort=needle", 400, "sort is neither rss nor growth"),
    ("groups?window=1h", 400, "window is neither 5m nor 15m"),
    ("groups?limit=0", 400, "limit is no number from 1 to 100"),
    ("groups?limit=101", 400, "limit is no number from 1 to 100"),
    ("groups?limit=99999999999999999999999999", 400, "limit is no number from 1 to 100"),
    ("groups?series=2", 400, "series is neither 0 nor 1"),
    ("processes?process=1", 400, "there is a parameter that is not known here"),
    ("series", 400, "one of process and group is needed, and not both"),
    ("series?process=1&group=a", 400, "one of process and group is needed, and not both"),
    ("series?process=0", 400, "process is neither a pid nor a pid and a start time such as 1234-56789"),
    ("series?process=1-", 400, "process is neither a pid nor a pid and a start time such as 1234-56789"),
    ("series?process=1-2-3-4", 400,
     "process is neither a pid nor a pid and a start time such as 1234-56789"),
    ("series?process=1&since=yesterday", 400,
     "since is neither a time such as 2026-01-31T12:00:00Z nor seconds since 1970"),
    ("series?process=1-1", 404, "there is no such process in the last sample"),
    ("series?process=4194304", 404, "there is no such process in the last sample"),
    ("series?group=needle", 404, "there is no such group in the last sample"),
    ("series?group=%", 400, "a '%' in a parameter is not followed by two hexadecimal digits"),
    ("series?group=a%00", 400, "a parameter has a NUL byte in it"),
    ("series?group=" + "a" * 256, 400, "a parameter is longer than 255 bytes"),
    ("candles", 400, "one of process and group is needed, and not both"),
    ("candles?group=needle", 404, "there is no such group in the last sample"),
    ("candles?process=1&interval=5m", 400, "interval is neither 1m nor 15m"),
    ("candles?process=1&field=needle", 400, "field is no field of a process, such as rss"),
    ("candles?process=1&field=vsz", 400, "without a history there are candles of rss only"),
    ("candles?process=1&since=1", 400,
     "since is too long ago: there are at most 1,500 candles in an answer"),
    ("candles?process=1&since=9999999999", 400, "since is in the future"),
]


def every_mistake_has_its_sentence():
    wrong = []
    with Exporter("--interval=1h") as exporter:
        for request, status, sentence in ERRORS:
            said = ask(exporter, request, status)
            if said != sentence:
                wrong.append((request, said))
            assert "needle" not in said
        assert exporter.get(ROOT + "status", "POST")[0] == 405
    assert not wrong, wrong


def head_is_get_without_the_body():
    with Exporter("--interval=1h") as exporter:
        for request in ("status", "groups", "processes?series=1", "series?process=1", "candles?process=1"):
            length = ask(exporter, request, method="HEAD")
            assert length == len(exporter.get(ROOT + request)[2]), request
        ask(exporter, "series", 400, "HEAD")


def nothing_is_shown_without_a_sample():
    fake_proc()
    with Exporter("--path.procfs=proc", "--interval=100ms") as exporter:
        assert ask(exporter, "processes")["processes"][0]["comm"] == "seven"
        shutil.rmtree("proc")
        wait_for(lambda: exporter.get("/-/ready")[0] == 503, what="a failed sample")
        status = ask(exporter, "status")
        assert status["up"] is False and status["at_ms"] is None and status["processes"] is None
        assert status["memory_total_bytes"] is None
        ready = exporter.get("/-/ready")[2].decode().removeprefix("not ready: ").strip()
        assert status["reason"] == ready
        for request in ("groups", "processes", "series?process=7", "candles?process=7"):
            assert ask(exporter, request, 503) == ready


run_tests([
    status_says_what_is_shown,
    lists_say_what_the_metrics_say,
    growth_is_found,
    a_process_that_ended_is_nobody,
    names_are_data,
    every_mistake_has_its_sentence,
    head_is_get_without_the_body,
    nothing_is_shown_without_a_sample,
])

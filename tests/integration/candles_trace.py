"""Candles of the recorded trace, compared one by one with an oracle computed from its CSV."""

import functools
import json

import tools_lib as lib

INTERVALS = {"15m": 900, "60s": 60, "5s": 5}


@functools.cache
def trace():
    return lib.trace_rows()


def wide_table(found):
    """Without the number of samples, which the wide table does not show."""
    header = found[0]
    assert header[0] == "time" and len(header) % 4 == 1
    candles = {}
    for r in found[1:]:
        assert len(r) == len(header)
        for at in range(1, len(header), 4):
            label = header[at].removesuffix("_open")
            assert header[at : at + 4] == [f"{label}_{e}" for e in ("open", "high", "low", "close")]
            if r[at]:
                assert (lib.seconds(r[0]), label) not in candles
                candles[lib.seconds(r[0]), label] = tuple(map(int, r[at : at + 4]))
            else:
                assert r[at : at + 4] == [""] * 4
    return candles


def compare(by):
    """All metrics and intervals, wide and long, and the PID map."""
    lib.memhist("import", "--from", "csv", "--history", "history", lib.trace_path())
    rows = trace()
    labels, commands = lib.label_rows(rows, by)
    for metric in "rss", "vsz":
        for name, interval_s in INTERVALS.items():
            args = ["--interval", name, "--metric", metric, "--by", by]
            expected = lib.oracle(rows, labels, interval_s, metric)
            assert len(expected) > 1900
            lib.same(lib.long_table(lib.candles(*args, "--long", "--pid-map", "pids").rows), expected)
            with open("pids", encoding="utf-8") as file:
                found = lib.table(file.read())
            assert found[0] == ["PID", "COMMAND"]
            assert dict(found[1:]) == commands
            expected = {key: candle[:4] for key, candle in expected.items()}
            lib.same(wide_table(lib.candles(*args, "--all").rows), expected)


def candles_by_identity_are_what_the_oracle_says():
    compare("identity")


def candles_by_command_are_what_the_oracle_says():
    compare("command")


def the_trace_comes_back_as_it_was():
    """Every process-sample, through import and dump."""
    lib.memhist("import", "--from", "csv", "--history", "history", lib.trace_path())
    expected = {}
    for r in trace():
        expected.setdefault(r[0], {})[r[1]] = r[2:]
    n = 0
    for line in lib.memhist("dump", "--history", "history", "--full").text.splitlines():
        snapshot = json.loads(line)
        processes = {
            p["pid"]: [
                p["start_ticks"], p["ppid"], p["uid"], p["rss_bytes"] // 1024,
                p["vsz_bytes"] // 1024, p["swap_bytes"] // 1024, p["comm"], " ".join(p["cmdline"]),
            ]
            for p in snapshot["processes"]
        }
        assert processes == expected[snapshot["wall_ms"]]
        n += 1
    assert n == len(expected) == 420


def the_trace_is_small():
    """A frame per snapshot, all columns: what docs/BENCHMARKS.md says of the open history."""
    lib.memhist("import", "--from", "csv", "--history", "history", lib.trace_path())
    status = json.loads(lib.memhist("status", "--history", "history", "--json").text)
    assert status["process_samples"] == 148951
    assert status["bytes_per_process_sample"] <= 0.8


lib.run_tests([
    candles_by_identity_are_what_the_oracle_says,
    candles_by_command_are_what_the_oracle_says,
    the_trace_comes_back_as_it_was,
    the_trace_is_small,
])

"""Cases of remote write that look at requests which were taken, whatever they were asked for."""

import collections
import os
import re
import time

import remote_receiver as rr

PAGE = os.sysconf("SC_PAGE_SIZE")


def every_request(check):
    return lambda requests: [check(r) for r in requests]


def every_series(check):
    return lambda requests: [check(s) for r in requests for s in r.series]


def header(name, value):
    def check(request):
        assert request.headers.get_all(name) == [value], request.headers.items()
    return every_request(check)


@every_request
def is_post(request):
    assert request.method == "POST"


@every_request
def is_v2(request):
    assert request.is_v2


@every_request
def parses(request):
    assert request.n_samples


@every_request
def is_block_format(request):
    assert b"sNaPpY" not in request.body[:16]
    assert request.body == request.body and rr.unsnap(request.body)


@every_request
def is_agent(request):
    assert re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(/[0-9A-Za-z.+~-]+)?",
                        request.headers["User-Agent"])


@every_request
def has_symbols(request):
    assert len(request.symbols) > 1


@every_request
def begins_with_nothing(request):
    assert request.symbols[0] == ""


@every_request
def has_symbols_once(request):
    assert len(set(request.symbols)) == len(request.symbols)


@every_request
def uses_all_symbols(request):
    assert request.symbols.used | {0} == set(range(len(request.symbols)))


@every_request
def uses_symbols_often(request):
    references = sum(2 * len(s.pairs) for s in request.series)
    assert len(request.symbols) < references / 2, (len(request.symbols), references)


@every_series
def has_all_labels(one):
    assert {"__name__", "instance", "job"} <= set(one.labels), one.pairs
    if one.name.startswith("memhist_process_"):
        assert {"pid", "comm", "start"} <= set(one.labels), one.pairs


@every_series
def is_sorted(one):
    names = [name.encode() for name, _ in one.pairs]
    assert names == sorted(names), names


@every_series
def has_labels_once(one):
    assert len(one.labels) == len(one.pairs), one.pairs


@every_series
def has_no_empty_label(one):
    assert all(name and value for name, value in one.pairs), one.pairs


@every_series
def has_a_good_name(one):
    assert re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", one.name), one.name


@every_series
def has_good_label_names(one):
    assert all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) for name, _ in one.pairs), one.pairs


@every_series
def has_samples(one):
    assert one.samples


@every_series
def has_no_other_nan(one):
    assert all(x.value == x.value or x.bits == rr.STALE for x in one.samples)


@every_series
def is_ordered(one):
    times = [x.ms for x in one.samples]
    assert times == sorted(set(times)), times


def hostile_names_arrive(requests):
    comms = {s.labels["comm"] for r in requests for s in r.series if "comm" in s.labels}
    for name in ('q"uote', "back\\slash", "new\nline", '{a="b"}', "日本", "ünïcödé", "# HELP x"):
        assert name in comms, comms
    assert any("\ufffd" in name for name in comms)


def times_are_recent_milliseconds(requests):
    now = time.time() * 1000
    for r in requests:
        assert all(now - 3600e3 < ms <= now + 1 for ms in r.times), r.times


def is_ordered_over_requests(requests):
    last = collections.defaultdict(int)
    for r in requests:
        for s in r.series:
            assert s.samples[0].ms > last[s.key], s.pairs
            last[s.key] = s.samples[-1].ms


def values(name, **labels):
    def found(requests):
        return [x.value for r in requests for s in r.series
                if s.name == name and labels.items() <= s.labels.items()
                for x in s.samples if not x.is_stale]
    return found


def floats_are_exact(requests):
    # pages of process 139: 250 + 1000 * 39
    resident = values("memhist_process_resident_memory_bytes", pid="139")(requests)
    assert resident and set(resident) == {39250 * PAGE}, set(resident)


def zeros_are_sent(requests):
    swap = values("memhist_group_swap_memory_bytes")(requests)
    assert swap and set(swap) == {0.0}


def large_values_are_exact(requests):
    total = values("memhist_meminfo_mem_total_bytes")(requests)
    assert total and set(total) == {1000000 * 1024.0}


def counters_are_sent(requests):
    kills = values("memhist_oom_kills_total")(requests)
    assert kills and set(kills) == {3.0}, kills


def gauges_are_sent(requests):
    live = values("memhist_processes")(requests)
    assert live and live[0] == 40 and set(live) <= {40, 39, 38, 37}, live


def ended_processes_are_marked(requests):
    for pid in ("101", "102", "103"):
        samples = [x for r in requests for s in r.series if s.labels.get("pid") == pid and
                   s.name == "memhist_process_resident_memory_bytes" for x in s.samples]
        assert samples[-1].is_stale and not any(x.is_stale for x in samples[:-1]), pid


def all_series_are_marked_at_the_end(requests):
    last = {s.key: s.samples[-1] for r in requests for s in r.series}
    alive = [key for key, sample in last.items() if not sample.is_stale]
    assert len(last) > 100 and not alive, alive


def requests_have_many_series(requests):
    assert sum(len(r.series) > 50 for r in requests) >= len(requests) / 2


def is_flushed_by_time(requests):
    assert any(r.n_samples < 2000 for r in requests)


def is_flushed_by_size(requests):
    assert all(r.n_samples <= 50 for r in requests)
    assert sum(r.n_samples == 50 for r in requests) > len(requests) / 2


def metadata(check):
    def all_of_them(requests):
        found = [s for r in requests for s in r.series]
        assert found
        for s in found:
            assert s.metadata, s.pairs
            check(s, *s.metadata)
    return all_of_them


@metadata
def has_a_type(_, kind, _help, _unit):
    assert kind in (rr.COUNTER, rr.GAUGE, rr.INFO)


@metadata
def counters_say_so(one, kind, _help, _unit):
    assert (kind == rr.COUNTER) == one.name.endswith("_total") or "meminfo" in one.name, one.name


@metadata
def gauges_say_so(one, kind, _help, _unit):
    assert kind == rr.GAUGE or not one.name.endswith("_bytes"), one.name


@metadata
def has_a_help(_, _kind, text, _unit):
    assert text.endswith(".")


@metadata
def has_its_unit(one, _kind, _help, unit):
    assert not one.name.endswith("_bytes") or unit == "bytes", (one.name, unit)


def counters_say_since_when(requests):
    found = [x for r in requests for s in r.series if s.name == "memhist_oom_kills_total"
             for x in s.samples if not x.is_stale]
    assert found and all(x.start_ms is None or x.start_ms <= x.ms for x in found)
    assert all(x.start_ms in (None, 0) for r in requests for s in r.series
               if s.metadata[0] == rr.GAUGE for x in s.samples)


def combined(*checks):
    return lambda requests: [check(requests) for check in checks]


def every_sample_once(requests):
    seen = [(s.key, x.ms) for r in requests if r.status == 204 for s in r.series for x in s.samples]
    assert len(seen) == len(set(seen))


def nothing_is_missing(requests):
    """Of a process that was there all the time, as many samples as there were snapshots."""
    times = {x.ms for r in requests for s in r.series if s.name == "memhist_processes"
             for x in s.samples if not x.is_stale}
    mine = {x.ms for r in requests for s in r.series
            if s.name == "memhist_process_resident_memory_bytes" and s.labels["pid"] == "139"
            for x in s.samples if not x.is_stale}
    assert mine == times and len(times) >= 5


# Of both messages: (name in the suite of 2.0, case).
COMMON = [
    ("http_post_method", is_post),
    ("snappy_compression", header("Content-Encoding", "snappy")),
    ("snappy_block_format", is_block_format),
    ("protobuf_parseable", parses),
    ("user_agent", is_agent),
    ("label_completeness", has_all_labels),
    ("label_ordering", is_sorted),
    ("no_duplicate_labels", has_labels_once),
    ("empty_label_values", has_no_empty_label),
    ("metric_name_label", has_a_good_name),
    ("label_name_format", has_good_label_names),
    ("special_characters_in_values", hostile_names_arrive),
    ("millisecond_precision", times_are_recent_milliseconds),
    ("timestamp_ordering", is_ordered),
    ("samples_ordered_over_requests", is_ordered_over_requests),
    ("float_sample_encoding", floats_are_exact),
    ("zero_value", zeros_are_sent),
    ("large_value", large_values_are_exact),
    ("nan_value", has_no_other_nan),
    ("at_least_one_sample", has_samples),
    ("stale_marker", ended_processes_are_marked),
    ("stale_marker_at_shutdown", all_series_are_marked_at_the_end),
    ("batch_multiple_series", requests_have_many_series),
    ("time_based_flush", is_flushed_by_time),
    ("no_sample_twice", every_sample_once),
    ("no_sample_missing", nothing_is_missing),
]
# Of 2.0 alone.
TWO = [
    ("content_type_protobuf", header("Content-Type", rr.V2_TYPE)),
    ("proto_parameter", is_v2),
    ("version_header", header("X-Prometheus-Remote-Write-Version", "2.0.0")),
    ("symbols_table_populated", has_symbols),
    ("empty_string_at_index_zero", begins_with_nothing),
    ("string_deduplication", has_symbols_once),
    ("valid_label_references", uses_all_symbols),
    ("symbol_table_efficiency", uses_symbols_often),
    ("even_length_refs", parses),
    ("type_metadata", has_a_type),
    ("counter_type", counters_say_so),
    ("gauge_type", gauges_say_so),
    ("help_metadata", has_a_help),
    ("unit_metadata", has_its_unit),
    ("start_timestamp_counter", counters_say_since_when),
    ("samples_with_metadata", combined(has_samples, has_a_type)),
    ("complex_real_world_scenario", combined(is_sorted, is_ordered, has_a_help, uses_all_symbols)),
]

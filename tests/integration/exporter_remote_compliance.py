"""Remote write as its specifications have it, 1.0 and 2.0: the cases of Prometheus' compliance tests
for senders that apply to gauges and counters, by the names that they have there. (What is left out:
histograms, exemplars, summaries, `up`, honor_labels, and cases.values that a scrape target makes up.)

Two runs of the exporter serve all of them; each case looks at what was received."""

import email.utils
import os
import sys
import tempfile
import time

import remote_cases as cases
import remote_lib
import remote_receiver as rr
from exporter_lib import EXPORTER, run_tests, series, wait_for
from remote_receiver import Answer

REFUSALS = [401, 403, 404, 413, 422]
LONG = "x" * 2048


def first(*answers):
    """Answer so, one after the other, and then as usual."""
    return lambda request, before: answers[before] if before < len(answers) else Answer()


def in_two_seconds(*_):
    return Answer(429, 0, {"Retry-After": email.utils.formatdate(time.time() + 2, usegmt=True)})


def late_429(request, before):
    if before < 3:
        return Answer([500, 502, 503][before], 0)
    return in_two_seconds() if before == 3 else Answer()


def refusals(request, before):
    return Answer(REFUSALS[before], None, (), b"no, \x1b[31mthanks\n" * 100) \
        if before < len(REFUSALS) else Answer()


def bad_pid(request, before):
    """Rolls everything back that has a series of this process in it, as Prometheus 2 does."""
    bad = any(s.labels.get("pid") == "105" for s in request.series)
    return Answer(400, None, (), b"out of order sample") if bad else Answer()


def three_too_few(request, before):
    return Answer(400, request.n_samples - 3, (), b"3 bad ones") if before == 1 else Answer()


SCRIPT_A = {
    "retry1": first(Answer(500), Answer(502), Answer(503), Answer(429, "all", {"Retry-After": "1"})),
    "retry2": late_429,
    "auto415": lambda request, before: Answer(415 if request.is_v2 else 204, None),
    "silent": lambda request, before: Answer(204, None),
    "refuse1": refusals,
}
SCRIPT_B = {
    "bad1": bad_pid,
    "partial2": three_too_few,
    "refuse2": refusals,
    "body1": lambda request, before: Answer(200, "all", {"Content-Type": "text/html"},
                                            b"\xff<b>\0" * (before * 100000)),
    "redirect1": lambda request, before: Answer(307, None, {"Location": "/stolen"}),
    "down1": lambda request, before: Answer(503, None, (), b"\x1b[2Jdown\nfor ever"),
    "size1": None,
    "labels2": None,
}
V2, AUTO = "io.prometheus.write.v2.Request", "auto"


def endpoint(receiver, path, message=None, queue=None, **more):
    entry = {"url": receiver.url(path), "name": path, "send": {"processes": "all"},
             "queue_config": {"batch_send_deadline": "150ms", "min_backoff": "30ms",
                              "max_backoff": "240ms", **(queue or {})}, **more}
    if message:
        entry["protobuf_message"] = message
    return entry


class Run:
    """What was received, and the page and the log of the exporter at the end."""

    def __init__(self, receiver):
        self.receiver, self.page, self.log = receiver, None, None

    def __getitem__(self, path):
        requests = self.receiver.seen(path)
        assert requests, f"nothing came to {path}"
        return requests

    def metric(self, name, path):
        return next(value for labels, value in series(self.page, "memhist_remote_write_" + name)
                    if labels["remote_name"] == path)


def record(endpoints, script, enough, then=None):
    """One run of the exporter, until `enough` of each path; then its end."""
    with tempfile.TemporaryDirectory(prefix="memhist-test-") as folder, \
            rr.Receiver(**script) as receiver:
        proc = remote_lib.SmallProc(f"{folder}/proc", 40)
        config = remote_lib.configure(folder, endpoints(receiver))
        run = Run(receiver)
        with remote_lib.exporter(config, "--interval=100ms", f"--path.procfs={folder}/proc",
                                 ) as exporter:
            for path, n in enough.items():
                wait_for(lambda p=path, k=n: k(receiver.seen(p)) if callable(k)
                         else len(receiver.seen(p)) >= k, what=f"{n} at {path}")
            if then:
                then(receiver, proc)
            run.page = exporter.next_sample()
            run.status = exporter.end()
            run.log = exporter.read_log()
        return run


def processes_end(receiver, proc):
    for pid in (101, 102, 103):
        proc.remove(pid)
    for path in ("one", "two"):
        wait_for(lambda p=path: {"101", "102", "103"} <= {
            s.labels.get("pid") for r in receiver.seen(p) for s in r.series
            for x in s.samples if x.is_stale}, what=f"markers at {path}")


# --- cases of answers -----------------------------------------------------------------------------

def attempts(requests):
    """Requests one behind the other that have the same bytes."""
    groups = [[requests[0]]]
    for r in requests[1:]:
        if r.body == groups[-1][0].body:
            groups[-1].append(r)
        else:
            groups.append([r])
    return groups


def is_retried_on(status):
    def check(requests):
        at = next(i for i, r in enumerate(requests) if r.status == status)
        assert requests[at + 1].body == requests[at].body
        assert requests[at + 1].headers["Retry-Attempt"] == str(at + 1)
        assert "Retry-Attempt" not in requests[0].headers
    return check


def is_taken_at_last(requests):
    group = attempts(requests)[0]
    assert [r.status for r in group] == [500, 502, 503, 429, 204]
    assert all(len(g) == 1 for g in attempts(requests)[1:])


def is_not_retried_on(status):
    def check(requests):
        refused = [r for r in requests if r.status == status]
        assert len(refused) == 1
        assert sum(r.body == refused[0].body for r in requests) == 1
        assert not any("Retry-Attempt" in r.headers for r in requests)
    return check


def goes_on_after_refusals(requests):
    assert sum(r.status == 204 for r in requests) >= 4


def retry_after_is_respected(requests):
    at = next(i for i, r in enumerate(requests) if r.status == 429)
    assert requests[at + 1].at - requests[at].at >= 0.99


def waits(requests):
    group = attempts(requests)[0]
    return [b.at - a.at for a, b in zip(group, group[1:])]


def backs_off(requests):
    found = waits(requests)[:7]
    assert len(found) >= 7
    # 30 ms, twice as long each time up to 240; a fifth at most is taken off by chance
    for wait, least in zip(found, (30, 60, 120, 240, 240, 240, 240)):
        assert wait >= least * 0.8 / 1000, found


def does_not_overwhelm(requests):
    spent = requests[-1].at - requests[0].at
    assert len(requests) <= 5 + spent / 0.19


def is_one_batch(requests):
    assert len({r.body for r in requests}) == 1
    assert [r.headers.get("Retry-Attempt") for r in requests] == \
        [None] + [str(n) for n in range(1, len(requests))]


def log_has(words):
    def check(_):
        assert words in B.log or words in A.log, (A.log, B.log)
    return check


def log_is_safe(_):
    assert "\x1b" not in A.log + B.log


def takes(metric, path, run, least):
    def check(_):
        assert run().metric(metric, path) >= least
    return check


def samples_of(request):
    return {(s.key, x.ms) for s in request.series for x in s.samples}


def halved_batches(requests):
    """[(samples, requests)] of batches that were refused at first and then sent in parts, all of
    which came: there is a request of another batch behind them."""
    found, batch, parts = [], set(), []
    for r in requests:
        sent = samples_of(r)
        if sent <= batch:
            parts.append(r)
            continue
        if parts and parts[0].status == 400:
            found.append((batch, parts))
        batch, parts = sent, [r]
    return found


def bad_ones_stand_alone(requests):
    """All that is not of the bad process arrives once; all that is refused for good is of it."""
    for batch, parts in halved_batches(requests):
        taken = [x for r in parts if r.status == 204 for x in samples_of(r)]
        lost = batch - set(taken)
        assert len(taken) == len(set(taken))
        assert lost and all(dict(key).get("pid") == "105" for key, _ in lost), len(lost)
        assert all(samples_of(r) <= lost for r in parts if r.status == 400 and r.n_samples == 1)
        # the earlier half is sent first
        assert max(parts[1].times) <= max(parts[0].times)
        assert min(parts[1].times) == min(parts[0].times)


def partial_is_not_sent_again(requests):
    assert requests[1].status == 400
    assert sum(r.body == requests[1].body for r in requests) == 1


def partial_is_counted(_):
    assert B.metric("samples_failed_total", "partial2") == 3


def redirects_are_not_followed(requests):
    assert all(r.status == 307 for r in requests)
    assert not B.receiver.seen("stolen")
    assert B.metric("misconfigured_total", "redirect1") >= 1


def falls_back(requests):
    assert requests[0].is_v2 and not requests[1].is_v2
    assert requests[0].times == requests[1].times
    assert {s.key for s in requests[0].series} == {s.key for s in requests[1].series}


def changes_headers(requests):
    assert requests[0].headers["Content-Type"] == rr.V2_TYPE
    assert requests[1].headers["Content-Type"] == rr.V1_TYPE
    assert requests[0].headers["X-Prometheus-Remote-Write-Version"] == "2.0.0"
    assert requests[1].headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"


def stays_with_it(requests):
    assert not any(r.is_v2 for r in requests[1:])
    assert all(r.status == 204 for r in requests[1:])


def stays_with_two(requests):
    assert all(r.is_v2 for r in requests)


def is_not_v2(requests):
    assert not any(r.is_v2 for r in requests)


def external_labels_are_there(requests):
    for r in requests:
        for s in r.series:
            labels = s.labels
            assert labels["Zone"] == 'ß"\\\n日本' and labels["a_long"] == LONG
            assert labels["job"] == "other" and "instance" not in labels
            assert s.pairs[0][0] == "Zone"  # capitals are before _


if not os.path.exists(EXPORTER):
    print("1..0 # SKIP memhist-exporter was not built")
    sys.exit(0)
A = record(lambda r: [
    endpoint(r, "one"), endpoint(r, "two", V2), endpoint(r, "retry1"), endpoint(r, "retry2", V2),
    endpoint(r, "auto415", AUTO), endpoint(r, "silent", AUTO), endpoint(r, "auto2", AUTO),
    endpoint(r, "refuse1", queue={"max_samples_per_send": 100})],
    SCRIPT_A, {"one": 6, "two": 6, "retry1": 7, "retry2": 7, "auto415": 5, "silent": 5, "auto2": 4,
               "refuse1": 9}, processes_end)
B = record(lambda r: [
    endpoint(r, "bad1"), endpoint(r, "partial2", V2),
    endpoint(r, "refuse2", V2, {"max_samples_per_send": 100}), endpoint(r, "body1"),
    endpoint(r, "redirect1"), endpoint(r, "down1", V2),
    endpoint(r, "size1", None, {"max_samples_per_send": 50, "batch_send_deadline": "1h"}),
    endpoint(r, "labels2", V2, None, external_labels={
        "Zone": "ß\"\\\n日本", "a_long": LONG, "instance": "", "job": "other"})],
    SCRIPT_B, {"bad1": halved_batches, "partial2": 4, "refuse2": 9, "body1": 5, "redirect1": 1, "down1": 9,
               "size1": 12, "labels2": 3})

# (where in the suites, its name, whose requests, case)
CASES = [
    *(("2.0", name, A, "two", case) for name, case in cases.COMMON + cases.TWO),
    *(("1.0", name, A, "one", case) for name, case in cases.COMMON),
    ("2.0 rw1", "rw1_version_header", A, "one", cases.header("X-Prometheus-Remote-Write-Version", "0.1.0")),
    ("2.0 rw1", "rw1_content_type", A, "one", cases.header("Content-Type", rr.V1_TYPE)),
    ("2.0 rw1", "rw1_samples_encoding", A, "one", cases.floats_are_exact),
    ("2.0 rw1", "rw1_no_native_histograms", A, "one", cases.parses),
    ("2.0 rw1", "rw1_no_created_timestamp", A, "one", cases.parses),
    ("2.0 rw1", "rw1_symbol_table_not_used", A, "one", is_not_v2),
    ("1.0", "Counter", A, "one", cases.counters_are_sent),
    ("1.0", "Gauge", A, "one", cases.gauges_are_sent),
    *(("2.0", f"retry_on_{status}", A, "retry2", is_retried_on(status))
      for status in (500, 502, 503)),
    ("2.0", "optional_retry_on_429_rate_limited", A, "retry2", is_retried_on(429)),
    ("2.0", "retry_after_header_respected (a date)", A, "retry2", retry_after_is_respected),
    ("1.0", "Retries500", A, "retry1", is_retried_on(500)),
    ("1.0", "Retries502", A, "retry1", is_retried_on(502)),
    ("1.0", "Retries429", A, "retry1", is_retried_on(429)),
    ("1.0", "retry_after_header_respected (seconds)", A, "retry1", retry_after_is_respected),
    ("1.0", "retried_batch_is_taken_once", A, "retry1", is_taken_at_last),
    ("2.0", "retried_batch_is_taken_once", A, "retry2", is_taken_at_last),
    *(("1.0", f"no_retry_on_{status}", A, "refuse1", is_not_retried_on(status))
      for status in REFUSALS),
    *(("2.0", f"no_retry_on_{status}", B, "refuse2", is_not_retried_on(status))
      for status in REFUSALS),
    ("1.0", "keeps_running_after_errors", A, "refuse1", goes_on_after_refusals),
    ("2.0", "keeps_running_after_errors", B, "refuse2", goes_on_after_refusals),
    ("1.0", "Retries400 (a rolled back batch: only what is bad is lost)", B, "bad1",
     bad_ones_stand_alone),
    ("2.0", "no_retry_on_400_bad_request", B, "partial2", partial_is_not_sent_again),
    ("2.0", "handle_partial_write_response", B, "partial2", partial_is_counted),
    ("2.0", "exponential_backoff_on_errors", B, "down1", backs_off),
    ("2.0", "backoff_prevents_overwhelming", B, "down1", does_not_overwhelm),
    ("2.0", "retries_are_the_same_request", B, "down1", is_one_batch),
    ("2.0", "handle_204_no_content", A, "two", takes("samples_total", "two", lambda: A, 1)),
    ("1.0", "handle_200_ok", B, "body1", takes("samples_total", "body1", lambda: B, 1)),
    ("1.0", "ignore_response_body_on_success", B, "body1", cases.every_sample_once),
    ("1.0", "handle_large_error_body", A, "refuse1",
     takes("samples_failed_total", "refuse1", lambda: A, 1)),
    ("2.0", "log_error_messages", B, "down1", log_has("status 503: ")),
    ("2.0", "log_error_messages_harmless", B, "down1", log_is_safe),
    ("2.0", "process_written_count_headers", A, "auto2", stays_with_two),
    ("2.0", "handle_missing_written_headers", A, "silent", falls_back),
    ("2.0", "detect_broken_receiver", A, "silent", stays_with_it),
    ("2.0", "fallback_on_415_unsupported_media_type", A, "auto415", falls_back),
    ("2.0", "retry_with_different_version", A, "auto415", changes_headers),
    ("2.0", "fallback_header_changes", A, "silent", changes_headers),
    ("2.0", "accept_success_after_fallback", A, "auto415",
     takes("samples_total", "auto415", lambda: A, 1)),
    ("2.0", "persistent_fallback_choice", A, "auto415", stays_with_it),
    ("2.0", "no_fallback_on_2xx", A, "auto2", stays_with_two),
    ("1.0", "redirects_not_followed", B, "redirect1", redirects_are_not_followed),
    ("1.0", "efficient_batching, size_based_flush", B, "size1", cases.is_flushed_by_size),
    ("2.0", "unicode_in_labels, huge_label_values, JobLabel, InstanceLabel", B, "labels2",
     external_labels_are_there),
    ("2.0", "symbol_table_deduplication_across_batch", B, "labels2", cases.has_symbols_once),
]


def point(spec, name, run, path, case):
    def test():
        case(run[path])
    test.__name__ = f"{spec}: {name}"
    return test


def it_ends_well():
    assert A.status == 0 and B.status == 0


run_tests([point(*case) for case in CASES] + [it_ends_well])

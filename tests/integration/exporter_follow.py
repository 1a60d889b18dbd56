"""An exporter that finds its history written by another process follows it."""

import fcntl
import os

from exporter_lib import Child, Exporter, run_tests, single, wait_for

SHARED = ("memhist_group", "memhist_process_", "memhist_processes", "memhist_meminfo_",
          "memhist_oom_", "memhist_swap_", "memhist_pressure_")


def figures(page):
    return {key: value for key, value in page.items() if key[0].startswith(SHARED)}


def at(page):
    return single(page, "memhist_last_sample_timestamp_seconds")


# What one of them alone knows, or each of itself: its process, its pages, its start; how processes
# are read and the history is written; proportional memory, which is in no history.
OF_ITSELF = ("process_", "memhist_pages_written_total", "memhist_series_dropped_total",
             "memhist_scrape_duration_seconds", "memhist_config_last_reload_success_timestamp_seconds",
             "memhist_history_", "memhist_collector_", "memhist_proportional_",
             "memhist_process_proportional_", "memhist_process_unique_")
SAMPLING = ("samples", "failed", "missed", "processes", "vanished", "errors", "exits", "exits_dropped",
            "exits_unlisted", "open_files")
# What is counted from the start on: it grows alike in both. Peaks of who had ended before are not
# known to a follower, nor windows that began before it did.
COUNTED = {"memhist_group_exits_total", "memhist_group_resident_memory_byte_seconds_total",
           "memhist_observed_seconds_total", "memhist_export_processes_left_out_total",
           "memhist_export_processes_given_up_total", "memhist_group_rules_given_up_total"}


def is_shared(name):
    return not name.startswith(OF_ITSELF) and name not in COUNTED and "_1m_" not in name \
        and "_15m_" not in name and name != "memhist_group_exited_peak_bytes" \
        and name.removeprefix("memhist_sampler_").removesuffix("_total") not in SAMPLING \
        and name != "memhist_sampler_open_files"


def same_sample(writer, follower, after=0.0):
    """Pages of both, of the same sample, which is later than the time given."""
    def found():
        ours, theirs = writer.metrics(), follower.metrics()
        return (ours, theirs) if at(ours) == at(theirs) > after else None
    return wait_for(found, what="both at the same sample")


def counted(page):
    return {key: value for key, value in page.items() if key[0] in COUNTED}


def grown(before, now):
    """What was counted meanwhile, where anything was."""
    return {key: value - before.get(key, 0) for key, value in now.items() if value != before.get(key, 0)}


def expect_alike(ours, theirs):
    """Equal, but for the last digits of sums that began with others."""
    assert ours.keys() == theirs.keys(), ours.keys() ^ theirs.keys()
    for key, value in ours.items():
        assert abs(value - theirs[key]) <= (2 if "byte_seconds" in key[0] else 1e-6), \
            (key, value, theirs[key])


def configure():
    with open("memhist.yaml", "w", encoding="utf-8") as file:
        file.write("process_names:\n  - {comm: [python3, memhist-brief], name: 'py {{.Username}}'}\n"
                   "groups: {by: program}\n"
                   "export_processes:\n  - {comm: memhist-shared}\n  - {user: root, min_rss: 20M}\n")
    os.chmod("memhist.yaml", 0o640)
    return "--config.file=" + os.path.abspath("memhist.yaml")


def both_show_the_same():
    """Everything that is there, but for the lists above; who follows begins later."""
    flags = "--history.dir=history", "--process.top=5", configure()
    # a sample lasts for seconds, within which both pages are read, also on a busy machine
    with Child(b"memhist-shared", 32), Child(b"bad\xff\n"), \
            Exporter("--interval=2s", *flags) as writer:
        writer.next_sample()
        writer.next_sample()
        with Exporter("--interval=100ms", *flags) as follower:
            assert follower.read_log().count("following history") == 1
            before = same_sample(writer, follower)
            with Child(b"memhist-brief"):
                same_sample(writer, follower, at(before[0]))
            for _ in range(2):
                ours, theirs = same_sample(writer, follower, at(before[0]))
                shared = [{key: value for key, value in page.items() if is_shared(key[0])}
                          for page in (ours, theirs)]
                assert shared[0] == shared[1], set(shared[0].items()) ^ set(shared[1].items())
                assert len(shared[0]) > 100
                expect_alike(*(grown(counted(was), counted(page))
                               for was, page in zip(before, (ours, theirs))))
                assert single(ours, "memhist_observed_seconds_total") > 0
                before = ours, theirs
            # what is in no list is in both
            names = [{name for name, _ in page if not name.startswith(OF_ITSELF)} for page in before]
            assert not names[1] - names[0], names[1] - names[0]
            missing = {name.removeprefix("memhist_sampler_").removesuffix("_total")
                       for name in names[0] - names[1]
                       if "_1m_" not in name and name != "memhist_group_exited_peak_bytes"}
            assert missing <= set(SAMPLING), missing
            # an end that both have seen
            group = frozenset({("group", "py root")}) if os.geteuid() == 0 else None
            assert not group or ("memhist_group_exits_total", group) in theirs
            assert single(theirs, "memhist_swap_in_bytes_total") is not None
            assert single(theirs, "memhist_history_following") == 1
            assert single(theirs, "memhist_history_snapshots_read_total") >= 1
            assert single(theirs, "memhist_sampler_samples_total") is None  # it scans nothing itself
            assert not [1 for name, _ in theirs if name == "memhist_collector_backend_info"]
            assert single(ours, "memhist_history_following") == 0
            assert follower.end() == 0
        assert writer.end() == 0


def a_follower_leaves_the_history_alone():
    with Exporter("--interval=1h", "--history.dir=history"):
        before = sorted((e.name, e.stat().st_size) for e in os.scandir("history"))
        with Exporter("--interval=100ms", "--history.dir=history", ready=True) as follower:
            assert follower.end() == 0
        assert sorted((e.name, e.stat().st_size) for e in os.scandir("history")) == before


def without_news_it_is_not_ready_until_the_writer_is_back():
    with Exporter("--interval=1s", "--history.dir=history") as writer:
        with Exporter("--interval=100ms", "--history.dir=history") as follower:
            writer.kill()
            wait_for(lambda: follower.get("/-/ready")[0] == 503, what="unreadiness")
            assert b"no new snapshot in history" in follower.get("/-/ready")[2]
            page = follower.metrics()
            assert single(page, "memhist_up") == 0 and not figures(page)
            with Exporter("--interval=1s", "--history.dir=history") as successor:
                wait_for(lambda: follower.get("/-/ready")[0] == 200, what="readiness")
                assert figures(follower.metrics())
                assert single(successor.metrics(), "memhist_history_following") == 0
            log = follower.read_log()
            assert "no current sample" in log and "current again" in log, log
            assert log.count("\n") < 10, log  # said when it changes, not at every look


def it_is_not_ready_before_the_first_snapshot():
    os.mkdir("history")
    with open("history/LOCK", "w", encoding="ascii") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        with Exporter("--interval=100ms", "--history.dir=history", ready=False) as follower:
            wait_for(lambda: b"no snapshot in history yet" in follower.get("/-/ready")[2],
                     what="the reason")
            assert follower.get("/-/ready")[0] == 503
            assert follower.get("/-/healthy")[0] == 200
            page = follower.metrics()
            assert single(page, "memhist_up") == 0 and not figures(page)
            fcntl.lockf(lock, fcntl.LOCK_UN)
            with Exporter("--interval=100ms", "--history.dir=history"):
                wait_for(lambda: follower.get("/-/ready")[0] == 200, what="readiness")


run_tests([
    both_show_the_same,
    a_follower_leaves_the_history_alone,
    without_news_it_is_not_ready_until_the_writer_is_back,
    it_is_not_ready_before_the_first_snapshot,
])

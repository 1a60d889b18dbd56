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


def both_show_the_same():
    # seconds, within which both pages are read, also on a busy machine
    with Child(b"memhist-shared", 32), Exporter("--interval=4s",
                                                 "--history.dir=history") as writer, \
            Exporter("--interval=500ms", "--history.dir=history") as follower:
        assert follower.read_log().count("following history") == 1
        def same_sample():
            ours, theirs = writer.metrics(), follower.metrics()
            return (ours, theirs) if at(ours) == at(theirs) else None
        for _ in range(3):
            ours, theirs = wait_for(same_sample, what="both at the same sample")
            assert figures(ours) == figures(theirs), \
                set(figures(ours).items()) ^ set(figures(theirs).items())
            assert len(figures(ours)) > 50
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

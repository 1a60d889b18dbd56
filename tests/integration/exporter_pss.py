"""Proportional memory: equal to the kernel's own figures, of those who were asked for."""

import os
import time

from exporter_lib import Child, Exporter, run_tests, series, single, wait_for

PSS = "memhist_process_proportional_memory_bytes"
USS = "memhist_process_unique_memory_bytes"
SWAP = "memhist_process_proportional_swap_bytes"
AGE = "memhist_process_proportional_age_seconds"


def rollup(pid):
    """The lines of smaps_rollup that the kernel gives in kB, in bytes."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return {line.split(":")[0]: int(line.split()[1]) * 1024
                for line in f.readlines()[1:]}


def labels(child, name):
    return frozenset({("pid", str(child.pid)), ("group", name), ("comm", name)})


def figures_are_those_of_the_kernel():
    with Child(b"memhist-pss", mib=32) as child, \
            Exporter("--interval=100ms", "--collector.pss=match:^memhist-pss$") as exporter:
        key = labels(child, "memhist-pss")

        def same():
            before = rollup(child.pid)
            page = exporter.next_sample()
            after = rollup(child.pid)
            if (PSS, key) not in page:
                return False
            # others who map the same libraries come and go
            low, high = sorted((before["Pss"], after["Pss"]))
            uss = before["Private_Clean"] + before["Private_Dirty"]
            assert page[(AGE, key)] < 10
            assert page[(USS, key)] >= 32 * 1048576
            return low <= page[(PSS, key)] <= high and page[(USS, key)] == uss \
                and page.get((SWAP, key)) == before.get("SwapPss")
        wait_for(same, what="the kernel's figures")
        shown = series(exporter.metrics(), PSS)
        assert [of["comm"] for of, _ in shown] == ["memhist-pss"], shown
        assert single(exporter.metrics(), "memhist_proportional_reads_total") >= 1


def the_largest_are_asked_and_no_others():
    with Child(b"memhist-large", mib=150), \
            Exporter("--interval=200ms", "--process.top=0", "--collector.pss=top:2") as exporter:
        page = wait_for(lambda: len(series(exporter.metrics(), PSS)) == 2 and exporter.metrics(),
                        what="two processes")
        assert {str(sorted(of.items())) for of, _ in series(page, PSS)} == \
            {str(sorted(of.items())) for of, _ in series(page, AGE)}


def nothing_is_read_unless_it_is_asked_for():
    with Exporter("--interval=100ms") as exporter:
        names = {name for name, _ in exporter.next_sample()}
        assert not [name for name in names if "proportional" in name or "unique" in name]
        assert single(exporter.metrics(), "process_threads") is not None


def another_users_are_counted_as_denied():
    if os.geteuid():
        print("# not root: everybody has the rights of the test")
        return
    # without CAP_SYS_PTRACE, whoever is root may not look at others' memory either
    with Child(b"memhist-denied", mib=8), \
            Exporter("--interval=100ms", "--user=nobody",
                     "--collector.pss=match:^memhist-denied$") as exporter:
        wait_for(lambda: exporter.value("memhist_proportional_errors_total", reason="denied"),
                 what="a refusal")
        assert not series(exporter.metrics(), PSS)


def a_follower_says_that_it_reads_nothing():
    with Exporter("--history.dir=history", "--interval=100ms"), \
            Exporter("--history.dir=history", "--collector.pss=top:3") as follower:
        wait_for(lambda: "--collector.pss is without effect" in follower.read_log(),
                 what="a word on it")
        assert not series(follower.metrics(), PSS)


run_tests([
    figures_are_those_of_the_kernel,
    the_largest_are_asked_and_no_others,
    nothing_is_read_unless_it_is_asked_for,
    another_users_are_counted_as_denied,
    a_follower_says_that_it_reads_nothing,
])

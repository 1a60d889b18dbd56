"""Which processes memhist-exporter shows one by one: the largest, and those of export_processes."""

import contextlib
import os
import signal
import subprocess

from exporter_lib import EXPORTER, Child, Exporter, run_tests, series, single, wait_for

# Of nobody else on this machine.
MARK = f"mt{os.getpid()}"
FAMILIES = ("resident_memory_bytes", "virtual_memory_bytes", "start_time_seconds", "info")


def configure(text):
    with open("memhist.yaml", "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod("memhist.yaml", 0o640)
    return os.path.abspath("memhist.yaml")


def family(*names):
    """Processes of these names, "small" and "large" ones; use in a `with`."""
    stack = contextlib.ExitStack()
    with stack:
        children = [stack.enter_context(Child(f"{MARK}-{name}".encode(), 40 if "large" in name else 0))
                    for name in names]
        return stack.pop_all(), children


def mine(page, name="memhist_process_resident_memory_bytes"):
    """Pids of ours that are shown, sorted."""
    return sorted(int(labels["pid"]) for labels, _ in series(page, name)
                  if labels["comm"].startswith(MARK))


def wait_for_mine(exporter, children):
    pids = sorted(child.pid for child in children)
    wait_for(lambda: mine(exporter.metrics()) == pids, what=f"{pids} alone")


def chosen_ones_are_shown_besides_the_largest_and_once():
    path = configure(f"export_processes:\n  - comm: [{MARK}-small, {MARK}-large]\n"
                     f"  - {{comm: {MARK}-small}}\n")
    stack, children = family("small", "small", "large", "x")
    with stack:
        for top in 0, 1, 1000:
            with Exporter("--interval=100ms", f"--process.top={top}", f"--config.file={path}") as exporter:
                page = exporter.next_sample()  # its reader takes no series twice
                shown = mine(page)
                pids = sorted(child.pid for child in children)
                chosen = sorted(child.pid for child in children[:3])
                # the other one is among the largest thousand, unless so many run here
                assert shown in ([chosen] if top <= 1 else [chosen, pids]), (top, shown, chosen, pids)
                sizes = [value for _, value in series(page, "memhist_process_resident_memory_bytes")]
                assert sizes == sorted(sizes, reverse=True), sizes
                if top <= 1:
                    assert 3 <= len(sizes) <= 3 + top, sizes
                for name in FAMILIES:
                    assert mine(page, "memhist_process_" + name) == shown, name
                (labels,) = [labels for labels, _ in series(page, "memhist_process_info")
                             if labels["pid"] == str(children[2].pid)]
                assert labels["group"] == labels["comm"] == f"{MARK}-large", labels
                assert labels["user"] and labels.keys() == {"pid", "group", "comm", "user", "exe", "cgroup"}
                assert single(page, "memhist_export_processes_left_out_total") == 0
                assert single(page, "memhist_export_processes_given_up_total") == 0


def sizes_choose():
    stack, children = family("small", "large")
    # small is what this Python has become
    between = sum(child.statm()[1] for child in children) // 2
    path = configure(f"export_processes:\n  - comm: [{MARK}-small, {MARK}-large]\n    min_rss: {between}\n")
    with stack, Exporter("--interval=100ms", "--process.top=0", f"--config.file={path}") as exporter:
        page = exporter.next_sample()
        assert mine(page) == [children[1].pid], \
            [s for s in series(page, "memhist_process_resident_memory_bytes") if s[0]["comm"].startswith(MARK)]


def other_rules_while_it_runs():
    path = configure("history: {}\n")
    stack, (small, large) = family("small", "large")
    with stack, Exporter("--interval=100ms", "--process.top=0", f"--config.file={path}",
                         "--web.enable-lifecycle") as exporter:
        assert not series(exporter.next_sample(), "memhist_process_info")
        configure(f"export_processes: [{{comm: {MARK}-small}}]\n")
        exporter.process.send_signal(signal.SIGHUP)
        wait_for_mine(exporter, [small])
        # a mistake changes nothing
        configure(f"export_processes:\n  - com: [{MARK}-large]\n")
        status, _, body = exporter.get("/-/reload", "POST")
        assert status == 500 and f"{path}:2:5: unknown key “com”: did you mean “comm”?" in body.decode(), body
        assert mine(exporter.next_sample()) == [small.pid]
        configure(f"export_processes: [{{comm: {MARK}-large}}]\n")
        assert exporter.get("/-/reload", "POST")[0] == 200
        wait_for_mine(exporter, [large])
        configure("export_processes: []\n")
        assert exporter.get("/-/reload", "POST")[0] == 200
        wait_for_mine(exporter, [])
        assert exporter.end() == 0


def who_follows_chooses_too():
    path = configure(f"export_processes: [{{comm: {MARK}-small}}]\n")
    stack, children = family("small", "large")
    with stack, Exporter("--interval=100ms", "--process.top=0", "--history.dir=history"), \
            Exporter("--interval=100ms", "--process.top=0", "--history.dir=history",
                     f"--config.file={path}") as follower:
        assert "following history" in follower.read_log()
        wait_for_mine(follower, children[:1])


def a_wrong_rule_is_no_start():
    path = configure("export_processes:\n  - {comm: [a], name: b}\n")
    done = subprocess.run([EXPORTER, "--config.check", f"--config.file={path}"], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert done.returncode == 1 and f"{path}:2:17: unknown key “name”" in done.stderr, done


run_tests([
    chosen_ones_are_shown_besides_the_largest_and_once,
    sizes_choose,
    other_rules_while_it_runs,
    who_follows_chooses_too,
    a_wrong_rule_is_no_start,
])

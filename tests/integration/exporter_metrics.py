"""The exporter's figures: equal to the kernel's, unique whatever processes call themselves."""

import os
import re
import shutil
import subprocess
import time

from exporter_lib import (EXPORTER, Child, Exporter, fake_proc, parse_page, run_tests, series,
                          single, wait_for)
from tools_lib import BUILD, SOURCE, Skip, record, row


WINDOWS = re.compile("_1m_|_15m_")

# metrics of processes, and where /proc/PID/status says the same
IN_STATUS = {"swap_memory_bytes": "VmSwap", "resident_memory_peak_bytes": "VmHWM",
             "virtual_memory_peak_bytes": "VmPeak", "locked_memory_bytes": "VmLck",
             "anonymous_memory_bytes": "RssAnon", "file_memory_bytes": "RssFile",
             "shmem_memory_bytes": "RssShmem"}


def a_process_is_shown_as_the_kernel_counts_it():
    for name in "auto", "procfs":
        shown_as_the_kernel_counts_it(f"--collector.backend={name}")


def shown_as_the_kernel_counts_it(flag):
    with Child(b"memhist-known", mib=64) as child, Exporter("--interval=200ms", flag) as exporter:
        page = exporter.next_sample()
        vsz, rss = child.statm()
        labels = {"pid": str(child.pid), "group": "memhist-known", "comm": "memhist-known"}
        for name, expected in (("resident", rss), ("virtual", vsz)):
            key = (f"memhist_process_{name}_memory_bytes", frozenset(labels.items()))
            assert page[key] == expected, (name, page[key], expected)
            key = (f"memhist_group_{name}_memory_bytes", frozenset({("group", "memhist-known")}))
            assert page[key] == expected, (name, page[key], expected)
        assert page[("memhist_group_processes", frozenset({("group", "memhist-known")}))] == 1
        for name, line in IN_STATUS.items():
            value = page[(f"memhist_process_{name}", frozenset(labels.items()))]
            assert value == child.status(line), (name, value)

        with open(f"/proc/{child.pid}/stat", "rb") as f:
            ticks = int(f.read().rpartition(b")")[2].split()[19])
        start = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) \
            + ticks / os.sysconf("SC_CLK_TCK")
        key = ("memhist_process_start_time_seconds", frozenset(labels.items()))
        assert abs(page[key] - start) < 0.1, (page[key], start)


def a_group_is_the_sum_of_its_processes():
    with Child(b"memhist-sum", 8) as a, Child(b"memhist-sum", 16) as b, \
            Exporter("--interval=200ms") as exporter:
        page = exporter.next_sample()
        group = frozenset({("group", "memhist-sum")})
        assert page[("memhist_group_processes", group)] == 2
        assert page[("memhist_group_resident_memory_bytes", group)] == a.statm()[1] + b.statm()[1]


def a_process_that_ends_is_gone_from_the_next_page():
    with Exporter("--interval=100ms") as exporter:
        with Child(b"memhist-brief", 8):
            wait_for(lambda: exporter.value("memhist_group_processes", group="memhist-brief"),
                     what="the new process")
        page = exporter.next_sample()
        left = {name: value for (name, labels), value in page.items()
                if ("group", "memhist-brief") in labels}
        assert left.pop("memhist_group_exits_total") == 1
        assert left.pop("memhist_group_resident_memory_byte_seconds_total") >= 0
        # of a window that ended meanwhile
        left = {name: value for name, value in left.items() if not WINDOWS.search(name)}
        peak = left.pop("memhist_group_exited_peak_bytes", None)
        assert peak is None or 8 << 20 <= peak < 64 << 20, peak
        assert not left, left


def the_largest_are_chosen():
    with Child(b"memhist-large", 200), Exporter("--process.top=3", "--interval=200ms") as exporter:
        shown = series(exporter.next_sample(), "memhist_process_resident_memory_bytes")
        sizes = [value for _, value in shown]
        assert len(shown) == 3 and sizes == sorted(sizes, reverse=True), shown
        # unless something larger runs here
        assert sizes[-1] > 200 << 20 or \
            "memhist-large" in [labels["comm"] for labels, _ in shown], shown
        assert {labels["pid"] for labels, _ in shown} == \
            {labels["pid"] for labels, _ in series(exporter.metrics(),
                                                   "memhist_process_start_time_seconds")}
    with Exporter("--process.top=0") as exporter:
        assert not [name for name, _ in exporter.metrics() if name.startswith("memhist_process_")]


HOSTILE = [b"a) R 1 1 (", b"new\nline", b'q"uote', b"back\\slash", b"\x1b[31mred", b"tab\there",
           b"\xff\xfe", b"ODS - \xe8\xa1", b"{},=", b"\xe2\x80\xaeoverride", b"memhist_up 0",
           b" ", b"bad\xff", b"bad\xfe", b"#", b"((((((((((((((("]


class Crowd:
    """A child of each hostile name; use in a `with`."""

    def __enter__(self):
        self.children = [Child(name, 1) for name in HOSTILE]
        return self.children

    def __exit__(self, *_):
        for child in self.children:
            child.__exit__()


def hostile_names_stay_labels():
    with Crowd() as children, Exporter("--process.top=1000", "--interval=200ms") as exporter:
        page = exporter.next_sample()  # the strict reader refuses a name that breaks out
        shown = {labels["pid"]: labels["comm"] for labels, _ in
                 series(page, "memhist_process_resident_memory_bytes")}
        for child, name in zip(children, HOSTILE):
            expected = re.sub("[\udc80-\udcff]", "\ufffd", name.decode("utf-8", "surrogateescape"))
            assert shown[str(child.pid)] == expected, (name, shown[str(child.pid)])
        # names that differ in invalid bytes alone are one group
        assert page[("memhist_group_processes", frozenset({("group", "bad\ufffd")}))] == 2
        assert single(page, "memhist_up") == 1
        assert exporter.read_log().count("\n") < 10


def an_empty_name_is_shown_as_unnamed():
    import ctypes
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        ctypes.CDLL(None).prctl(15, ctypes.c_char_p(b""), 0, 0, 0)
        os.write(write, b"x")
        time.sleep(60)
        os._exit(0)
    try:
        os.read(read, 1)
        with Exporter("--process.top=1000", "--interval=200ms") as exporter:
            page = exporter.next_sample()
            assert [labels for labels, _ in series(page, "memhist_process_resident_memory_bytes")
                    if labels["pid"] == str(pid)][0]["group"] == "(unnamed)"
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def programs_beyond_the_limit_are_summed_as_other():
    with Child(b"memhist-giant", 100), Exporter("--groups.max=2", "--interval=200ms") as exporter:
        page = exporter.next_sample()
        groups = {labels["group"]: n for labels, n in series(page, "memhist_group_processes")}
        # who has a place and has just ended is not shown
        assert len(groups) <= 3 and "other" in groups, groups
        assert sum(groups.values()) == single(page, "memhist_processes")
        assert single(page, "memhist_groups_in_other") > 0
        processes = series(page, "memhist_process_resident_memory_bytes")
        assert {labels["group"] for labels, _ in processes} <= set(groups)
        assert "--groups.max" in exporter.read_log()


def too_many_programs_are_a_line_of_the_log():
    fake_proc()
    with Exporter("--path.procfs=proc", "--groups.max=1", "--interval=100ms") as exporter:
        for pid in "8", "9":
            shutil.copytree("proc/7", "hidden")
            with open("hidden/stat", encoding="ascii") as file:
                stat = file.read().replace("7 (seven)", f"{pid} (another)")
            with open("hidden/stat", "w", encoding="ascii") as file:
                file.write(stat)
            os.rename("hidden", f"proc/{pid}")
            wait_for(lambda: exporter.value("memhist_groups_in_other") == 1, what="another program")
            shutil.rmtree(f"proc/{pid}")
            wait_for(lambda: exporter.value("memhist_groups_in_other") == 0, what="its end")
        assert exporter.read_log().count("more than 1 groups") == 1


def meminfo_is_complete():
    with Exporter() as exporter:
        page = exporter.metrics()
        with open("/proc/meminfo", encoding="ascii") as f:
            lines = f.read().splitlines()
        metrics = [name for name, _ in page if name.startswith("memhist_meminfo_")]
        assert len(metrics) == len(lines), (len(metrics), len(lines))
        total = int(lines[0].split()[1]) * 1024
        assert single(page, "memhist_meminfo_mem_total_bytes") == total


def meminfo_metric(key, unit):
    """The metric of a line of /proc/meminfo."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", key)
    words = words.replace(")", "").replace("(", "_").lower()
    words = re.sub(r"^(k|s|sec)_", r"\1", words)
    return f"memhist_meminfo_{words}_{'bytes' if unit else 'pages'}"


def meminfo_is_the_same_line_by_line():
    """The machine's own meminfo, held still."""
    fake_proc()
    shutil.copyfile("/proc/meminfo", "proc/meminfo")
    with Exporter("--path.procfs=proc") as exporter:
        page = exporter.metrics()
    expected = {}
    with open("proc/meminfo", encoding="ascii") as f:
        for line in f:
            key, value, *unit = line.split()
            expected[meminfo_metric(key.rstrip(":"), unit)] = int(value) * (1024 if unit else 1)
    shown = {name: value for (name, _), value in page.items()
             if name.startswith("memhist_meminfo_")}
    assert shown == expected, set(shown.items()) ^ set(expected.items())


COUNTERS = {"memhist_oom_kills_total": ("vmstat", "oom_kill", 1),
            "memhist_swap_in_bytes_total": ("vmstat", "pswpin", os.sysconf("SC_PAGESIZE")),
            "memhist_swap_out_bytes_total": ("vmstat", "pswpout", os.sysconf("SC_PAGESIZE")),
            "memhist_pressure_memory_waiting_seconds_total": ("pressure", "some", 1e-6),
            "memhist_pressure_memory_stalled_seconds_total": ("pressure", "full", 1e-6)}


def kernel_counters(root="/proc"):
    """The counters that the kernel keeps, as the exporter shows them."""
    found = {}
    for file, pattern in (("vmstat", r"(\w+) (\d+)"),
                          ("pressure/memory", r"(\w+) .* total=(\d+)")):
        try:
            with open(f"{root}/{file}", encoding="ascii") as f:
                found[file.split("/")[0]] = dict(re.findall(pattern, f.read()))
        except OSError:  # an older kernel, or one without
            found[file.split("/")[0]] = {}
    return {metric: int(found[file][word]) * scale
            for metric, (file, word, scale) in COUNTERS.items() if word in found[file]}


def counters_are_those_of_the_kernel():
    with Exporter("--interval=200ms") as exporter:
        before = kernel_counters()
        page = exporter.next_sample()
        after = kernel_counters()
    assert before, "every kernel counts swapping"
    shown = {name: single(page, name) for name in COUNTERS if single(page, name) is not None}
    assert shown.keys() == before.keys(), (shown, before)
    for name, value in shown.items():
        assert before[name] - 1e-9 <= value <= after[name] + 1e-9, (name, before, value, after)


def counters_that_are_not_there_are_not_shown():
    fake_proc()
    with Exporter("--path.procfs=proc", "--interval=100ms") as exporter:
        assert not COUNTERS.keys() & {name for name, _ in exporter.metrics()}
        with open("proc/vmstat", "w", encoding="ascii") as f:
            f.write("pswpin 7\noom_kill 2\n")
        page = exporter.next_sample()
        assert single(page, "memhist_oom_kills_total") == 2
        assert single(page, "memhist_swap_in_bytes_total") == 7 * os.sysconf("SC_PAGESIZE")
        assert single(page, "memhist_swap_out_bytes_total") is None


def the_exporter_tells_of_itself():
    begun = time.time()
    with Exporter("--interval=100ms") as exporter:
        page = exporter.next_sample()
        pid = exporter.process.pid
        assert single(page, "process_open_fds") > 5
        assert abs(len(os.listdir(f"/proc/{pid}/fd")) - single(page, "process_open_fds")) < 20
        assert 0 < single(page, "process_resident_memory_bytes") < 1 << 30
        assert single(page, "process_virtual_memory_bytes") > \
            single(page, "process_resident_memory_bytes")
        assert begun - 1 < single(page, "process_start_time_seconds") < time.time() + 1
        assert 0 < single(page, "process_cpu_seconds_total") < 20
        # one more while a process is slow to tell its command line
        wait_for(lambda: single(exporter.next_sample(), "process_threads") == 4, what="4 threads")
        assert single(page, "process_max_fds") >= 256
        version = subprocess.run([EXPORTER, "--version"], capture_output=True, text=True,
                                 check=True).stdout.split()[1]
        assert page[("memhist_build_info", frozenset({("version", version)}))] == 1
        samples = single(page, "memhist_sampler_samples_total")
        assert single(exporter.next_sample(), "memhist_sampler_samples_total") > samples
        assert single(page, "memhist_sampler_interval_seconds") == 0.1
        assert single(page, "memhist_history_following") == 0
        assert not [name for name, _ in page if name.startswith("memhist_history_snapshots")]


BACKENDS = "bpf", "bpf-seq", "procfs"  # the best first


def backend(*flags):
    """(name, reason) of the backend in use, which the log says too."""
    with Exporter(*flags) as exporter:
        ((labels, value),) = series(exporter.metrics(), "memhist_collector_backend_info")
        log = exporter.read_log()
    assert value == 1 and labels.keys() == {"backend", "reason"}, (labels, value)
    name, reason = labels["backend"], labels["reason"]
    said = f"{name} ({reason})" if reason else name
    assert f'level=info msg="processes are read by {said}"' in log.replace('\\"', '"'), log
    return name, reason


def the_backend_is_named_and_why_it_is_no_better_one():
    assert backend("--collector.backend=procfs") == ("procfs", "")
    name, reason = backend()
    assert name in BACKENDS, name
    assert bool(reason) == (name != BACKENDS[0]), (name, reason)
    assert backend("--collector.backend=auto") == (name, reason)
    assert backend(f"--collector.backend={name}") == (name, "")


def samples_keep_their_pace():
    """Absolute pacing at 100 ms: each may come late, on a busy machine, and is counted or counted as
    missed; but none makes the next ones later."""
    with Exporter("--interval=100ms") as exporter:
        def late():
            """How many intervals this sample came after its time, but for a constant."""
            page = exporter.next_sample()
            return single(page, "memhist_last_sample_timestamp_seconds") / 0.1 \
                - single(page, "memhist_sampler_samples_total") \
                - single(page, "memhist_sampler_missed_total")
        first = late()
        time.sleep(2)
        wait_for(lambda: late() - first <= 1.5, what="a sample at its time")


def promtool_finds_nothing():
    if not shutil.which("promtool"):
        raise Skip("promtool is not installed")
    with Exporter("--collector.pss=top:5") as exporter:
        result = subprocess.run(["promtool", "check", "metrics"], input=exporter.get()[2],
                                capture_output=True, check=False)
        assert result.returncode == 0 and not result.stderr, result.stderr.decode()


def the_reader_of_prometheus_client_agrees():
    try:
        from prometheus_client.parser import text_string_to_metric_families
    except ImportError as e:
        raise Skip("python3-prometheus-client is not installed") from e
    with Crowd(), Exporter("--interval=1h", "--process.top=1000") as exporter:
        body = exporter.get()[2]
        theirs = {(s.name, frozenset(s.labels.items())): s.value
                  for family in text_string_to_metric_families(body.decode())
                  for s in family.samples}
        assert theirs == parse_page(body)


def the_manual_names_every_metric_and_flag():
    with open(os.path.join(SOURCE, "docs/memhist-exporter.1.pod"), encoding="utf-8") as f:
        manual = f.read()
    words = {word for word in re.findall(r"[a-z_][a-z0-9_]{3,}", manual)
             if not WINDOWS.search(word)}  # they are in exporter_windows.py
    record([row(second, 7, 100) for second in range(0, 7200, 60)])  # or nothing can be projected
    with open("web.yaml", "w", encoding="ascii") as f:
        f.write("{}\n")
    with open("memhist.yaml", "w", encoding="ascii") as f:  # nobody listens there
        f.write("remote_write: [{url: 'http://127.0.0.1:1/write'}]\n")
    for name in "web.yaml", "memhist.yaml":
        os.chmod(name, 0o640)
    with Exporter("--history.dir=history", "--collector.pss=top:5", "--web.config.file=web.yaml",
                  "--config.file=memhist.yaml", f"--history.sealer={BUILD}/memhist") as writer, \
            Exporter("--history.dir=history") as follower:
        with Child(b"memhist-ended"):  # exits are shown when there was one
            writer.next_sample()
        wait_for(lambda: writer.value("memhist_group_exits_total", group="memhist-ended"),
                 what="the exit")
        shown = {name for page in (writer.metrics(), follower.metrics()) for name, _ in page}
    documented = {w for w in words if w.startswith(("memhist_", "process_"))
                  and not w.startswith("memhist_meminfo_")} - {"process_names"}  # a key
    shown = {name for name in shown if not name.startswith("memhist_meminfo_")
             and not WINDOWS.search(name)}
    assert shown == documented, (shown - documented, documented - shown)
    usage = subprocess.run([EXPORTER, "--help"], capture_output=True, text=True, check=True).stdout
    flags = set(re.findall(r"^  (--[a-z.-]+)", usage, re.MULTILINE))
    assert len(flags) > 10  # or the pattern finds too little
    assert flags == set(re.findall(r"^=item B<(--[a-z.-]+)>", manual, re.MULTILINE))


run_tests([
    a_process_is_shown_as_the_kernel_counts_it,
    a_group_is_the_sum_of_its_processes,
    a_process_that_ends_is_gone_from_the_next_page,
    the_largest_are_chosen,
    hostile_names_stay_labels,
    an_empty_name_is_shown_as_unnamed,
    programs_beyond_the_limit_are_summed_as_other,
    too_many_programs_are_a_line_of_the_log,
    meminfo_is_complete,
    meminfo_is_the_same_line_by_line,
    counters_are_those_of_the_kernel,
    counters_that_are_not_there_are_not_shown,
    the_exporter_tells_of_itself,
    the_backend_is_named_and_why_it_is_no_better_one,
    samples_keep_their_pace,
    promtool_finds_nothing,
    the_reader_of_prometheus_client_agrees,
    the_manual_names_every_metric_and_flag,
])

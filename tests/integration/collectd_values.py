"""What a real collectd gets from the plugin, compared with what the kernel says."""

import os
import re
import shutil
import subprocess

from collectd_lib import Collectd, configure, log, run_tests, values
from exporter_lib import Child, wait_for

NAME = b"mh-test-value"
KEPT_BY_COLLECTD = r"[A-Za-z0-9_.:@+-]+"
# What processes may call themselves, and what may become of it. The kernel takes 15 bytes.
HOSTILE = {
    b"new\nline": "new_line",
    b"\x1b[31mred": "__31mred",
    b"\"quo'te\"": "_quo_te_",
    b") R 1 1 (": "__R_1_1__",
    b"../../etc": ".._.._etc",
    b"tab\tand\\": "tab_and_",
    b"a,b=c{d}": "a_b_c_d_",
    "mh-cut-in-it-日".encode()[:15]: "mh-cut-in-it-__",
    b"\xff\xfe\x80": "___",
    b"-": "-",
}


def memhist_names(found):
    return {name.split("/")[0].removeprefix("memhist-") for name in found}


def programs_are_what_the_kernel_says():
    configure()
    with Child(NAME, 8) as a, Child(NAME, 16) as b, Child(NAME) as c, Collectd() as collectd:
        expected = [sum(figures) for figures in zip(a.statm(), b.statm(), c.statm())]
        found = collectd.sample()
        assert expected == [sum(figures) for figures in zip(a.statm(), b.statm(), c.statm())]
    name = f"memhist-{NAME.decode()}"
    assert found[f"{name}/ps_vm"] + found[f"{name}/ps_rss"] == expected
    processes, threads = found[f"{name}/ps_count"]
    assert processes == 3
    assert threads != threads, "threads are not measured, so they are NaN"


def meminfo_is_there_to_the_last_line():
    configure()
    with Collectd() as collectd, open("/proc/meminfo", encoding="ascii") as file:
        found = collectd.sample()
        kernel = file.read()
    total = int(re.search(r"MemTotal: +(\d+)", kernel).group(1)) * 1024
    assert found["memhist-meminfo/memory-total"] == [total]
    for name in "free", "available", "buffers", "cached", "active_anon", "committed_as":
        assert 0 <= found[f"memhist-meminfo/memory-{name}"][0] <= total * 100
    kib = len(re.findall(r" kB$", kernel, re.M))
    lines = len(kernel.splitlines())
    assert len([name for name in found if "meminfo/memory-" in name]) == kib
    assert len([name for name in found if "meminfo/count-" in name]) == lines - kib


COUNTERS = {"swap_io-in": r"pswpin (\d+)", "swap_io-out": r"pswpout (\d+)",
            "total_events-oom_kills": r"oom_kill (\d+)",
            "total_time_in_ms-memory_waiting": r"some .* total=(\d+)\d{3}",
            "total_time_in_ms-memory_stalled": r"full .* total=(\d+)\d{3}"}


def kernel_counters():
    """What of COUNTERS the kernel has, in its own units, but for times: milliseconds."""
    text = ""
    for path in "/proc/vmstat", "/proc/pressure/memory":
        try:
            with open(path, encoding="ascii") as file:
                text += re.sub(r"total=(\d{0,3})$", r"total=000\1", file.read(), flags=re.M)
        except OSError:
            pass  # an older kernel, or one without
    found = {name: re.search("^" + line + "$", text, re.M) for name, line in COUNTERS.items()}
    return {name: int(match.group(1)) for name, match in found.items() if match}


def counters_are_the_kernels():
    configure()
    with open("collectd.conf", "r+", encoding="utf-8") as file:
        text = file.read()
        file.seek(0)
        file.write(text.replace("<Plugin csv>", "<Plugin csv>\nStoreRates false"))
    before = kernel_counters()
    with Collectd() as collectd:
        found = collectd.sample()
    after = kernel_counters()
    assert {name for name in COUNTERS if f"memhist-meminfo/{name}" in found} == before.keys()
    for name, value in before.items():
        scale = os.sysconf("SC_PAGESIZE") if name.startswith("swap") else 1
        (shown,) = found[f"memhist-meminfo/{name}"]
        assert value * scale <= shown <= after[name] * scale, (name, value, shown, after[name])


def no_name_that_a_process_gives_itself_breaks_an_identifier():
    configure()
    children = [Child(name) for name in HOSTILE]
    try:
        with Collectd() as collectd:
            found = collectd.sample()
            collectd.end()
    finally:
        for child in children:
            child.__exit__()
    for expected in HOSTILE.values():
        assert f"memhist-{expected}/ps_rss" in found, (expected, sorted(memhist_names(found)))
    for name in values():
        assert re.fullmatch(rf"memhist-{KEPT_BY_COLLECTD}/{KEPT_BY_COLLECTD}", name), repr(name)
    assert "\x1b" not in log()


def names_that_come_out_alike_are_one_value():
    configure()
    with Child(b"mh alike"), Child(b"mh_alike"), Child(b"mh\nalike"), Collectd() as collectd:
        found = collectd.sample()
    assert found["memhist-mh_alike/ps_count"][0] == 3


def names_longer_than_the_kernel_keeps_are_whole():
    program = os.path.abspath("mh-a-name-of-more-than-15-bytes")
    shutil.copy(shutil.which("sleep"), program)
    process = subprocess.Popen([program, "1000"])
    try:
        configure('Select "mh-a-name-of-more-than-15-bytes"')
        with Collectd() as collectd:
            found = collectd.sample()
    finally:
        process.kill()
        process.wait()
    assert memhist_names(found) == {"mh-a-name-of-more-than-15-bytes", "meminfo"}


def selected(options):
    """The programs reported, of three that run."""
    configure(options)
    ours = {"mh-select-one", "mh-select-two", "mh-select-2"}
    with Child(b"mh-select-one"), Child(b"mh-select-two"), Child(b"mh-select-2"):
        with Collectd() as collectd:
            found = memhist_names(collectd.sample())
    shutil.rmtree("csv")
    others = found - ours - {"meminfo"}
    return {name.removeprefix("mh-select-") for name in found & ours}, bool(others)


def select_takes_words_and_regular_expressions():
    assert selected("") == ({"one", "two", "2"}, True)
    assert selected('Select "mh-select-one"') == ({"one"}, False)
    assert selected('Select "mh-select"') == (set(), False), "a word is the whole name"
    assert selected(r'Select "/^mh-select-\\d$/"') == ({"2"}, False)
    assert selected('Select "mh-select-one"\nSelect "/^MH.*TWO$/"') == ({"one"}, False)
    assert selected('Select "/(?i)^MH.*TWO$/"') == ({"two"}, False)
    assert selected('Select "/^mh-select-/"\nIgnoreSelected true') == (set(), True)
    assert selected("IgnoreSelected true") == ({"one", "two", "2"}, True)


def what_has_no_place_is_summed_as_other():
    configure('MaxInstances 2\nSelect "/^mh-place-/"')
    children = [Child(b"mh-place-%d" % i, 1 + 8 * (i in (3, 5))) for i in range(8)]
    try:
        with Collectd() as collectd:
            found = collectd.sample()
            rest = sum(child.statm()[1] for i, child in enumerate(children) if i not in (3, 5))
    finally:
        for child in children:
            child.__exit__()
    assert memhist_names(found) == {"mh-place-3", "mh-place-5", "other", "meminfo"}
    assert found["memhist-other/ps_count"][0] == 6
    assert found["memhist-other/ps_rss"] == [rest]
    assert log().count("more program names than MaxInstances 2: 6 of them") == 1


def each_report_can_be_switched_off():
    configure("ReportMeminfo false")
    with Collectd() as collectd:
        found = memhist_names(collectd.sample())
    assert "meminfo" not in found and found
    shutil.rmtree("csv")
    configure("ReportProcesses no")
    with Collectd() as collectd:
        assert memhist_names(collectd.sample()) == {"meminfo"}


def a_program_that_ended_has_no_more_values():
    configure()
    with Collectd() as collectd:
        with Child(NAME):
            assert f"memhist-{NAME.decode()}/ps_rss" in collectd.sample()
        wait_for(lambda: f"memhist-{NAME.decode()}/ps_rss" not in collectd.sample(),
                 what="the end of its values")


def the_interval_is_that_of_the_plugin_block():
    configure(interval=10, load="<LoadPlugin memhist>\n  Interval 0.2\n</LoadPlugin>")
    with Collectd() as collectd:
        collectd.sample()  # within 20 seconds


run_tests([
    programs_are_what_the_kernel_says,
    meminfo_is_there_to_the_last_line,
    counters_are_the_kernels,
    no_name_that_a_process_gives_itself_breaks_an_identifier,
    names_that_come_out_alike_are_one_value,
    names_longer_than_the_kernel_keeps_are_whole,
    select_takes_words_and_regular_expressions,
    what_has_no_place_is_summed_as_other,
    each_report_can_be_switched_off,
    a_program_that_ended_has_no_more_values,
    the_interval_is_that_of_the_plugin_block,
])

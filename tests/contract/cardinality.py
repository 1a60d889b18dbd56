"""How many series each metric has: what the manual page says, and what pages show."""

import collections
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))
from exporter_lib import Child, Exporter, fake_proc, run_tests, series, single, wait_for
from tools_lib import BUILD, SOURCE, record, row

def manual():
    with open(os.path.join(SOURCE, "docs/memhist-exporter.1.pod"), encoding="utf-8") as file:
        return file.read()


def documented():
    """{metric: (most, exact)}: most is a number or a letter; exact: there are no fewer."""
    found = {}
    text = manual()
    letters = "".join(re.findall(r"^=item \[([A-Z])\]$", text, re.MULTILINE))
    assert set("GHLMP") <= set(letters), letters
    for line in re.findall(r"^=item (.*)$", text, re.MULTILINE):
        names = re.findall(r"(?<![.\w])(?:memhist|process)_[a-z0-9_]+\*?[a-z_]*", re.sub(r"\{.*?\}", "", line))
        if not names or line.startswith(("B<", "C<")):
            continue
        bracket = re.search(r" \[(up to )?(\d+|[%s])\]$" % letters, line)
        assert bracket, f"how many series: {line}"
        most = int(bracket[2]) if bracket[2].isdigit() else bracket[2]
        for name in names:
            assert name not in found, name
            found[name] = most, not bracket[1]
    return found


def of(name):
    """What the manual calls this metric."""
    return re.sub(r"^(memhist_meminfo_).*(_(bytes|pages))$", r"\1*\2", name)


def check(page, known=None):
    """Each family of the page has as many series as its bracket says."""
    brackets = documented()
    counts = collections.Counter(name for name, _ in page)
    n = {"G": counts["memhist_group_processes"], "M": counts["memhist_process_start_time_seconds"],
         "H": counts["memhist_group_resident_memory_byte_seconds_total"],
         "P": counts["memhist_process_proportional_age_seconds"], "L": 1,
         "E": counts["memhist_remote_write_up"]}
    if known:
        assert {letter: n[letter] for letter in known} == known, (n, known)
    assert n["G"] <= n["H"] or not n["H"], n
    for name, count in counts.items():
        assert of(name) in brackets, f"{name} is not in the manual page"
        most, exact = brackets[of(name)]
        most = n.get(most, most if isinstance(most, int) else count)
        assert count == most if exact else count <= most, (name, count, most)
    return n


def real_pages_are_as_documented():
    record([row(second, 7, 100) for second in range(0, 7200, 60)])  # or nothing can be projected
    with Exporter("--history.dir=history", "--collector.pss=top:5", "--interval=100ms",
                  f"--history.sealer={BUILD}/memhist") as writer, \
            Exporter("--history.dir=history", "--interval=100ms") as follower:
        with Child(b"memhist-ended"):  # a group that is gone
            writer.next_sample()
            follower.next_sample()
        wait_for(lambda: writer.value("memhist_group_exits_total", group="memhist-ended"),
                 what="the exit")
        assert check(writer.next_sample())["P"] > 0
        check(follower.next_sample())


def add(pid, comm):
    """Another one like that of fake_proc()."""
    shutil.copytree("proc/7", "hidden")
    with open("hidden/stat", encoding="ascii") as file:
        stat = file.read().replace("7 (seven)", f"{pid} ({comm})")
    with open("hidden/stat", "w", encoding="ascii") as file:
        file.write(stat)
    os.rename("hidden", f"proc/{pid}")


def a_known_machine_has_what_the_formula_says():
    fake_proc()
    for pid, comm in ((11, "a"), (12, "a"), (13, "b"), (14, "c"), (15, "d"), (16, "d")):
        add(pid, comm)
    with open("memhist.yaml", "w", encoding="ascii") as file:
        file.write("export_processes: [{comm: d}]\n")
    os.chmod("memhist.yaml", 0o640)
    known = {"G": 5, "H": 5, "M": 3 + 2, "P": 0}  # pids 7, 11, 12 are largest; 15 and 16 are chosen
    with Exporter("--path.procfs=proc", "--process.top=3", "--interval=100ms",
                  f"--config.file={os.path.abspath('memhist.yaml')}") as exporter:
        exporter.next_sample()
        page = exporter.next_sample()
        check(page, known)
        assert sum(name.startswith("memhist_meminfo_") for name, _ in page) == 2
        several = {name: most for name, (most, exact) in documented().items() if exact and most in known}
        shown = {name for name, _ in page}
        expected = sum(known[most] for name, most in several.items() if name in shown)
        assert sum(name in several for name, _ in page) == expected
        # a name more is as many series more as it says
        add(17, "e")
        wait_for(lambda: len(series(exporter.metrics(), "memhist_group_processes")) == 6, what="a group")
        grown = exporter.next_sample()
        # and when it began; but for windows, since a minute may end here
        one_each = sum(most in ("G", "H") for name, most in several.items() if name in shown) + 1
        n = [sum(not re.search("_1m_|_15m_", name) for name, _ in p) for p in (page, grown)]
        assert n[1] - n[0] == one_each, (n, one_each)
        assert single(grown, "memhist_series_dropped_total") == 0


def the_table_is_the_sum_of_the_brackets():
    n = collections.Counter(most for most, _ in documented().values())
    # all that there can be at once, and some of it cannot
    listed = sum(most * count for most, count in n.items() if isinstance(most, int))
    text = manual()

    def said(words):
        (number,) = re.findall(rf"^  {re.escape(words)}\s+(\d+)(?: \+ L)?$", text, re.MULTILINE)
        return int(number)

    alone = said("without groups and processes")
    assert listed <= alone < 2 * listed, (listed, alone)
    assert said("of each group shown") == n["G"], n
    assert said("of each group of the last hour") == n["H"], n
    assert said("of each process shown") == n["M"], n
    assert said("of each process of P") == n["P"], n
    rows = [tuple(int(number.replace(",", "")) for number in row) for row in
            re.findall(r"^ +([\d,]+) +([\d,]+) +([\d,]+)$", text, re.MULTILINE)]
    assert len(rows) >= 4, rows
    for groups, processes, total in rows:
        expected = alone + 60 + groups * (n["G"] + n["H"]) + processes * n["M"]
        assert total == expected, (groups, processes, total, expected)
    # the default limit holds as many groups and processes as can be asked for
    default = int(re.search(r"--web.max-series.*?Default: (\d+)", text, re.DOTALL)[1])
    assert default >= max(total for _, _, total in rows), default


run_tests([
    real_pages_are_as_documented,
    a_known_machine_has_what_the_formula_says,
    the_table_is_the_sum_of_the_brackets,
])

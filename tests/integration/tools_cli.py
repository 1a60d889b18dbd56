"""The command lines: help, usage errors, manual pages that say the same; memhist status and dump."""

import fcntl
import json
import os
import re
import shutil
import struct
import subprocess

import tools_lib as lib
from tools_lib import memhist, refuses, row, run

COMMANDS = ("status", "verify", "dump", "export", "import", "seal", "merge", "repair", "retain", "config")


def helps():
    """{what: text of its --help}"""
    found = {"memhist " + name: memhist(name, "--help").text for name in COMMANDS}
    found["memhist-candles"] = run("memhist-candles", "--help").text
    return found


def options_of(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


def help_is_printed_on_demand():
    text = memhist("--help").text
    assert len(text.splitlines()) <= 24 and "Examples:" in text
    table = text.split("\n\n")[1]
    assert [line[:13].split() for line in table.split("\n")] == [[name] for name in COMMANDS], table
    for name in COMMANDS:
        assert memhist("help", name).text == memhist(name, "-h").text
    assert memhist("help").text == memhist("-h").text == text
    for name, text in helps().items():
        assert text.startswith(f"Usage: {name} ") and "Examples:" in text
    for line in "\n".join([text, *helps().values()]).split("\n"):
        assert len(line) <= 100, line


def versions_are_printed():
    version = memhist("--version").text
    assert re.fullmatch(r"memhist \(memhist\) \d+\.\d+\.\d+\n", version)
    assert memhist("-V").text == version
    assert run("memhist-candles", "--version").text == version.replace("memhist ", "memhist-candles ", 1)


def the_manual_pages_know_the_same_options():
    texts = helps()
    with open(os.path.join(lib.SOURCE, "docs/memhist-candles.1.pod"), encoding="utf-8") as file:
        page = file.read()
    assert options_of(page) == options_of(texts["memhist-candles"])
    with open(os.path.join(lib.SOURCE, "docs/memhist.1.pod"), encoding="utf-8") as file:
        page = file.read()
    for name in COMMANDS:
        section = re.search(rf"^=head2 memhist {name}\n(.*?)^=head2", page, re.M | re.S).group(1)
        common = {"--config", "--help", "--version"}
        differ = (options_of(section) ^ options_of(texts["memhist " + name])) - common
        assert not differ, (name, differ)


def the_manual_pages_are_well_formed():
    if not shutil.which("podchecker"):
        raise lib.Skip("podchecker is not installed")
    for name in "memhist.1.pod", "memhist-candles.1.pod", "memhist.yaml.5.pod":
        path = os.path.join(lib.SOURCE, "docs", name)
        done = subprocess.run(["podchecker", path], capture_output=True)
        assert done.returncode == 0, done.stderr.decode()


def wrong_words_are_usage_errors_with_a_guess():
    usage = lib.USAGE
    refuses(memhist("statsu", status=usage), "statsu", "did you mean “status”")
    refuses(memhist("xyzzy", status=usage), "xyzzy", "--help")
    refuses(memhist("help", "verfy", status=usage), "did you mean “verify”")
    refuses(memhist("status", "--histroy", "x", status=usage),
            "did you mean --history? See memhist status --help")
    refuses(memhist("status", "--histroy=x", status=usage), "--histroy", "did you mean --history")
    refuses(memhist("status", "--nonsense", status=usage), "--nonsense", "memhist status --help")
    refuses(memhist("verify", "-x", status=usage), "-x")
    refuses(memhist("verify", "stray", status=usage), "stray")
    refuses(memhist("verify", "--", "--history", status=usage), "--history")
    refuses(memhist("status", "--history", status=usage), "--history needs a value")
    refuses(memhist("dump", "--range", "2026-01-01", status=usage), "two values: FROM TO")
    refuses(memhist("dump", "--full=yes", status=usage), "no value")
    refuses(memhist("status", "--top", "many", status=usage), "many")
    refuses(memhist("status", "--top", "99999", status=usage), "1 … 1000")
    refuses(run("memhist-candles", "--lang", "de", status=usage), "en, ja or zh")
    refuses(run("memhist-candles", "--metric", "rrs", status=usage), "did you mean “rss”")
    refuses(memhist("dump", "--since", "2026-13-01", status=usage), "2026-13-01")
    refuses(memhist("sta\x1b[2Jtus", status=usage), "\\x1b")
    nothing = memhist(status=usage)
    assert not nothing.out and "Usage: memhist COMMAND" in nothing.err


def a_directory_that_is_no_history_is_said_to_be_none():
    os.mkdir("other")
    with open("other/readme", "w", encoding="ascii") as file:
        file.write("nothing of ours\n")
    for words in (["status"], ["verify"], ["dump"], ["seal"], ["merge"], ["repair"], ["seal", "-n"],
                  ["repair", "-n"], ["export", "--format", "csv"], ["retain", "--max-size", "1M"],
                  ["retain", "--max-age", "1d", "--dry-run"]):
        found = memhist(*words, "--history", "other", status=lib.NO_DATA)
        refuses(found, "other holds no memhist history: no file there has a segment's name")
        found = memhist(*words, "--history", "other/readme", status=lib.OTHER)
        refuses(found, "other/readme is not a directory")
        assert os.listdir("other") == ["readme"], words
    # behind a writer, which has none yet
    assert not memhist("seal", "--background", "--quiet", "--history", "other").err


def clumsy_words_are_answered():
    lib.record([row(0, 1, 4)])
    refuses(memhist("--history", "history", status=lib.USAGE),
            "--history: options stand behind a command, as in memhist status")
    refuses(memhist("repair", "history", status=lib.USAGE),
            "history is a directory: a whole history is named by --history")
    for words in (["config", "--check", ""], ["config", "--check-paths", "history", ""]):
        refuses(memhist(*words, status=lib.USAGE), "a FILE or PATH without a name")


def who_may_not_write_a_history_hears_it_once():
    if os.geteuid() != 0:
        raise lib.Skip("needs root, who becomes somebody else")
    for number in range(3):
        lib.record([row(number, 1, 4)], f"part{number}")
    os.rename("part0", "history")
    for number in range(1, 3):
        (name,) = (name for name in os.listdir(f"part{number}") if name.endswith(".open"))
        os.rename(f"part{number}/{name}", f"history/{number + 1:010}{name[10:]}")
    os.chmod(".", 0o755)
    os.chmod("history", 0o755)
    program = shutil.copy(os.path.join(lib.BUILD, "memhist"), "program")

    def as_nobody(*words):
        return subprocess.run([f"./{program}", *words, "--history", "history"], capture_output=True,
                              text=True, check=False, user=65534, group=65534, extra_groups=[],
                              env={**os.environ, "MEMHIST_CONFIG": ""})
    for words in ["seal"], ["merge"], ["seal", "--merge", "--background", "--quiet"]:
        done = as_nobody(*words)
        assert done.returncode == lib.OTHER and not done.stdout, done
        assert done.stderr == (f"memhist {words[0]}: cannot write to the history directory history: "
                               "Permission denied\n"), done.stderr
    assert as_nobody("seal", "--dry-run").returncode == 0
    assert len(lib.names(".open")) == 3


def options_may_be_written_in_all_ways():
    lib.record([row(0, 1, 4), row(1, 2, 4)])
    same = [
        run("memhist-candles", *args).out
        for args in [
            ("--history", "history", "--interval", "1s", "--output", "-", "--since", "2026-06-01"),
            ("--history=history", "--interval=1s", "-o", "-", "--since=2026-06-01"),
            ("-i", "1s", "--since", "@1780272000", "--history", "elsewhere", "--history", "history"),
        ]
    ]
    assert len(set(same)) == 1 and same[0]
    assert run("memhist-candles", "--history", "history", "--since", "-2000w").rows


def status_tells_what_there_is():
    seconds = list(range(10)) + list(range(100, 110))
    lib.record([row(s, p, 100 * p + s, f"p{p}", f"run {p}") for s in seconds for p in range(1, 9)],
               "history", "--host", "box")
    size = sum(os.path.getsize("history/" + n) for n in os.listdir("history") if n != "LOCK")
    found = json.loads(memhist("status", "--history", "history", "--json", "--top", 2).text)
    bytes_per = found.pop("bytes_per_process_sample")
    assert abs(bytes_per - size / 160) < 0.001
    writer = found.pop("writer")
    assert re.match(r"memhist \d", writer)
    assert found == {
        "history": "history", "first": "2026-06-01T12:00:00.000Z", "last": "2026-06-01T12:01:49.000Z",
        "first_ms": lib.BASE_MS, "last_ms": lib.BASE_MS + 109000, "clock_set_back": 0,
        "interval_ms": 1000,
        "snapshots": 20, "processes": 8, "process_samples": 160, "segments": 1, "bytes": size,
        "host": "box", "being_written": False, "writer_pid": 0,
        "gaps": {"stopped": 1, "suspended": 0, "late": 0, "write error": 0, "clock step": 0,
                 "reboot": 0, "damage": 0, "missing": 0},
        "damages": 0, "damaged_bytes": 0, "unreadable_segments": 0, "missing_segments": 0,
        "top": [
            {"label": str(p), "pid": p, "command": f"run {p}", "last_rss_bytes": (100 * p + 109) * 1024,
             "highest_rss_bytes": (100 * p + 109) * 1024} for p in (8, 7)
        ],
    }
    text = memhist("status", "--history", "history").text
    assert "2026-06-01 12:00:00 to 2026-06-01 12:01:49 (1 min 49 s)" in text
    assert "20, one each 1 s" in text and "8, 160 process-samples" in text and "on box" in text
    assert "1: 1 stopped" in text and f"{bytes_per:.2f} bytes per process-sample" in text


def the_biggest_processes_have_sparklines():
    rows = []
    for s in range(62):
        rows.append(row(s, 1, 1000 + 1000 * s, "grows", "grows\x1b[31m\n\u202e" + "x" * 99))
        rows.append(row(s, 2, 5000, "flat", "flat"))
        if s < 20:
            rows.append(row(s, 3, 90000, "gone", "gone"))
        rows.append(row(s, 4, 1, "small", "small"))
    lib.record(rows)
    lines = memhist("status", "--history", "history", "--top", 3).text.splitlines()[-4:]
    assert lines[0].split() == ["pid", "rss", "highest", "over", "the", "span", "command"]
    assert re.match(r"  3 +87\.9 MiB +87\.9 MiB  █+ +gone$", lines[1]), lines[1]
    assert re.match(r"  1 +60\.5 MiB +60\.5 MiB  ▁+▂+▃+▄+▅+▆+▇+█+ +grows", lines[2]), lines[2]
    assert re.match(r"  2 +4\.9 MiB +4\.9 MiB  █+ +flat$", lines[3]), lines[3]
    assert "\\x1b[31m\\x0a\\u{202e}xxx" in lines[2] and lines[2].endswith("…")
    assert len({line.find("M") for line in lines[1:]}) == 1


def sparklines_begin_with_the_span():
    lib.record([row(s, 1, 4) for s in range(20)] +
               [row(s, p, [4, 9000][p - 1]) for s in range(20, 62) for p in (1, 2)])
    line = memhist("status", "--history", "history", "--top", 1).text.splitlines()[-1]
    assert re.match(r"  2 +8\.8 MiB +8\.8 MiB  ( {9,12})█{20,22} +a$", line), line


def a_clock_that_was_set_back_reverses_nothing():
    """Two recordings as one history: first the later half hour, then the earlier one."""
    lib.record([row(1800 + 60 * m, 1, 1000, "late", "late") for m in range(30)])
    lib.record([row(60 * m, 2, 500, "early", "early") for m in range(30)], "second")
    (name,) = (name for name in os.listdir("second") if name.endswith(".open"))
    assert name.startswith("0000000001-")
    os.rename("second/" + name, "history/0000000002" + name[10:])
    span = "2026-06-01 12:00:00 to 2026-06-01 12:59:00 (59 min); the clock was set back 1 time"
    text = memhist("status", "--history", "history", "--top", 2).text
    assert f"  span             {span}\n" in text
    late, early = text.splitlines()[-2:]
    assert re.search(r"  {14,18}█+ +late$", late), late
    assert re.search(r"  █+ {14,18} +early$", early), early
    assert f"  span             {span}\n" in memhist("verify", "--history", "history").text
    found = json.loads(memhist("status", "--history", "history", "--json").text)
    assert found["clock_set_back"] == 1
    assert (found["first_ms"], found["last_ms"]) == (lib.BASE_MS, lib.BASE_MS + 59 * 60000)
    refuses(memhist("dump", "--history", "history", "--since", "2027-01-01", status=lib.NO_DATA),
            "from 2026-06-01 12:00:00 to 2026-06-01 12:59:00")


def spans_last_as_long_as_they_show():
    lib.record([row(s, 1, 4) for s in (0.9, 30, 58.1)])
    span = "2026-06-01 12:00:00 to 2026-06-01 12:00:58 UTC (58 s)\n"
    for command in "status", "verify":
        assert span in memhist(command, "--history", "history", "--utc").text


def a_full_disk_is_noticed():
    lib.record([row(0, 1, 4)])
    for command in "status", "verify", "dump", "--help":
        with open("/dev/full", "w") as full:
            args = [command] + ["--history", "history"] * (command != "--help")
            found = memhist(*args, status=lib.OTHER, stdout=full)
            assert "standard output: No space left" in found.err


def status_says_who_writes():
    lib.record([row(0, 1, 4)])
    with open("history/LOCK", "r+") as lock:
        lock.write(f"{os.getpid()}\n")
        lock.truncate()
        lock.flush()
        fcntl.fcntl(lock, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        found = json.loads(memhist("status", "--history", "history", "--json").text)
        assert found["being_written"] and found["writer_pid"] == os.getpid()
        assert f"yes, by process {os.getpid()} (" in memhist("status", "--history", "history").text
    found = json.loads(memhist("status", "--history", "history", "--json").text)
    assert not found["being_written"]


def dump_prints_what_happened():
    name = "two\nlines \udcff"
    lib.record([
        row(0, 1, 4, start=5), row(0, 2, 8, "sh", "sh -c x", ppid=1, uid=7),
        row(1, 1, 4, start=5), row(1, 2, 8, "make", name, ppid=1, uid=7),
        row(2, 1, 6, start=5), row(2, 2, 8, "make", name, ppid=1, uid=7),
        row(3, 1, 6, start=5),
    ])
    lines = [json.loads(line) for line in memhist("dump", "--history", "history").text.splitlines()]
    assert [line["type"] for line in lines] == ["snapshot"] * 4
    assert [line["seq"] for line in lines] == [0, 1, 2, 3]
    assert [line["key"] for line in lines] == [True, False, False, False]
    assert lines[0]["time"] == "2026-06-01T12:00:00.000Z" and lines[3]["wall_ms"] == lib.BASE_MS + 3000
    assert lines[0]["offset"] == 0 and lines[1]["offset"] == lines[0]["bytes"]
    names = {"ppid": 1, "uid": 7, "comm": "make", "cmdline": [name.replace("\udcff", "\ufffd")]}
    assert [p["pid"] for p in lines[0]["born"]] == [1, 2]
    assert lines[1]["renamed"] == [{"pid": 2, "start_ticks": 100, **names}]
    assert lines[2]["changed"] == [{"pid": 1, "start_ticks": 5, "rss_bytes": 6144,
                                    "vsz_bytes": 61440, "swap_bytes": 0}]
    assert lines[3]["gone"] == [{"pid": 2, "start_ticks": 100}] and lines[3]["live"] == 1
    full = memhist("dump", "--history", "history", "--full", "--since", "2026-06-01 12:00:02",
                   "--until", "2026-06-01 12:00:03", "-o", "out").text
    assert not full
    with open("out", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    assert len(lines) == 1 and "born" not in lines[0]
    assert [p["rss_bytes"] for p in lines[0]["processes"]] == [6144, 8192]
    refuses(memhist("dump", "--history", "history", "--since", "2027-01-01", status=lib.NO_DATA),
            "2026-06-01 12:00:03")


lib.run_tests([
    help_is_printed_on_demand,
    versions_are_printed,
    the_manual_pages_know_the_same_options,
    the_manual_pages_are_well_formed,
    wrong_words_are_usage_errors_with_a_guess,
    a_directory_that_is_no_history_is_said_to_be_none,
    clumsy_words_are_answered,
    who_may_not_write_a_history_hears_it_once,
    options_may_be_written_in_all_ways,
    status_tells_what_there_is,
    the_biggest_processes_have_sparklines,
    sparklines_begin_with_the_span,
    a_clock_that_was_set_back_reverses_nothing,
    spans_last_as_long_as_they_show,
    a_full_disk_is_noticed,
    status_says_who_writes,
    dump_prints_what_happened,
])

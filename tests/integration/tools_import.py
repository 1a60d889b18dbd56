"""memhist import: what it takes, what it refuses, and that it leaves all or nothing."""

import json
import os
import shutil
import signal
import stat
import subprocess
import time

import tools_lib as lib
from tools_lib import memhist, refuses, row


def import_csv(data, *args, **options):
    options.setdefault("status", lib.OK)
    return memhist("import", "--from", "csv", "--history", "h", *args, "-", stdin=data, **options)


def dump(history="h"):
    return [json.loads(line) for line in memhist("dump", "--history", history).text.splitlines()]


def refused(data, *words, status=lib.OTHER):
    refuses(import_csv(data, status=status), *words)
    assert os.listdir(".") == [], os.listdir(".")


def replaced(at, value, base=None):
    """CSV of one good and one changed row."""
    bad = list(base or row(1, 2, 4))
    bad[lib.COLUMNS.index(at)] = value
    return lib.csv_bytes([row(0, 1, 4), bad])


def says_what_it_made():
    found = import_csv(lib.csv_bytes([row(s, p, 4) for s in range(3) for p in (1, 2)]))
    assert found.text.startswith("h: 3 snapshots, 6 process-samples")
    assert not found.err
    names = sorted(os.listdir("h"))
    assert names[0].endswith(".open")
    assert stat.S_IMODE(os.stat("h").st_mode) == 0o750
    assert stat.S_IMODE(os.stat("h/" + names[0]).st_mode) == 0o640
    assert os.listdir(".") == ["h"]


def columns_come_in_any_order():
    columns = list(reversed(lib.COLUMNS))
    rows = [list(reversed(row(0, 5, 44, "comm", "the command", start=9, ppid=3, uid=1000)))]
    import_csv(lib.csv_bytes(rows, columns))
    born = dump()[0]["born"][0]
    assert born == {
        "pid": 5, "start_ticks": 9, "ppid": 3, "uid": 1000, "comm": "comm",
        "cmdline": ["the command"], "rss_bytes": 45056, "vsz_bytes": 450560, "swap_bytes": 0,
    }


def unknown_columns_are_left_out_with_a_note():
    rows = [row(0, 5, 44) + ["x"]]
    found = import_csv(lib.csv_bytes(rows, lib.COLUMNS + ["pss\x1b[2J_kb"]))
    assert "column 11" in found.err and "\x1b" not in found.err
    assert dump()[0]["born"][0]["pid"] == 5


def csv_may_be_quoted_and_from_windows():
    names = ['say "hi", twice', "two\nlines\r\n", "", " blank ", "x" * 3000]
    data = lib.csv_bytes([row(0, 1 + i, 4, name[:9], name) for i, name in enumerate(names)])
    windows = b"\xef\xbb\xbf" + b"\r\n".join([
        b"ts_ms,pid,starttime,ppid,uid,rss_kb,vsz_kb,swap_kb,comm,cmdline",
        b'"1780315200000","1",2,0,0,4,40,0,"q""uo""te","a,b\r\nc"', b"",
        b"1780315200000,2,2,0,0,4,40,0,,last",
    ])
    import_csv(data)
    assert ["".join(p["cmdline"]) for p in dump()[0]["born"]] == names
    shutil.rmtree("h")
    import_csv(windows)
    found = [(p["comm"], p["cmdline"]) for p in dump()[0]["born"]]
    assert found == [('q"uo"te', ["a,b\r\nc"]), ("", ["last"])]


def records_may_cross_any_boundary():
    """Fields of all lengths, through a pipe that gives one byte at a time in the beginning."""
    rows = [row(i, 1 + i % 7, 4, "c", "z,\"" + "y" * (i * 37 % 4000)) for i in range(600)]
    data = lib.csv_bytes(rows)
    assert len(data) > 10 * 65536
    process = subprocess.Popen(
        [os.path.join(lib.BUILD, "memhist"), "import", "--from", "csv", "--history", "h", "-"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for i in range(9):
        process.stdin.write(data[i : i + 1])
        process.stdin.flush()
    process.communicate(data[9:], timeout=60)
    assert process.returncode == 0
    names = {}
    for line in dump():
        names.update({(line["wall_ms"], p["pid"]): p["cmdline"] for p in line.get("born", [])})
        names.update({(line["wall_ms"], p["pid"]): p["cmdline"] for p in line.get("renamed", [])})
    assert names == {(r[0], r[1]): [r[9]] for r in rows}


def reused_pids_and_returning_processes():
    import_csv(lib.csv_bytes([
        row(0, 1, 4, start=1), row(0, 2, 4, start=1),
        row(1, 1, 8, start=7),  # another process with pid 1; 2 has ended
        row(2, 1, 8, start=7), row(2, 2, 4, start=1),  # and is there again
    ]))
    first, second, third = dump()
    assert [p["pid"] for p in first["born"]] == [1, 2]
    assert sorted((p["pid"], p["start_ticks"]) for p in second["gone"]) == [(1, 1), (2, 1)]
    assert [(p["pid"], p["start_ticks"]) for p in second["born"]] == [(1, 7)]
    assert [(p["pid"], p["start_ticks"]) for p in third["born"]] == [(2, 1)]


def gaps_are_recognised():
    rows = [row(s, 1, 4) for s in list(range(5)) + list(range(60, 65))]
    import_csv(lib.csv_bytes(rows))
    gaps = [line for line in dump() if line["type"] == "gap"]
    assert len(gaps) == 1, gaps
    assert gaps[0]["since"].startswith("2026-06-01T12:00:04")
    assert gaps[0]["until"].startswith("2026-06-01T12:01:00")
    shutil.rmtree("h")
    import_csv(lib.csv_bytes(rows), "--interval", "1m")
    assert not [line for line in dump() if line["type"] == "gap"]


def the_same_file_gives_the_same_history():
    data = lib.csv_bytes([row(s, 1, 4) for s in range(5)])
    boots = set()
    for args in [(), (), ("--host", "other")]:
        import_csv(data, *args)
        boots.add(dump()[0]["boot_id"])
        shutil.rmtree("h")
    assert len(boots) == 2
    assert all(b[12] == "8" and b[16] in "89ab" for b in boots)  # a UUID of version 8


def large_and_odd_numbers_survive():
    values = [1, 3, 5, 1023, 2**37, 2**40 + 1, 2**50]
    import_csv(lib.csv_bytes([row(i, 4194304, v, vsz=v, start=2**62) for i, v in enumerate(values)]))
    rows = lib.candles("--long", "-i", "1s", "--metric", "vsz", history="h").rows[1:]
    assert [int(r[4]) for r in rows] == values


def files_may_be_zstd():
    if not shutil.which("zstd"):
        raise lib.Skip("zstd is not installed")
    data = lib.csv_bytes([row(s, 1, 4, cmdline="x" * 999) for s in range(999)])
    with open("x.csv", "wb") as file:
        file.write(data)
    subprocess.run(["zstd", "-q", "x.csv", "-o", "x"], check=True)
    assert "999 snapshots" in memhist("import", "--from", "csv", "--history", "h", "x").text
    with open("x", "rb") as file:
        packed = file.read()
    shutil.rmtree("h")
    assert "999 snapshots" in import_csv(packed).text
    shutil.rmtree("h")
    refuses(import_csv(packed[:-9], status=lib.OTHER), "ends in the middle")
    refuses(import_csv(packed[:20] + b"?" * 50, status=lib.OTHER), "zstd")
    assert sorted(os.listdir(".")) == ["x", "x.csv"]


def long_names_are_cut_with_a_note():
    found = import_csv(lib.csv_bytes([row(0, 1, 4, "c" * 99, "l" * 9999)]))
    assert ": 1 row had names" in found.err and "4096" in found.err
    born = dump()[0]["born"][0]
    assert born["comm"] == "c" * 63 and born["cmdline"] == ["l" * 4096]


def bad_numbers_are_refused_with_their_line():
    for column, value in [
        ("pid", "0"), ("pid", "-1"), ("pid", "4194305"), ("pid", "1x"), ("pid", ""), ("pid", " 1"),
        ("ts_ms", "12:00"), ("starttime", "1e3"), ("rss_kb", "0x10"), ("rss_kb", "1.5"),
        ("vsz_kb", str(2**63)), ("swap_kb", "9" * 40), ("uid", "4294967296"), ("ppid", "+1"),
    ]:
        refused(replaced(column, value), "line 3", column)


def bad_rows_are_refused_with_their_line():
    refused(lib.csv_bytes([row(5, 1, 4), row(4, 1, 4)]), "line 3", "ts_ms goes back")
    refused(lib.csv_bytes([row(0, 1, 4), row(0, 1, 5)]), "line 3", "twice")
    refused(lib.csv_bytes([row(0, 1, 4), row(0, 1, 5, start=7)]), "line 3", "twice")
    refused(replaced("comm", "a\0b"), "line 3", "NUL")
    refused(lib.csv_bytes([row(0, 1, 4), row(0, 2, 4)[:9]]), "line 3", "9 fields", "10")
    refused(lib.csv_bytes([row(0, 1, 4)]) + b'1,2,3,4,5,6,7,8,a"b,c\n', "line 3", "quote")
    refused(lib.csv_bytes([row(0, 1, 4)]) + b'1,2,3,4,5,6,7,8,"a"b,c\n', "line 3", "quote")
    refused(lib.csv_bytes([row(0, 1, 4)]) + b'1,2,3,4,5,6,7,8,"ab,c\n', "line 3", "never closed")
    refused(lib.csv_bytes([row(0, 1, 4)]) + b"1,2\r,3\n", "line 3", "carriage return")
    refused(lib.csv_bytes([row(0, 1, 4)]) + b'"' + b"x" * (2 << 20), "line 3", "1 MiB")
    refused(lib.csv_bytes([row(0, 1, 4)]) + b"," * 99 + b"\n", "line 3", "64 fields")


def bad_headers_are_refused():
    refused(b"", "empty", status=lib.NO_DATA)
    refused(lib.csv_bytes([]), "no rows", status=lib.NO_DATA)
    refused(lib.csv_bytes([row(0, 1, 4)[:9]], lib.COLUMNS[:9]), "line 1", "lacks", "cmdline")
    refused(lib.csv_bytes([row(0, 1, 4) + [1]], lib.COLUMNS + ["pid"]), "two columns", "pid")
    only_names = [c for c in lib.COLUMNS if not c.endswith("_kb")]
    refused(lib.csv_bytes([], only_names), "rss_kb")


def sources_that_are_no_files_are_refused():
    os.mkfifo("pipe")
    os.mkdir("folder")
    for source, word in [("pipe", "regular"), ("folder", "regular"), ("/dev/zero", "regular"),
                         ("nothing", "No such file")]:
        refuses(memhist("import", "--from", "csv", "--history", "h", source, status=lib.OTHER),
                source, word)
    assert sorted(os.listdir(".")) == ["folder", "pipe"]


def a_closed_standard_input_is_an_error():
    refuses(memhist("import", "--from", "csv", "--history", "h", "-", status=lib.OTHER, stdin=None,
                    preexec_fn=lambda: os.close(0)), "standard input: it is closed")
    assert os.listdir(".") == []


def targets_that_hold_something_are_refused():
    data = lib.csv_bytes([row(0, 1, 4)])
    os.mkdir("h")
    os.chmod("h", 0o700)
    import_csv(data)
    assert stat.S_IMODE(os.stat("h").st_mode) == 0o700
    refuses(import_csv(data, status=lib.OTHER), "h is not empty")
    with open("file", "w") as file:
        file.write("x")
    for target, word in [("file", "Not a directory"), ("nowhere/h", "No such file"), ("-", "no directory")]:
        refuses(memhist("import", "--from", "csv", "--history", target, "-", stdin=data,
                        status=lib.OTHER), target, word)
    assert sorted(os.listdir(".")) == ["file", "h"]
    memhist("import", "--from", "csv", "--history", "slash///", "-", stdin=data)
    assert sorted(os.listdir(".")) == ["file", "h", "slash"]


def usage_is_checked():
    for args, word in [
        (("--from", "csv", "-"), "--history"),
        (("--from", "csv", "--history", "h"), "SOURCE"),
        (("--from", "cvs", "--history", "h", "-"), "did you mean “csv”"),
        (("--from", "csv", "--history", "h", "-", "x"), "one SOURCE"),
        (("--from", "csv", "--history", "h", "--interval", "5", "-"), "--interval"),
        (("--from", "csv", "--history", "h", "--interval", "9999999d", "-"), "too long, at most"),
        (("--from", "csv", "--history", "", "-"), "--history needs a directory"),
        (("--from", "csv", "--history", "h", "--clk-tck", "0", "-"), "--clk-tck"),
    ]:
        refuses(memhist("import", *args, status=lib.USAGE), word)


def a_signal_leaves_nothing():
    """While import waits for more; that is when people lose patience."""
    process = subprocess.Popen(
        [os.path.join(lib.BUILD, "memhist"), "import", "--from", "csv", "--history", "h", "-"],
        stdin=subprocess.PIPE)
    process.stdin.write(lib.csv_bytes([row(s, 1, 4) for s in range(5000)]))
    process.stdin.flush()
    end = time.monotonic() + 60
    while not any(os.listdir(d) for d in os.listdir(".")):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == -signal.SIGTERM
    process.stdin.close()
    assert os.listdir(".") == []


def started(name, data):
    """An import into `name` that has read `data` and waits for more, and the name it writes to until then."""
    before = set(os.listdir("."))
    process = subprocess.Popen(
        [os.path.join(lib.BUILD, "memhist"), "import", "--from", "csv", "--history", name, "-"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process.stdin.write(data)
    process.stdin.flush()
    end = time.monotonic() + 60
    while True:
        made = set(os.listdir(".")) - before
        if made and os.listdir(min(made)):
            return process, min(made)
        assert process.poll() is None and time.monotonic() < end, made
        time.sleep(0.01)


def what_a_killed_one_left_is_removed_by_the_next():
    data = lib.csv_bytes([row(second, 7, 100) for second in range(5000)])
    # who looks like that and is none of these
    others = [".memhist-import.1.0x", ".memhist-import.1", ".memhist-import..0"]
    for name in others:
        os.mkdir(name)
    with open(".memhist-import.1.1", "wb"):
        pass
    living, in_work = started("living", data)
    killed, left = started("killed", data)
    try:
        killed.kill()
        killed.communicate()
        assert os.listdir(left)
        import_csv(data)
        assert sorted(os.listdir(".")) == \
            sorted([*others, ".memhist-import.1.1", in_work, "h"]), os.listdir(".")
        living.communicate()
        assert living.returncode == lib.OK
    finally:
        for process in living, killed:
            process.kill()
            process.wait()
    assert sorted(os.listdir(".")) == sorted([*others, ".memhist-import.1.1", "living", "h"])
    assert dump("living") == dump("h")


lib.run_tests([
    says_what_it_made,
    columns_come_in_any_order,
    unknown_columns_are_left_out_with_a_note,
    csv_may_be_quoted_and_from_windows,
    records_may_cross_any_boundary,
    reused_pids_and_returning_processes,
    gaps_are_recognised,
    the_same_file_gives_the_same_history,
    large_and_odd_numbers_survive,
    files_may_be_zstd,
    long_names_are_cut_with_a_note,
    bad_numbers_are_refused_with_their_line,
    bad_rows_are_refused_with_their_line,
    bad_headers_are_refused,
    sources_that_are_no_files_are_refused,
    a_closed_standard_input_is_an_error,
    targets_that_hold_something_are_refused,
    usage_is_checked,
    a_signal_leaves_nothing,
    what_a_killed_one_left_is_removed_by_the_next,
])

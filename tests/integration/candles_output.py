"""What memhist-candles does with ranges and files: all of it, or nothing and a sentence."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
import termios
import time

import tools_lib as lib
from tools_lib import candles, refuses, row


def hour():
    """12:00 to 12:59, a sample a minute."""
    lib.record([row(60 * m, 1, 100 + m) for m in range(60)])


def read(name):
    with open(name, "rb") as file:
        return file.read()


def times(*args, **options):
    return [r[0][11:] for r in candles("-i", "15m", *args, **options).rows[1:]]


def ranges_are_from_and_before():
    hour()
    day = "2026-06-01 "
    assert times() == ["12:00:00", "12:15:00", "12:30:00", "12:45:00"]
    assert times("--range", day + "12:15:00", day + "12:45:00") == ["12:15:00", "12:30:00"]
    assert times("--since", day + "12:30") == ["12:30:00", "12:45:00"]
    assert times("--until", day + "12:15:00") == ["12:00:00"]
    assert times("--since", "2026-06-01T12:15:00Z", "--until=@1780317000") == ["12:15:00"]
    only = candles("--range", day + "12:07", day + "12:09", "--long").rows[1:]
    assert [r[4:] for r in only] == [["107", "108", "107", "108", "2"]]


def local_time_is_meant_unless_utc_is_said():
    hour()
    assert times("--since", "2026-06-01 14:30", tz="EET-2") == ["14:30:00", "14:45:00"]
    assert times("--utc", "--since", "2026-06-01 12:30", tz="EET-2") == ["12:30:00", "12:45:00"]


def hours_and_days_count_from_now():
    seconds = round(time.time() - lib.BASE_MS / 1000)
    lib.record([row(seconds - 60 * m, 1, 4) for m in range(5 * 24 * 60, 0, -30)])
    counts = lambda *args: sum(int(r[8]) for r in candles("--long", *args).rows[1:])
    assert 3 <= counts("--hours", 2) <= 4
    assert 47 <= counts("--days", 1) <= 48
    assert 95 <= counts("--days=2") <= 96


def a_range_without_data_names_what_there_is():
    hour()
    found = candles("--range", "2025-06-01 00:00:00", "2025-06-02 00:00:00", "--output", "o.tsv",
                    status=lib.NO_DATA)
    refuses(found, "2025-06-01 00:00:00", "2025-06-02 00:00:00", "2026-06-01 12:00:00",
            "2026-06-01 12:59:00")
    refuses(candles("--hours", 1, status=lib.NO_DATA), "2026-06-01 12:59:00")
    refuses(candles("--until", "2026-01-01", "--long", status=lib.NO_DATA), "12:00:00")
    assert os.listdir(".") == ["history"]


def what_was_not_measured_is_missing():
    columns = [c for c in lib.COLUMNS if c != "swap_kb"]
    rows = [r[:7] + r[8:] for r in [row(0, 1, 4), row(1, 1, 4)]]
    lib.memhist("import", "--from", "csv", "--history", "history", "-",
                stdin=lib.csv_bytes(rows, columns))
    refuses(candles("--metric", "swap", status=lib.NO_DATA), "swap")
    assert len(candles("--metric", "vsz").rows) == 2


def impossible_ranges_are_usage_errors():
    hour()
    for args in [
        ("--hours", 1, "--days", 1),
        ("--hours", 1, "--since", "2026-06-01"),
        ("--range", "2026-06-01", "2026-06-02", "--until", "2026-06-02"),
        ("--range", "2026-06-02", "2026-06-01"),
        ("--range", "2026-06-01"),
        ("--since", "yesterday"),
        ("--hours", 0),
        ("--hours", -3),
        ("--days", "1.5"),
        ("--top", 3, "--all"),
        ("--top", 0),
        ("--pid-map", "x", "--output", "x"),
        ("--pid-map", "-"),
        ("--metric", "pss"),
        ("--unit", "MB"),
        ("stray",),
    ]:
        refuses(candles(*args, status=lib.USAGE), "--help")
    for *args, sentence in [
        ("--range", "2026-06-01", "2026-06-01", "the range is empty: it begins and ends at the same"),
        ("--since", "2026-02-30", "--since: there is no such day or time: 2026-02-30;"),
        ("--until", "2026-02-03 25:00", "--until: there is no such day or time: 2026-02-03 25:00;"),
        ("--days", 10**12, "1000000000000 is not within 1 … 36600;"),
        ("--top", 10**20, "100000000000000000000 is not within 1 … 100000000;"),
        ("--interval", "36600d", "36600d is too long, at most 36525d;"),
        ("--interval", 10**30, "is too long, at most 36525d;"),
        ("--history", "", "--history needs a directory;"),
        ("--output=", "--output needs a file;"),
        ("--metric", "rrs", "did you mean “rss”? See memhist-candles --help"),
    ]:
        refuses(candles(*args, status=lib.USAGE), sentence)
    assert os.listdir(".") == ["history"]


def the_map_stands_beside_the_table():
    hour()
    os.mkdir("sub")
    os.mkdir("sub.d")
    for output, pid_map in [
        ("a.tsv", "a.pids.tsv"),
        ("b.txt", "b.pids.tsv"),
        ("sub/c.tsv", "sub/c.pids.tsv"),
        ("sub.d/c", "sub.d/c.pids.tsv"),
        ("sub.d/.hidden", "sub.d/.hidden.pids.tsv"),
        ("sub.d/x.y.csv", "sub.d/x.y.pids.tsv"),
    ]:
        candles("--output", output)
        assert read(output).startswith(b"time\t1_open")
        assert read(pid_map) == b"PID\tCOMMAND\n1\ta\n"
    candles("--output", "d.tsv", "--pid-map", "named")
    assert os.path.exists("named") and not os.path.exists("d.pids.tsv")
    before = sorted(os.listdir("."))
    candles("--output", "-")
    candles("--output", "/dev/stdout")
    candles("--output", "/dev/null")
    assert sorted(os.listdir(".")) == before
    both = candles("--output", "/dev/null", "--pid-map", "-")
    assert both.out == b"PID\tCOMMAND\n1\ta\n"


def nothing_is_touched_on_failure():
    hour()
    for name in "out.tsv", "out.pids.tsv":
        with open(name, "w") as file:
            file.write("before\n")
    before = sorted(os.listdir("."))
    candles("--output", "out.tsv", "--until", "2000-01-01", status=lib.NO_DATA)
    candles("--output", "out.tsv", "--match", "nobody", status=lib.NO_DATA)
    candles("--output", "out.tsv", history="nothing", status=lib.OTHER)
    candles("--output", "out.tsv", "--pid-map", "nowhere/pids", status=lib.OTHER)
    candles("--output", "out.tsv", "--pid-map", "/dev/full", status=lib.OTHER)
    candles("--output", "/dev/full", "--pid-map", "out.pids.tsv", status=lib.OTHER)
    assert read("out.tsv") == read("out.pids.tsv") == b"before\n"
    assert sorted(os.listdir(".")) == before
    candles("--output", "out.tsv")
    assert read("out.tsv") != b"before\n" != read("out.pids.tsv")
    assert sorted(os.listdir(".")) == before


def a_full_disk_is_noticed():
    hour()
    refuses(candles("--output", "/dev/full", status=lib.OTHER), "/dev/full", "No space left")
    with open("/dev/full", "w") as full:
        found = candles(status=lib.OTHER, stdout=full)
    assert "standard output" in found.err and "No space left" in found.err


def outputs_that_cannot_be_written_are_refused():
    hour()
    os.mkdir("folder")
    os.mkfifo("pipe")
    os.symlink("nothing", "dangling")
    refuses(candles("--output", "folder", status=lib.OTHER), "folder", "directory")
    refuses(candles("--output", "nowhere/x", status=lib.OTHER), "nowhere/x", "No such file")
    refuses(candles("--output", "pipe", status=lib.OTHER), "pipe", "nobody reads")
    refuses(candles("--output", "dangling", status=lib.OTHER), "dangling", "link")
    refuses(candles("--output", "/dev/zero", status=lib.OTHER), "/dev/zero", "device")
    if os.geteuid() == 0:
        return  # may write anywhere
    os.chmod("folder", 0o500)
    refuses(candles("--output", "folder/x", status=lib.OTHER), "folder/x", "Permission denied")


def the_history_is_never_written_over():
    """However the name of the output is spelled."""
    hour()
    os.mkdir("sub")
    segment = next(name for name in os.listdir("history") if name.endswith(".open"))
    os.symlink("../history/" + segment, "sub/link")
    os.symlink("../history", "sub/dir")
    os.symlink("../history/LOCK", "sub/t.pids.tsv")
    before = {name: read("history/" + name) for name in os.listdir("history")}
    for target in ("history/" + segment, "history/LOCK", "history/new.tsv", "sub/link",
                   "sub/dir/" + segment, "./sub/../history//" + segment):
        refuses(candles("--output", target, status=lib.USAGE), "inside the history")
        refuses(candles("--output", "t.tsv", "--pid-map", target, status=lib.USAGE),
                "inside the history")
        refuses(lib.memhist("dump", "--history", "history", "-o", target, status=lib.USAGE),
                "inside the history")
    refuses(candles("--output", "sub/t.tsv", status=lib.USAGE), "inside the history")
    assert {name: read("history/" + name) for name in os.listdir("history")} == before
    assert sorted(os.listdir(".")) == ["history", "sub"]
    os.mkdir("history/below")
    candles("--output", "history/below/t.tsv")


def links_and_modes_are_kept():
    hour()
    with open("real.tsv", "w"):
        os.chmod("real.tsv", 0o600)
    os.symlink("real.tsv", "link.tsv")
    candles("--output", "link.tsv")
    assert os.path.islink("link.tsv")
    assert read("real.tsv").startswith(b"time")
    assert stat.S_IMODE(os.stat("real.tsv").st_mode) == 0o600
    before = os.umask(0o027)
    try:
        candles("--output", "new.tsv")
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat("new.tsv").st_mode) == 0o640


def a_reader_that_goes_away_is_no_error():
    lib.record([row(s, pid, 4) for s in range(20) for pid in range(1, 500)])
    command = [os.path.join(lib.BUILD, "memhist-candles"), "--history", "history", "-i", "1s", "--long"]
    for preexec in None, lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   preexec_fn=preexec)
        assert process.stdout.readline().startswith(b"time")
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == b""
        process.stderr.close()


def a_closed_standard_output_is_an_error():
    hour()
    found = candles(status=lib.OTHER, stdout=None, preexec_fn=lambda: os.close(1))
    assert "standard output" in found.err


def a_signal_ends_a_write_that_waits():
    """Into a pipe that is full because nobody reads it."""
    lib.record([row(s, pid, 4) for s in range(20) for pid in range(1, 500)])
    with open("out.pids", "w") as file:
        file.write("before\n")
    process = subprocess.Popen(
        [os.path.join(lib.BUILD, "memhist-candles"), "--history", "history", "-i", "1s", "--long",
         "--pid-map", "out.pids"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    waiting = b"\0" * 4
    end = time.monotonic() + 60
    while int.from_bytes(waiting, sys.byteorder) < 60000:
        assert time.monotonic() < end
        time.sleep(0.01)
        waiting = fcntl.ioctl(process.stdout, termios.FIONREAD, waiting)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == -signal.SIGINT
    assert process.stderr.read() == b"" and read("out.pids") == b"before\n"
    process.stdout.close()
    process.stderr.close()
    assert sorted(os.listdir(".")) == ["history", "out.pids"]


def progress_needs_a_terminal():
    hour()
    found = candles("--verbose", "--output", "x.tsv")
    assert "\r" not in found.err and "60 snapshots" in found.err and "x.tsv" in found.err
    assert not candles("--output", "x.tsv").err
    try:
        ours, theirs = os.openpty()
    except OSError as error:  # a container without /dev/pts
        raise lib.Skip(f"there is no terminal to be had: {error.strerror}") from error
    command = [os.path.join(lib.BUILD, "memhist-candles"), "--history", "history", "-o", "x.tsv"]
    subprocess.run(command, stderr=theirs, check=True)
    subprocess.run(command + ["--verbose"], stderr=theirs, check=True)
    os.close(theirs)
    shown = b""
    while b"written to" not in shown:  # it comes in pieces
        shown += os.read(ours, 65536)
    shown = shown.decode()
    os.close(ours)
    assert "choosing processes" in shown and "writing candles" in shown
    assert shown.count("60 snapshots") == 1


lib.run_tests([
    ranges_are_from_and_before,
    local_time_is_meant_unless_utc_is_said,
    hours_and_days_count_from_now,
    a_range_without_data_names_what_there_is,
    what_was_not_measured_is_missing,
    impossible_ranges_are_usage_errors,
    the_map_stands_beside_the_table,
    nothing_is_touched_on_failure,
    a_full_disk_is_noticed,
    outputs_that_cannot_be_written_are_refused,
    the_history_is_never_written_over,
    links_and_modes_are_kept,
    a_reader_that_goes_away_is_no_error,
    a_closed_standard_output_is_an_error,
    a_signal_ends_a_write_that_waits,
    progress_needs_a_terminal,
])

"""memhist retain: limits applied to a history that nobody writes; and what status says of limits."""

import fcntl
import json
import os
import re
import struct
import subprocess
import tempfile

from tools_lib import BUILD, run_tests

MEMHIST = os.path.join(BUILD, "memhist")
HOUR_S = 3600
START_S = 1790000000
BYTES = 65536


def memhist(*words, env=None):
    done = subprocess.run([MEMHIST, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, env={**os.environ, "MEMHIST_CONFIG": "", **(env or {})})
    return done.returncode, done.stdout, done.stderr


def name(number):
    at = subprocess.run(["date", "-u", "-d", f"@{START_S + number * HOUR_S}", "+%Y%m%dT%H%M%SZ"],
                        stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
    return f"{number:010}-{at}-01000000.open"


def make(count):
    """Files that have the names and sizes of segments, an hour each."""
    os.mkdir("history", 0o750)
    for number in range(1, count + 1):
        with open(os.path.join("history", name(number)), "wb") as file:
            file.truncate(BYTES)


def numbers():
    return sorted(int(file[:10]) for file in os.listdir("history") if file.endswith(".open"))


def retain(*words):
    return memhist("retain", "--history", "history", *words)


def in_a_folder(test):
    def run():
        before = os.getcwd()
        with tempfile.TemporaryDirectory(prefix="memhist-test-") as folder:
            os.chdir(folder)
            try:
                test()
            finally:
                os.chdir(before)
    run.__name__ = test.__name__
    return run


@in_a_folder
def the_oldest_go_until_the_size_is_kept():
    make(40)
    status, out, err = retain("--max-size", "1M", "--verbose")
    assert (status, err) == (0, ""), (status, err)
    left = numbers()
    # with the directory itself and LOCK, which is there now
    assert 13 <= len(left) <= 15 and left[-1] == 40 and left[0] == 41 - len(left), left
    assert out.count(", for size\n") == 40 - len(left), out
    assert f"history: {40 - len(left)} segments deleted, " in out, out
    assert retain("--max-size", "1M")[0] == 0 and numbers() == left


@in_a_folder
def a_dry_run_says_the_same_and_deletes_nothing():
    make(30)
    status, out, err = retain("--max-size", "1M", "--dry-run")
    assert (status, err) == (0, ""), (status, err)
    assert numbers() == list(range(1, 31)) and not os.path.exists("history/LOCK")
    would = out.count("(would be deleted)")
    assert would >= 14, out
    assert f"history: {would} segments would be deleted, " in out, out


@in_a_folder
def age_is_that_beside_the_newest_segment():
    make(10)
    # years after all of them, by the clock
    status, out, err = retain("--max-age", "5h", "-v")
    assert (status, err) == (0, ""), (status, err)
    assert numbers() == [5, 6, 7, 8, 9, 10], numbers()
    assert out.count(", for age\n") == 4, out


@in_a_folder
def free_space_that_cannot_be_had_costs_nothing():
    make(5)
    status, out, err = retain("--min-free", "99%")
    assert status == 4 and "less than asked for" in err, (status, out, err)
    assert numbers() == [1, 2, 3, 4, 5]


@in_a_folder
def other_files_are_not_paid_for_with_history():
    make(5)
    with open("history/backup.tar", "wb") as file:
        file.truncate(2 << 20)
    status, out, err = retain("--max-size", "1M")
    assert status == 4 and "2.0 MiB are files that are no segments" in err, (status, out, err)
    assert numbers() == [1, 2, 3, 4, 5]


@in_a_folder
def a_history_that_is_written_is_left_alone():
    make(30)
    with open("history/LOCK", "w+b") as lock:
        fcntl.fcntl(lock, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))  # F_OFD_SETLK
        status, out, err = retain("--max-size", "1M")
        assert status == 1 and "is written by" in err, (status, out, err)
        assert numbers() == list(range(1, 31))
        # to look is allowed, and the newest is not counted on
        status, out, err = retain("--max-size", "1M", "-n")
        assert status == 0 and name(30) not in out, (status, out, err)


@in_a_folder
def limits_that_make_no_sense_are_usage_errors():
    make(1)
    for words, sentence in (
            ((), "name a limit: --max-size, --max-age or --min-free"),
            (("--max-size", "12X"), "\"12X\" is no size"),
            (("--max-size", "5"), "1 MiB at least"),
            (("--max-age", "yesterday"), "is no duration"),
            (("--min-free", "120%"), "1% … 99%"),
            (("--max-size", "1G", "history"), "“history” is no option")):
        status, out, err = retain(*words)
        assert status == 2 and not out and sentence in err, (words, status, err)
    status, out, err = memhist("retain", "--history", "none", "--max-size", "1G")
    assert status == 1 and "none" in err and not os.path.exists("none"), (status, err)


def configure(text):
    with open("memhist.yaml", "w", encoding="ascii") as file:
        file.write(text)
    os.chmod("memhist.yaml", 0o640)


@in_a_folder
def the_configuration_has_limits_for_its_history():
    make(40)
    here = os.getcwd()
    configure(f"history: {{dir: {here}/history, max_size: 2M, max_age: 1y, min_free: none}}\n")
    env = {"MEMHIST_CONFIG": f"{here}/memhist.yaml"}
    status, out, err = memhist("retain", "--dry-run", env=env)
    assert (status, err) == (0, ""), (status, err)
    assert out.startswith(f"{here}/history: to be at most 2.0 MiB, not older than 365 d, by "
                          f"{here}/memhist.yaml\n"), out
    assert numbers() == list(range(1, 41))
    # an option wins over its own limit, and leaves the others
    status, out, err = memhist("retain", "--max-age", "30h", env=env)
    assert (status, err) == (0, "") and "at most 2.0 MiB, not older than 1 d 6 h" in out, (out, err)
    assert 25 <= len(numbers()) <= 31 and numbers()[-1] == 40, numbers()
    status, out, err = memhist("retain", "--history", "history", "--max-size", "none",
                               "--max-age", "none", "--min-free", "none", env=env)
    assert (status, err) == (0, "") and "to be" not in out, (out, err)
    left = numbers()
    assert "0 segments deleted" in out, out
    # by whatever name
    os.symlink("history", "link")
    status, out, err = memhist("retain", "--history", "link", "--max-size", "1M", "-n", env=env)
    assert status == 0 and "link: to be at most 1.0 MiB, not older" in out, (status, out, err)
    assert numbers() == left


@in_a_folder
def the_configuration_has_none_for_another_history_unless_it_is_named():
    make(40)
    here = os.getcwd()
    os.mkdir("own")
    configure(f"history: {{dir: {here}/own, max_size: 1M}}\n")
    env = {"MEMHIST_CONFIG": f"{here}/memhist.yaml"}
    status, out, err = memhist("retain", "--history", "history", env=env)
    assert status == 2 and "name a limit" in err and not out, (status, err)
    status, out, err = memhist("retain", "--history", "history", "--max-age", "39h", env=env)
    assert status == 0 and "to be" not in out and len(numbers()) == 40, (out, err)
    status, out, err = memhist("retain", "--history", "history", "--config", "memhist.yaml")
    assert (status, err) == (0, "") and 13 <= len(numbers()) <= 15, (status, out, err, numbers())
    assert "history: to be at most 1.0 MiB, of any age, by memhist.yaml\n" in out, out
    configure("history: {dir: /nowhere/at/all, sync_interval: 5s}\n")
    status, out, err = memhist("retain", "--config", "memhist.yaml")
    assert status == 2 and "name a limit" in err, (status, out, err)


@in_a_folder
def status_tells_limits_and_what_they_come_to():
    with open("trace.csv", "w", encoding="ascii") as file:
        file.write("ts_ms,pid,starttime,ppid,uid,rss_kb,vsz_kb,swap_kb,comm,cmdline\n")
        for minute in range(180):
            file.write(f"{1790000000000 + minute * 60000},1,1,0,0,{1000 + minute},9000,0,one,one\n")
    status, _, err = memhist("import", "--from", "csv", "--history", "history", "--interval", "60s",
                             "trace.csv")
    assert status == 0, err
    assert "limits" not in memhist("status", "--history", "history")[1]
    with open("history/LOCK", "w", encoding="ascii") as file:
        file.write("1\nmax_bytes 1048576\nmax_age_ms 864000000\nmin_free_bytes 0\n"
                   "min_free_percent 7\n")
    found = json.loads(memhist("status", "--history", "history", "--json")[1])
    assert found["max_size_bytes"] == 1 << 20 and found["max_age_ms"] == 864000000, found
    assert found["min_free_bytes"] == 0 and found["min_free_percent"] == 7, found
    # three segments, of which the files say how large, in three hours less three minutes
    segments = [file for file in os.listdir("history") if re.match(r"\d{10}-", file)]
    taken = sum(max(stat.st_size, stat.st_blocks * 512)
                for stat in (os.stat(os.path.join("history", file)) for file in segments))
    seconds = 180 * 60 - len(segments) * 60
    expected = (1 << 20) / taken * seconds
    assert abs(found["projected_seconds"] / expected - 1) < 0.01, (found, expected)
    text = memhist("status", "--history", "history")[1]
    assert "limits           at most 1.0 MiB, not older than 10 d, 7 % left free" in text, text
    at = re.search(r"room for +about \d+ (?:days|hours) (at [\d.]+ [KM]iB a day)", text)
    assert at, text
    # and not more than the limit of age
    with open("history/LOCK", "w", encoding="ascii") as file:
        file.write("1\nmax_bytes 1048576\nmax_age_ms 10800000\nmin_free_bytes 0\n"
                   "min_free_percent 7\n")
    found = json.loads(memhist("status", "--history", "history", "--json")[1])
    assert found["projected_seconds"] == 10800, found
    text = memhist("status", "--history", "history")[1]
    assert re.search(rf"room for +about 3 hours {re.escape(at[1])}\n", text), text


run_tests([
    the_oldest_go_until_the_size_is_kept,
    a_dry_run_says_the_same_and_deletes_nothing,
    age_is_that_beside_the_newest_segment,
    free_space_that_cannot_be_had_costs_nothing,
    other_files_are_not_paid_for_with_history,
    a_history_that_is_written_is_left_alone,
    limits_that_make_no_sense_are_usage_errors,
    the_configuration_has_limits_for_its_history,
    the_configuration_has_none_for_another_history_unless_it_is_named,
    status_tells_limits_and_what_they_come_to,
])

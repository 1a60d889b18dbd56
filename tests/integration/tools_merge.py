"""memhist merge: fewer files, and nothing else changes; among damage, full disks and kills."""

import fcntl
import os
import resource
import shutil
import signal
import subprocess

import tools_lib as lib
from tools_lib import (DAMAGED, OK, OTHER, PARTIAL, BUILD, everything, memhist, names, record,
                       refuses, row, size)

HOUR = 3600


def hours(n, start=0, step=60):
    """Rows from `start` hours after noon on, n hours of them: processes come, change and go."""
    return [row(second, pid, 100 + (second // step * pid) % 977, comm=f"p{pid}",
                start=100 + second // (pid * HOUR))
            for second in range(start * HOUR, (start + n) * HOUR, step) for pid in range(1, 8)]


def three_days(folder="history"):
    """Noon to noon, over two midnights: 13 + 24 + 12 hours or so, one segment each."""
    record(hours(48), folder)
    memhist("seal", "--history", folder)


def merged(folder="history"):
    return [name for name in names(".mh", folder) if "+" in name]


def merge(*options, status=OK, history="history"):
    return memhist("merge", "--history", history, *options, status=status)


def days_are_merged():
    three_days()
    before, was, n = everything(), size(), len(names(".mh"))
    assert n > 40, n
    found = merge("--dry-run")
    assert found.text.count("would be merged") == 2, found.text
    assert len(names(".mh")) == n and not merged()
    found = merge("--verbose")
    assert "merged into 2," in found.text and not found.err, found.text + found.err
    assert len(merged()) == 2, names(".mh")
    assert everything() == before
    assert size() < was
    assert "nothing to merge" in merge().text
    merge("--all", "--quiet")
    assert len(merged()) == 3 and len(names(".mh")) == 3, names(".mh")
    assert everything() == before
    assert size() < was / 1.5, (size(), was)
    verified = memhist("verify", "--history", "history").text
    assert "damage           none" in verified, verified


def sealing_merges_when_asked():
    record(hours(30))
    before = everything()
    found = memhist("seal", "--history", "history", "--dry-run")
    assert found.text.count("would be sealed") == len(names(".open")), found.text
    assert not names(".mh")
    found = memhist("seal", "--history", "history", "--merge", "--background", "--quiet")
    assert not found.text + found.err, found.text + found.err
    assert len(merged()) == 1 and not names(".open")
    assert everything() == before


def what_could_take_too_much_room_is_left():
    three_days()
    all_of_them = names(".mh")
    found = merge("--max-temporary", "1000")
    assert "left for later" in found.text and not found.err, found.text + found.err
    assert names(".mh") == all_of_them
    merge("--max-temporary", size() // 8)  # in pieces
    assert len(merged()) > 4 and len(names(".mh")) < len(all_of_them), names(".mh")
    merge("--max-temporary", size())
    assert len(merged()) == 2


def limit_files(size_bytes):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))
    return limit


def a_full_disk_leaves_all_as_it_was():
    three_days()
    before, all_of_them = everything(), names(".mh")
    for limit in 0, 1, 41, 500:
        found = memhist("merge", "--history", "history", status=PARTIAL,
                        preexec_fn=limit_files(limit))
        assert "cannot merge" in found.err, found.err
        assert names(".mh") == all_of_them
        assert not [name for name in os.listdir("history") if name.endswith(".sealing")]
    assert everything() == before


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 4]))


def damage_stays_where_it_is():
    three_days()
    before = names(".mh")
    broken = before[5]
    flip(os.path.join("history", broken), os.path.getsize(os.path.join("history", broken)) // 2)
    found = merge(status=DAMAGED)
    assert found.err.count("\n") == 1 and broken in found.err, found.err
    assert broken in names(".mh")
    # one before it, one behind it, and the next day
    assert len(merged()) == 3, names(".mh")
    flip(os.path.join("history", broken), os.path.getsize(os.path.join("history", broken)) // 2)
    read = everything()
    merge()
    assert len(merged()) == 2 and broken not in names(".mh"), names(".mh")
    assert everything() == read


def one_at_a_time():
    three_days()
    before = everything()
    folder = os.open("history", os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    refuses(merge(status=OTHER), "by another process")
    found = merge("--background")
    assert not found.text + found.err and not merged()
    os.close(folder)
    command = [os.path.join(BUILD, "memhist"), "merge", "--history", "history", "--background"]
    several = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [one.wait(timeout=120) for one in several] == [0] * 4
    assert everything() == before
    merge()
    assert len(merged()) == 2
    assert everything() == before


def a_killed_one_leaves_everything():
    """SIGKILL at each of the system calls that change the directory, and at some in between."""
    shutil.rmtree("made", ignore_errors=True)
    record(hours(16), "made")
    before = everything("made")
    calls = "openat2,openat,write,writev,pwrite64,rename,renameat,renameat2,fsync,fdatasync,unlink,unlinkat"
    if not shutil.which("strace"):
        raise lib.Skip("strace is not installed")
    rounds = 0
    for call in ("renameat,renameat2", "fsync", "fdatasync", "unlinkat", "writev"):
        for when in 1, 2, 3, 7, 13, 15, 19:
            shutil.rmtree("history", ignore_errors=True)
            shutil.copytree("made", "history")
            killed = subprocess.run(
                ["strace", "-f", "-o", os.devnull, "-e", f"trace={calls}", "-e",
                 f"inject={call}:signal=SIGKILL:when={when}",
                 os.path.join(BUILD, "memhist"), "seal", "--merge", "--history", "history"],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, timeout=120)
            rounds += killed.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
            if b"ptrace" in killed.stderr:
                raise lib.Skip("strace may not trace here")
            assert everything() == before, (call, when)
            memhist("seal", "--merge", "--history", "history", "--quiet")
            assert everything() == before, (call, when)
            assert not [name for name in os.listdir("history") if name[0] == "."]
            assert not names(".open") and len(merged()) == 1, (call, when, names(".mh"))
            assert len(names(".mh")) == len(set(name[:10] for name in names(".mh")))
    assert rounds > 10, rounds


lib.run_tests([
    days_are_merged,
    sealing_merges_when_asked,
    what_could_take_too_much_room_is_left,
    a_full_disk_leaves_all_as_it_was,
    damage_stays_where_it_is,
    one_at_a_time,
    a_killed_one_leaves_everything,
])

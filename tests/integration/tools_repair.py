"""memhist repair: all that can be read is kept, the damaged files too, and verify is content."""

import fcntl
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import time

import tools_lib as lib
from tools_lib import memhist, refuses, row

STEP_S = 30
N_SNAPSHOTS = 280  # two hours and a third: three segments


def make():
    lib.record([row(i * STEP_S, pid, 1000 * pid + (i * pid) % 97, f"p{pid}", f"command {pid}")
                for i in range(N_SNAPSHOTS) for pid in range(1, 8)])


def segments(folder="history"):
    return sorted(os.path.join(folder, name) for name in os.listdir(folder)
                  if name.endswith((".open", ".mh")))


def damage(path, at, content=b"\xff" * 100):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(content)


def contents(folder):
    found = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.isfile(path) and name != "LOCK":
            with open(path, "rb") as file:
                found[name] = file.read()
    return found


def readable(history="history", status=None):
    """All snapshots that can be read, with the gaps before them."""
    found = []
    for line in memhist("dump", "--full", "--history", history, status=status).text.splitlines():
        line = json.loads(line)
        if line["type"] not in ("snapshot", "gap"):
            continue
        for key in "file", "offset", "bytes", "seq", "key":
            line.pop(key, None)
        line.get("processes", []).sort(key=lambda p: p["pid"])
        found.append(line)
    return found


def verified(history="history"):
    found = memhist("verify", "--history", history)
    assert "damage           none" in found.text
    return found.text


def repair(*args, **options):
    return memhist("repair", "--history", "history", *args, **options)


def repair_what_can_be(*args):
    """Of a segment that is damaged at random, something or nothing can be read: the status says it."""
    found = repair(*args, status=None)
    wanted = lib.PARTIAL if "nothing of it can be read" in found.text else lib.OK
    assert found.status == wanted and not found.err, (found.status, found.text, found.err)
    return found


def a_sound_history_stays_as_it_is():
    make()
    before = contents("history")
    found = repair()
    assert found.text == "history: no damage\n" and not found.err
    assert contents("history") == before and not os.path.exists("history/damaged")
    refuses(repair("-o", "history/copy", status=lib.USAGE), "inside the history")
    assert contents("history") == before and not os.path.exists("history/copy")
    # a torn tail is no damage
    os.truncate(segments()[-1], os.path.getsize(segments()[-1]) - 5)
    before = contents("history")
    assert repair().text == "history: no damage\n" and contents("history") == before


def what_can_be_read_is_kept_and_the_damaged_file_too():
    for seal in False, True:
        shutil.rmtree("history", ignore_errors=True)
        make()
        if seal:
            memhist("seal", "--history", "history")
        truth = readable()
        hurt = segments()[1:3]
        # of a sealed one the head of its part: with candles alone nothing would be lost
        damage(hurt[0], 100 if seal else os.path.getsize(hurt[0]) // 3)
        damage(hurt[1], 60 if seal else os.path.getsize(hurt[1]) // 2)
        before, was = readable(status=lib.DAMAGED), contents("history")
        candles = lib.candles("-i", "15m", "--long", status=lib.DAMAGED).text
        assert 0 < len(before) < len(truth)
        found = repair_what_can_be("--utc")
        assert "2 of 2 damaged segments repaired" in found.text or "can be read" in found.text
        assert "history/damaged" in found.text and not found.err
        assert re.search(rf"{os.path.basename(hurt[0])}: bytes \d+ to \d+: ", found.text)
        verified()
        after = readable(status=lib.OK)
        snapshots = [s for s in after if s["type"] == "snapshot"]
        assert snapshots == [s for s in before if s["type"] == "snapshot"]
        # what is lost is still said
        gaps = [[g for g in found if g["type"] == "gap"] for found in (after, before)]
        assert gaps[0] == gaps[1], gaps
        # candles outlive the samples they are of: of a segment that moves as a whole, these are lost
        now = lib.candles("-i", "15m", "--long").text
        assert now == candles if found.status == lib.OK else \
            set(now.splitlines()) <= set(candles.splitlines()), now
        kept = contents("history/damaged")
        assert kept == {os.path.basename(name): was[os.path.basename(name)] for name in hurt}
        assert {n: c for n, c in contents("history").items() if n in was and n not in kept} == \
            {n: c for n, c in was.items() if n not in kept}
        assert repair().text == "history: no damage\n"
        assert "foreign" not in verified()


def what_is_lost_is_said():
    make()
    dumped = [json.loads(line) for line in memhist("dump", "--history", "history").text.splitlines()]
    frames = [s for s in dumped if s["file"] == os.path.basename(segments()[1])]
    key = next(s for s in frames[1:] if s["key"])
    hurt = frames[frames.index(key) + 3]
    after = next(s for s in frames[frames.index(hurt):] if s["key"])
    damage(segments()[1], hurt["offset"] + 50, b"\xfe\xdc\xba")
    last = frames[frames.index(hurt) - 1]["time"][:19].replace("T", " ")
    found = repair("--utc", "--dry-run", status=lib.DAMAGED)
    lost = f"lost: what was taken between {last} and {after['time'][:19].replace('T', ' ')}\n"
    assert lost in found.text, (lost, found.text)
    place = f"{hurt['file']}: bytes {hurt['offset']} to {hurt['offset'] + hurt['bytes'] - 1}: "
    assert place in found.text, (place, found.text)
    assert found.text.endswith("history: 1 damaged segment, nothing done\n")
    assert not os.path.exists("history/damaged")
    assert lost in repair("--utc").text


def random_damage_is_repaired():
    make()
    memhist("seal", "--history", "history")
    os.rename("history", "sealed")
    make()
    os.rename("history", "open")
    chance = random.Random(7)
    for round_number in range(24):
        shutil.rmtree("history", ignore_errors=True)
        shutil.copytree(chance.choice(["open", "sealed"]), "history")
        for _ in range(chance.randrange(1, 4)):
            path = chance.choice(segments())
            size = os.path.getsize(path)
            damage(path, chance.randrange(size), bytes(chance.randrange(256) for _ in range(
                chance.choice([1, 40, 3000]))))
        before = readable()
        was = contents("history")
        repair_what_can_be()
        kept = contents("history/damaged") if os.path.exists("history/damaged") else {}
        assert kept.items() <= was.items()
        assert was.keys() - kept.keys() <= contents("history").keys()
        if [s for s in before if s["type"] == "snapshot"]:
            verified()
            assert [s for s in readable() if s["type"] == "snapshot"] == \
                [s for s in before if s["type"] == "snapshot"], round_number


def nothing_readable_is_nothing():
    make()
    path = segments()[1]
    damage(path, 0, b"\xff" * os.path.getsize(path))
    before = [s for s in readable(status=lib.DAMAGED) if s["type"] == "snapshot"]
    shutil.copytree("history", "original")
    found = memhist("repair", "--history", "original", "-o", "copy", status=lib.PARTIAL)
    assert "copy: 0 of 1 damaged segment repaired" in found.text and len(segments("copy")) == 2
    found = repair("--dry-run", status=lib.DAMAGED)
    found = repair(status=lib.PARTIAL)
    assert f"{os.path.basename(path)}: nothing of it can be read" in found.text
    assert "history: 0 of 1 damaged segment repaired" in found.text and not found.err
    assert os.listdir("history/damaged") == [os.path.basename(path)] and len(segments()) == 2
    assert "missing" in verified()
    assert [s for s in readable(status=lib.OK) if s["type"] == "snapshot"] == before
    assert repair().text == "history: no damage\n"
    # nor is 0 said when another one was saved
    shutil.rmtree("history")
    os.rename("original", "history")
    damage(segments()[0], 2000)
    assert "1 of 2 damaged segments repaired" in repair(status=lib.PARTIAL).text
    verified()


def a_sealed_segment_cut_short_is_damaged():
    make()
    memhist("seal", "--history", "history")
    os.rename("history", "made")
    path = segments("made")[1]
    name, size = os.path.basename(path), os.path.getsize(path)
    for cut in 0, 1, size // 2, size - 40, size - 1:
        shutil.rmtree("history", ignore_errors=True)
        shutil.copytree("made", "history")
        os.truncate(os.path.join("history", name), cut)
        text = memhist("verify", "--history", "history", status=lib.DAMAGED).text
        assert re.search(rf"{name}: byte.*: cut short, after it was sealed", text), text
        assert "torn" not in text and "18446744073709551615" not in text, text
        before = [s for s in readable(status=lib.DAMAGED) if s["type"] == "snapshot"]
        found = repair_what_can_be()
        assert "1 damaged segment" in found.text
        assert found.status == lib.PARTIAL or cut > 1, (cut, found.text)
        assert os.path.getsize(f"history/damaged/{name}") == cut
        verified()
        assert [s for s in readable(status=lib.OK) if s["type"] == "snapshot"] == before


def a_copy_leaves_the_original_alone():
    make()
    memhist("seal", "--history", "history")
    damage(segments()[1], 700)
    before, was = readable(status=lib.DAMAGED), contents("history")
    found = repair_what_can_be("-o", "copy")
    assert "copy: " in found.text and "damaged/" not in found.text
    assert contents("history") == was and not os.path.exists("history/damaged")
    verified("copy")
    assert [s for s in readable("copy", lib.OK) if s["type"] == "snapshot"] == \
        [s for s in before if s["type"] == "snapshot"]
    sound = os.path.basename(segments()[0])
    assert contents("copy")[sound] == was[sound]
    found = repair("-o", "copy", status=lib.OTHER)
    assert "copy is not empty" in found.err


def one_segment_may_be_named():
    make()
    for path in segments()[:2]:
        damage(path, 2000)
    was, names = contents("history"), [os.path.basename(path) for path in segments()]
    found = memhist("repair", "history/" + names[1], "-o", "copy")
    assert segments("copy") == ["copy/" + names[1].replace(".open", ".mh")] and names[0] not in found.text
    verified("copy")
    assert contents("history") == was
    found = memhist("repair", names[1], cwd="history")
    assert "1 of 1 damaged segment repaired" in found.text
    assert os.listdir("history/damaged") == [names[1]]
    assert memhist("verify", "--history", "history", status=lib.DAMAGED).text.count(": bytes ") == 1
    refuses(memhist("repair", "history/" + names[1], status=lib.OTHER), "no segment of")
    refuses(memhist("repair", "history/LOCK", status=lib.OTHER), "LOCK is no segment of")
    refuses(memhist("repair", "nowhere/x", status=lib.OTHER), "nowhere")
    usage = lib.USAGE
    refuses(memhist("repair", "a", "b", status=usage), "one FILE")
    refuses(repair("history/" + names[0], status=usage), "name a FILE or")
    refuses(memhist("repair", "", status=usage), "name a FILE or")


def whoever_writes_is_left_alone():
    make()
    damage(segments()[1], 2000)
    was = contents("history")
    with open("history/LOCK", "r+") as lock:
        lock.write(f"{os.getpid()}\n")
        lock.truncate()
        lock.flush()
        fcntl.fcntl(lock, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        for more in [], ["--dry-run"], ["-o", "copy"]:
            refuses(repair(*more, status=lib.OTHER), "being written", str(os.getpid()))
    folder = os.open("history", os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    refuses(repair(status=lib.OTHER), "sealed or merged by another process")
    os.close(folder)
    assert contents("history") == was and not os.path.exists("copy")
    refuses(memhist("repair", "--history", "nowhere", status=lib.OTHER), "nowhere")
    refuses(repair("-n", "-o", "x", status=lib.USAGE), "--dry-run")


def a_killed_repair_loses_nothing():
    make()
    for path in segments():
        damage(path, 2000)
    os.rename("history", "made")
    before = [s for s in readable("made") if s["type"] == "snapshot"]
    was = contents("made")
    for attempt in range(15):
        shutil.rmtree("history", ignore_errors=True)
        shutil.copytree("made", "history")
        process = subprocess.Popen([os.path.join(lib.BUILD, "memhist"), "repair", "--history", "history"],
                                   stdout=subprocess.DEVNULL)
        time.sleep(attempt * 0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        here = contents("history")
        kept = contents("history/damaged") if os.path.exists("history/damaged") else {}
        for name, content in was.items():
            assert content in (here.get(name), kept.get(name)), name
        assert [s for s in readable() if s["type"] == "snapshot"] == before
        repair()
        verified()
        assert contents("history/damaged") == was
        assert [s for s in readable(status=lib.OK) if s["type"] == "snapshot"] == before


def what_was_kept_before_stays():
    make()
    name = os.path.basename(segments()[1])
    os.mkdir("history/damaged")
    for kept in name, name + ".2":
        with open("history/damaged/" + kept, "w") as file:
            file.write(kept)
    damage(segments()[1], 2000)
    was = contents("history")[name]
    repair()
    assert contents("history/damaged") == {name: name.encode(), name + ".2": (name + ".2").encode(),
                                           name + ".3": was}


lib.run_tests([
    a_sound_history_stays_as_it_is,
    what_can_be_read_is_kept_and_the_damaged_file_too,
    what_is_lost_is_said,
    random_damage_is_repaired,
    nothing_readable_is_nothing,
    a_sealed_segment_cut_short_is_damaged,
    a_copy_leaves_the_original_alone,
    one_segment_may_be_named,
    whoever_writes_is_left_alone,
    a_killed_repair_loses_nothing,
    what_was_kept_before_stays,
])

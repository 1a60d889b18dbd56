"""Damaged, cut and foreign histories: what verify says, and that nobody ever shows a wrong value."""

import json
import os
import random
import re
import shutil
import stat
import struct

import tools_lib as lib
from tools_lib import candles, memhist, refuses, row

STEP_S = 30
N_SNAPSHOTS = 280  # two hours and a third: three segments


def make():
    rows = []
    for i in range(N_SNAPSHOTS):
        for pid in range(1, 8):
            rows.append(row(i * STEP_S, pid, 1000 * pid + (i * pid) % 97, f"p{pid}", f"command {pid}"))
    lib.record(rows)
    return rows


def segments():
    return sorted("history/" + name for name in os.listdir("history") if name.endswith(".open"))


def samples(status):
    """{(time, label): values}, one candle per snapshot."""
    found = candles("-i", f"{STEP_S}s", "--long", status=status)
    return {(r[0], r[1]): r[4:] for r in found.rows[1:]}


def verify(status):
    return memhist("verify", "--history", "history", status=status).text


def fact(text, name):
    return re.search(rf"^  {name} +(.*)$", text, re.M).group(1)


def a_sound_history_is_verified():
    make()
    text = verify(lib.OK)
    assert len(segments()) == 3
    assert fact(text, "segments").startswith("3, ")
    assert fact(text, "snapshots") == f"{N_SNAPSHOTS} with {7 * N_SNAPSHOTS} process-samples"
    assert fact(text, "damage") == fact(text, "gaps") == "none"
    size = sum(map(os.path.getsize, segments()))
    assert f"{size} bytes" in fact(text, "segments")
    assert "torn" not in text and "foreign" not in text


def a_cut_is_a_torn_tail_and_no_damage():
    make()
    truth = samples(lib.OK)
    last = segments()[-1]
    with open(last, "rb") as file:
        whole = file.read()
    ends = {0}
    for line in memhist("dump", "--history", "history").text.splitlines():
        if os.path.basename(last) in line:
            ends.add(sum(map(int, re.search(r'"offset":(\d+),"bytes":(\d+)', line).groups())))
    before = len(truth) - 7 * (len(ends) - 1)
    for cut in list(range(len(whole) - 1, len(whole) - 150, -1)) + list(range(1, 60)):
        with open(last, "r+b") as file:
            file.truncate(0)
            file.write(whole[:cut])
        kept = max(end for end in ends if end <= cut)
        text = verify(lib.OK)
        assert ("torn tails" in text) == (kept != cut), (cut, text)
        if kept != cut:
            assert f"bytes {kept} to {cut - 1}" in text, text
        found = samples(lib.OK)
        assert len(found) == before + 7 * sum(0 < end <= cut for end in ends), cut
        assert found.items() <= truth.items()


def a_flipped_bit_is_found_and_nothing_false_is_shown():
    make()
    truth = samples(lib.OK)
    chance = random.Random(1)
    for path in segments():
        with open(path, "rb") as file:
            whole = file.read()
        # not in the last frame: that could be taken for a torn tail
        for at in [0, 5, 9, 33, 39] + [chance.randrange(len(whole) - 400) for _ in range(12)]:
            bad = bytearray(whole)
            bad[at] ^= 1 << chance.randrange(8)
            with open(path, "wb") as file:
                file.write(bad)
            text = verify(lib.DAMAGED)
            places = re.findall(r"^(\S+): bytes (\d+) to (\d+) \(", text, re.M)
            assert len(places) == 1 and places[0][0] == os.path.basename(path), text
            assert int(places[0][1]) <= at <= int(places[0][2]), (at, text)
            assert fact(text, "damage").startswith("1 place, ")
            # behind the last keyframe there is no snapshot left that could tell of the gap
            assert "1 damage" in fact(text, "gaps") or path == segments()[-1], text
            found = samples(lib.DAMAGED)
            assert found and found.items() <= truth.items()
        with open(path, "wb") as file:
            file.write(whole)
    assert samples(lib.OK) == truth


def candles_of_a_damaged_history_are_written_with_a_word():
    make()
    with open(segments()[1], "r+b") as file:
        file.seek(3000)
        file.write(b"\xff" * 100)
    found = candles("--output", "out.tsv", status=lib.DAMAGED)
    refuses(found, "damaged in 1 place ", "memhist verify")
    assert os.path.getsize("out.tsv") > 100 and os.path.exists("out.pids.tsv")
    dumped = memhist("dump", "--history", "history", status=lib.DAMAGED).text
    assert '{"type":"damage","file":"' in dumped and '"kind":"damage"' in dumped
    assert "1 place," in memhist("status", "--history", "history", status=lib.DAMAGED).text


def damage_behind_the_last_snapshot_is_told_for_every_table():
    make()
    lines = map(json.loads, memhist("dump", "--history", "history").text.splitlines())
    last_key = [line for line in lines if line["key"]][-1]
    with open("history/" + last_key["file"], "r+b") as file:
        file.seek(last_key["offset"] + last_key["bytes"])
        file.write(b"\xff" * 50)
    verify(lib.DAMAGED)
    for args in (), ("--long",), ("--long", "--top", 3), ("--match", "command"):
        assert "damaged in 1 place " in candles(*args, status=lib.DAMAGED).err


def nothing_readable_is_damage_too():
    make()
    for path in segments():
        size = os.path.getsize(path)
        with open(path, "wb") as file:
            file.write(b"\xa5" * size)
    text = verify(lib.DAMAGED)
    assert fact(text, "damage").startswith("3 places")
    refuses(candles("--output", "out.tsv", status=lib.DAMAGED), "nothing readable")
    refuses(candles("--long", status=lib.DAMAGED), "nothing readable")
    assert os.listdir(".") == ["history"]


def every_command_says_the_same(status, *words, **options):
    for command in ("verify", "status", "dump"):
        found = memhist(command, "--history", "history", status=status, **options)
        for word in words:
            assert word in found.text + found.err, (command, word, found.text[:500], found.err)
    candles("--output", "out.tsv", status=status, **options)
    assert not os.path.exists("out.tsv")


def every_command_ends_alike_where_nothing_is_readable():
    chance = random.Random(2)
    make()
    for path in segments():
        size = os.path.getsize(path)
        with open(path, "wb") as file:
            file.write(chance.randbytes(size))
    every_command_says_the_same(lib.DAMAGED, "damage")
    for path in segments():
        size = os.path.getsize(path)
        with open(path, "wb") as file:
            file.write(bytes(size))
    every_command_says_the_same(lib.NO_DATA, "without a readable snapshot")
    assert not memhist("dump", "--history", "history", status=lib.NO_DATA).out
    assert fact(verify(lib.NO_DATA), "without frames").startswith("3 segments")


def segments_that_cannot_be_opened_are_left_out():
    """Without the right to read one: as nobody, where the test is root."""
    make()
    truth = samples(lib.OK)
    os.chmod(".", 0o755)
    os.chmod("history", 0o755)
    for path in segments():
        os.chmod(path, 0o644)
    os.chmod(segments()[1], 0)
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    sentence = ": 1 segment of history cannot be opened and is left out\n"
    try:
        found = candles("-i", f"{STEP_S}s", "--long", status=lib.PARTIAL, **nobody)
    except PermissionError as error:
        raise lib.Skip("nobody cannot run the programs from here") from error
    rest = {(r[0], r[1]): r[4:] for r in found.rows[1:]}
    assert found.err == "memhist-candles" + sentence
    assert rest.items() < truth.items() and len(rest) > len(truth) // 3
    for command in ("verify", "status", "dump"):
        found = memhist(command, "--history", "history", status=lib.PARTIAL, **nobody)
        assert found.err == f"memhist {command}{sentence}", found.err
        if command == "dump":
            assert f'{{"type":"unreadable","file":"{os.path.basename(segments()[1])}"' in found.text
        if command == "verify":
            assert os.path.basename(segments()[1]) + ": cannot be opened\n" in found.text
            assert fact(found.text, "unreadable") == "1 segment"
    with open(segments()[0], "r+b") as file:
        file.seek(3000)
        file.write(b"\xff" * 100)
    for command in ("verify", "status", "dump"):
        found = memhist(command, "--history", "history", status=lib.DAMAGED, **nobody)
        assert found.err == f"memhist {command}{sentence}", found.err
    found = candles(status=lib.DAMAGED, **nobody)
    assert sentence in found.err and "damaged in 1 place" in found.err
    os.chmod(segments()[1], 0o644)
    os.chmod(segments()[2], 0)
    for args in (), ("--long",), ("--match", "command"):
        assert sentence in candles(*args, status=lib.DAMAGED, **nobody).err
    for path in segments():
        os.chmod(path, 0)
    every_command_says_the_same(lib.OTHER, "3 segments that cannot be opened", **nobody)


def segments_that_are_gone_are_told():
    make()
    os.unlink(segments()[1])
    text = verify(lib.OK)
    assert fact(text, "missing") == "1 segment between others, by their numbers"
    assert "1 missing" in fact(text, "gaps")
    assert "1 missing" in memhist("status", "--history", "history").text


def empty_and_foreign_directories_have_no_data():
    os.mkdir("history")
    for command in ("verify", "status", "dump"):
        refuses(memhist(command, "--history", "history", status=lib.NO_DATA), "no memhist history")
    refuses(candles(status=lib.NO_DATA), "no memhist history")
    for name in ("notes.txt", "0000000001-garbage.open", "x.mh"):
        with open("history/" + name, "w") as file:
            file.write("MHF1 but not really")
    refuses(candles(status=lib.NO_DATA), "no memhist history")
    shutil.rmtree("history")
    make()
    with open("history/notes.txt", "w") as file:
        file.write("mine")
    assert fact(verify(lib.OK), "foreign files").startswith("1,")
    assert os.path.exists("history/notes.txt")


def empty_segments_are_no_damage():
    make()
    shutil.copy(segments()[2], "kept")
    for path in segments():
        with open(path, "wb"):
            pass
    assert memhist("verify", "--history", "history", status=lib.NO_DATA).err.count("\n") == 1
    refuses(candles(status=lib.NO_DATA), "history")
    shutil.copy("kept", segments()[2])
    assert "segments" in verify(lib.OK)


def things_that_are_no_directory_are_refused():
    os.mkfifo("pipe")
    with open("file", "w") as file:
        file.write("x")
    for name in "pipe", "file", "/dev/null", "/dev/full", "missing":
        for command in ("verify", "status", "dump"):
            refuses(memhist(command, "--history", name, status=lib.OTHER), name)
        refuses(candles("--output", "out", history=name, status=lib.OTHER), name)
    for command in ("verify", "status", "dump"):
        refuses(memhist(command, "--history", "", status=lib.USAGE), "--history needs a directory;")
    assert sorted(os.listdir(".")) == ["file", "pipe"]


def histories_of_others_are_refused():
    """Without the right to read: as nobody, where the test is root."""
    make()
    os.chmod(".", 0o755)
    os.chmod("history", 0o700 if os.geteuid() == 0 else 0)
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        for command in ("verify", "status", "dump"):
            refuses(memhist(command, "--history", "history", status=lib.OTHER, **nobody),
                    "history", "Permission denied")
        refuses(candles(status=lib.OTHER, **nobody), "history", "Permission denied")
    except PermissionError as error:
        raise lib.Skip("nobody cannot run the programs from here") from error
    finally:
        os.chmod("history", 0o700)


def a_pipe_with_a_segment_s_name_does_not_hang():
    make()
    first = segments()[0]
    os.unlink(first)
    os.mkfifo(first)
    text = verify(lib.OK)
    assert fact(text, "foreign files").startswith("1,")
    assert fact(text, "segments").startswith("2,")


def other_things_under_a_segment_s_name_are_left_alone():
    make()
    before = fact(verify(lib.OK), "snapshots")
    def name(number, end=".open"):
        return f"history/{number:010d}-20260601T140000Z-00000000{end}"
    os.mkdir(name(101))
    os.mkfifo(name(102, ".mh"))
    os.symlink(os.path.basename(segments()[0]), name(103))
    others = 3
    if os.geteuid() == 0:
        try:
            os.mknod(name(104), 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # zeros without end
            others += 1
        except PermissionError:
            pass  # a container
    with open(name(105), "wb"), open(name(106), "wb") as hole:
        hole.truncate(1 << 40)
    text = verify(lib.OK)
    assert fact(text, "foreign files").startswith(f"{others},"), text
    assert fact(text, "snapshots") == before
    assert fact(text, "damage") == "none"
    for command in ("seal", "merge"):
        memhist(command, "--history", "history", status=None)
    assert os.path.islink(name(103)) and os.path.isdir(name(101)) and os.path.exists(name(102, ".mh"))
    assert fact(verify(lib.OK), "snapshots") == before


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def a_newer_format_is_not_guessed_at():
    """A frame with the next version of the payload's meaning, and a right checksum."""
    make()
    with open(segments()[0], "r+b") as file:
        head = bytearray(file.read(40))
        (length,) = struct.unpack_from("<I", head, 4)
        payload = file.read(length)
        head[34] += 1
        struct.pack_into("<I", head, 36, crc32c(head[:36] + payload))
        file.seek(0)
        file.write(head)
    refuses(candles(status=lib.OTHER), "newer", os.path.basename(segments()[0]))
    refuses(memhist("verify", "--history", "history", status=lib.OTHER), "newer")


lib.run_tests([
    a_sound_history_is_verified,
    a_cut_is_a_torn_tail_and_no_damage,
    a_flipped_bit_is_found_and_nothing_false_is_shown,
    candles_of_a_damaged_history_are_written_with_a_word,
    damage_behind_the_last_snapshot_is_told_for_every_table,
    nothing_readable_is_damage_too,
    every_command_ends_alike_where_nothing_is_readable,
    segments_that_cannot_be_opened_are_left_out,
    segments_that_are_gone_are_told,
    empty_and_foreign_directories_have_no_data,
    empty_segments_are_no_damage,
    things_that_are_no_directory_are_refused,
    histories_of_others_are_refused,
    a_pipe_with_a_segment_s_name_does_not_hang,
    other_things_under_a_segment_s_name_are_left_alone,
    a_newer_format_is_not_guessed_at,
])

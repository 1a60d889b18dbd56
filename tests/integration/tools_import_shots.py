"""memhist import of directories with files per instant: JSON of one program, CSV of another."""

import csv
import io
import json
import os
import shutil

import export_lib
import tools_lib as lib
from tools_lib import memhist, refuses, row

README = {  # the example of its manual
    "timestamp": "2025-06-04T12:34:56+09:00", "hostname": "server01",
    "items": [{"pid": 1234, "cmd": "python main.py", "rss": 102400, "group": "python"}],
    "total_mb": 1024.5, "total_gb": 1.0, "total_tb": 0.001,
}
UNKNOWN = 2**32 - 1


def need_json():
    write("memory_0.json", README)
    if "built without the library" in take("probe", status=None).err:
        raise lib.Skip("memhist was built without json-c")
    shutil.rmtree("probe")
    shutil.rmtree("in")


def write(name, content):
    os.makedirs("in", exist_ok=True)
    if not isinstance(content, (str, bytes)):
        content = json.dumps(content, ensure_ascii=False)
    with open("in/" + name, "wb") as file:
        file.write(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)


def take(history="h", *args, source="in", **options):
    return memhist("import", "--history", history, *args, source, **options)


def shot(minute, *items, seconds="", zone="+00:00", **more):
    """{…} of an instant; items are (pid, rss, cmd[, group])."""
    return {"timestamp": f"2026-06-01T12:{minute:02}:00{seconds}{zone}", "hostname": "box",
            "items": [dict(zip(("pid", "rss", "cmd", "group"), item)) for item in items], **more}


def dump(history="h", *args):
    return [json.loads(line) for line in memhist("dump", "--history", history, *args).text.splitlines()]


def samples(history="h"):
    """[(time, {(pid, twin): (rss in KiB, command)})]"""
    return [(s["time"][11:], {(p["pid"], p.get("twin", 0)): (p["rss_bytes"] // 1024, " ".join(p["cmdline"]))
                              for p in s["processes"]})
            for s in dump(history, "--full") if s["type"] == "snapshot"]


def the_example_of_its_manual_is_taken():
    need_json()
    write("memory_20250604_123456.json", json.dumps(README, indent=2))
    found = take()
    assert found.text.startswith("h: 1 snapshot, 1 process-sample,") and not found.err
    (snapshot,) = dump()
    assert snapshot["time"] == "2025-06-04T03:34:56.000Z"
    assert snapshot["born"] == [{"pid": 1234, "start_ticks": 0, "ppid": 0, "uid": UNKNOWN,
                                 "comm": "python", "cmdline": ["python main.py"],
                                 "rss_bytes": 102400 * 1024}]
    assert json.loads(memhist("status", "--history", "h", "--json").text)["host"] == "server01"
    # one file by itself, whatever it is called
    os.rename("in/memory_20250604_123456.json", "in/x")
    assert take("one", source="in/x").text.startswith("one: 1 snapshot")


def nobody_in_a_snapshot_is_no_mistake():
    need_json()
    write("memory_1.json", shot(0))
    write("memory_2.json", shot(1))
    assert take().text.startswith("h: 2 snapshots, 0 process-samples,")
    for table in ["--long"], []:
        text = lib.candles("--history", "h", *table).text
        assert text.startswith("time") and "1" not in text.split("\n")[0], text
    memhist("seal", "--history", "h")
    assert samples() == [("12:00:00.000Z", {}), ("12:01:00.000Z", {})], samples()


def who_is_who_without_start_times():
    need_json()
    a, b = (7, 10, "python a.py", "python"), (7, 20, "python b.py", "python")
    other = (8, 1, "x")
    write("memory_1.json", shot(0, a, other))
    write("memory_2.json", shot(1, b, other))   # another command: another process
    write("memory_3.json", shot(2, other))      # not among the largest
    write("memory_4.json", shot(3, b, other))   # back with its command: the same
    write("memory_5.json", shot(4, a, other))
    take()
    assert [s for _, s in samples()] == [
        {(7, 0): (10, "python a.py"), (8, 0): (1, "x")},
        {(7, 1): (20, "python b.py"), (8, 0): (1, "x")},
        {(8, 0): (1, "x")},
        {(7, 1): (20, "python b.py"), (8, 0): (1, "x")},
        {(7, 2): (10, "python a.py"), (8, 0): (1, "x")},
    ]
    before = samples()
    memhist("seal", "--history", "h")
    assert samples() == before
    labels = lib.candles("-i", "1h", "--long", history="h")
    assert sorted({r[1] for r in labels.rows[1:]}) == ["7", "7(2)", "7(3)", "8"]


def times_order_not_names():
    need_json()
    write("memory_b.json", shot(0, (1, 10, "x"), zone="+00:00"))
    write("memory_a.json", shot(31, (1, 20, "x"), zone="+00:30"))
    write("memory_c.json", shot(0, (1, 30, "x"), seconds=".250", zone="Z"))
    write("memory_d.json", shot(0, (1, 40, "x"), seconds=".500000", zone=""))
    write("notes.txt", "of somebody")
    take("h", "--utc")
    assert [(t, s[1, 0][0]) for t, s in samples()] == \
        [("12:00:00.000Z", 10), ("12:00:00.250Z", 30), ("12:00:00.500Z", 40), ("12:01:00.000Z", 20)]
    memhist("import", "--history", "local", "in", tz="Asia/Tokyo")
    assert [t for t, _ in samples("local")][0] == "03:00:00.500Z"


def gaps_are_recognised():
    need_json()
    for minute in 0, 1, 2, 20, 21:
        write(f"memory_{minute:02}.json", shot(minute, (1, 10, "x")))
    take()
    assert [(g["kind"], g["since"][11:16], g["until"][11:16]) for g in dump() if g["type"] == "gap"] \
        == [("stopped", "12:02", "12:20")]


def names_survive():
    need_json()
    names = [n for n in export_lib.NASTY if n]
    write("memory_1.json", shot(0, *[(i + 1, i, n) for i, n in enumerate(names)],
                                (900, 0, "[kthreadd]"), (901, 1, "nginx: worker process"),
                                (902, 1, "/usr/sbin/cron -f"), (903, 1, "short", "group/of it")))
    take()
    (snapshot,) = dump("h", "--full")
    found = {p["pid"]: p for p in snapshot["processes"]}
    assert [found[i + 1]["cmdline"] for i in range(len(names))] == [[n] for n in names]
    assert found[900]["comm"] == "kthreadd" and found[900]["cmdline"] == []
    assert [found[p]["comm"] for p in (901, 902, 903)] == ["nginx", "cron", "group/of it"]


def broken_files_are_left_out_and_said():
    need_json()
    whole = json.dumps(shot(9, (1, 10, "x")))
    bad = {
        "cut": (whole[:-20], "is cut short"), "empty": ("", "is cut short"),
        "zeros": (b"\0" * 100, "is no JSON"), "list": ("[1]", "is no JSON object"),
        "two": (whole + whole, "is no JSON"), "comma": (whole[:-1] + ",}", "is no JSON"),
        "deep": ("[" * 100 + "]" * 100, "is no JSON"), "time": ("{}", "no timestamp"),
        "word": (json.dumps({"timestamp": "now", "items": []}), "no timestamp"),
        "date": (json.dumps({"timestamp": "2026-02-30T00:00:00Z", "items": []}), "no timestamp"),
        "year": (json.dumps({"timestamp": "2999-01-01T00:00:00Z", "items": []}), "1970 to 2262"),
        "items": (json.dumps({"timestamp": "2026-06-01T12:30:00Z"}), "no items"),
        "twice": (shot(30, (1, 1, "x"), (1, 2, "y")), "pid 1 twice"),
        "pid": (shot(31, (0, 1, "x")), "item 1: its pid"), "pid2": (shot(31, ("1", 1, "x")), "its pid"),
        "rss": (shot(31, (5, 1, "x"), (1, -1, "x")), "item 2: its rss"),
        "rss2": (shot(31, (1, 1e300, "x")), "its rss"), "cmd": (shot(31, (1, 1)), "no cmd"),
        "same": (shot(1, (1, 99, "x")), "same time"),
        "many": ("[" + "0," * 4100000 + "0]", "more than 4000000 values"),
        "large": (b" " * (17 << 20), "larger than 16 MiB"),
    }
    for minute in 0, 1:
        write(f"memory_{minute}.json", shot(minute, (1, 10 + minute, "x")))
    for i, (name, (content, words)) in enumerate(bad.items()):
        write(f"memory_{name}.json", content)
        found = take(name, status=lib.PARTIAL)
        refuses_one(found, words, "left out")
        assert [s for _, s in samples(name)] == [{(1, 0): (10, "x")}, {(1, 0): (11, "x")}]
        os.unlink(f"in/memory_{name}.json")
    for i in range(9):
        write(f"memory_bad{i}.json", whole[:-20])
    found = take("several", status=lib.PARTIAL)
    assert found.err.count("left out") == 6 and "4 more files are left out" in found.err
    shutil.rmtree("in")
    write("memory_bad.json", whole[:-20])
    found = take("none", status=lib.NO_DATA)
    assert "nothing that can be read" in found.err and not os.path.exists("none")


def refuses_one(found, *words):
    assert found.err.count("\n") == 1, found.err
    for word in words:
        assert word in found.err, (word, found.err)


def machines_are_not_mixed():
    need_json()
    write("memory_1.json", shot(0, (1, 10, "x")))
    write("memory_2.json", shot(1, (1, 10, "x")) | {"hostname": "other\x1b"})
    found = take(status=lib.OTHER)
    refuses(found, "other", "box", "--host")
    assert "\x1b" not in found.err
    assert not os.path.exists("h")
    take("h", "--host", "both")
    assert json.loads(memhist("status", "--history", "h", "--json").text)["host"] == "both"


def what_was_exported_is_taken_back():
    need_json()
    lib.record(sorted([row(s, p, 100 * p + s, f"p{p}", f"p{p} --run {s // 2}") for s in range(4)
                       for p in (7, 8, 9)] + [row(s, 2, 0, "kthreadd", "") for s in range(4)]),
               "history", "--host", "server01")
    memhist("export", "--history", "history", "--format", "json", "-o", "in", tz="Asia/Tokyo")
    take()
    assert [(t, sorted(s.values())) for t, s in samples()] == \
        [(t, sorted(s.values())) for t, s in samples("history")]
    memhist("export", "--history", "h", "--format", "json", "-o", "again", tz="Asia/Tokyo")
    assert sorted(os.listdir("again")) == sorted(os.listdir("in"))
    for name in os.listdir("in"):
        with open("in/" + name, "rb") as a, open("again/" + name, "rb") as b:
            assert a.read() == b.read()


def snapshots_of_one_second_are_taken_back():
    need_json()
    seconds = [0.004, 0.996, 2.003, 3.001, 3.4, 3.999, 5]
    lib.record([row(s, 7, 100 + i, "x", "x") for i, s in enumerate(seconds)], "history", "--interval", "1s")
    memhist("export", "--history", "history", "--format", "json", "-o", "in", "--utc")
    assert sorted(os.listdir("in")) == ["memory_20260601_1200" + s + ".json" for s in
                                        ("00", "00_996", "02", "03", "03_400", "03_999", "05")]
    assert not take().err
    assert samples() == [(f"12:00:0{s}Z", {(7, 0): (100 + i, "x")}) for i, s in enumerate(
        ("0.000", "0.996", "2.000", "3.000", "3.400", "3.999", "5.000"))]


# --- CSV per instant ---------------------------------------------------------------------------


def table(header, *rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header.split(","))
    writer.writerows(rows)
    return text.getvalue()


PROCESSES = "PID,PPID,USER,RSS_MB,VSZ_MB,CMD"
MEMINFO = "MemTotal_MB,MemFree_MB,MemAvailable_MB,HugePages_Free"


def processes_and_meminfo_come_together():
    for minute, second in (0, 0), (10, 3):
        write(f"process_mem_20260601_12{minute:02}00.csv", table(
            PROCESSES, [1, 0, "root", 12.34, 167.5, "/sbin/init splash"],
            [20, 1, "1000", 0.02 + minute, 1e3, 'say "hi", twice'], [21, 2, "alice", 0, 0, "[kworker/0:1]"]))
        write(f"sys_mem_20260601_12{minute:02}{second:02}.csv",
              table(MEMINFO, [15987.32, 100, 1234.5, minute]))
    found = memhist("import", "--history", "h", "in", tz="Asia/Tokyo")
    assert found.text.startswith("h: 2 snapshots, 6 process-samples,") and not found.err
    first, second = [s for s in dump("h", "--full") if s["type"] == "snapshot"]
    assert first["time"] == "2026-06-01T03:00:00.000Z" and second["time"][11:16] == "03:10"
    assert first["meminfo"] == {"MemTotal_kib": round(15987.32 * 1024), "MemFree_kib": 102400,
                                "MemAvailable_kib": round(1234.5 * 1024), "HugePages_Free": 0}
    assert second["meminfo"]["HugePages_Free"] == 10
    assert first["processes"] == [
        {"pid": 1, "start_ticks": 0, "ppid": 0, "uid": 0, "comm": "init",
         "cmdline": ["/sbin/init splash"], "rss_bytes": round(12.34 * 1024) * 1024,
         "vsz_bytes": round(167.5 * 1024) * 1024},
        {"pid": 20, "start_ticks": 0, "ppid": 1, "uid": 1000, "comm": "say",
         "cmdline": ['say "hi", twice'], "rss_bytes": 20 * 1024, "vsz_bytes": 1024000 * 1024},
        {"pid": 21, "start_ticks": 0, "ppid": 2, "uid": UNKNOWN, "comm": "kworker/0:1", "cmdline": [],
         "rss_bytes": 0, "vsz_bytes": 0},
    ]
    assert not [g for g in dump() if g["type"] == "gap"]


def one_kind_may_be_missing():
    write("sys_mem_20260601_120000.csv", table(MEMINFO, [1, 2, 3, 4]))
    write("sys_mem_20260601_121000.csv", table(MEMINFO, [5, 6, 7, 8]))
    take("system")
    assert [s["meminfo"]["HugePages_Free"] for s in dump("system", "--full")] == [4, 8]
    write("process_mem_20260601_121000.csv", table(PROCESSES, [1, 0, "root", 1, 2, "x"]))
    write("process_mem_20260601_122000.csv", table(PROCESSES, [1, 0, "root", 3, 4, "x"]))
    found = take("both", status=lib.PARTIAL)
    refuses_one(found, "sys_mem_20260601_120000.csv", "no instant", "left out")
    assert [("meminfo" in s, s["live"]) for s in dump("both", "--full")] == [(True, 1), (False, 1)]


def broken_tables_are_left_out_and_said():
    good = table(PROCESSES, [1, 0, "root", 1, 2, "x"])
    for minute in 0, 10:
        write(f"process_mem_20260601_12{minute:02}00.csv", good)
    for i, (name, content, words) in enumerate([
        ("process_mem_20260601_122000.csv", good[:-9], "fields"),
        ("process_mem_20260601_122000.csv", "", "empty"),
        ("process_mem_20260601_122000.csv", good.replace("PID", "ID", 1), "no column PID"),
        ("process_mem_20260601_122000.csv", good.replace("root,1", "root,-1"), "RSS_MB"),
        ("process_mem_20260601_122000.csv", good.replace("root,1", "root,1e99"), "RSS_MB"),
        ("process_mem_20260601_122000.csv", good.replace("root,1", "root,nan"), "RSS_MB"),
        ("process_mem_20260601_122000.csv", good.replace("1,0", "x,0"), "PID"),
        ("process_mem_20260601_122000.csv", good + good.split("\r\n")[1] + "\r\n", "pid 1 twice"),
        ("process_mem_20261301_122000.csv", good, "no time"),
        ("process_mem_.csv", good, "no time"),
        ("sys_mem_20260601_121000.csv", table(MEMINFO, [1, 2, 3, "x"]), "HugePages_Free"),
        ("sys_mem_20260601_121000.csv", table("A B_MB", [1]), "column 1"),
        ("sys_mem_20260601_121000.csv", MEMINFO + "\n", "no line"),
    ]):
        write(name, content)
        found = take(f"h{i}", status=lib.PARTIAL)
        refuses_one(found, words, "left out")
        os.unlink("in/" + name)


def what_a_source_is_shows_itself():
    os.mkdir("in")
    refuses(take(status=lib.OTHER), "neither memory_*.json nor process_mem_*.csv")
    write("process_mem_20260601_120000.csv", table(PROCESSES, [1, 0, "root", 1, 2, "x"]))
    assert take("one", source="in/process_mem_20260601_120000.csv").text.startswith("one: 1 snap")
    write("memory_1.json", README)
    refuses(take(status=lib.OTHER), "two kinds", "--from json")
    assert take("forced", "--from", "inspector").text.startswith("forced: 1 snap")
    refuses(take(source="nowhere", status=lib.OTHER), "nowhere")
    write("x", lib.csv_bytes([row(0, 1, 4)]))
    write("y", lib.csv_bytes([row(0, 1, 4)]).replace(b",", b"\t"))
    for name in "xy":
        assert take(name, source="in/" + name).text.startswith(f"{name}: 1 snap")
    refuses(take("z", "--from", "inspector", source="in/x", status=lib.OTHER), "not called process_mem")
    assert "header lacks" in take("z", "--from", "tsv", source="in/x", status=lib.OTHER).err
    refuses(take("z", "--from", "csv", status=lib.OTHER), "regular file")


lib.run_tests([
    the_example_of_its_manual_is_taken,
    nobody_in_a_snapshot_is_no_mistake,
    who_is_who_without_start_times,
    times_order_not_names,
    gaps_are_recognised,
    names_survive,
    broken_files_are_left_out_and_said,
    machines_are_not_mixed,
    what_was_exported_is_taken_back,
    snapshots_of_one_second_are_taken_back,
    processes_and_meminfo_come_together,
    one_kind_may_be_missing,
    broken_tables_are_left_out_and_said,
    what_a_source_is_shows_itself,
])

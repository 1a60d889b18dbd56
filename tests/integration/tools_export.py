"""memhist export: CSV, TSV, JSON files, SQLite; that all of a history is in them, and all or nothing."""

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import time

import export_lib
import tools_lib as lib
from export_lib import COLUMNS, NASTY, dump, everything, export, read_csv, record, sorted_rows
from tools_lib import memhist, refuses, row


def csv_is_what_was_recorded():
    recording = everything()
    record(recording)
    text = export("csv").out.decode()
    assert text.startswith(",".join(COLUMNS) + "\n")
    assert sorted_rows(read_csv(text)) == sorted_rows(recording.cells())
    text = export("csv", "--formulas").out.decode()
    assert sorted_rows(read_csv(text)) == sorted_rows(recording.cells(formulas=True))


def small():
    r = export_lib.Recording()
    for name in "python main.py", "=1+1":
        r.process(1234, 102400, starttime=777, comm="python", cmdline=name, exe="/usr/bin/python3",
                  cgroup="/user.slice", uid=1000)
        r.process(7, 64, comm="kworker/0:1", cmdline="")
        r.next()
    r.next(30)
    r.add("gap", "stopped", r.ms - 31000)
    r.process(1234, 0, "ended", starttime=777, comm="python", cmdline="=1+1", exe="/usr/bin/python3",
              cgroup="/user.slice", uid=1000, hwm_kb=204800)
    r.process(7, 64, comm="kworker/0:1", cmdline="")
    record(r)


def whole_outputs_are_as_they_were():
    """Byte for byte: other programs read them."""
    small()
    for form in "csv", "tsv", "openmetrics":
        golden(f"export.{form}", export(form).out)
    export("json", "-o", "out")
    with open("out/memory_20260601_120001.json", "rb") as file:
        golden("export.json", file.read())
    rows = database().execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
    golden("export.sql", "".join(sql + ";\n" for sql, in rows).encode())


def golden(name, content):
    with open(os.path.join(lib.GOLDEN, name), "rb") as file:
        assert content == file.read(), name


def exports_are_read_back():
    record(everything())
    for form in "csv", "tsv":
        for more in [], ["--formulas"]:
            text = export(form, *more).out
            memhist("import", "--history", "back", "-", stdin=text)
            assert dump("back") == dump()
            assert export("csv", history="back").out == export("csv").out
            subprocess.run(["rm", "-r", "back"], check=True)


def tsv_keeps_every_byte():
    names = [bytes([b]) for b in range(1, 256)] + [b"\xff\xfe", b"\\x41", b"\\n", b"a\\"]
    record_bytes = [row(0, i + 1, 4, "a", name.decode("utf-8", "surrogateescape"))
                    for i, name in enumerate(names)]
    lib.record(record_bytes)
    text = export("tsv").out
    assert {b for b in text if b < 32 or b == 127} == set(b"\t\n")
    memhist("import", "--history", "back", "-", stdin=text)
    assert export("tsv", history="back").out == text
    lines = text.decode().split("\n")
    assert len(lines) == len(names) + 2
    assert "\\xff\\xfe" in lines[256] and "\\\\x41" in lines[257]
    # CSV cannot, but is text for everybody
    rows = read_csv(export("csv").out.decode())
    assert rows[254]["cmdline"] == "\ufffd" and rows[ord("a") - 1]["cmdline"] == "a"


def a_stretch_and_a_choice_of_processes():
    record(everything())
    rows = read_csv(export("csv", "--pid", "1,3", "--pid", "5", "--since", "2026-06-01 12:00:02",
                           "--until", "2026-06-01 12:00:04").out.decode())
    assert [(r["ts_ms"], r["pid"]) for r in rows] == \
        [(str(lib.BASE_MS + 1000 * s), p) for s in (2, 3) for p in ("1", "3", "5")]
    # a name that came later: from then on
    rows = read_csv(export("csv", "--match", "other").out.decode())
    assert {r["cmdline"] for r in rows if r["kind"] == "sample"} == {f"other {p}" for p in range(1, 5)}
    rows = read_csv(export("csv", "--match", "/^run [23]$/").out.decode())
    assert {r["pid"] for r in rows if r["kind"] == "sample"} == {"2", "3"}
    assert {r["cmdline"] for r in rows if r["pid"]} == {"run 2", "run 3", "other 2", "other 3"}
    rows = read_csv(export("csv", "--match", "true").out.decode())
    assert [r["kind"] for r in rows] == ["brief", "gap", "gap", "gap"]
    rows = read_csv(export("csv", "--field", "rss,anon", "--pid", "1").out.decode())
    assert list(rows[0])[14:-2] == ["rss_kb", "anon_kb"]
    assert int(rows[0]["anon_kb"]) == 1000 - 500 - 250
    refuses(export("csv", "--last", "1h", status=lib.NO_DATA), "no snapshot since")
    refuses(export("csv", "--match", "nobody", status=lib.NO_DATA), "no process", "matches --match")
    refuses(export("csv", "--pid", "7777", "-o", "none.csv", status=lib.NO_DATA), "had a pid of --pid")
    refuses(export("csv", "--pid", "1", "--match", "run 2", status=lib.NO_DATA), "--pid", "--match")
    assert not os.path.exists("none.csv")


def the_command_line_is_checked():
    lib.record([row(0, 1, 4)])
    usage = lib.USAGE
    refuses(memhist("export", "--history", "history", status=usage), "--format FORMAT is missing")
    refuses(export("cvs", status=usage), "did you mean “csv”")
    refuses(export("json", status=usage), "--format json needs --output")
    refuses(export("sqlite", status=usage), "--")
    refuses(export("csv", "--field", "rss,foo", status=usage), "foo")
    refuses(export("csv", "--field", "rss,", status=usage), "--field")
    refuses(export("csv", "--pid", "x", status=usage), "x")
    refuses(export("csv", "--pid", "", status=usage), "--pid")
    refuses(export("csv", "--match", "/(/", status=usage), "--match")
    refuses(export("csv", "--last", "soon", status=usage), "--last", "soon")
    refuses(export("csv", "--last", "1h", "--since", "now", status=usage), "use one of them")
    refuses(export("csv", "-o", "history/x.csv", status=usage), "inside the history")
    refuses(export("json", "-o", "history/x", status=usage), "inside the history")
    refuses(export("json", "-o", "-", status=lib.OTHER), "standard output", "no directory")
    refuses(export("csv", "-o", "new/", status=lib.OTHER), "new/", "slash")
    assert os.listdir(".") == ["history"] and len(os.listdir("history")) == 2
    refuses(memhist("export", "--format", "csv", "--history", "nowhere", status=lib.OTHER), "nowhere")


def json_is_as_its_own_reader_expects():
    rows = [row(s, p, 100 * p + s, f"p{p}", f"p{p} --run \"{p}\"\t") for s in range(3) for p in (7, 8, 9)]
    rows += [row(s, 2, 0, "kthreadd", "") for s in range(3)]
    lib.record(sorted(rows), "history", "--host", "server01")
    memhist("export", "--history", "history", "--format", "json", "-o", "out", tz="Asia/Tokyo")
    assert sorted(os.listdir("out")) == [f"memory_20260601_2100{s:02}.json" for s in range(3)]
    with open("out/memory_20260601_210001.json", encoding="utf-8") as file:
        found = json.load(file)
    total = 701 + 801 + 901
    assert found == {
        "timestamp": "2026-06-01T21:00:01+09:00",
        "hostname": "server01",
        "items": [{"pid": p, "cmd": f"p{p} --run \"{p}\"\t", "rss": 100 * p + 1, "group": f"p{p}"}
                  for p in (9, 8, 7)]
        + [{"pid": 2, "cmd": "[kthreadd]", "rss": 0, "group": "kthreadd"}],
        "total_mb": round(total / 1024, 1), "total_gb": 0.0, "total_tb": 0.0,
    }
    refuses(export("json", "-o", "out", status=lib.OTHER), "out is not empty")
    # half seconds, and west of Greenwich
    lib.record([row(s / 2, 1, 4 << 30) for s in range(3)], "halves")
    memhist("export", "--history", "halves", "--format", "json", "-o", "two", tz="America/St_Johns")
    assert sorted(os.listdir("two")) == [f"memory_20260601_093000_{m}.json" for m in ("000", "500")] + \
        ["memory_20260601_093001_000.json"]
    with open("two/memory_20260601_093000_500.json", encoding="utf-8") as file:
        found = json.load(file)
    assert found["timestamp"] == "2026-06-01T09:30:00.500-02:30"
    assert (found["total_mb"], found["total_gb"], found["total_tb"]) == (4194304.0, 4096.0, 4.0)


def json_survives_all_names():
    record(everything())
    export("json", "-o", "out")
    names = set()
    for name in os.listdir("out"):
        with open("out/" + name, encoding="utf-8") as file:
            names |= {item["cmd"] for item in json.load(file)["items"]}
    assert names >= set(NASTY) - {""} | {"[]"}, set(NASTY) - names


def database(path="out.db"):
    if "not part of this memhist" in export("sqlite", "-o", path, status=None).err:
        raise lib.Skip("memhist was built without SQLite")
    assert sorted(name for name in os.listdir(".") if name.startswith(path)) == [path]
    # as for a file that nobody may write: no journal, no log, nothing beside it
    return sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)


def sqlite_has_everything():
    recording = everything()
    record(recording)
    db = database()
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    names = [f"{n[:-3]}_bytes" if n.endswith("_kb") else n for n in export_lib.FIELDS]
    found = db.execute(
        f"SELECT wall_ms, boot_id, boot_ns, pid, start_ticks, twin, ppid, uid, comm, command, "
        f"coalesce(exe, ''), coalesce(cgroup, ''), {', '.join(names)} FROM sample "
        f"JOIN snapshot USING (snapshot) JOIN process ON process.process = sample.process "
        f"JOIN boot ON boot.boot = process.boot JOIN name ON name.name = sample.name").fetchall()

    def number(r, name):
        if r[name] == "":
            return None
        return int(r[name]) * (1024 if name.endswith("_kb") else 1)

    expected = [(int(r["ts_ms"]), r["boot_id"], int(r["boot_ns"]), int(r["pid"]),
                 int(r["starttime"]), int(r["twin"]), int(r["ppid"]), int(r["uid"]), r["comm"],
                 r["cmdline"], r["exe"], r["cgroup"], *[number(r, n) for n in export_lib.FIELDS])
                for r in recording.rows if r["kind"] == "sample"]
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert db.execute("SELECT kind, since_ms, wall_ms FROM gap JOIN snapshot USING (snapshot) "
                      "ORDER BY snapshot").fetchall() == [(r["gap"], int(r["gap_since_ms"]), int(r["ts_ms"]))
                                       for r in recording.rows if r["kind"] == "gap"]
    assert db.execute("SELECT pid, twin, last_hwm_bytes FROM process WHERE brief ORDER BY 2"
                      ).fetchall() == [(77, 0, 512 * 1024), (77, 1, None)]
    assert db.execute("SELECT pid, last_hwm_bytes, last_peak_bytes, ended_snapshot FROM process "
                      "WHERE ended_snapshot AND NOT brief AND last_hwm_bytes = 9999 * 1024"
                      ).fetchall() == [(5, 9999 * 1024, 99999 * 1024, 7)]


def sqlite_has_views_for_people():
    record(everything())
    db = database()
    found = db.execute("SELECT time_utc, comm, command, rss_mib, swap_mib, threads FROM v_sample "
                       "WHERE pid = 4 AND snapshot = 1").fetchall()
    assert found == [("2026-06-01 12:00:00.000", "p4", "run 4", round(4000 / 1024, 3),
                      round(4 / 1024, 3), 5)]
    labels = db.execute("SELECT label, command, host FROM v_process WHERE pid = 5 ORDER BY process"
                        ).fetchall()
    assert labels == [("5", "run 5", "box"), ("5(2)", "a -b", "box"), ("5(3)", "'=x", "box")]
    assert db.execute("SELECT kind, seconds FROM v_gap ORDER BY snapshot").fetchall() == \
        [("stopped", 30.0 + 1), ("clock step", -3600.0), ("reboot", 7200.0)]
    plan = db.execute("EXPLAIN QUERY PLAN SELECT snapshot, rss_bytes FROM sample "
                      "WHERE process = 3 ORDER BY snapshot").fetchall()
    assert "sample_of_process" in repr(plan), plan


def outputs_appear_in_full_or_not_at_all():
    record(everything())
    before = os.listdir(".")
    with open("/dev/full", "w") as full:
        for form in "csv", "tsv", "openmetrics":
            refuses(export(form, status=lib.OTHER, stdout=full), "No space left")
    for form in "csv", "tsv", "openmetrics":
        refuses(export(form, "-o", "/dev/full", status=lib.OTHER), "/dev/full", "No space left")
        refuses(export(form, "-o", ".", status=lib.OTHER), "is a directory")
        refuses(export(form, "-o", "no/where", status=lib.OTHER), "no/where")
        refuses(export(form, "--since", "2027-01-01", "-o", "x", status=lib.NO_DATA), "2027")
    if export("sqlite", "-o", "probe", status=None).status == lib.OK:
        os.unlink("probe")
        for target in "/dev/full", "-":
            refuses(export("sqlite", "-o", target, status=lib.OTHER), "cannot hold a database")
        refuses(export("sqlite", "--since", "2027-01-01", "-o", "x", status=lib.NO_DATA), "2027")
    refuses(export("json", "--since", "2027-01-01", "-o", "x", status=lib.NO_DATA), "2027")
    refuses(export("json", "-o", "no/where", status=lib.OTHER), "no/where")
    assert os.listdir(".") == before


def a_full_disk_is_one_sentence():
    """A limit on the size of files instead of a disk."""
    lib.record([row(s, p, 4, cmdline="x" * 200) for s in range(100) for p in range(1, 40)])
    before = os.listdir(".")

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))

    for form in "csv", "openmetrics", "sqlite":
        found = export(form, "-o", "out", status=None, preexec_fn=limit)
        if "not part of this memhist" not in found.err:
            assert found.status == lib.OTHER, found.err
            refuses(found, "out", "File too large")
    assert os.listdir(".") == before


def a_signal_leaves_nothing():
    """While it waits for somebody to read the pipe, or in the middle of a database."""
    lib.record([row(s, p, 4, cmdline="x" * 200) for s in range(300) for p in range(1, 40)])
    before = os.listdir(".")
    for form, more in ("csv", []), ("openmetrics", []), ("json", ["-o", "out"]), ("sqlite", ["-o", "out"]):
        process = subprocess.Popen(
            [os.path.join(lib.BUILD, "memhist"), "export", "--history", "history", "--format", form,
             *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            if more:
                # until there is something, be it for a moment
                end = time.monotonic() + 60
                while process.poll() is None and time.monotonic() < end and \
                        os.listdir(".") == before:
                    time.sleep(0.0005)
            else:
                assert process.stdout.read(4096)
            process.send_signal(signal.SIGINT)
            process.stdout.close()
            status = process.wait(timeout=60)
            # it may just have been done
            assert status in (-signal.SIGINT, lib.OK) or \
                "not part of" in process.stderr.read().decode(), status
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
        # nothing, or, when it was done already, all of it
        assert set(os.listdir(".")) - set(before) <= {"out"}, os.listdir(".")
        if os.path.isdir("out"):
            assert len(os.listdir("out")) == 300
            shutil.rmtree("out")
        elif os.path.exists("out"):
            with sqlite3.connect("out") as db:
                assert db.execute("SELECT count(*) FROM sample").fetchone() == (300 * 39,)
            db.close()
            os.unlink("out")


def damaged_histories_are_exported_as_far_as_they_go():
    rows = [row(30 * s, p, 1000 * p + s) for s in range(200) for p in range(1, 8)]
    lib.record(rows)
    whole = read_csv(export("csv").out.decode())
    name = sorted(n for n in os.listdir("history") if n.endswith(".open"))[0]
    with open("history/" + name, "r+b") as file:
        file.seek(3000)
        file.write(b"\xff" * 100)
    for form, more in ("csv", []), ("openmetrics", []), ("json", ["-o", "out"]):
        found = export(form, *more, status=lib.DAMAGED)
        assert "damaged in 1 place " in found.err and "verify" in found.err
    found = export("csv", status=lib.DAMAGED)
    rest = read_csv(found.out.decode())
    gaps = [r for r in rest if r["kind"] == "gap"]
    assert [r["gap"] for r in gaps] == ["damage"]
    kept = [tuple(r.values()) for r in rest if r["kind"] == "sample"]
    assert 0 < len(kept) < len(whole) and set(kept) < {tuple(r.values()) for r in whole}
    memhist("import", "--history", "back", "-", stdin=found.out)
    assert [s for s in dump("back") if s["type"] == "gap"][0]["kind"] == "stopped"


def a_closed_pipe_ends_it_quietly():
    lib.record([row(s, p, 4, cmdline="x" * 200) for s in range(300) for p in range(1, 40)])
    for form in "csv", "openmetrics":
        process = subprocess.Popen(
            [os.path.join(lib.BUILD, "memhist"), "export", "--history", "history", "--format", form],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout.read(100)
        process.stdout.close()
        assert process.wait(timeout=60) == lib.OK and not process.stderr.read()
        process.stderr.close()


lib.run_tests([
    csv_is_what_was_recorded,
    whole_outputs_are_as_they_were,
    exports_are_read_back,
    tsv_keeps_every_byte,
    a_stretch_and_a_choice_of_processes,
    the_command_line_is_checked,
    json_is_as_its_own_reader_expects,
    json_survives_all_names,
    sqlite_has_everything,
    sqlite_has_views_for_people,
    outputs_appear_in_full_or_not_at_all,
    a_full_disk_is_one_sentence,
    a_signal_leaves_nothing,
    damaged_histories_are_exported_as_far_as_they_go,
    a_closed_pipe_ends_it_quietly,
])

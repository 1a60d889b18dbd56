"""Thousands of processes that live for a moment, recorded by a real exporter while the history is
verified, and sealed."""

import subprocess

import export_lib
import tools_lib as lib
from exporter_lib import Exporter, run_tests, single
from tools_lib import memhist, names

STORMS, LEAST = 2, 1500
# Forks as fast as it can and says so now and then; ends when nobody listens any more.
STORM = "n=0; while :; do (:); n=$((n + 1)); [ $((n % 100)) = 0 ] && echo $n; done"


def sound(history="history"):
    text = memhist("verify", "--history", history).text
    assert "damage           none" in text and "missing" not in text and "torn" not in text, text


def nobody_is_there_twice():
    """No pid is that of two who live, and who has ended does not come back; how many lived between
    two snapshots."""
    alive, before, ended, brief = {}, {}, set(), 0
    instant = None
    for cells in export_lib.read_csv(export_lib.export("csv").text):
        if cells["kind"] == "gap":
            continue
        who = cells["pid"], cells["starttime"], cells["twin"]
        if cells["boot_ns"] != instant:
            instant, before, alive = cells["boot_ns"], alive, {}
        if cells["kind"] == "sample":
            assert cells["pid"] not in alive and who not in ended, cells
            alive[cells["pid"]] = who
        else:
            assert who not in ended, cells
            ended.add(who)
            brief += cells["kind"] == "brief"
            assert cells["kind"] == "ended" or who != before.get(cells["pid"]), cells
    return brief


def a_storm_of_forks_leaves_no_damage():
    with Exporter("--interval=100ms", "--history.dir=history") as exporter:
        storms = [subprocess.Popen(["sh", "-c", STORM], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL) for _ in range(STORMS)]
        try:
            exporter.next_sample()
            for _ in range(4):
                sound()
            for storm in storms:
                while int(storm.stdout.readline()) < LEAST:
                    pass
            exporter.next_sample()
            sound()
        finally:
            for storm in storms:
                storm.kill()
                storm.wait()
                storm.stdout.close()
        page = exporter.next_sample()
        exits = single(page, "memhist_sampler_exits_total", 0)
        assert single(page, "memhist_history_write_errors_total") == 0
        assert exporter.end() == 0
    sound()
    brief = nobody_is_there_twice()
    # where the kernel reports them, they are in the history
    assert brief or not exits, exits
    before = lib.everything()
    memhist("seal", "--history", "history")
    assert not names(".open")
    sound()
    assert lib.everything() == before


run_tests([
    a_storm_of_forks_leaves_no_damage,
])

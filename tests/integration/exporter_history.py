"""memhist-exporter and the limits of its history: flags, what it says, a disk without space."""

import json
import os
import re
import shutil
import subprocess
import tempfile

from exporter_lib import EXPORTER, Exporter, run_tests, single, wait_for
from tools_lib import BUILD, Skip

MEMHIST = os.path.join(BUILD, "memhist")

# A file system of 8 MiB of which 6 are taken, that only the exporter sees.
SMALL_DISK = ["unshare", "-m", "sh", "-c",
              'mount -t tmpfs -o size=8m tmpfs "$0" && head -c 6M /dev/zero >"$0/others" && exec "$@"']


def usage_errors_name_the_flag():
    for flag, sentence in (("--history.max-size=12X", '--history.max-size: "12X" is no size'),
                           ("--history.max-size=100", "1 MiB at least"),
                           ("--history.max-age=1", '--history.max-age: "1" is no duration'),
                           ("--history.min-free=100%", "--history.min-free: \"100%\" is not within"),
                           ("--history.sync-interval=2h", "an hour at most")):
        done = subprocess.run([EXPORTER, flag], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and sentence in done.stderr, (flag, done)


def limits_are_said_and_shown():
    with tempfile.TemporaryDirectory(prefix="memhist-test-") as folder:
        history = os.path.join(folder, "history")
        with Exporter("--interval=100ms", f"--history.dir={history}", "--history.max-size=100M",
                      "--history.max-age=30d", "--history.min-free=none",
                      "--history.sync-interval=0") as exporter:
            assert f"writing history to {history}: at most 100.0 MiB, not older than 30 d\"" \
                in exporter.read_log(), exporter.read_log()
            page = exporter.next_sample()
            assert single(page, "memhist_history_size_limit_bytes") == 100 << 20
            assert single(page, "memhist_history_paused") == 0
            assert single(page, "memhist_history_min_free_bytes") == 0
            assert single(page, "memhist_history_free_bytes") > 0
            assert single(page, "memhist_history_sync_errors_total") == 0
            for reason in "size", "age", "free":
                key = ("memhist_history_deleted_segments_total", frozenset({("reason", reason)}))
                assert page[key] == 0
            # each snapshot comes to the disk at once
            written = single(page, "memhist_history_last_snapshot_timestamp_seconds")
            wait_for(lambda: dict(exporter.metrics()).get(
                ("memhist_history_synced_timestamp_seconds", frozenset()), 0) >= written,
                seconds=60, what="a sync")
            status = json.loads(subprocess.run(
                [MEMHIST, "status", "--history", history, "--json"], check=True,
                stdout=subprocess.PIPE, text=True).stdout)
            assert status["max_size_bytes"] == 100 << 20, status
            assert status["max_age_ms"] == 30 * 86400 * 1000 and not status["min_free_percent"]


def what_is_deleted_is_said():
    with tempfile.TemporaryDirectory(prefix="memhist-test-") as folder:
        history = os.path.join(folder, "history")
        os.mkdir(history, 0o750)
        for number in range(1, 11):  # 2.5 MiB that have the names of segments, an hour each
            name = f"{number:010}-20260101T{number:02}0000Z-01234567.open"
            with open(os.path.join(history, name), "wb") as file:
                file.write(bytes(256 << 10))
        with Exporter("--interval=100ms", f"--history.dir={history}", "--history.max-size=2M",
                      "--history.min-free=none", "--history.sealer=none") as exporter:
            wait_for(lambda: "deleted" in exporter.read_log(), seconds=60, what="the line")
            first = exporter.read_log().splitlines()
            first = [line for line in first if "deleted" in line][0]
            line = re.search(r'level=info msg="(\d+) segments were deleted, [\d.]+ [KM]iB, for '
                             r'max_size; the history begins at 2026-01-01 (\d\d):00:00 UTC"', first)
            assert line and int(line[1]) >= 3 and int(line[2]) == int(line[1]) + 1, first

            def all_is_said():
                gone = exporter.value("memhist_history_deleted_segments_total", reason="size")
                said = re.findall(r'msg="(\d+) segments? w', exporter.read_log())
                assert len(said) <= gone, (said, gone)
                return sum(map(int, said)) == gone > 0
            wait_for(all_is_said, seconds=60, what="lines that add up")
            assert single(exporter.next_sample(), "memhist_history_size_bytes") <= 2 << 20


def without_free_space_writing_pauses_and_resumes():
    if os.geteuid() or not shutil.which("unshare") or subprocess.run(
            ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/tmp"],
            stderr=subprocess.DEVNULL, check=False).returncode:
        raise Skip("it takes root, who may mount a file system")
    with tempfile.TemporaryDirectory(prefix="memhist-test-") as folder:
        with Exporter("--interval=100ms", f"--history.dir={folder}/history",
                      "--history.min-free=4M", before=[*SMALL_DISK, folder]) as exporter:
            page = exporter.next_sample()
            assert single(page, "memhist_history_paused") == 1
            assert single(page, "memhist_up") == 1
            for _ in range(5):
                page = exporter.next_sample()
            assert single(page, "memhist_history_snapshots_written_total") == 0
            said = "writing pauses until there is more space: 2.0 MiB are free"
            assert exporter.read_log().count(said) == 1, exporter.read_log()
            os.remove(f"/proc/{exporter.process.pid}/root{folder}/others")
            wait_for(lambda: "the history is written again" in exporter.read_log(), seconds=60,
                     what="it to go on")
            page = exporter.next_sample()
            assert single(page, "memhist_history_paused") == 0
            assert single(page, "memhist_history_snapshots_written_total") > 0
            assert exporter.read_log().count("writing pauses") == 1, exporter.read_log()


run_tests([
    usage_errors_name_the_flag,
    limits_are_said_and_shown,
    what_is_deleted_is_said,
    without_free_space_writing_pauses_and_resumes,
])

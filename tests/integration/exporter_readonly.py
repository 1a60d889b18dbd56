"""A history directory that nobody may enter any more, a file system that turns read-only: under a
running exporter."""

import os
import pwd
import re
import shutil
import subprocess

from exporter_lib import EXPORTER, Exporter, fake_proc, run_tests, single, wait_for
from tools_lib import OTHER, Skip, memhist

USER = "nobody"

# What looks like a file system error to ext4, which then takes no write any more.
TRIGGER = "/sys/fs/ext4/{}/trigger_fs_error"
MOUNT = 'mount -o "loop,$1" image "$0/mnt" && shift && exec "$@"'

# A process that changed its user may not be looked at by the leak detector of sanitizers.
os.environ["ASAN_OPTIONS"] = "detect_leaks=0"


def counter(page, name):
    return single(page, f"memhist_history_{name}_total")


def history_dump(path="history"):
    """The kinds of gaps, and how many snapshots there are."""
    text = memhist("dump", "--history", path).text
    return re.findall(r'"kind":"([^"]+)"', text), text.count('"type":"snapshot"')


def another_list_of_keys(n):
    """meminfo has a line more, so that a new segment begins."""
    with open("proc/meminfo.new", "w", encoding="ascii") as file:
        file.write("MemTotal: 1000 kB\nMemFree: 500 kB\n" + "".join(
            f"Key{i}: 1 kB\n" for i in range(n)))
    os.rename("proc/meminfo.new", "proc/meminfo")


def a_directory_that_nobody_may_enter():
    """What is open goes on; the next segment fails, and begins as soon as it can be made."""
    fake_proc()
    os.mkdir("history", 0o750)
    flags = ["--interval=100ms", "--history.dir=history", "--path.procfs=proc",
             "--history.max-size=1G", "--history.max-age=1d"]
    if os.geteuid() == 0:  # whom modes do not stop
        user = pwd.getpwnam(USER)
        os.chmod(".", 0o755)
        os.chown("history", user.pw_uid, user.pw_gid)
        flags.append(f"--user={USER}")
    with Exporter(*flags) as exporter:
        for attempt in 1, 2:
            exporter.next_sample()
            os.chmod("history", 0)
            page = exporter.next_sample()
            errors = counter(page, "write_errors")
            written = counter(page, "snapshots_written")
            later = exporter.next_sample()
            assert counter(later, "write_errors") == errors
            assert counter(later, "snapshots_written") > written

            another_list_of_keys(attempt)
            page = exporter.next_sample()
            for _ in range(4):
                page = exporter.next_sample()
                assert single(page, "memhist_up") == 1
            assert counter(page, "write_errors") > errors + 3
            said = exporter.read_log()
            assert said.count("history not written: cannot create ") == attempt, said

            os.chmod("history", 0o750)
            page = exporter.next_sample()
            errors = counter(page, "write_errors")
            assert counter(exporter.next_sample(), "write_errors") == errors  # at once again
            wait_for(lambda: exporter.read_log().count("the history is written again") == attempt,
                     what="a word on it")
        said = exporter.read_log()
        assert said.count("level=error") == 2 and said.count("level=warn") <= 2, said
        assert exporter.end() == 0
    text = memhist("verify", "--history", "history").text
    assert "damage           none" in text and "missing" not in text, text
    assert history_dump()[0] == ["write error"] * 2


def small_ext4():
    """An image that may be mounted, and may be told that it has an error; else the test is
    skipped."""
    for program in "unshare", "mke2fs", "fsck.ext4", "losetup":
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")
    with open("image", "wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "image"], check=True, stdin=subprocess.DEVNULL)
    os.mkdir("mnt")
    if os.geteuid() != 0 or subprocess.run(
            ["unshare", "-m", "sh", "-c", MOUNT, os.getcwd(), "rw", "test", "-e",
             "/sys/fs/ext4/features"], capture_output=True, check=False).returncode:
        raise Skip("needs root, who may mount an ext4 of its own")
    released()


def released():
    """The image is mounted nowhere any more."""
    wait_for(lambda: not subprocess.run(["losetup", "-j", "image"], check=True,
                                        stdout=subprocess.PIPE).stdout, what="the loop device")


def mounted(options):
    return ["unshare", "-m", "sh", "-c", MOUNT, os.getcwd(), options]


def loop_of(exporter):
    """The name of the device that our image is mounted from, as in /sys/block."""
    with open(f"/proc/{exporter.process.pid}/mountinfo", encoding="utf-8") as file:
        device, = [line.split(" - ")[1].split(" ")[1] for line in file
                   if line.split(" ")[4] == os.getcwd() + "/mnt"]
    name = os.path.basename(device)
    with open(f"/sys/block/{name}/loop/backing_file", encoding="utf-8") as file:
        assert file.read().strip() == os.getcwd() + "/image"  # nobody else's disk
    return name


def a_file_system_that_turns_read_only():
    small_ext4()
    flags = ["--interval=100ms", "--history.dir=mnt/history", "--history.sync-interval=0"]
    with Exporter(*flags, before=mounted("errors=remount-ro")) as exporter:
        page = exporter.next_sample()
        written = counter(page, "snapshots_written")
        since = single(page, "memhist_history_last_snapshot_timestamp_seconds")
        wait_for(lambda: single(exporter.metrics(), "memhist_history_synced_timestamp_seconds", 0)
                 >= since, what="a sync")
        trigger = TRIGGER.format(loop_of(exporter))
        if not os.path.exists(trigger):
            raise Skip("this kernel does not let a file system be told of an error")
        with open(trigger, "w", encoding="ascii") as file:
            file.write("read-only")
        errors = wait_for(lambda: counter(exporter.metrics(), "write_errors"), what="an error")
        for _ in range(5):
            page = exporter.next_sample()
            assert single(page, "memhist_up") == 1
        assert counter(page, "write_errors") > errors + 3
        said = exporter.read_log()
        assert said.count("history not written: ") == 1 and "Read-only file system" in said, said
        assert len(re.findall("level=(?:warn|error)", said)) <= 2, said
        assert exporter.end() == 0
    released()

    # mended by whose task that is, it is what it was
    mended = subprocess.run(["fsck.ext4", "-p", "image"], capture_output=True, check=False)
    assert mended.returncode in (0, 1), mended
    done = subprocess.run([*mounted("ro"), EXPORTER, *flags, "--web.listen-address=127.0.0.1:0"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == OTHER and "Read-only file system" in done.stderr, done
    assert done.stderr.count("level=error") == 1, done.stderr
    released()

    with Exporter(*flags, before=mounted("rw")) as exporter:
        seen = f"/proc/{exporter.process.pid}/root{os.getcwd()}/mnt/history"
        exporter.next_sample()
        text = memhist("verify", "--history", seen).text
        assert "damage           none" in text, text
        kinds, n = history_dump(seen)
        assert n > written and "stopped" in kinds, (kinds, n, written)
        assert exporter.end() == 0
    released()


run_tests([
    a_directory_that_nobody_may_enter,
    a_file_system_that_turns_read_only,
])

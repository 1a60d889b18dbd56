"""What the tests of remote write share: a small made procfs, configurations, an exporter for them."""

import json
import os
import shutil

from exporter_lib import Exporter

NAMES = [b"plain", b'q"uote', b"back\\slash", b"new\nline", b"\xff\xfe bytes", "ünïcödé".encode(),
         b"{a=\"b\"}", b"# HELP x", b" blank ", b"-", b"100%", "日本".encode(), b"$(reboot)", b"a:b"]
FIRST_PID = 100


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


class SmallProc:
    """A folder like a procfs, with processes of our choice."""

    def __init__(self, folder, n):
        self.folder = folder
        self.pids = list(range(FIRST_PID, FIRST_PID + n))
        write(f"{folder}/meminfo", b"MemTotal: 1000000 kB\nMemFree: 500000 kB\n"
              b"MemAvailable: 600000 kB\nSwapTotal: 0 kB\n")
        write(f"{folder}/vmstat", b"oom_kill 3\n")
        write(f"{folder}/sys/kernel/random/boot_id", b"b087503f-5400-4da4-a2a8-bd55887c66cf\n")
        for number, pid in enumerate(self.pids):
            self.add(pid, NAMES[number % len(NAMES)], 250 + 1000 * number)

    def add(self, pid, comm, rss_pages):
        size = rss_pages + 1750
        stat = b"%d (%s) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 555 %d %d" % (
            pid, comm, size * 4096, rss_pages) + b" 0" * 28 + b"\n"
        status = b"Name:\tx\nPPid:\t1\nUid:\t1\t1\t1\t1\nVmPeak:\t%d kB\nVmSize:\t%d kB\n" \
            b"VmLck:\t0 kB\nVmHWM:\t%d kB\nVmRSS:\t%d kB\nRssAnon:\t%d kB\nRssFile:\t0 kB\n" \
            b"RssShmem:\t0 kB\nVmSwap:\t0 kB\nThreads:\t1\n" % (
                size * 4, size * 4, rss_pages * 4, rss_pages * 4, rss_pages * 4)
        write(f"{self.folder}/{pid}/stat", stat)
        write(f"{self.folder}/{pid}/statm", b"%d %d 0 0 0 0 0\n" % (size, rss_pages))
        write(f"{self.folder}/{pid}/status", status)
        write(f"{self.folder}/{pid}/cmdline", b"/bin/x\0")
        write(f"{self.folder}/{pid}/comm", comm + b"\n")

    def remove(self, pid):
        shutil.rmtree(f"{self.folder}/{pid}")


def configure(folder, endpoints, history="history"):
    """Write a configuration with these endpoints; its path. JSON is YAML."""
    path = os.path.join(folder, "memhist.yaml")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"history": {"dir": os.path.join(folder, history)}, "remote_write": endpoints}, f)
    os.chmod(path, 0o640)
    return path


def exporter(config, *flags, **kwargs):
    return Exporter(f"--config.file={config}", *flags, **kwargs)

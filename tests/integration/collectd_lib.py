"""What the tests of the plugin share: a real collectd that loads it, and the values it writes."""

import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import tools_lib
from exporter_lib import wait_for
from tools_lib import BUILD

# Debian keeps it where users do not look.
COLLECTD = shutil.which("collectd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
PLUGIN = os.path.join(BUILD, ".libs/memhist.so")

BEFORE = """
Hostname "h"
FQDNLookup false
BaseDir "{here}"
PIDFile "{here}/pid"
Interval {interval}
WriteThreads 1
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "{here}/log"
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "{here}/csv"
</Plugin>
PluginDir "{plugin_dir}"
"""


def sanitizer():
    """The sanitizer's library, which a program that loads the plugin has to load first, or None."""
    needed = subprocess.run(["ldd", PLUGIN], stdout=subprocess.PIPE, check=True, text=True).stdout
    found = re.search(r"=> (\S*lib(?:clang_rt\.)?asan\S*)", needed)
    return found and found.group(1)


def run_tests(tests):
    """As tools_lib.run_tests(), unless there is no plugin or no collectd to load it."""
    reason = None
    if not os.path.exists(PLUGIN):
        reason = "memhist.so was not built: collectd-dev is missing"
    elif not COLLECTD:
        reason = "collectd is not installed"
    elif not sanitizer() and b"__asan_init" in open(PLUGIN, "rb").read():
        reason = "collectd cannot load a plugin with this compiler's sanitizers"
    if reason:
        print(f"1..0 # SKIP {reason}")
        sys.exit(0)
    tools_lib.run_tests(tests)


def environment():
    preload = sanitizer()
    # collectd has leaks of its own
    extra = {"LD_PRELOAD": preload, "ASAN_OPTIONS": "detect_leaks=0"} if preload else {}
    return dict(os.environ, LC_ALL="C", TZ="UTC", **extra)


def configure(options="", interval=0.2, load="LoadPlugin memhist"):
    """Write collectd.conf into the current folder, with `options` in <Plugin memhist>."""
    text = BEFORE.format(here=os.getcwd(), interval=interval, plugin_dir=os.path.dirname(PLUGIN))
    # nothing outside the folder is touched, the names of a busy machine leave room for ours, and its
    # disk may be full
    for option, value in (("HistoryDir", '"none"'), ("HistoryMinFree", '"none"'),
                          ("HistorySealer", '"none"'), ("MaxInstances", 10000)):
        if option not in options:
            options += f"\n{option} {value}"
    with open("collectd.conf", "w", encoding="utf-8") as file:
        file.write(f"{text}\n{load}\n<Plugin memhist>\n{options}\n</Plugin>\n")


def collectd(*args, before=()):
    """Run collectd to its end: (exit status, everything it said)."""
    done = subprocess.run(
        [*before, COLLECTD, "-C", "collectd.conf", *args], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(), timeout=120)
    return done.returncode, done.stdout.decode("utf-8", "replace") + log()


def log():
    """What the daemon logged in the current folder, all lives together."""
    if not os.path.exists("log"):
        return ""
    with open("log", encoding="utf-8", errors="strict") as file:
        return file.read()


def complaints(said):
    """What the plugin says in these lines, but how it reads processes."""
    return [line for line in said.splitlines()
            if "memhist plugin" in line and "processes are read by" not in line]


class Collectd:
    """A running collectd, configured by configure(); use in a `with`."""

    def __init__(self, before=()):
        self.process = subprocess.Popen(
            [*before, COLLECTD, "-f", "-C", "collectd.conf"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def wait_for(self, condition, what):
        """The first true value of condition(), unless collectd ends before."""
        def look():
            assert self.process.poll() is None, f"collectd ended: {log()}"
            return condition()
        return wait_for(look, what=what)

    def end(self):
        """SIGTERM; its exit status. The limit is generous: a daemon that hangs is meant."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def sample(self):
        """All values of one sample that began after this call: {identifier: [value, …]}."""
        called = time.time()

        def fresh():
            later = sorted(t for t in times() if float(t) > called)
            # one more, to know that the first is whole: they are written in order
            return len(later) > 1 and later[0]
        at = self.wait_for(fresh, "values")
        return {name: rows[at] for name, rows in values().items() if at in rows}


def values():
    """What the csv plugin has written: {"memhist-sh/ps_rss": {seconds: [value, …]}}."""
    found = {}
    for path in glob.glob("csv/h/memhist-*/*", include_hidden=True):
        name, day = re.fullmatch(r"csv/h/(.*)(-\d{4}-\d\d-\d\d)", path, re.DOTALL).groups()
        assert day
        rows = found.setdefault(name, {})
        with open(path, encoding="ascii") as file:
            header, *lines = file.read().split("\n")
        assert not header or header.startswith("epoch,"), header  # empty: just made
        for line in lines[:-1]:  # after the last newline: nothing, or a line being written
            at, *numbers = line.split(",")
            assert at not in rows, f"two values of {name} at {at}"
            rows[at] = [float(number) for number in numbers]
    return found


def times():
    """The times of all samples, as they are written: seconds since 1970 with three decimals."""
    return {at for rows in values().values() for at in rows}

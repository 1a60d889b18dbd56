"""memhist beside others that read all processes: CPU time of a full pass, and memory.

    bench_peers.py [PROCESSES [ROUNDS [TURNS]]]        5000, 10 and 3 when not given

A crowd of mostly idle processes under 300 names. Then turns: in each, everybody is started, runs
alone for a few rounds, is measured over ROUNDS rounds, one a second, and ended. Cost is CPU time of
the collector, user and system, all its threads, divided by rounds and by the processes that it
looks at: those that /proc lists, for memhist without kernel threads. Medians over the turns. Who is
not installed is left out.
"""

import contextlib
import ctypes
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

BUILD = os.environ.get("MEMHIST_BUILDDIR", os.getcwd())
PROCESSES, ROUNDS, TURNS = [int(arg) for arg in sys.argv[1:]] + [5000, 10, 3][len(sys.argv) - 1:]
WARM_UP = 4  # rounds
PAGE = os.sysconf("SC_PAGE_SIZE")
PATH = os.environ["PATH"] + ":/usr/sbin:/usr/lib/netdata/plugins.d:/usr/libexec/netdata/plugins.d"
PR_SET_PDEATHSIG, SIGKILL = 1, 9


class Missing(Exception):
    """It cannot be measured here; the text says why."""


def find(program, package):
    path = shutil.which(program, path=PATH)
    if not path:
        raise Missing(f"{package} is not installed")
    return path


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)


def listed():
    """The pids that /proc lists."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def count_kernel_threads():
    """They are children of process 2, where it is kthreadd."""
    count = 0
    for pid in listed():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            count += f.read().rsplit(")", 1)[1].split()[1] == "2" or pid == 2
    return count


def cpu_seconds(pid):
    """Of a process with all its threads, to the nanosecond: clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * PAGE


def fetch(address):
    with urllib.request.urlopen(address, timeout=60) as answer:
        return answer.read().decode()


class Daemon:
    """A collector that makes a round a second by itself, unless its rounds() says otherwise."""

    kernel_threads = True

    def __init__(self, folder, *command, **options):
        self.folder, self.began = folder, time.monotonic()
        with open(f"{folder}/log", "w", encoding="utf-8") as log:
            options.setdefault("stdin", subprocess.DEVNULL)
            options.setdefault("stdout", log)
            self.process = subprocess.Popen(command, stderr=log, preexec_fn=die_with_parent,
                                            **options)

    def rounds(self):
        return time.monotonic() - self.began

    def wait(self, rounds):
        end = self.rounds() + rounds
        while self.rounds() < end:
            if self.process.poll() is not None:
                with open(f"{self.folder}/log", encoding="utf-8") as log:
                    raise Missing(f"it ended: {log.read()[-300:].strip()}")
            time.sleep(1)

    def measure(self):
        """(CPU seconds of a round, resident bytes)"""
        self.wait(WARM_UP)
        rounds, cpu = self.rounds(), cpu_seconds(self.process.pid)
        self.wait(ROUNDS)
        rounds = self.rounds() - rounds
        used = cpu_seconds(self.process.pid) - cpu
        return used / rounds, resident_bytes(self.process.pid)

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Exporter(Daemon):
    """memhist-exporter with a history. Counting its samples is a scrape, one a second."""

    kernel_threads = False

    def __init__(self, folder, backend):
        super().__init__(folder, f"{BUILD}/memhist-exporter", f"--collector.backend={backend}",
                         "--interval=1s", f"--history.dir={folder}/history",
                         "--web.listen-address=127.0.0.1:19257")

    def rounds(self):
        with contextlib.suppress(OSError):
            page = fetch("http://127.0.0.1:19257/metrics")
            found = re.search(r"^memhist_sampler_samples_total (\d+)", page, re.M)
            return int(found[1]) if found else 0
        return 0


class Collectd(Daemon):
    def __init__(self, folder, plugin, options):
        program = find("collectd", "collectd-core")
        os.mkdir(f"{folder}/plugins")
        for path in (f"{BUILD}/.libs/memhist.so", "/usr/lib/collectd/processes.so"):
            if os.path.exists(path):
                shutil.copy(path, f"{folder}/plugins")
        with open(f"{folder}/collectd.conf", "w", encoding="utf-8") as f:
            f.write(f'Hostname "h"\nFQDNLookup false\nBaseDir "{folder}"\nInterval 1\n'
                    f'PIDFile "{folder}/pid"\nPluginDir "{folder}/plugins"\n'
                    f'LoadPlugin {plugin}\n<Plugin {plugin}>\n{options}\n</Plugin>\n')
        super().__init__(folder, program, "-f", "-C", f"{folder}/collectd.conf")


class CollectdMemhist(Collectd):
    kernel_threads = False

    def __init__(self, folder):
        super().__init__(folder, "memhist", f'HistoryDir "{folder}/history"')


class CollectdProcesses(Collectd):
    def __init__(self, folder):
        super().__init__(folder, "processes", 'ProcessMatch "all" ".*"')


class ProcessExporter(Daemon):
    """It makes a pass when it is scraped, so counting is scraping."""

    def __init__(self, folder, *flags):
        program = find("prometheus-process-exporter", "prometheus-process-exporter")
        with open(f"{folder}/all.yml", "w", encoding="utf-8") as f:
            f.write('process_names:\n  - name: "{{.Comm}}"\n    cmdline: [".+"]\n')
        self.scrapes = 0
        super().__init__(folder, program, f"-config.path={folder}/all.yml",
                         "-web.listen-address=127.0.0.1:19258", *flags)

    def rounds(self):
        with contextlib.suppress(ConnectionError, urllib.error.URLError):
            fetch("http://127.0.0.1:19258/metrics")
            self.scrapes += 1
        return self.scrapes


class AppsPlugin(Daemon):
    """netdata's collector of processes, as netdata starts it: it ends with its standard input."""

    def __init__(self, folder):
        program = find("apps.plugin", "netdata-core")
        with open(f"{folder}/out", "wb") as out:
            super().__init__(folder, program, "1", stdin=subprocess.PIPE, stdout=out)

    def rounds(self):
        with open(f"{self.folder}/out", "rb") as f:
            return f.read().count(b"\nBEGIN apps.mem ")


class Atop(Daemon):
    def __init__(self, folder):
        super().__init__(folder, find("atop", "atop"), "-w", f"{folder}/raw", "1")


class Command:
    """A program that makes one pass and ends."""

    kernel_threads = True

    def __init__(self, folder, *command):
        self.folder = folder
        self.command = [find(command[0], "procps"), *command[1:]]

    def run(self):
        with open(f"{self.folder}/out", "wb") as out:
            process = subprocess.Popen(self.command, stdout=out, stderr=subprocess.DEVNULL)
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
        return usage.ru_utime + usage.ru_stime

    def measure(self):
        """As that of Daemon; its memory is gone with it."""
        return statistics.mean([self.run() for _ in range(WARM_UP + ROUNDS)][WARM_UP:]), None

    def end(self):
        pass


OURS = {
    "memhist-exporter, bpf": lambda folder: Exporter(folder, "bpf"),
    "memhist-exporter, bpf-seq": lambda folder: Exporter(folder, "bpf-seq"),
    "memhist-exporter, procfs": lambda folder: Exporter(folder, "procfs"),
    "collectd with memhist": CollectdMemhist,
}
PEERS = {
    "ps -eo pid,ppid,user,rss,vsz,cmd":
        lambda folder: Command(folder, "ps", "-eo", "pid,ppid,user,rss,vsz,cmd"),
    "top -b -n 1": lambda folder: Command(folder, "top", "-b", "-n", "1"),
    "collectd with its processes plugin": CollectdProcesses,
    "process-exporter": ProcessExporter,
    "process-exporter, no smaps, no threads":
        lambda folder: ProcessExporter(folder, "-gather-smaps=false", "-threads=false"),
    "netdata's apps.plugin": AppsPlugin,
    "atop -w": Atop,
}


def turn(make, kernel_threads):
    """(CPU microseconds of a process and round, resident bytes)"""
    with tempfile.TemporaryDirectory(prefix="memhist-bench-") as folder:
        collector = make(folder)
        try:
            cpu, rss = collector.measure()
        finally:
            collector.end()
        looked_at = len(listed()) - (0 if collector.kernel_threads else kernel_threads)
        return cpu * 1e6 / looked_at, rss


def measure():
    """{name: [turn, …]} of all that could be measured."""
    kernel_threads = count_kernel_threads()
    print(f"{len(listed())} processes listed, {kernel_threads} of them kernel threads; "
          f"{TURNS} turns of {ROUNDS} rounds", flush=True)
    makers = {**OURS, **PEERS}
    figures = {name: [] for name in makers}
    for number in range(TURNS):
        for name in list(makers):
            try:
                figures[name].append(turn(makers[name], kernel_threads))
            except Missing as reason:
                print(f"left out: {name}: {reason}", flush=True)
                del makers[name], figures[name]
        print(f"turn {number + 1} is over, load average {os.getloadavg()[0]:.1f}", flush=True)
    return figures


def report(figures):
    """A table in Markdown."""
    cost = {name: statistics.median(cpu for cpu, _ in turns) for name, turns in figures.items()}
    best = min((name for name in PEERS if name in cost), key=cost.get, default=None)
    print("\n| | CPU µs per process and pass | of the best peer | memory, MiB |\n|---|---|---|---|")
    for name, turns in figures.items():
        cpus = [cpu for cpu, _ in turns]
        ratio = cost[name] / cost[best] if best else 1
        memory = [rss / (1 << 20) for _, rss in turns if rss]
        print(f"| {name} | {cost[name]:.2f} ({min(cpus):.2f} … {max(cpus):.2f})",
              f"{ratio:.1f}" if ratio >= 1 else f"1/{1 / ratio:.1f}",
              f"{statistics.median(memory):.1f} |" if memory else "|", sep=" | ")


def main():
    with subprocess.Popen([f"{BUILD}/tests/bench/hold_crowd", str(PROCESSES)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as crowd:
        started = int(crowd.stdout.readline())
        if started != PROCESSES:
            print(f"only {started} of {PROCESSES} processes could be started")
            return 1
        report(measure())
        crowd.stdin.close()
    return 0


sys.exit(main())

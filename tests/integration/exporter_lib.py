"""What the tests of memhist-exporter share: a running exporter, a strict reader of its page."""

import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import tools_lib
from tools_lib import BUILD

EXPORTER = os.path.join(BUILD, "memhist-exporter")
PAGE = os.sysconf("SC_PAGE_SIZE")


def run_tests(tests):
    """As tools_lib.run_tests(), unless there is no exporter."""
    if not os.path.exists(EXPORTER):
        print("1..0 # SKIP memhist-exporter was not built: its libraries are missing, see configure")
        sys.exit(0)
    tools_lib.run_tests(tests)


def wait_for(condition, seconds=60, what="condition"):
    """The first true value of condition(); fails when there is none in time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain for: {what}")
        time.sleep(0.02)


class Exporter:
    """A running exporter on a free port of 127.0.0.1; use in a `with`."""

    def __init__(self, *flags, ready=True, before=(), pass_fds=(), env=None):
        self.log = tempfile.NamedTemporaryFile(prefix="memhist-test-", suffix=".log")
        self.process = subprocess.Popen(
            # a place for everybody, however many the machine runs and however full it is just now
            [*before, EXPORTER, "--web.listen-address=127.0.0.1:0", "--groups.max=10000",
             "--process.top=1000", "--history.min-free=none", "--history.sealer=none", *flags],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, pass_fds=pass_fds,
            env={**os.environ, **(env or {})})
        try:
            found = wait_for(lambda: re.search(r"listening on 127\.0\.0\.1:(\d+)", self.read_log())
                             or self.process.poll() is not None, what="listening")
            assert found is not True, "the exporter ended: " + self.read_log()
            self.port = int(found.group(1))
            if ready:
                wait_for(lambda: self.get("/-/ready")[0] == 200, what="readiness")
        except BaseException:
            self.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        """kill -9, if it is still there."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def end(self, number=signal.SIGTERM):
        """Ask it to end; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def read_log(self):
        with open(self.log.name, encoding="utf-8") as f:
            return f.read()

    def get(self, path="/metrics", method="GET", **headers):
        """(status, headers, body) of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, headers={
                name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def metrics(self):
        """The metrics page: {(name, frozenset of labels): value}."""
        status, _, body = self.get()
        assert status == 200, status
        return parse_page(body)

    def value(self, name, **labels):
        """A value of the current page, None when it is not there."""
        return self.metrics().get((name, frozenset(labels.items())))

    def next_sample(self):
        """The page of a sample that began after this call."""
        called = time.time()
        def fresh():
            page = self.metrics()
            return page if single(page, "memhist_last_sample_timestamp_seconds", 0) > called \
                else None
        return wait_for(fresh, what="another sample")


def single(page, name, default=None):
    """The value of a metric without labels."""
    return page.get((name, frozenset()), default)


def series(page, name):
    """[(labels as dict, value)] of a metric."""
    return [(dict(labels), value) for (n, labels), value in page.items() if n == name]


NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)", re.DOTALL)
LABEL = re.compile(rf'({NAME})="((?:[^"\\\n]|\\["\\n])*)"(,|$)', re.DOTALL)
ESCAPE = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def parse_labels(text):
    labels = {}
    at = 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"bad labels: {text!r}"
        assert match[1] not in labels, f"label twice: {text!r}"
        labels[match[1]] = re.sub(r'\\["\\n]', lambda m: ESCAPE[m[0]], match[2])
        at = match.end()
    return labels


def parse_page(body):
    """Read text format 0.0.4 strictly: UTF-8, each family once and in one piece with HELP and TYPE
    in front, no timestamps, no series twice."""
    text = body.decode("utf-8")
    assert text.endswith("\n")
    samples, types, helps, family = {}, {}, set(), None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            assert family not in helps, f"family twice: {family}"
            helps.add(family)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family and name not in types, line
            assert kind in ("gauge", "counter"), line
            types[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, f"bad line: {line!r}"
            name, labels, value = match.groups()
            assert name == family and name in types, f"outside its family: {line!r}"
            assert (types[name] == "counter") == name.endswith("_total"), line
            key = (name, frozenset(parse_labels(labels or "").items()))
            assert key not in samples, f"series twice: {line!r}"
            samples[key] = float(value)
    return samples


class Child:
    """A forked process with a name of our choice that holds `mib` MiB and waits."""

    def __init__(self, name=b"", mib=0):
        ready_read, ready_write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                import ctypes
                held = bytearray(os.urandom(PAGE) * (mib * 1048576 // PAGE))
                if name:
                    ctypes.CDLL(None).prctl(15, ctypes.c_char_p(name), 0, 0, 0)  # PR_SET_NAME
                os.write(ready_write, b"x")
                while held is not None:
                    signal.pause()
            finally:
                os._exit(1)
        os.close(ready_write)
        assert os.read(ready_read, 1) == b"x"
        os.close(ready_read)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def statm(self):
        """(VSZ, RSS) in bytes, as the kernel says."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as f:
            size, resident = f.read().split()[:2]
        return int(size) * PAGE, int(resident) * PAGE

    def status(self, name):
        """A line of /proc/PID/status that the kernel gives in kB, in bytes."""
        with open(f"/proc/{self.pid}/status", encoding="utf-8", errors="replace") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith(name + ":"))


def fake_proc():
    """A folder that looks like a procfs with one process."""
    stat = "7 (seven) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 555 8192000 250" + " 0" * 28 + "\n"
    status = "Name:\tseven\nPPid:\t1\nUid:\t1\t1\t1\t1\n" \
        "VmPeak:\t8000 kB\nVmSize:\t8000 kB\nVmLck:\t0 kB\nVmHWM:\t1000 kB\nVmRSS:\t1000 kB\n" \
        "RssAnon:\t600 kB\nRssFile:\t400 kB\nRssShmem:\t0 kB\nVmSwap:\t0 kB\nThreads:\t1\n"
    files = {"meminfo": "MemTotal: 1000 kB\nMemFree: 500 kB\n", "7/stat": stat,
             "7/statm": "2000 250 0 0 0 0 0\n", "7/status": status,
             "7/cmdline": "/bin/seven\0", "7/comm": "seven\n",
             "sys/kernel/random/boot_id": "b087503f-5400-4da4-a2a8-bd55887c66cf\n"}
    for name, text in files.items():
        os.makedirs(os.path.dirname("proc/" + name), exist_ok=True)
        with open("proc/" + name, "w", encoding="ascii") as f:
            f.write(text)

"""Clients that behave badly, by the dozen; with the word "full" by the thousand, measured."""

import collections
import json
import os
import random
import resource
import select
import selectors
import socket
import sys
import time

from exporter_http_lib import GET, HELLO
from exporter_lib import EXPORTER, Exporter, run_tests, single, wait_for

FULL = "full" in sys.argv[1:]
SLOW = 1000 if FULL else 120
AT_ONCE = 1000 if FULL else 200
MALFORMED = int(os.environ.get("ABUSE_REQUESTS", "20000")) if FULL else 300
SECONDS = 15  # no connection may last longer without a whole request or answer
FLAGS = ("--interval=1s", "--process.top=20")

# As many descriptors as allowed: each client is one.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def is_plain():
    """Built without sanitizers, whose shadow is not memory of ours, nor their time."""
    with open(EXPORTER, "rb") as file:
        first = file.read(2)
    program = EXPORTER if first != b"#!" else os.path.join(os.path.dirname(EXPORTER), ".libs/memhist-exporter")
    with open(program if os.path.exists(program) else EXPORTER, "rb") as file:
        return b"__asan_init" not in file.read()


def most_memory(exporter):
    """The most resident memory that it had, in MiB."""
    with open(f"/proc/{exporter.process.pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


def descriptors(exporter):
    """Without those of processes that are kept open, as many as there are processes."""
    page = exporter.metrics()
    return single(page, "process_open_fds") - single(page, "memhist_sampler_open_files")


def say(text):
    print(f"# {text}", flush=True)


def is_quiet():
    """Whether times mean something: nobody else works here."""
    return FULL and is_plain() and os.getloadavg()[0] < 3


class Scraper:
    """Good scrapes, one after the other, by another process; use in a `with`."""

    def __init__(self, exporter):
        self.exporter = exporter

    def scrape(self, stop, out):
        """Until nobody holds the other end of `stop`. Leaves times and what went wrong."""
        took, wrong = [], []
        while not select.select([stop], [], [], 0.02)[0]:
            begin = time.monotonic()
            try:
                status, _, body = self.exporter.get()
                if status != 200 or not body.endswith(b"\n"):
                    wrong.append(status)
            except OSError as e:
                wrong.append(repr(e))
            took.append(time.monotonic() - begin)
        with os.fdopen(out, "w") as file:
            json.dump([took, wrong], file)

    def __enter__(self):
        stop, self.stop = os.pipe()
        self.result, out = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.stop)
                self.scrape(stop, out)
            finally:
                os._exit(0)
        os.close(stop)
        os.close(out)
        return self

    def __exit__(self, *_):
        os.close(self.stop)
        with os.fdopen(self.result) as file:
            self.took, self.wrong = json.loads(file.read() or '[[], ["no result"]]')
        os.waitpid(self.pid, 0)

    def check(self):
        assert not self.wrong, self.wrong
        took = sorted(self.took)
        assert took, "no scrape was done"
        p99 = took[min(len(took) - 1, int(len(took) * 0.99))]
        say(f"{len(took)} good scrapes: median {took[len(took) // 2] * 1e3:.1f} ms, "
            f"p99 {p99 * 1e3:.1f} ms, most {took[-1] * 1e3:.1f} ms")
        assert not is_quiet() or p99 <= 0.2, p99


def check_after(exporter, fds, what):
    wait_for(lambda: descriptors(exporter) <= fds + 5, what="descriptors given back")
    memory = most_memory(exporter)
    say(f"{what}: {memory:.1f} MiB at most, {descriptors(exporter) - fds:+.0f} descriptors")
    if FULL and is_plain():
        assert memory <= 32, f"{memory} MiB"
    assert exporter.process.poll() is None


def connect(port, first):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s.settimeout(60)
    s.connect(("127.0.0.1", port))
    s.setblocking(False)
    try:
        s.send(first)
    except OSError:
        pass
    return s


def is_closed(s, reads):
    """Whether the other end has closed. Who does not read learns it by writing."""
    try:
        if reads:
            return s.recv(1 << 16) == b""
        return s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 or s.send(b"y") < 0
    except BlockingIOError:
        return False
    except OSError:
        return True


# A byte of a header now and then; nothing; half a line; as many requests as the buffers of the
# connection hold answers of, which nobody reads.
KINDS = (
    ("drip", b"GET /metrics HTTP/1.1\r\nX: "),
    ("silent", b""),
    ("half-open", b"GET /metr"),
    ("deaf", GET.format("/metrics", "").encode() * 200),
)


def slow_clients_are_closed_and_good_ones_served():
    with Exporter(*FLAGS) as exporter:
        fds = descriptors(exporter)
        with Scraper(exporter) as scraper:
            living, lasted = [], collections.defaultdict(list)
            for i in range(SLOW):
                kind, first = KINDS[i % len(KINDS)]
                living.append((kind, connect(exporter.port, first), time.monotonic()))
            end = time.monotonic() + 120
            while living and time.monotonic() < end:
                now, still = time.monotonic(), []
                for kind, s, begin in living:
                    if kind == "drip":
                        try:
                            s.send(b"y")
                        except OSError:
                            pass
                    if is_closed(s, kind in ("silent", "half-open")):
                        lasted[kind].append(now - begin)
                        s.close()
                    else:
                        still.append((kind, s, begin))
                living = still
                time.sleep(0.2)
            assert not living, f"{len(living)} slow clients are still there after two minutes"
        scraper.check()
        longest = {kind: max(times) for kind, times in lasted.items()}
        say(f"{SLOW} slow clients lasted for " +
            ", ".join(f"{kind} {seconds:.1f} s" for kind, seconds in sorted(longest.items())))
        assert longest.keys() == {kind for kind, _ in KINDS}
        assert not is_quiet() or max(longest.values()) <= SECONDS, longest
        check_after(exporter, fds, "slow clients")


class Crowd:
    """Connections that send what they have, say so a moment later, and read until the end, so many
    (`width`) at once."""

    def __init__(self, port, requests, width):
        self.answers = [b""] * len(requests)
        self.poll = selectors.DefaultSelector()
        waiting = list(enumerate(requests))[::-1]
        n = 0
        end = time.monotonic() + 600
        while (waiting or n) and time.monotonic() < end:
            while waiting and n < width:
                number, request = waiting.pop()
                s = socket.socket()
                s.setblocking(False)
                s.connect_ex(("127.0.0.1", port))
                self.poll.register(s, selectors.EVENT_WRITE, [number, request, None])
                n += 1
            for key, events in self.poll.select(0.05):
                n -= self.step(key, events)
            self.end_sent()
        for key in list(self.poll.get_map().values()):
            self.poll.unregister(key.fileobj)
            key.fileobj.close()
        self.poll.close()
        assert not waiting and not n, f"{n} connections have no end"

    def end_sent(self):
        """An end that comes with the bytes is seen when the connection's time is over only."""
        now = time.monotonic()
        for key in self.poll.get_map().values():
            if key.data[2] and key.data[2] <= now:
                key.data[2] = None
                try:
                    key.fileobj.shutdown(socket.SHUT_WR)
                except OSError:
                    pass

    def step(self, key, events):
        """Whether it was the last of this connection."""
        s, (number, request, _) = key.fileobj, key.data
        try:
            if events & selectors.EVENT_WRITE:
                key.data[1] = request = request[s.send(request):]
                if not request:
                    key.data[2] = time.monotonic() + 0.05
                    self.poll.modify(s, selectors.EVENT_READ, key.data)
                return False
            got = s.recv(1 << 16)
            self.answers[number] += got
            if got:
                return False
        except BlockingIOError:
            return False
        except OSError:  # closed in the middle of a request
            try:
                self.answers[number] += s.recv(1 << 16)
            except OSError:
                pass
        self.poll.unregister(s)
        s.close()
        return True


def status_of(answer):
    """0: there was none."""
    if not answer:
        return 0
    line = answer.split(b"\r\n", 1)[0]
    assert line.startswith(b"HTTP/1.1 ") and line[9:12].isdigit(), line
    return int(line[9:12])


def many_scrapes_at_once_share_the_pages():
    request = GET.format("/metrics", "Connection: close\r\n").encode()
    with Exporter(*FLAGS) as exporter:
        fds = descriptors(exporter)
        before = exporter.metrics()
        for _ in range(10 if FULL else 1):
            begin = time.monotonic()
            answers = Crowd(exporter.port, [request] * AT_ONCE, AT_ONCE).answers
            say(f"{AT_ONCE} scrapes at once took {time.monotonic() - begin:.2f} s")
            statuses = collections.Counter(status_of(answer) for answer in answers)
            assert statuses == {200: AT_ONCE}, statuses
            for answer in answers:
                head, _, body = answer.partition(b"\r\n\r\n")
                assert f"Content-Length: {len(body)}\r\n".encode() in head + b"\r\n", head
        after = exporter.metrics()
        samples = single(after, "memhist_sampler_samples_total") - single(before, "memhist_sampler_samples_total")
        written = single(after, "memhist_pages_written_total") - single(before, "memhist_pages_written_total")
        assert written <= samples + 1, (written, samples)
        check_after(exporter, fds, "scrapes at once")


def twenty_requests_at_once_are_answered_in_order():
    paths = ["/-/healthy", "/metrics", "/nothing", "/", "/-/ready"] * 4
    request = "".join(GET.format(path, "") for path in paths).encode()
    with Exporter(*FLAGS) as exporter:
        (answer,) = Crowd(exporter.port, [request], 1).answers
        statuses = []
        while answer:
            head, _, rest = answer.partition(b"\r\n\r\n")
            length = int(next(line.split(b":")[1] for line in head.split(b"\r\n")
                              if line.lower().startswith(b"content-length:")))
            statuses.append(status_of(head))
            answer = rest[length:]
        assert statuses == [404 if path == "/nothing" else 200 for path in paths], statuses


SEEDS = [GET.format(path, "").encode() for path in
         ("/metrics", "/metrics?a=b&c=%20", "/", "/-/healthy", "/-/ready", "/nothing", "/-/reload")] + [
    GET.format("/metrics", "Accept: application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1\r\n"
               "Accept-Encoding: gzip;q=1.0, identity;q=0\r\n").encode(),
    GET.format("/metrics", "Content-Length: 5\r\n").encode() + b"abcde",
    GET.format("/metrics", "Transfer-Encoding: chunked\r\n").encode() + b"3\r\nabc\r\n0\r\n\r\n",
    GET.format("/-/reload", "Content-Length: 0\r\n").replace("GET", "POST").encode(),
    GET.format("/metrics", "Authorization: Basic YTpi\r\nCookie: a=b\r\nIf-None-Match: \"x\"\r\n").encode(),
    GET.format("/metrics", "").encode() * 3,
    HELLO.encode("latin-1"),
]
WORDS = [b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"%00", b"%", b"%2e%2e/", b"HTTP/1.1", b"HTTP/9.9",
         b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"99999999999999999999", b"-1", b"0x10",
         b"Host: ", b"GET ", b"POST ", b"HEAD ", b";q=", b"q=1e9999", b"*/*", b",", b"\xff\xfe", b"\x16\x03\x01",
         b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"?" + b"a=b&" * 50, b"y" * 5000]


def mutate(r):
    request = bytearray(r.choice(SEEDS))
    for _ in range(r.choice((1, 1, 2, 3, 8))):
        at = r.randrange(len(request) + 1)
        match r.randrange(6):
            case 0 if at < len(request):
                request[at] ^= 1 << r.randrange(8)
            case 1:
                del request[at:at + r.choice((1, 1, 4, 40))]
            case 2:
                request[at:at] = r.choice(WORDS)
            case 3:
                request[at:at + 4] = r.choice(WORDS)
            case 4:
                request[at:at] = request[r.randrange(len(request) + 1):][:r.choice((4, 40, 400))]
            case 5 if r.randrange(4) == 0:
                del request[at:]
    return bytes(request)


# 100: somebody who waits is told to go on.
STATUSES = {0, 100, 200, 400, 403, 404, 405, 406, 413, 414, 417, 431, 500, 501, 505}


def malformed_requests_are_answered_or_closed():
    seed = 20261121
    r = random.Random(seed)
    statuses = collections.Counter()
    with Exporter(*FLAGS, "--config.file=") as exporter:
        fds = descriptors(exporter)
        done = 0
        while done < MALFORMED:
            n = min(500, MALFORMED - done)
            requests = [mutate(r) for _ in range(n)]
            for request, answer in zip(requests, Crowd(exporter.port, requests, 32).answers):
                status = status_of(answer)
                assert status in STATUSES, (status, request)
                statuses[status] += 1
            done += n
            assert exporter.get()[0] == 200
        say(f"{MALFORMED} malformed requests (seed {seed}): " +
            ", ".join(f"{status or 'closed'} {n}" for status, n in sorted(statuses.items())))
        assert statuses[200] and statuses[400] and statuses[0], statuses
        check_after(exporter, fds, "malformed requests")
        assert exporter.end() == 0  # and sanitizers found nothing
        log = exporter.read_log()
        assert "Sanitizer" not in log and "runtime error" not in log, log


TESTS = [
    slow_clients_are_closed_and_good_ones_served,
    many_scrapes_at_once_share_the_pages,
    twenty_requests_at_once_are_answered_in_order,
    malformed_requests_are_answered_or_closed,
]
if "malformed" in sys.argv[1:]:
    TESTS = TESTS[-1:]
run_tests(TESTS)

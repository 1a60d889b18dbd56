"""The exporter's web side: a table of requests and exact answers, and clients that behave badly."""

import socket
import threading
import time

from exporter_lib import Exporter, run_tests, single, wait_for

NONE = 0  # no answer; closed later, by the clock of the connection
GET = "GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n"

# (what, request, status); a request is sent as it is, on a connection of its own.
TABLE = [
    ("metrics", GET.format("/metrics", ""), 200),
    ("metrics with a query", GET.format("/metrics?a=b&c", ""), 200),
    ("landing page", GET.format("/", ""), 200),
    ("healthy", GET.format("/-/healthy", ""), 200),
    ("ready", GET.format("/-/ready", ""), 200),
    ("HEAD metrics", GET.format("/metrics", "").replace("GET", "HEAD"), 200),
    ("HEAD nothing", GET.format("/nothing", "").replace("GET", "HEAD"), 404),
    ("nothing", GET.format("/nothing", ""), 404),
    ("below metrics", GET.format("/metrics/", ""), 404),
    ("two slashes", GET.format("//metrics", ""), 404),
    ("dots", GET.format("/../../etc/passwd", ""), 404),
    ("encoded dots", GET.format("/%2e%2e/%2e%2e/etc/passwd", ""), 404),
    ("encoded name", GET.format("/%6detrics", ""), 404),
    ("encoded NUL", GET.format("/metrics%00", ""), 404),
    ("100 parameters", GET.format("/metrics?" + "&".join("a=1" for _ in range(100)), ""), 200),
    # more than a connection's memory holds: no answer fits either
    ("1,000 parameters", GET.format("/metrics?" + "&".join("a=1" for _ in range(1000)), ""), NONE),
    ("markup", GET.format("/<script>alert(1)</script>", ""), 404),
    ("POST", GET.format("/metrics", "Content-Length: 0\r\n").replace("GET", "POST"), 405),
    ("PUT", GET.format("/metrics", "Content-Length: 0\r\n").replace("GET", "PUT"), 405),
    ("DELETE", GET.format("/metrics", "").replace("GET", "DELETE"), 405),
    ("OPTIONS", GET.format("/metrics", "").replace("GET", "OPTIONS"), 405),
    ("TRACE", GET.format("/metrics", "").replace("GET", "TRACE"), 405),
    ("an unknown method", GET.format("/metrics", "").replace("GET", "BREW"), 405),
    ("POST to nothing", GET.format("/nothing", "").replace("GET", "POST"), 405),
    ("a body with POST", GET.format("/metrics", "Content-Length: 3\r\n")
     .replace("GET", "POST") + "abc", 405),
    ("a body with GET", GET.format("/metrics", "Content-Length: 3\r\n") + "abc", 400),
    ("an endless body", GET.format("/metrics", "Content-Length: 99999999999\r\n") + "abc", 400),
    ("a chunked body", GET.format("/metrics", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400),
    ("both kinds of body", GET.format("/metrics", "Transfer-Encoding: chunked\r\n"
                                      "Content-Length: 5\r\n") + "0\r\n\r\n", 400),
    ("two lengths", GET.format("/metrics", "Content-Length: 0\r\nContent-Length: 5\r\n") + "abcde",
     400),
    ("no Host", "GET /metrics HTTP/1.1\r\n\r\n", 400),
    ("HTTP/1.0", "GET /metrics HTTP/1.0\r\n\r\n", 200),
    ("HTTP/9.9", GET.format("/metrics", "").replace("1.1", "9.9"), 505),
    ("a header of 20 KB", GET.format("/metrics", "X: " + "y" * 20000 + "\r\n"), 431),
    ("a path of 20 KB", GET.format("/" + "y" * 20000, ""), 414),
]

CLOSES = {400, 405, 414, 431, 505}


def exchange(port, request):
    """Send the bytes and read until the other end closes or an answer is complete. Returns status,
    headers in lower case, body, and whether the connection was closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
        try:
            s.sendall(request.encode())
        except ConnectionError:
            pass  # an answer may come before all of a request was sent
        data, closed = b"", False
        while True:
            try:
                got = s.recv(65536)
            except TimeoutError:
                break
            except ConnectionResetError:
                closed = True
                break
            if not got:
                closed = True
                break
            data += got
            head, end, body = data.partition(b"\r\n\r\n")
            if end and b"connection: close" not in head.lower():
                length = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                          if line.startswith(b"content-length")]
                if request.startswith("HEAD") or (length and len(body) >= length[0]):
                    break
    if not data:
        return NONE, {}, b"", closed
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, body, closed


def every_request_has_its_exact_answer():
    wrong = []
    with Exporter() as exporter:
        for what, request, expected in TABLE:
            status, headers, _, closed = exchange(exporter.port, request)
            if status != expected:
                wrong.append(f"{what}: {status} instead of {expected}")
            if status in CLOSES and not closed:
                wrong.append(f"{what}: connection left open after {status}")
            if status == 405 and headers.get("allow") != "get, head":
                wrong.append(f"{what}: 405 without Allow")
        assert exporter.value("memhist_up") == 1
    assert not wrong, wrong


def answers_carry_their_headers():
    types = {"/metrics": "text/plain; version=0.0.4; charset=utf-8",
             "/": "text/html; charset=utf-8",
             "/-/healthy": "text/plain; charset=utf-8",
             "/nothing": "text/plain; charset=utf-8"}
    with Exporter() as exporter:
        for path, expected in types.items():
            _, headers, _ = exporter.get(path)
            assert headers["Content-Type"] == expected, (path, headers["Content-Type"])
            assert headers["Content-Security-Policy"] == "default-src 'none'", path
            assert headers["X-Content-Type-Options"] == "nosniff", path


def head_is_get_without_the_body():
    with Exporter("--interval=1h") as exporter:  # no second sample changes the page
        _, get_headers, get_body = exporter.get("/metrics")
        _, head_headers, head_body = exporter.get("/metrics", "HEAD")
        assert head_body == b""
        assert head_headers["Content-Length"] == get_headers["Content-Length"] == str(len(get_body))
        assert head_headers["Content-Type"] == get_headers["Content-Type"]


def nothing_of_a_request_is_shown():
    with Exporter() as exporter:
        for path in ("/", "/needle", "/metrics"):
            request = GET.format(path + "?needle=needle", "X-Needle: needle\r\n"
                                 "Referer: needle\r\nUser-Agent: needle\r\n")
            _, headers, body, _ = exchange(exporter.port, request)
            assert b"needle" not in body and "needle" not in str(headers), path
        assert "needle" not in exporter.read_log()


def metrics_may_be_elsewhere():
    with Exporter("--web.telemetry-path=/a/b") as exporter:
        assert exporter.get("/a/b")[0] == 200
        assert exporter.get("/metrics")[0] == 404
        assert b'href="/a/b"' in exporter.get("/")[2]


def a_connection_serves_many_requests():
    with Exporter() as exporter:
        request = GET.format("/-/healthy", "").encode()
        with socket.create_connection(("127.0.0.1", exporter.port), timeout=60) as s:
            s.sendall(request * 20)  # and all at once
            data = b""
            while data.count(b"is healthy") < 20:
                got = s.recv(65536)
                assert got, "closed early"
                data += got


def scrapers_share_one_page_per_sample():
    with Exporter("--interval=1h") as exporter:
        pages = []
        threads = [threading.Thread(target=lambda: pages.append(exporter.get()[2]))
                   for _ in range(50)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        # the page says how long it took to write: only the same bytes are equal
        assert len(pages) == 50 and len(set(pages)) == 1
    with Exporter("--interval=100ms") as exporter:
        first = exporter.get()[2]
        wait_for(lambda: exporter.get()[2] != first, what="a page of the next sample")


def slow_clients_are_closed_and_good_ones_served():
    """Clients that drip a byte of a header a second, that say nothing, and that do not read."""
    with Exporter("--groups.max=10000") as exporter:
        def connect(first):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            s.settimeout(60)
            s.connect(("127.0.0.1", exporter.port))
            s.sendall(first)
            return s
        def descriptors():
            """Without those of processes that are kept open, as many as there are processes."""
            page = exporter.metrics()
            return single(page, "process_open_fds") - single(page, "memhist_sampler_open_files")
        fds = descriptors()
        drips = [connect(b"GET /metrics HTTP/1.1\r\nX: ") for _ in range(100)]
        silent = [connect(b"") for _ in range(50)]
        # pipelined: more answers than the buffers of the connection hold
        deaf = [connect(GET.format("/metrics", "").encode() * 300) for _ in range(20)]
        begin = time.monotonic()
        open_drips = set(drips)
        while open_drips and time.monotonic() - begin < 120:
            for s in list(open_drips):
                try:
                    s.sendall(b"y")
                except ConnectionError:
                    open_drips.discard(s)
            assert exporter.get("/metrics")[0] == 200
            time.sleep(0.5)
        assert not open_drips, f"{len(open_drips)} clients still drip after two minutes"
        wait_for(lambda: descriptors() <= fds + 5, 60, "descriptors of slow clients given back")
        for s in drips + silent + deaf:
            s.close()


run_tests([
    every_request_has_its_exact_answer,
    answers_carry_their_headers,
    head_is_get_without_the_body,
    nothing_of_a_request_is_shown,
    metrics_may_be_elsewhere,
    a_connection_serves_many_requests,
    scrapers_share_one_page_per_sample,
    slow_clients_are_closed_and_good_ones_served,
])

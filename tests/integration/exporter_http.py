"""The exporter's web side: a table of requests and exact answers, and how they are given."""

import select
import socket
import threading

from exporter_http_lib import GET, HELLO
from exporter_lib import Exporter, run_tests, wait_for

NONE = 0  # no answer; closed later, by the clock of the connection

# (what, request, status); a request is sent as it is (as Latin-1), on a connection of its own.
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
    ("1,000 headers", GET.format("/metrics", "a: b\r\n" * 1000), 431),
    ("TLS", HELLO, NONE),
    ("TLS and a line break", HELLO + "\r\n\r\n", NONE),
    ("nothing at all", "", NONE),
    ("a byte", "G", NONE),
    ("HTTP/0.9", "GET /metrics\r\n\r\n", 400),
    ("HTTP/1.10", GET.format("/metrics", "").replace("1.1", "1.10"), 400),
    ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("another protocol", GET.format("/metrics", "").replace("HTTP/1.1", "FTP/1.1"), 400),
    ("two blanks", "GET  /metrics  HTTP/1.1\r\nHost: x\r\n\r\n", NONE),
    ("lines before it", "\r\n\r\n" + GET.format("/metrics", ""), 200),
    ("lines without CR", GET.format("/metrics", "").replace("\r", ""), 200),
    ("a method in small letters", GET.format("/metrics", "").replace("GET", "get"), 405),
    ("OPTIONS of everything", GET.format("*", "").replace("GET", "OPTIONS"), 405),
    ("CONNECT", GET.format("x:80", "").replace("GET", "CONNECT"), 405),
    ("an absolute URI", GET.format("http://x/metrics", ""), 404),
    ("a dot", GET.format("/./metrics", ""), 404),
    ("encoded slashes", GET.format("/..%2f..%2fetc%2fpasswd", ""), 404),
    ("backslashes", GET.format("/..\\..\\etc\\passwd", ""), 404),
    ("a parameter of the path", GET.format("/metrics;a=b", ""), 404),
    ("a fragment", GET.format("/metrics#x", ""), 404),
    ("bytes that are no text", GET.format("/\xe4\xff", ""), 404),
    ("a header without a colon", GET.format("/metrics", "colon\r\n"), 400),
    ("NUL in a header", GET.format("/metrics", "X: a\0b\r\n"), 200),
    ("a length below 0", GET.format("/metrics", "Content-Length: -1\r\n"), 400),
    ("a length that is none", GET.format("/metrics", "Content-Length: abc\r\n"), 400),
    ("a length beyond numbers", GET.format("/metrics", f"Content-Length: {'9' * 25}\r\n"), 413),
    ("an encoding of the transfer", GET.format("/metrics", "Transfer-Encoding: identity\r\n"), 400),
    ("another protocol asked for", GET.format("/metrics", "Upgrade: h2c\r\nConnection: Upgrade\r\n"), 200),
    ("ranges", GET.format("/metrics", "Range: bytes=0-0,1-1\r\n"), 200),
    ("800 formats", GET.format("/metrics", "Accept: " + "a/b;q=0.1," * 800 + "\r\n"), 200),
]

CLOSES = {400, 405, 413, 414, 431, 505}


def exchange(port, request, is_last=False):
    """Send the bytes (and say that there are no more) and read until the other end closes or an answer is complete. Returns status,
    headers in lower case, body, and whether the connection was closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
        try:
            s.sendall(request.encode("latin-1"))
            if is_last:
                # an end that comes with the bytes is seen when the connection's time is over only
                select.select([s], [], [], 0.1)
                s.shutdown(socket.SHUT_WR)
        except OSError:
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
            status, headers, _, closed = exchange(exporter.port, request, expected == NONE)
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


run_tests([
    every_request_has_its_exact_answer,
    answers_carry_their_headers,
    head_is_get_without_the_body,
    nothing_of_a_request_is_shown,
    metrics_may_be_elsewhere,
    a_connection_serves_many_requests,
    scrapers_share_one_page_per_sample,
])

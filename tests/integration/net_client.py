"""The HTTP client, in front of servers that misbehave. No time is measured: each request has to end,
and what is said of it has to be right."""

import base64
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import warnings

from net_lib import Server, always, answer, certificate, reset, tls, write
from tools_lib import BUILD, Skip, run_tests

PROBE = os.path.join(BUILD, "tests/integration/http_probe")
EAGAIN, EINVAL = -11, -22
SHORT = "remote_timeout: 200ms\n"


class Outcome:
    """A line of the probe."""

    def __init__(self, line):
        self.line = line
        words, rest = line.split(" “", 1)
        (self.rc, self.status, self.retry_after, self.written, self.is_cut, self.length,
         self.streamed) = map(int, words.split())
        self.type, rest = rest.split("” “", 1)
        self.body, self.sentence = rest.split("” ", 1)

    def failed(self, rc, *words):
        assert self.rc == rc, self.line
        assert self.sentence and all(word in self.sentence for word in words), self.line
        return self


def start(*steps, config="", environment=None):
    write("http.yml", config)
    return subprocess.Popen([PROBE, "http.yml", *steps], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=dict(os.environ, **environment or {}))


def ask(*steps, config="", environment=None):
    """The outcome of the last step."""
    probe = start(*steps, config=config, environment=environment)
    out, err = probe.communicate(timeout=120)
    assert probe.returncode == 0 and not err, err
    return Outcome(out.splitlines()[-1])


def a_get_and_a_post_on_one_connection():
    with Server(always(answer(200, b"first", "Content-Type: text/x; a=b"),
                       answer(204, b"", "X-Prometheus-Remote-Write-Samples-Written: 17",
                              "Retry-After: 7"))) as server:
        found = ask(server.url + "/a?b=c", "post:" + server.url, config="headers: {X-More: 'm'}")
        assert (found.rc, found.status, found.written, found.retry_after) == (0, 204, 17, 7)
        assert server.n_connections == 1
        (get, _, _), (post, headers, body) = server.requests
        assert get == "GET /a?b=c HTTP/1.1" and post == "POST / HTTP/1.1" and body == b"hello"
        assert headers["content-type"] == "application/x-test" and headers["x-more"] == "m"
        assert headers["user-agent"].startswith("memhist/") and headers["x-mine"] == "yes"
        for name in "authorization", "accept-encoding", "expect", "cookie":
            assert name not in headers, headers


def a_body_is_kept_up_to_its_limit():
    body = bytes(range(97, 107)) * 1000
    with Server(always(answer(400, body), answer(200, b"after"))) as server:
        found = ask(server.url)
        assert (found.rc, found.status, found.length, found.is_cut) == (0, 400, 4096, 1)
        assert found.body == body[:4096].decode()
        assert ask(server.url).body == "after"


def nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    ask(f"http://127.0.0.1:{port}/x?token=secret").failed(EAGAIN, f"127.0.0.1:{port}/x: ")


def no_secret_is_in_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    write("token", "s3cret")
    for config in ("basic_auth: {username: u53r, password: s3cret}",
                   "authorization: {credentials_file: token}", "headers: {X-T: s3cret}",
                   f"proxy_url: http://u53r:s3cret@127.0.0.1:{port}"):
        line = ask(f"http://127.0.0.1:{port}/x?token=s3cret", config=config).failed(EAGAIN).line
        assert "s3cret" not in line and "u53r" not in line, line
    # no host for libcurl, whose own words repeat all of it
    line = ask(f"http://127.0.0.1:{port}/", config="proxy_url: 'http://u53r:s3cret@a%01b:1'") \
        .failed(EINVAL).line
    assert "s3cret" not in line and "u53r" not in line, line


def a_server_that_says_nothing():
    def silent(connection, server):
        server.next(connection)
        server.ended.wait(60)

    with Server(silent) as server:
        ask("post:" + server.url, config=SHORT).failed(EAGAIN)


def a_server_that_does_not_speak_tls():
    def silent(_, server):
        server.ended.wait(60)

    with Server(silent) as server:
        ask(server.url.replace("http:", "https:"), config=SHORT).failed(EAGAIN)
    with Server(lambda connection, _: connection.sendall(b"hello, here is no TLS\r\n" * 10)) as server:
        ask(server.url.replace("http:", "https:")).failed(EAGAIN)


def drip(connection, server):
    """A byte now and then, without end; the status is known long before."""
    server.next(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not server.ended.wait(0.2):
        connection.sendall(b"x")


def a_server_that_drips():
    with Server(drip) as server:
        for timeout in 1, 10, 60:  # until it is long enough for the headers
            found = ask("post:" + server.url, config=f"remote_timeout: {timeout}s")
            if found.status:
                break
        assert (found.rc, found.status, found.is_cut) == (0, 200, 1), found.line
        ask("stream:" + server.url, config=SHORT).failed(EAGAIN)


def a_connection_that_is_reset_in_the_body():
    def break_off(connection, server):
        server.next(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf")
        reset(connection)

    with Server(break_off) as server:
        ask("stream:" + server.url).failed(EAGAIN)
        found = ask("post:" + server.url)
        # whether the status arrives before the reset is up to the kernel
        assert found.rc == EAGAIN or (found.status == 200 and found.is_cut), found.line


def a_connection_that_is_closed_before_an_answer():
    with Server(lambda connection, server: server.next(connection)) as server:
        ask(server.url).failed(EAGAIN)


def endless(connection, server):
    server.next(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    for _ in range(1 << 14):
        connection.sendall(bytes(1 << 16))


def a_body_of_a_gibibyte_is_not_waited_for():
    with Server(endless) as server:
        found = ask(server.url)
        assert (found.rc, found.status, found.is_cut) == (0, 200, 1), found.line
        assert found.length == 4096


def headers_without_end():
    def handler(connection, server):
        server.next(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not server.ended.is_set():
            connection.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")

    with Server(handler) as server:
        ask(server.url).failed(EAGAIN, "headers")


def what_is_no_http():
    def handler(connection, server):
        server.next(connection)
        connection.sendall(b"\xff\xfe\x00\x01 garbage\r\n\r\n")

    with Server(handler) as server:
        ask(server.url).failed(EAGAIN)


def redirects_are_not_followed():
    with Server(always(answer(200, b"secret"))) as other:
        for status in 301, 302, 307, 308:
            with Server(always(answer(status, b"", f"Location: {other.url}/"))) as server:
                found = ask("post:" + server.url, config="basic_auth: {username: u, password: p}")
                assert (found.rc, found.status) == (0, status), found.line
        assert not other.requests


def a_body_as_it_comes():
    def handler(connection, server):
        server.next(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(64):
            connection.sendall(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
        connection.sendall(b"0\r\n\r\n")

    with Server(handler) as server:
        found = ask("stream:" + server.url)
        assert (found.rc, found.streamed, found.length) == (0, 64 << 16, 0), found.line
    # what is no success is not for who wants the body
    with Server(always(answer(422, b"why"))) as server:
        found = ask("stream:" + server.url)
        assert (found.rc, found.status, found.streamed, found.body) == (0, 422, 0, "why")


def only_http_and_https():
    write("file", "secret")
    for url in f"file://{os.getcwd()}/file", "ftp://127.0.0.1:1/", "gopher://127.0.0.1:1/":
        ask(url).failed(EINVAL)


def the_environment_names_no_proxy():
    with Server(always(answer(502, b"proxied"))) as proxy, \
            Server(always(answer(200, b"direct"))) as server:
        environment = {"http_proxy": proxy.url, "ALL_PROXY": proxy.url, "no_proxy": ""}
        assert ask(server.url, environment=environment).body == "direct"
        found = ask(server.url, config=f"proxy_url: http://u:p@127.0.0.1:{proxy.port}",
                    environment={"no_proxy": "127.0.0.1"})
        assert found.body == "proxied"
        line, headers, _ = proxy.requests[0]
        assert line == f"GET {server.url}/ HTTP/1.1"
        assert headers["proxy-authorization"] == "Basic " + base64.b64encode(b"u:p").decode()


def netrc_is_not_read():
    write(".netrc", "machine 127.0.0.1 login u password p\n")
    with Server(always(answer())) as server:
        ask(server.url, environment={"HOME": os.getcwd(), "NETRC": os.path.abspath(".netrc")})
        assert "authorization" not in server.requests[0][1]


def secrets_of_files_are_read_again():
    for config, name, form in (
            ("basic_auth: {username: u, password_file: pass}", "pass", lambda secret: "Basic "
             + base64.b64encode(b"u:" + secret.encode()).decode()),
            ("authorization: {type: Token, credentials_file: cred}", "cred",
             lambda secret: "Token " + secret),
            ("bearer_token_file: bearer", "bearer", lambda secret: "Bearer " + secret)):
        write(name, "old\n")
        with Server(always(answer())) as server:
            probe = start(server.url, "wait", server.url, config=config)
            assert probe.stdout.readline().startswith("0 200")
            write("new", " new secret \n")
            os.replace("new", name)
            probe.communicate("\n", timeout=120)
            assert [headers["authorization"] for _, headers, _ in server.requests] == \
                [form("old"), form("new secret")]


def secrets_that_cannot_be_read():
    write("two", "one\r\nX-Injected: yes\n")
    write("empty", "\n")
    write("long", "x" * 70000)
    os.mkdir("folder")
    os.mkfifo("fifo")
    with Server(always(answer())) as server:
        for name in "two", "empty", "long", "folder", "fifo", "missing":
            ask(server.url, config=f"bearer_token_file: {name}").failed(EINVAL, name)
        for mode in 0o604, 0o620, 0o602, 0o641:
            write("open", "s3cret", mode)
            line = ask(server.url, config="bearer_token_file: open") \
                .failed(EINVAL, "open", f"(mode {mode:04o}): chmod 0640 ").line
            assert "s3cret" not in line, line
        if not os.geteuid():
            os.chown(write("foreign", "s3cret"), 12345, -1)
            ask(server.url, config="bearer_token_file: foreign") \
                .failed(EINVAL, "foreign", "belongs to user 12345", "chown root ")
        assert not server.requests
        write("open", "s3cret", 0o440)
        assert not ask(server.url, config="bearer_token_file: open").rc


@contextlib.contextmanager
def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")
    yield


def tls_that_is_good():
    with needs("openssl"):
        certificate("good")
        certificate("me")
        certificate("named", "store.example")
    with Server(always(answer(200, b"private")), tls("good")) as server:
        assert ask(server.url, config="tls_config: {ca_file: good.pem}").body == "private"
        assert ask(server.url, config="tls_config: {insecure_skip_verify: true}").body == "private"
        assert ask(server.url, config="tls_config: {ca_file: good.pem, min_version: TLS13}").body \
            == "private"
    with Server(always(answer(200, b"known")), tls("good", "me")) as server:
        known = "tls_config: {ca_file: good.pem, cert_file: me.pem, key_file: me.key}"
        assert ask(server.url, config=known).body == "known"
        ask(server.url, config="tls_config: {ca_file: good.pem}").failed(EAGAIN)
    with Server(always(answer(200, b"named")), tls("named")) as server:
        found = ask(server.url + "/x",
                    config="tls_config: {ca_file: named.pem, server_name: store.example}")
        assert found.body == "named", found.line
        assert server.requests[0][0] == "GET /x HTTP/1.1"
        assert server.requests[0][1]["host"] == f"127.0.0.1:{server.port}"


def refused_by(server, name):
    ask("post:" + server.url, config=f"tls_config: {{ca_file: {name}.pem}}") \
        .failed(EAGAIN, "ertificate")
    assert not server.requests


def tls_that_is_bad():
    with needs("openssl", "faketime"):
        certificate("good")
        certificate("expired", when="2020-01-01 00:00:00")
        certificate("elsewhere", "elsewhere.example")
    with Server(always(answer()), tls("expired")) as server:
        refused_by(server, "expired")
    with Server(always(answer()), tls("elsewhere")) as server:
        refused_by(server, "elsewhere")
    with Server(always(answer()), tls("good")) as server:
        refused_by(server, "elsewhere")
        # by whom the system trusts; which may be nobody
        assert ask("post:" + server.url).rc in (EAGAIN, EINVAL)
        assert not server.requests


def old_tls():
    with needs("openssl"):
        certificate("good")
    old = tls("good")
    warnings.simplefilter("ignore", DeprecationWarning)
    try:
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    except (ssl.SSLError, ValueError):
        raise Skip("python has no TLS 1.0")
    with Server(always(answer()), old) as server:
        ask(server.url, config="tls_config: {insecure_skip_verify: true}").failed(EAGAIN)
        assert not server.requests
    twelve = tls("good")
    twelve.maximum_version = ssl.TLSVersion.TLSv1_2
    with Server(always(answer()), twelve) as server:
        ask(server.url, config="tls_config: {ca_file: good.pem, min_version: TLS13}").failed(EAGAIN)
        assert ask(server.url, config="tls_config: {ca_file: good.pem}").status == 200


def files_of_tls_that_are_not_there():
    with needs("openssl"):
        certificate("good")
    with Server(always(answer()), tls("good")) as server:
        ask(server.url, config="tls_config: {ca_file: missing.pem}").failed(EINVAL)
        ask(server.url, config="tls_config: {ca_file: good.pem, cert_file: no, key_file: no}") \
            .failed(EINVAL)


def a_request_is_cancelled_from_another_thread():
    asked = threading.Event()

    def silent(connection, server):
        server.next(connection)
        asked.set()
        server.ended.wait(60)

    with Server(silent) as server:
        probe = start("cancel", server.url, server.url, config="remote_timeout: 1h")
        assert asked.wait(60)
        out, _ = probe.communicate("\n", timeout=120)
        assert [line.split()[0] for line in out.splitlines()] == ["-125", "-125"], out
        assert server.n_connections == 1


def nothing_is_initialised_before_it_is_used():
    with Server(always(answer())) as server:
        probe = start("memory", server.url, "memory", server.url, "memory")
        out = probe.communicate(timeout=120)[0].splitlines()
        before, _, after, _, later = out
        print(f"# resident: {before} KiB before the first client, {after} KiB after its first "
              f"request, {later} KiB after the second")
        assert int(later) < int(before) + 16384


if not os.path.exists(PROBE):
    print("1..0 # SKIP http_probe was not built")
    sys.exit(0)
run_tests([a_get_and_a_post_on_one_connection, a_body_is_kept_up_to_its_limit, nobody_listens,
           no_secret_is_in_a_sentence, a_server_that_says_nothing,
           a_server_that_does_not_speak_tls, a_server_that_drips,
           a_connection_that_is_reset_in_the_body, a_connection_that_is_closed_before_an_answer,
           a_body_of_a_gibibyte_is_not_waited_for, headers_without_end, what_is_no_http,
           redirects_are_not_followed, a_body_as_it_comes, only_http_and_https,
           the_environment_names_no_proxy, netrc_is_not_read, secrets_of_files_are_read_again,
           secrets_that_cannot_be_read, tls_that_is_good, tls_that_is_bad, old_tls,
           files_of_tls_that_are_not_there, a_request_is_cancelled_from_another_thread,
           nothing_is_initialised_before_it_is_used])

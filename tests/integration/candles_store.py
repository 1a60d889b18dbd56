"""memhist-candles --prometheus: what a real Prometheus and a real VictoriaMetrics were written gives the
tables that the history gives."""

import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

from net_lib import Server, always, answer, write
from store_lib import Machine, Prometheus, VictoriaMetrics, remote_write
from tools_lib import BUILD, candles, record, refuses, run, run_tests, USAGE, NO_DATA

MACHINE = Machine()
NO_START = Machine()  # what nothing but a gap can tell apart: the last life of pid 30 is left out
NO_START.lives = [life for life in Machine.lives if life[:2] != (30, 90)]
NO_START.begin_ms = MACHINE.begin_ms
TABLES = [[], ["--long"], ["--long", "--metric", "vsz", "--interval", "1m"], ["--unit", "bytes", "--pid", "30"],
          ["--match", "worker"], ["--long", "--top", "3", "--utc", "--lang", "ja"],
          ["--by", "command", "--interval", "5m"]]


def at(*args):
    """What covers the machine's half hour and is as long as it likes otherwise."""
    return [*args, "--hours", "2"]


def of_store(url, instance, *args, **options):
    selector = ["--selector", f'{{instance="{instance}"}}'] if instance else []
    return run("memhist-candles", "--prometheus", url, *selector, *args, **options)


def both_files(of, *args):
    of(*args, "--output", "out.tsv")
    with open("out.tsv", "rb") as table, open("out.pids.tsv", "rb") as pids:
        return table.read(), pids.read()


def same_tables(url, instance, machine=MACHINE, tables=TABLES):
    shutil.rmtree("history", ignore_errors=True)
    record(machine.rows())
    for args in tables:
        expected = both_files(candles, *at(*args))
        found = both_files(lambda *a: of_store(url, instance, *a), *at(*args))
        assert expected[0].count(b"\n") > 2, args
        assert found == expected, f"{args}:\n{found}\nnot\n{expected}"


def fill(store):
    for name, machine, form in (("with-start", MACHINE, "start"), ("with-value", MACHINE, "value"),
                                ("without", NO_START, "none")):
        remote_write(store.url, machine.series(name, form))
    store.flush()


def forward(store, allowed=lambda line, headers: None):
    """In front of a store, that says otherwise where `allowed` returns an answer."""
    def handler(connection, server):
        while found := server.next(connection):
            line, headers, body = found
            said = allowed(line, headers)
            if not said:
                request = urllib.request.Request(
                    store.url + line.split()[1], body or None,
                    {"Content-Type": headers.get("content-type", "")})
                try:
                    with urllib.request.urlopen(request, timeout=60) as response:
                        said = answer(response.status, response.read())
                except urllib.error.HTTPError as e:
                    said = answer(e.code, e.read())
            connection.sendall(said)

    return Server(handler)


def no_remote_read(line, _):
    return answer(404, b"") if "/api/v1/read" in line else None


# --- servers that are no store, or a bad one -------------------------------------------------------


def ask(server, *args, **options):
    return run("memhist-candles", "--prometheus", server.url, *args, **options)


def what_is_no_store_is_told():
    for said, words in (
            (answer(404, b"nothing here"), ["404", "/api/v1/query", "URL of a store"]),
            (answer(405, b""), ["405"]),
            (answer(302, b"", "Location: http://127.0.0.1:1/"), ["302", "leads elsewhere"]),
            (answer(403, b""), ["403", "--http.config.file"]),
            (answer(200, b"<html>It works!</html>"), ["not as Prometheus does"]),
            (answer(200, b""), ["not as Prometheus does"]),
            (answer(200, b'{"status":"success","data":{"resultType":"matrix"}}'),
             ["not as Prometheus does"]),
            (answer(429, b'{"status":"error","error":"slow \\u001b[31mdown"}'), ["429", "slow "]),
            (answer(500, b"broken"), ["500", "broken"])):
        with Server(always(said)) as server:
            result = ask(server, status=1)
            refuses(result, *words)
            assert "\x1b" not in result.err


def nobody_is_there():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    refuses(run("memhist-candles", "--prometheus", f"http://127.0.0.1:{port}", status=1),
            f"127.0.0.1:{port}")


def half_an_answer():
    def handler(connection, server):
        server.next(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")

    with Server(handler) as server:
        refuses(ask(server, status=1), server.url)


def wrong_command_lines():
    url = "http://127.0.0.1:1"
    for args, *words in (
            (["--prometheus", "localhost:9090"], "http://"),
            (["--prometheus", "http://u:s3cret@localhost:9090"], "basic_auth"),
            (["--prometheus", url + "/?token=s3cret"], "?"),
            (["--prometheus", url, "--history", "x"], "--history"),
            (["--prometheus", url, "--check"], "--check"),
            (["--selector", "{}"], "--selector", "--prometheus"),
            (["--http.config.file", "x"], "--http.config.file", "--prometheus"),
            (["--prometheus", url, "--selector", "instance=x"], "“{”", "character 1"),
            (["--prometheus", url, "--selector", "{a=b}"], "quotes"),
            (["--prometheus", url, "--selector", '{a="b'], "closed"),
            (["--prometheus", url, "--selector", '{a="b" c="d"}'], "“,”"),
            (["--prometheus", url, "--selector", '{a=="b"}'], "quotes"),
            (["--prometheus", url, "--selector", '{a="b"} x'], "behind"),
            (["--prometheus", url, "--selector", '{__name__="b"}'], "--metric"),
            (["--prometheus", url, "--selector", '{1a="b"}'], "name of a label")):
        result = run("memhist-candles", *args, status=USAGE)
        assert all(word in result.err for word in words), (args, result.err)
        assert "s3cret" not in result.err, result.err
    write("bad.yml", "basic_aut: {}\n")
    refuses(run("memhist-candles", "--prometheus", url, "--http.config.file", "bad.yml", status=1),
            "bad.yml:1:1:", "basic_auth")
    write("open.yml", "bearer_token: x\n", 0o644)
    refuses(run("memhist-candles", "--prometheus", url, "--http.config.file", "open.yml", status=1),
            "read by everybody")


def series_text(pids, instants):
    """A piece of an answer: so many processes, a sample in each of these milliseconds."""
    for pid in range(1, pids + 1):
        values = ",".join(f'[{ms / 1000:.3f},"{4096 * pid}"]' for ms in instants)
        yield ('{"metric":{"__name__":"memhist_process_resident_memory_bytes","instance":"i",'
               f'"comm":"c","pid":"{pid}","start":"{pid}"}},"values":[{values}]}}')


def answers_that_are_too_long():
    """Sixty processes a millisecond: nobody could keep an hour of it. Memory stays bounded; what is asked
    for becomes shorter, until an answer fits."""
    asked = []

    def handler(connection, server):
        while found := server.next(connection):
            query = urllib.parse.parse_qs(found[2].decode(), encoding="utf-8", errors="replace") \
                if "query" in found[0] else None
            if not query:
                connection.sendall(answer(404, b""))
                continue
            length = int(re.search(r"\[(\d+)ms\]", query["query"][0]).group(1))
            end = round(float(query["time"][0]) * 1000)
            asked.append(length)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            begin = b'{"status":"success","data":{"resultType":"matrix","result":['
            body = [begin, ",".join(series_text(60, range(end - length + 1, end + 1))).encode()
                    if length < 20000 else b'{"x":"' + bytes(65536).replace(b"\0", b"y") * 600
                    + b'"}', b"]}}"]
            for piece in body:
                connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            connection.sendall(b"0\r\n\r\n")

    end = 1780315200
    with Server(handler) as server:
        result = ask(server, "--long", "--interval", "10s", "--utc", "--range", f"@{end - 30}",
                     f"@{end}")
        rows = result.rows[1:]
    assert len(rows) == 60 * 3 and {row[8] for row in rows} == {"10000"}, rows[:5]
    assert asked[0] == 30000 and asked[1] == 15000, asked
    # of this program and those before, in KiB; what sanitizers need is beyond all bounds
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"# {peak} KiB at most")
    with open(os.path.join(BUILD, "memhist-candles"), "rb") as f:
        assert b"__asan_init" in f.read() or peak < 220 << 10, peak


def where_nothing_can_be_written_nothing_is_asked():
    with Server(always(answer(404, b""))) as server:
        refuses(ask(server, "--output", "missing/out.tsv", status=1), "missing")
        os.environ["TMPDIR"] = os.path.abspath("nowhere")
        refuses(ask(server, status=1), "nowhere")
        assert not server.requests


def a_second_that_is_too_much():
    with Server(always(answer(404, b""), answer(422, b'{"status":"error","error":"too many"}'))) \
            as server:
        refuses(ask(server, "--hours", "1", status=1), "422", "too many")
        assert 5 < len(server.requests) < 40


def it_ends_when_it_is_interrupted():
    asked = threading.Event()

    def silent(connection, server):
        server.next(connection)
        asked.set()
        server.ended.wait(60)

    with Server(silent) as server:
        process = subprocess.Popen([os.path.join(BUILD, "memhist-candles"), "--prometheus",
                                    server.url], stderr=subprocess.PIPE)
        assert asked.wait(60)
        process.send_signal(signal.SIGTERM)
        assert not process.communicate(timeout=120)[1]
        assert process.returncode == -signal.SIGTERM


ALONE = [what_is_no_store_is_told, nobody_is_there, half_an_answer, wrong_command_lines,
         answers_that_are_too_long, where_nothing_can_be_written_nothing_is_asked, a_second_that_is_too_much, it_ends_when_it_is_interrupted]


# --- real stores -------------------------------------------------------------------------------------


def tests_of(store, name):
    def remote_written_series_give_the_tables_of_the_history():
        same_tables(store.url, "with-start")

    def scraped_series_do_as_well():
        same_tables(store.url, "with-value", tables=TABLES[:2])
        same_tables(store.url + "/", "without", NO_START, TABLES[:2])

    def several_machines_are_told():
        refuses(of_store(store.url, None, *at(), status=USAGE), "several machines", "--selector",
                'job="memhist"')

    def nothing_matches():
        refuses(of_store(store.url, "nobody", *at(), status=NO_DATA), "nobody",
                "memhist_process_resident_memory_bytes")
        refuses(of_store(store.url, "with-start", "--metric", "swap", *at(), status=NO_DATA),
                "swap_memory_bytes")
        # the last day is what is read without a range; this is none of it
        refuses(of_store(store.url, "with-start", "--range", "2020-01-01", "2020-01-02",
                         status=NO_DATA), "2020-01-01")

    def parts_of_the_time():
        """Beginning and end are samples, and so are the borders of what is asked for at once."""
        record(MACHINE.rows())
        for begin, end in (300, 1000), (0, 1795), (1, 1796):
            borders = [f"@{MACHINE.begin_ms // 1000 + begin}", f"@{MACHINE.begin_ms // 1000 + end}"]
            args = "--long", "--interval", "1m", "--range", *borders
            assert of_store(store.url, "with-start", *args).text == candles(*args).text, args

    tests = [remote_written_series_give_the_tables_of_the_history, scraped_series_do_as_well,
             several_machines_are_told, nothing_matches, parts_of_the_time]
    for test in tests:
        test.__name__ = f"{name}: {test.__name__}"
    return tests


def prometheus_alone(store):
    def by_queries_where_there_is_no_remote_read():
        with forward(store, no_remote_read) as server:
            same_tables(server.url, "with-start", tables=TABLES[:2])
            paths = {line.split()[1] for line, _, _ in server.requests}
            assert paths == {"/api/v1/read", "/api/v1/query"}, paths

    def by_remote_read_where_there_is():
        with forward(store) as server:
            same_tables(server.url, "with-start", tables=TABLES[:2])
            assert {line.split()[1] for line, _, _ in server.requests} == {"/api/v1/read"}

    def passwords_and_what_is_said_without():
        def allowed(_, headers):
            known = headers.get("authorization") == "Basic dTpzM2NyZXQ="
            return None if known else answer(401, b"who?")

        write("pass", "s3cret\n")
        config = write("http.yml", "basic_auth: {username: u, password_file: pass}\n")
        with forward(store, allowed) as server:
            found = of_store(server.url, "with-start", "--http.config.file", config, *at())
            assert found.out == of_store(store.url, "with-start", *at()).out
            refuses(of_store(server.url, "with-start", *at(), status=1), "401",
                    "--http.config.file")

    return [by_queries_where_there_is_no_remote_read, by_remote_read_where_there_is,
            passwords_and_what_is_said_without]


def limited(store):
    def over_the_limits_of_the_store():
        """Less time is asked for, by both ways, and the tables are the same."""
        same_tables(store.url, "with-start", tables=TABLES[1:2])
        with forward(store, no_remote_read) as server:
            same_tables(server.url, "with-start", tables=TABLES[1:2])

    return [over_the_limits_of_the_store]


def in_own_tmp(test):
    """Temporary files are in tmp/, and nothing is left there."""
    def run_it():
        os.mkdir("tmp")
        os.environ["TMPDIR"] = os.path.abspath("tmp")
        test()
        assert not os.listdir("tmp"), os.listdir("tmp")

    run_it.__name__ = test.__name__
    return run_it


if not shutil.which("prometheus") or not shutil.which("victoria-metrics"):
    run_tests([in_own_tmp(test) for test in ALONE])
with contextlib.ExitStack() as stores:
    started = [Prometheus(), VictoriaMetrics(),
               Prometheus("--query.max-samples=3000", "--storage.remote.read-sample-limit=3000")]
    for its_store in started:
        stores.enter_context(its_store)
        fill(its_store)
    tests = ALONE + tests_of(started[0], "prometheus") + prometheus_alone(started[0]) \
        + tests_of(started[1], "victoria-metrics") + limited(started[2])
    run_tests([in_own_tmp(test) for test in tests])

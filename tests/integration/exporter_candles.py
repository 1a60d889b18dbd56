"""Candles of the exporter's API out of a history: as they are in it, and while it is being read."""

import json
import random
import shutil
import signal
import threading
import time

from exporter_api_lib import ask
from exporter_lib import Child, Exporter, run_tests, wait_for
from tools_lib import BASE_MS, memhist, oracle, record, row

PID = 4194001  # nobody's on this machine, one hopes; its history is made
SPAN_S = 3000


def ask_until(exporter, request, status=200, method="GET"):
    """As ask(), again and again while the machine is too busy to read a history in time."""
    def answer():
        got, _, body = exporter.get("/api/v1/" + request, method)
        return None if got == 503 and (not body or b"took too long" in body) else [got]
    while True:
        wait_for(answer, what="an answer out of the history")
        try:
            return ask(exporter, request, status, method)
        except AssertionError:
            if answer():
                raise


def made_rows():
    """Two processes that had one pid one after the other, and another all the time."""
    chance = random.Random(5)
    begin = int(time.time()) - BASE_MS // 1000 - SPAN_S
    rows = []
    for second in range(0, SPAN_S, 5):
        if second < 1000:
            rows.append(row(begin + second, PID, 4 * chance.randrange(1, 9999), "first", start=100))
        elif 1200 <= second < 2900:
            rows.append(row(begin + second, PID, 4 * chance.randrange(1, 9999), "second", start=99999))
        rows.append(row(begin + second, PID + 1, 4 * chance.randrange(1, 9999), "other", start=7))
    return rows


def expected(rows, start, interval_s, since_ms, metric="rss"):
    """What the API should say of a process, from the rows themselves."""
    window_ms = interval_s * 1000
    mine = [r for r in rows if r[2] == start and r[0] >= since_ms // window_ms * window_ms]
    return [[window * 1000, *(1024 * value for value in candle[:4]), candle[4]]
            for (window, _), candle in sorted(oracle(mine, [0] * len(mine), interval_s, metric).items())]


def check_all(exporter, rows):
    second = f"{PID}-99999"
    for who, start, name in ((PID, 99999, second), (second, 99999, second),
                             (f"{PID}-100", 100, f"{PID}-100"), (PID + 1, 7, f"{PID + 1}-7")):
        for interval, seconds in (("1m", 60), ("15m", 900)):
            for metric in "rss", "vsz":
                since = int(time.time()) - SPAN_S - 60
                got = ask_until(exporter, f"candles?process={who}&interval={interval}&since={since}"
                          f"&field={metric}")
                assert got["process"] == name and got["field"] == metric, got
                assert got["source"] == "history" and got["interval"] == interval
                assert got["columns"] == ["start_ms", "open", "high", "low", "close", "samples"]
                assert got["since_ms"] == since // seconds * seconds * 1000
                assert got["candles"] == expected(rows, start, seconds, since * 1000, metric), who
    since = int(time.time()) - 900
    got = ask_until(exporter, f"candles?process={PID + 1}&since={since}")
    assert got["candles"] == expected(rows, 7, 60, since * 1000) and len(got["candles"]) < 20


def they_are_those_of_the_history():
    """Of open segments and of sealed ones."""
    rows = made_rows()
    record(rows)
    with Exporter("--history.dir=history", "--interval=1h") as exporter:
        assert ask(exporter, "status")["history"] is True
        check_all(exporter, rows)
    memhist("seal", "--history", "history")
    with Exporter("--history.dir=history", "--interval=1h") as exporter:
        check_all(exporter, rows)
        for request in (f"candles?process={PID}-5", "candles?process=4194304",
                        f"candles?process={PID}-100&since={int(time.time()) - 60}"):
            assert ask_until(exporter, request, 404) == \
                "there is no such process in that time of the history"
        assert ask(exporter, "candles?group=needle", 404)
        assert ask(exporter, "candles?group=other&field=vsz", 400) == \
            "there are candles of rss only of groups"
        length = ask_until(exporter, f"candles?process={PID}-100&since={rows[0][0] // 1000}",
                           method="HEAD")
        assert length > 100


def what_is_written_now_is_there():
    with Child(b"mine", 4) as child, \
            Exporter("--history.dir=new", "--interval=100ms") as exporter:
        def candle():
            status, _, body = exporter.get(f"/api/v1/candles?process={child.pid}")
            return status == 200 and json.loads(body)["data"]["candles"]
        first = wait_for(candle, what="a candle")[-1]
        assert first[4] >= 4 << 20
        wait_for(lambda: (candle() or [first])[-1] != first, what="more samples")
        # those of a follower are the same history's
        with Exporter("--history.dir=new", "--interval=100ms") as follower:
            assert ask(follower, "status")["source"] == "history"
            got = ask_until(follower, f"candles?process={child.pid}")
            assert got["source"] == "history" and got["candles"][0][0] == first[0]


def many_ask_at_once():
    """Some get candles, the others are told to come again; nobody waits for nothing, and a scrape
    does not wait for them."""
    record(made_rows())
    with Exporter("--history.dir=history", "--interval=200ms") as exporter:
        answers = []
        def client():
            answers.append(exporter.get(f"/api/v1/candles?process={PID}"))
        threads = [threading.Thread(target=client) for _ in range(60)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            assert exporter.get("/metrics")[0] == 200
        for thread in threads:
            thread.join()
        found = {status for status, _, _ in answers}
        assert len(answers) == 60 and found <= {200, 503}, found
        for status, headers, body in answers:
            if status == 503:
                assert headers["Retry-After"] == "2" and b'"unavailable"' in body
        assert ask_until(exporter, f"candles?process={PID}")["candles"]
        # the end does not wait for who still asks
        threads = [threading.Thread(target=give_up_well, args=[client]) for _ in range(8)]
        for thread in threads:
            thread.start()
        assert exporter.end(signal.SIGTERM) == 0, exporter.read_log()
        for thread in threads:
            thread.join()


def give_up_well(client):
    """The exporter may be gone, or end under the request."""
    try:
        client()
    except OSError:
        pass
    except Exception as error:  # http.client has kinds of its own for a connection that ends
        assert type(error).__module__ == "http.client", error


def a_history_that_goes_away_is_no_end():
    record(made_rows())
    with Exporter("--history.dir=history", "--interval=1h") as exporter:
        assert ask_until(exporter, f"candles?process={PID}")["candles"]
        shutil.rmtree("history")
        said = wait_for(lambda: [text for text in [ask(exporter, f"candles?process={PID}", 503)]
                                 if "took too long" not in text], what="an answer")[0]
        assert said == "the history cannot be read, see the log", said
        assert "no candles for the API: " in exporter.read_log()
        assert ask(exporter, "processes")["processes"]
        assert exporter.get("/metrics")[0] == 200


run_tests([
    they_are_those_of_the_history,
    what_is_written_now_is_there,
    many_ask_at_once,
    a_history_that_goes_away_is_no_end,
])

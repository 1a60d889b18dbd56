"""Users and passwords of the web configuration, the headers it sets and the rate it allows."""

import base64
import http.client
import threading

from exporter_lib import single, wait_for
from exporter_web_lib import SECRET, curl, exporter_with, run_tests, until, write

PATHS = ["/", "/metrics", "/-/healthy", "/-/ready", "/-/reload", "/nothing/there",
         "/api/v1/status", "/ui"]
# of “other”, with cost 4
OTHER = "$2y$04$abcdefghijklmnopqrstuuyuFc3wM/RE9bo2vgVm5ooVS7V.8ovOC"


def every_path_takes_a_password():
    with exporter_with({"basic_auth_users": {"alice": SECRET}}) as exporter:
        for path in PATHS:
            wrongs = [[], ["-u", "alice:Secret"]]
            if path == "/":
                wrongs += [["-u", "bob:secret"], ["-u", "alice:"], ["-X", "POST"],
                           ["-H", "Authorization: Bearer secret"],
                           ["-H", f"Authorization: Basic {SECRET}"]]
            for wrong in wrongs:
                answer = curl(exporter, *wrong, path=path)
                assert answer.status == 401, (path, wrong, answer)
                assert answer.headers["WWW-Authenticate"].startswith("Basic "), answer
                assert answer.headers["Content-Security-Policy"] == "default-src 'none'", answer
                assert "memhist_" not in answer.body
        def right(path):
            return curl(exporter, "-u", "alice:secret", path=path).status
        wait_for(lambda: right("/-/ready") == 200, what="readiness")
        assert [right(path) for path in PATHS] == [200, 200, 200, 200, 403, 404, 200, 200]
        log = exporter.read_log()
        assert "(no TLS, 1 user)" in log, log
        for secret in ("secret", "Secret", SECRET, "YWxpY2U6"):
            assert secret not in log, log


def a_body_is_not_waited_for():
    with exporter_with({"basic_auth_users": {"alice": SECRET}}) as exporter:
        answer = curl(exporter, "-X", "GET", "-d", "x" * 100000)
        assert answer.status == 400, answer
        assert answer.headers["Connection"] == "close", answer


def connections_stay():
    """One connection: refused, let in, and refused again."""
    with exporter_with({"basic_auth_users": {"alice": SECRET}}) as exporter:
        connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=60)
        def ask(password):
            token = base64.b64encode(f"alice:{password}".encode()).decode()
            connection.request("GET", "/-/healthy", headers={"Authorization": f"Basic {token}"})
            response = connection.getresponse()
            response.read()
            return response.status
        sock = None
        for password, status in (("a", 401), ("secret", 200), ("b", 401), ("secret", 200)):
            assert ask(password) == status
            assert sock in (None, connection.sock), "the connection was closed"
            sock = connection.sock
        connection.close()


def users_come_and_go():
    with exporter_with({"basic_auth_users": {"alice": SECRET}}) as exporter:
        def status(user, password="secret"):
            return curl(exporter, "-u", f"{user}:{password}").status
        assert (status("alice"), status("bob")) == (200, 401)
        write({"basic_auth_users": {"bob": SECRET}})
        until(lambda: status("bob") == 200, "bob let in")
        assert status("alice") == 401
        write({"basic_auth_users": {"bob": OTHER}})
        until(lambda: status("bob") == 401, "bob's old password refused")
        write({})
        until(lambda: curl(exporter).status == 200, "no password")
        assert exporter.read_log().count("the web configuration was read again") == 3


def a_mistake_changes_nothing():
    """Nor do a file that is away and one that everybody may read; each is said once."""
    with exporter_with({"basic_auth_users": {"alice": SECRET}}) as exporter:
        def good():
            answer = curl(exporter, "-u", "alice:secret", path="/metrics")
            assert answer.status == 200, answer
            value = "memhist_web_config_last_reload_successful "
            return value + "1\n" in answer.body
        mistakes = [("basic_auth_users: {alice: }\n", 0o640, "web.yaml:1:27: the password of"),
                    ("{}", 0o644, "may be read by everybody"),
                    ("tls_server_config: {cert: x, key: y}", 0o640,
                     "has TLS now, which takes another start")]
        assert good()
        before = None
        for text, mode, sentence in mistakes:
            write(text, mode=mode)
            until(lambda: not good() and sentence in exporter.read_log(), sentence)
            assert curl(exporter, "-u", "alice:wrong").status == 401
            assert before is None or before in exporter.read_log()
            before = sentence
        write({"basic_auth_users": {"alice": SECRET}})
        until(good, "the repaired file")
        log = exporter.read_log()
        for _, _, sentence in mistakes:
            assert log.count(sentence) == 1, log


def headers_replace_ours():
    headers = {"Content-Security-Policy": "default-src 'self'", "X-Frame-Options": "deny",
               "X-Content-Type-Options": "nosniff", "X-XSS-Protection": "0",
               "Strict-Transport-Security": "max-age=1"}
    with exporter_with({"http_server_config": {"headers": headers, "http2": True}}) as exporter:
        for path in (*PATHS, "/metrics"):
            answer = curl(exporter, path=path)
            for name, value in headers.items():
                assert answer.headers[name] == value, (path, answer)
        write({"http_server_config": {"headers": {"X-Frame-Options": "sameorigin"}}})
        until(lambda: curl(exporter).headers.get("X-Frame-Options") == "sameorigin", "the header")
        answer = curl(exporter)
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'", answer
        assert "X-XSS-Protection" not in answer.headers, answer


def a_rate_is_kept():
    """Three at once, and none for an hour after."""
    with exporter_with({"rate_limit": {"interval": "1h", "burst": 3}}) as exporter:
        answers = [curl(exporter) for _ in range(5)]
        assert [a.status for a in answers] == [200, 200, 200, 429, 429], answers
        assert answers[3].headers["Retry-After"] == "1", answers[3]
        write({})
        until(lambda: curl(exporter).status == 200, "no limit")


def guesses_do_not_hurt_who_was_let_in():
    """A hundred guesses by ten clients; meanwhile every scrape of who is known is good."""
    with exporter_with({"basic_auth_users": {"alice": SECRET.replace("$04$", "$08$"),
                                             "bob": SECRET}}) as exporter:
        def ask(user, password, path="/-/healthy"):
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            return exporter.get(path, Authorization=f"Basic {token}")[0]
        assert ask("bob", "secret") == 200
        seen = []
        def guess(number):
            for n in range(10):
                try:
                    seen.append(ask("alice", f"guess {number} {n}"))
                except (OSError, http.client.HTTPException):
                    seen.append(0)  # on a busy machine its time may be over while it waits
        guessers = [threading.Thread(target=guess, args=(n,)) for n in range(10)]
        for guesser in guessers:
            guesser.start()
        scrapes = 0
        while any(guesser.is_alive() for guesser in guessers) or not scrapes:
            assert ask("bob", "secret", "/metrics") == 200
            scrapes += 1
        for guesser in guessers:
            guesser.join()
        assert len(seen) == 100 and set(seen) <= {0, 401, 429} and 401 in seen, seen
        assert exporter.end() == 0


def it_ends_while_somebody_waits():
    """Nobody is left suspended."""
    with exporter_with({"basic_auth_users": {"alice": SECRET.replace("$04$", "$12$")}}) as exporter:
        connections = []
        for n in range(4):
            connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=60)
            token = base64.b64encode(f"alice:{n}".encode()).decode()
            connection.request("GET", "/metrics", headers={"Authorization": f"Basic {token}"})
            connections.append(connection)
        assert exporter.end() == 0
        for connection in connections:
            connection.close()
        assert "a password has cost 12" in exporter.read_log()


def without_the_file_there_is_nothing_of_it():
    with exporter_with({}) as exporter:
        page = wait_for(lambda: exporter.get()[0] == 200 and exporter.metrics(), what="the page")
        assert single(page, "memhist_web_config_last_reload_successful") == 1
        assert single(page, "memhist_web_config_last_reload_success_timestamp_seconds") > 1e9


run_tests([every_path_takes_a_password, a_body_is_not_waited_for, connections_stay,
           users_come_and_go, a_mistake_changes_nothing, headers_replace_ours, a_rate_is_kept,
           guesses_do_not_hurt_who_was_let_in, it_ends_while_somebody_waits,
           without_the_file_there_is_nothing_of_it], "curl")

"""Remote write and the rest of the exporter: without a history, beside another exporter, when the
configuration is read again."""

import os
import signal
import subprocess

import remote_lib
import remote_receiver as rr
from exporter_lib import EXPORTER, run_tests, wait_for


def endpoint(receiver, **more):
    return {"url": receiver.url("x") + "?token=geheim", "name": "store",
            "queue_config": {"batch_send_deadline": "100ms"}, **more}


def rewrite(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def refused(*flags):
    done = subprocess.run([EXPORTER, "--web.listen-address=127.0.0.1:0", *flags], text=True,
                          capture_output=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
    return done.returncode, done.stdout, done.stderr


def it_wants_a_history():
    rewrite("memhist.yaml", 'remote_write: [{url: "http://127.0.0.1:1/"}]\n')
    os.chmod("memhist.yaml", 0o640)
    for flags in ((), ("--config.check",)):
        status, out, err = refused("--config.file=memhist.yaml", *flags)
        assert status == 1 and not out and err.count("\n") == 1, (status, out, err)
        assert "remote_write wants a history" in err, err
    status, out, err = refused("--config.file=memhist.yaml", "--config.check", "--history.dir=h")
    assert status == 0 and out == "memhist.yaml is good\n" and not err, (status, out, err)
    rewrite("memhist.yaml", 'remote_write: [{url: "http://me:geheim@127.0.0.1:1/"}]\n')
    status, _, err = refused("--config.file=memhist.yaml")
    assert status == 1 and "memhist.yaml:1:22: “url”: " in err and "geheim" not in err, err


def files_that_it_names_are_looked_for():
    for name, auth in (("password", "basic_auth: {username: me, password_file: password}"),
                       ("token", "authorization: {credentials_file: token}"),
                       ("ca.pem", "tls_config: {ca_file: ca.pem}")):
        rewrite("named.yaml", f'remote_write: [{{url: "http://127.0.0.1:1/", name: store, {auth}}}]\n')
        os.chmod("named.yaml", 0o640)
        flags = "--config.file=named.yaml", "--config.check", "--history.dir=h"
        status, out, err = refused(*flags)
        assert status == 1 and not out and err.count("\n") == 1, (status, out, err)
        assert "remote_write to store: cannot read " in err and f"/{name}: No such file" in err, err
        rewrite(name, "x")
        assert refused(*flags) == (0, "named.yaml is good\n", ""), name


def it_is_read_again():
    remote_lib.SmallProc("proc", 5)
    with rr.Receiver() as receiver:
        path = remote_lib.configure(os.getcwd(), [endpoint(receiver)])
        with open(path, encoding="utf-8") as f:
            first = f.read()

        def groups():
            return {s.labels["group"] for r in receiver.seen("x") for s in r.series
                    if s.name == "memhist_group_processes" and not s.samples[-1].is_stale}

        with remote_lib.exporter(path, "--interval=100ms", "--path.procfs=proc") as exporter:
            wait_for(lambda: "plain" in groups(), what="groups by program")
            rewrite(path, '{"groups": {"by": "user"}, ' + first[1:])
            exporter.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "the configuration was read again" in exporter.read_log(), what="a word")
            assert "at the next start only" not in exporter.read_log(), exporter.read_log()
            wait_for(lambda: {"1", "daemon"} & groups(), what="groups by user")
            wait_for(lambda: any(s.labels["group"] == "plain" and s.samples[-1].is_stale
                                 for r in receiver.seen("x") for s in r.series
                                 if s.name == "memhist_group_processes"), what="an end of the others")
            rewrite(path, first.replace('"100ms"', '"200ms"'))
            exporter.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "at the next start only: remote_write" in exporter.read_log(),
                     what="a word on the endpoint")
            assert exporter.end() == 0
            assert "geheim" not in exporter.read_log(), exporter.read_log()


def who_follows_leaves_it_to_the_other():
    remote_lib.SmallProc("proc", 5)
    with rr.Receiver() as receiver:
        path = remote_lib.configure(os.getcwd(), [endpoint(receiver)])
        with remote_lib.exporter(path, "--interval=100ms", "--path.procfs=proc") as exporter, \
                remote_lib.exporter(path, "--interval=100ms", "--path.procfs=proc") as other:
            assert "remote write to store is left to another process" in other.read_log()
            assert "is in use by another process\n" in other.read_log().replace('"', "")
            assert other.end() == 0
            assert exporter.end() == 0
        sent = [(s.key, x.ms) for r in receiver.seen("x") for s in r.series for x in s.samples]
        assert len(sent) == len(set(sent)) > 0


def a_limit_of_series_is_told_once():
    remote_lib.SmallProc("proc", 5)
    with rr.Receiver() as receiver:
        few = endpoint(receiver, send={"max_series": 3})
        path = remote_lib.configure(os.getcwd(), [few])
        with remote_lib.exporter(path, "--interval=100ms", "--path.procfs=proc") as exporter:
            wait_for(lambda: len(receiver.seen("x")) > 3, what="some requests")
            assert exporter.end() == 0
        assert exporter.read_log().count("more than max_series (3) series") == 1
        keys = {s.key for r in receiver.seen("x") for s in r.series}
        assert len(keys) == 3, keys


run_tests([it_wants_a_history, files_that_it_names_are_looked_for, it_is_read_again,
           who_follows_leaves_it_to_the_other, a_limit_of_series_is_told_once])

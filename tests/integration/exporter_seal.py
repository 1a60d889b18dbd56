"""Sealing beside a recording exporter: by the real memhist, by one that misbehaves, by none."""

import os
import re
import stat
import time

from exporter_lib import Exporter, run_tests, single, wait_for
from tools_lib import BUILD, memhist, names, record, row

REAL = f"--history.sealer={BUILD}/memhist"
LIMIT = 60  # seconds: the machine may be busy


def recording(*flags):
    return Exporter("--history.dir=history", "--interval=100ms", *flags)


def leave_segments(n):
    """So many runs of an exporter whose segments nobody seals."""
    for _ in range(n):
        with recording() as exporter:
            exporter.next_sample()
            assert exporter.end() == 0


def is_clean():
    found = memhist("verify", "--history", "history").text
    assert "damage           none" in found, found


def warnings(exporter):
    return [line for line in exporter.read_log().splitlines()
            if "level=warn" in line or "level=error" in line]


def children(pid):
    """The processes that this one has started, zombies included."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                if int(file.read().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def runs(exporter):
    return exporter.value("memhist_history_sealer_runs_total")


def what_was_recorded_before_is_sealed():
    leave_segments(3)
    assert len(names(".open")) == 3
    with recording(REAL) as exporter:
        wait_for(lambda: len(names(".mh")) == 3 and len(names(".open")) == 1, LIMIT, "sealing")
        wait_for(lambda: runs(exporter) == 1, LIMIT, "its end")
        page = exporter.next_sample()
        assert single(page, "memhist_history_sealer_failures_total") == 0
        assert single(page, "memhist_history_sealed_segments") == 3
        assert single(page, "memhist_history_open_segments") == 1
        assert not children(exporter.process.pid)
        assert not warnings(exporter), exporter.read_log()
        assert f"it is sealed by {BUILD}/memhist" in exporter.read_log()
        is_clean()
        assert exporter.end() == 0
    is_clean()


def days_that_are_over_are_merged():
    record([row(second, pid, 100 + second // 60 % 7) for second in range(0, 40 * 3600, 120)
            for pid in (1, 2, 3)])
    before = memhist("dump", "--history", "history").text.count("\n")
    with recording(REAL) as exporter:
        wait_for(lambda: len(names(".open")) == 1 and len(names(".mh")) == 3, LIMIT, "merging")
        assert all("+" in name for name in names(".mh")), names(".mh")
        wait_for(lambda: runs(exporter) == 1, LIMIT, "its end")
        assert not warnings(exporter), exporter.read_log()
        assert exporter.end() == 0
    assert memhist("dump", "--history", "history").text.count("\n") > before
    is_clean()


def script(text):
    """A sealer that is none."""
    with open("sealer", "w", encoding="ascii") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod("sealer", stat.S_IRWXU)
    return f"--history.sealer={os.getcwd()}/sealer"


def one_that_is_not_there_is_said_once():
    leave_segments(1)
    with recording(f"--history.sealer={os.getcwd()}/nothing") as exporter:
        wait_for(lambda: warnings(exporter), LIMIT, "the warning")
        exporter.next_sample()
        exporter.next_sample()
        assert len(warnings(exporter)) == 1
        assert re.search("cannot run .*nothing.*install it", warnings(exporter)[0])
        assert exporter.value("memhist_history_sealer_failures_total") == 1
        assert runs(exporter) == 0
        assert exporter.end() == 0
    assert len(names(".open")) == 2
    is_clean()


def one_that_fails_is_said_once():
    with recording(script("echo 'memhist seal: no luck' >&2\nexit 4\n")) as exporter:
        wait_for(lambda: runs(exporter) == 1, LIMIT, "its end")
        wait_for(lambda: warnings(exporter), LIMIT, "the warning")
        exporter.next_sample()
        assert len(warnings(exporter)) == 1 and "no luck" in warnings(exporter)[0]
        assert exporter.end() == 0
    is_clean()


def one_that_hangs_ends_with_the_exporter():
    flag = script(f"echo $$ > {os.getcwd()}/number\nexec sleep 10000\n")
    with recording(flag) as exporter:
        number = int(wait_for(lambda: os.path.exists("number") and open("number").read(), LIMIT,
                              "its start"))
        wait_for(lambda: children(exporter.process.pid) == [number], LIMIT, "its name")
        exporter.next_sample()  # nobody waits for it
        assert exporter.end() == 0
    wait_for(lambda: not os.path.exists(f"/proc/{number}"), LIMIT, "its end")
    is_clean()


def it_has_nothing_of_the_exporter():
    os.environ["SECRET"] = "of the exporter"
    flag = script(f"ls -l /proc/$$/fd > {os.getcwd()}/fds\n"
                  f"env > {os.getcwd()}/env\necho > {os.getcwd()}/done\n")
    with recording(flag) as exporter:
        wait_for(lambda: os.path.exists("done"), LIMIT, "its end")
        assert exporter.end() == 0
    with open("fds", encoding="utf-8") as file:
        targets = [line.partition(" -> ")[2] for line in file.read().splitlines() if "->" in line]
    # its own script apart, which the shell reads
    assert all(target == "/dev/null" or target.startswith("pipe:") or target.endswith("/sealer")
               or target.endswith("/fds") for target in targets), targets
    with open("env", encoding="utf-8") as file:
        assert "SECRET" not in file.read()


def it_is_told_where_the_exporter_may_write():
    with open("memhist.yaml", "w", encoding="ascii") as file:
        file.write(f"allowed_output_paths: [{os.getcwd()}/history, /somewhere/else]\n")
    os.chmod("memhist.yaml", 0o640)
    flag = script(f"printf '%s\\n' \"$@\" > {os.getcwd()}/words\necho > {os.getcwd()}/done\n")
    with recording(flag, "--config.file=memhist.yaml") as exporter:
        wait_for(lambda: os.path.exists("done"), LIMIT, "its end")
        assert exporter.end() == 0
    with open("words", encoding="utf-8") as file:
        words = file.read().splitlines()
    assert [word for word in words if word.startswith("--allowed")] == [
        f"--allowed-output-path={os.getcwd()}/history",
        "--allowed-output-path=/somewhere/else"], words
    # and the real one takes that
    done = memhist(*words)
    assert not done.text and not done.err
    done = memhist(*[word.replace("/history", "/other") if "allowed" in word else word
                     for word in words], status=1)
    assert "history is not beneath one of allowed_output_paths" in done.err, done.err


def between_samples_that_are_far_apart_the_page_goes_on():
    leave_segments(3)
    # the first sample is there before the sealer has ended, and the next one is in an hour
    with recording(REAL, "--interval=1h") as exporter:
        wait_for(lambda: exporter.value("memhist_history_sealed_segments") == 3, LIMIT, "sealing")
        assert runs(exporter) == 1
        assert exporter.value("memhist_sampler_samples_total") == 1
        assert exporter.value("memhist_up") == 1
        assert exporter.end() == 0


def nobody_seals_when_nobody_is_asked():
    leave_segments(2)
    with recording("--history.sealer=none") as exporter:
        page = exporter.next_sample()
        time.sleep(0.5)
        assert not [name for name, _ in page if name.startswith("memhist_history_sealer")]
        assert not names(".mh")
        assert "sealed" not in exporter.read_log()


run_tests([
    what_was_recorded_before_is_sealed,
    days_that_are_over_are_merged,
    one_that_is_not_there_is_said_once,
    one_that_fails_is_said_once,
    one_that_hangs_ends_with_the_exporter,
    it_has_nothing_of_the_exporter,
    it_is_told_where_the_exporter_may_write,
    between_samples_that_are_far_apart_the_page_goes_on,
    nobody_seals_when_nobody_is_asked,
])

"""memhist-exporter's groups: rules as process-exporter has them, the rest, and other rules while it runs."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from exporter_lib import EXPORTER, Child, Exporter, parse_page, run_tests, series, single, wait_for
from tools_lib import Skip

OTHER = 1
PEER = shutil.which("prometheus-process-exporter")
SLEEP = "import time; time.sleep(100000)"
# Of nobody else on this machine.
MARK = f"mt{os.getpid()}"


class Program:
    """A process with these arguments, whatever it is in truth; and perhaps a child of its own."""

    def __init__(self, *argv, child=None):
        code = SLEEP if child is None else f"import subprocess; subprocess.run({child!r}, executable={sys.executable!r})"
        self.process = subprocess.Popen([argv[0], "-c", code, *argv[1:]], executable=sys.executable,
                                        stdin=subprocess.DEVNULL, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # a session of its own: it and its child, as long as there is one of them
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def configure(text, name="groups.yaml", mode=0o644):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(name, mode)
    return os.path.abspath(name)


def processes(page):
    """{group: processes}"""
    return {labels["group"]: value for labels, value in series(page, "memhist_group_processes")}


def wait_for_groups(exporter, expected):
    """Until the groups, apart from "other", are these."""
    found = {}

    def same():
        found.clear()
        found.update(processes(exporter.metrics()))
        found.pop("other", None)
        return found == expected

    try:
        wait_for(same, what="groups")
    except AssertionError:
        raise AssertionError(f"{found} instead of {expected}") from None


# In the form of the documentation of process-exporter: every selector, captures, defaults.
RULES = f"""
process_names:
  # the name that the kernel keeps
  - comm:
    - {MARK}-comm
    - {MARK}-absent
    name: "{{{{.Comm}}}}"

  # argv[0]: without slashes its base name, with slashes all of it
  - exe:
    - {MARK}-server
    - /opt/{MARK}/bin/exact

  # captures of the command line
  - name: "{{{{.ExeBase}}}}:{{{{.Matches.{MARK}file}}}}"
    exe:
    - /usr/local/bin/{MARK}-exporter
    cmdline:
    - -config.path\\s+(?P<{MARK}file>\\S+)

  - name: {MARK} jars
    cmdline:
    - {MARK}\\.jar$
"""
ZOO = [
    (["/usr/sbin/" + MARK + "-server"], {}),
    ([MARK + "-server", "second"], {"child": ["/bin/child-of-" + MARK, "-c", SLEEP]}),
    (["/opt/" + MARK + "/bin/exact"], {}),
    (["exact", "unmatched"], {}),
    (["/usr/local/bin/" + MARK + "-exporter", "-config.path", "/etc/a.yml"], {}),
    (["/usr/local/bin/" + MARK + "-exporter", "-config.path", "/etc/b.yml"], {}),
    (["java", "-jar", MARK + ".jar"], {}),
    (["java", "-jar", MARK + ".jar", "unmatched"], {}),
]
EXPECTED = {
    MARK + "-comm": 1, MARK + "-absent": 0,
    MARK + "-server": 3, "exact": 1,
    MARK + "-exporter:/etc/a.yml": 1, MARK + "-exporter:/etc/b.yml": 1,
    MARK + " jars": 1,
}


class Zoo:
    """All of them."""

    def __enter__(self):
        self.animals = []
        try:
            self.animals.append(Child(f"{MARK}-comm".encode()).__enter__())
            for argv, options in ZOO:
                self.animals.append(Program(*argv, **options).__enter__())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for animal in self.animals:
            animal.__exit__()


def a_configuration_of_process_exporter_works_unchanged():
    path = configure(RULES)
    with Zoo(), Exporter("--interval=100ms", "--config.path", path) as exporter:
        assert f"groups: {path}" in exporter.read_log()
        wait_for_groups(exporter, EXPECTED)
        page = exporter.next_sample()
        everybody = single(page, "memhist_processes")
        assert sum(processes(page).values()) == everybody  # "other" is the rest
        resident = dict((labels["group"], value) for labels, value in
                        series(page, "memhist_group_resident_memory_bytes"))
        assert resident[MARK + "-absent"] == 0 and resident[MARK + "-server"] > 0
        assert single(page, "memhist_config_last_reload_successful") == 1
        assert single(page, "memhist_group_rules_given_up_total") == 0
        exits = dict((labels["group"], value) for labels, value in
                     series(page, "memhist_group_exits_total"))
        assert exits[MARK + "-absent"] == 0
        # the largest processes say the same
        named = {labels["group"] for labels, _ in series(page, "memhist_process_info")}
        if everybody < 1000:  # then all are among them
            assert {group for group, n in EXPECTED.items() if n} <= named, named


def peers_groups(port):
    """{group: processes} of process-exporter; {} while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            lines = answer.read().decode("utf-8", "replace").split("\n")
    except (urllib.error.URLError, OSError):
        return {}
    name = "namedprocess_namegroup_num_procs"
    page = parse_page("".join(line + "\n" for line in lines if name in line).encode())
    return {labels["groupname"]: value for labels, value in series(page, name)}


def its_groups_are_those_of_process_exporter():
    if not PEER:
        raise Skip("prometheus-process-exporter is not installed")
    path = configure(RULES)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = {group: n for group, n in EXPECTED.items() if n}
    with Zoo(), Exporter("--interval=100ms", "--config.path", path) as exporter:
        wait_for_groups(exporter, EXPECTED)  # all of them run what they run in the end
        with open("peer.log", "wb") as log:
            peer = subprocess.Popen([PEER, "-config.path", path, "-threads=false", "-gather-smaps=false",
                                     f"-web.listen-address=127.0.0.1:{port}"], stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log)
        try:
            wait_for(lambda: peers_groups(port) or peer.poll() is not None, what="process-exporter")
            if peer.poll() is not None:
                raise Skip("process-exporter does not run here")
            try:
                wait_for(lambda: peers_groups(port) == here, what="the same groups")
            except AssertionError:
                raise AssertionError(f"{peers_groups(port)} instead of {here}") from None
            ours = processes(exporter.next_sample())
            assert {g: n for g, n in ours.items() if n and g != "other"} == here, (ours, here)
        finally:
            peer.kill()
            peer.wait()


def the_rest_is_by_what_is_asked():
    path = configure(f"process_names: [{{comm: {MARK}-comm, name: {MARK}}}]\n"
                     "groups: {by: class, max: 50}\n", "memhist.yaml", 0o640)
    with Child(f"{MARK}-comm".encode()):
        with Exporter("--interval=100ms", f"--config.file={path}") as exporter:
            groups = processes(exporter.next_sample())
            assert groups[MARK] == 1 and set(groups) <= {MARK, "system", "user"}, groups
        # the file of groups has the say, with nothing of the other
        only = configure("groups: {by: none}\n")
        with Exporter("--interval=100ms", f"--config.file={path}", "--config.path", only) as exporter:
            assert not processes(exporter.next_sample())
            assert single(exporter.metrics(), "memhist_processes") > 0
        top = configure("groups: {by: exe, top: 1}\n")
        with Exporter("--interval=100ms", "--config.path", top) as exporter:
            groups = processes(exporter.next_sample())
            assert len(groups) <= 2, groups


def other_rules_while_it_runs():
    path = configure(f"process_names: [{{exe: {MARK}-server, name: before}}]\n")
    with Program(MARK + "-server") as program:
        with Exporter("--interval=100ms", "--config.path", path, "--web.enable-lifecycle",
                      "--config.file=") as exporter:
            wait_for_groups(exporter, {"before": 1})
            began = single(exporter.metrics(), "memhist_config_last_reload_success_timestamp_seconds")
            assert abs(began - time.time()) < 3600
            # by signal, with an expected name more than there were groups
            configure(f"process_names:\n  - {{exe: [{MARK}-server], name: after}}\n  - {{comm: [x{MARK}], "
                      "name: absent}\n")
            exporter.process.send_signal(signal.SIGHUP)
            wait_for_groups(exporter, {"after": 1, "absent": 0})
            assert "the configuration was read again" in exporter.read_log()
            page = exporter.metrics()
            again = single(page, "memhist_config_last_reload_success_timestamp_seconds")
            assert again > began and single(page, "memhist_config_last_reload_successful") == 1
            # a mistake changes nothing
            configure("process_names:\n  - com: [x]\n")
            status, headers, body = exporter.get("/-/reload", "POST")
            assert status == 500, (status, body)
            assert headers["Content-Type"] == "text/plain; charset=utf-8"
            sentence = f"the configuration stays as it was: {path}:2:5: unknown key “com”: did you mean “comm”?"
            assert body.decode() == sentence + "\n", body
            assert exporter.read_log().count(sentence) == 1
            page = exporter.next_sample()
            assert processes(page)["after"] == 1
            assert single(page, "memhist_config_last_reload_successful") == 0
            assert single(page, "memhist_config_last_reload_success_timestamp_seconds") == again
            os.unlink(path)
            exporter.process.send_signal(signal.SIGHUP)
            wait_for(lambda: f"cannot read {path}: No such file" in exporter.read_log(), what="a word")
            # by HTTP; exits are counted on
            configure(f"process_names: [{{exe: {MARK}-server, name: last}}]\n")
            status, _, body = exporter.get("/-/reload", "PUT")
            assert status == 200, (status, body)
            wait_for_groups(exporter, {"last": 1})
            page = exporter.metrics()
            assert single(page, "memhist_config_last_reload_successful") == 1
            assert single(page, "memhist_config_last_reload_success_timestamp_seconds") > again
            program.process.kill()
            program.process.wait()
            wait_for(lambda: exporter.value("memhist_group_exits_total", group="last") == 1,
                     what="the exit")
            assert exporter.get("/-/reload", "POST")[0] == 200
            exporter.next_sample()
            assert exporter.next_sample()[("memhist_group_exits_total",
                                           frozenset({("group", "last")}))] == 1
            status, headers, _ = exporter.get("/-/reload")
            assert status == 405 and headers["Allow"] == "POST, PUT", (status, headers["Allow"])
            assert exporter.end() == 0


def nobody_reloads_unless_it_was_allowed():
    with Exporter("--interval=100ms", "--config.file=") as exporter:
        for method in "POST", "PUT", "GET", "DELETE":
            status, _, body = exporter.get("/-/reload", method)
            assert status == 403 and b"--web.enable-lifecycle" in body, (method, status, body)
        assert "read again" not in exporter.read_log()


def what_takes_a_start_is_said():
    text = "history: {max_age: %s}\ngroups: {by: user}\n"
    path = configure(text % "30d", "memhist.yaml", 0o640)
    with Exporter("--interval=100ms", f"--config.file={path}") as exporter:
        configure(text.replace("user", "class") % "31d", "memhist.yaml", 0o640)
        exporter.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "at the next start only: history.max_age" in exporter.read_log(),
                 what="a word on max_age")
        wait_for(lambda: set(processes(exporter.metrics())) <= {"system", "user"}, what="classes")


def check(*flags):
    return subprocess.run([EXPORTER, "--config.check", *flags], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=False)


def files_are_checked_without_a_start():
    good = configure(RULES)
    main = configure("history: {dir: /nowhere/at/all}\n", "memhist.yaml", 0o640)
    done = check("--config.path", good, f"--config.file={main}")
    assert done.returncode == 0 and not done.stderr, done
    assert done.stdout == f"{main} is good\n{good} is good\n", done.stdout
    done = check("--config.file=")
    assert done.returncode == 0 and done.stdout.startswith("there is no configuration file"), done
    for text, mode, sentence in [
            ("process_names:\n  - comm: [a]\n    name: '{{.Com}}'\n", 0o644,
             ":3:11: “name”: “{{.Com}}”, at character 1, is no variable: did you mean {{.Comm}}?"),
            ("history: {dir: /x}\n", 0o644, ":1:1: unknown key “history”: see memhist.yaml(5)"),
            ("process_names: []\n", 0o666, " may be changed by everybody (mode 0666): chmod 0644 "),
            ("process_names: []\n", 0o664, " may be changed by its group (mode 0664): chmod 0644 "),
    ]:
        bad = configure(text, "bad.yaml", mode)
        done = check("--config.file=", f"--config.path={bad}")
        assert done.returncode == OTHER and not done.stdout and bad + sentence in done.stderr, done
        assert done.stderr.count("\n") == 1, done.stderr
        # nor does it start
        done = subprocess.run([EXPORTER, "--config.file=", f"--config.path={bad}",
                               "--web.listen-address=127.0.0.1:0"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60, check=False)
        assert done.returncode == OTHER and bad + sentence in done.stderr, done


run_tests([
    a_configuration_of_process_exporter_works_unchanged,
    its_groups_are_those_of_process_exporter,
    the_rest_is_by_what_is_asked,
    other_rules_while_it_runs,
    nobody_reloads_unless_it_was_allowed,
    what_takes_a_start_is_said,
    files_are_checked_without_a_start,
])

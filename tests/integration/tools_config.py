"""The configuration file and the tools: memhist config, --config, MEMHIST_CONFIG, what is allowed."""

import json
import os
import stat

import tools_lib as lib
from tools_lib import candles, memhist, refuses, row, run


def configure(text, name="memhist.yaml", mode=0o640):
    """Write a configuration; its absolute path."""
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(name, mode)
    return os.path.abspath(name)


def shown(*args, **options):
    return json.loads(memhist("config", "--json", *args, **options).text)


def values(found):
    return {value["key"]: value for value in found["values"]}


def it_shows_what_is_in_force():
    text = memhist("config").text
    assert text.startswith("configuration: none ("), text
    assert "\nhistory.dir           default     /var/lib/memhist" in text, text
    path = configure("# here\nhistory:\n  dir: /srv/history\n"
                     "allowed_output_paths: [/srv, /tmp]\n")
    text = memhist("config", "--config", path).text
    assert text.startswith(f"configuration: {path}: good\n"), text
    assert "\nhistory.dir           line 3      /srv/history\n" in text, text
    assert "\nhistory.dir" in memhist("config", path).text
    assert "line 4      /srv\n" + 34 * " " + "/tmp\n" in text, text
    found = shown(path)
    assert found["file"] == path
    assert values(found)["history.dir"] == {
        "key": "history.dir", "is_set": True, "line": 3, "column": 8, "value": "/srv/history"}
    assert values(found)["allowed_output_paths"] == {
        "key": "allowed_output_paths", "is_set": True, "line": 4, "column": 23,
        "value": ["/srv", "/tmp"]}
    assert values(shown())["history.dir"] == {"key": "history.dir", "is_set": False}


def the_environment_names_it_and_the_option_wins():
    first = configure("history: {dir: /srv/first}\n", "first.yaml")
    second = configure("history: {dir: /srv/second}\n", "second.yaml")
    os.environ["MEMHIST_CONFIG"] = first
    try:
        assert values(shown())["history.dir"]["value"] == "/srv/first"
        assert values(shown("--config", second))["history.dir"]["value"] == "/srv/second"
        assert values(shown(second))["history.dir"]["value"] == "/srv/second"
        refuses(memhist("status", status=lib.OTHER), "/srv/first")
        refuses(memhist("status", "--history", "x", status=lib.OTHER), "x")
    finally:
        os.environ["MEMHIST_CONFIG"] = ""


def every_command_reads_it():
    lib.record([row(s, 1, 4) for s in range(10)])
    path = configure(f"history: {{dir: {os.path.abspath('history')}}}\n")
    for command in "status", "verify", "dump", "seal":
        assert memhist(command, "--config", path).text
        assert memhist(command, f"--config={path}", "--history", "history").text
    assert run("memhist-candles", "--config", path).rows
    os.chmod(path, 0o644)
    for program in ["memhist", "status"], ["memhist", "dump"], ["memhist-candles"]:
        refuses(run(program[0], *program[1:], "--config", path, status=lib.OTHER),
                "may be read by everybody (mode 0644): chmod 0640 " + path)
    assert "Usage:" in memhist("status", "--config", path, "--help").text


def mistakes_are_told_by_line_and_column():
    path = configure("history:\n  dri: /x\n")
    for args in ["config", path], ["config", "--check", path], ["config", "--check-paths",
                                                                  "--config", path]:
        refuses(memhist(*args, status=lib.OTHER),
                f"{path}:2:3: unknown key “dri”: did you mean “dir”?")
    refuses(memhist("config", "missing.yaml", status=lib.OTHER), "cannot read missing.yaml")
    os.mkfifo("fifo")
    refuses(memhist("config", "fifo", status=lib.OTHER), "fifo is no regular file")
    refuses(memhist("config", "--check", "/dev/null", status=lib.OTHER), "no regular file")
    configure("history: {dir: \"/a\x1b[2J\"}\n", "escape.yaml")
    refuses(memhist("config", "escape.yaml", status=lib.OTHER), "escape.yaml:1:19: control")
    refuses(memhist("config", "a", "b", status=lib.USAGE), "one FILE at a time")
    refuses(memhist("config", "--check", "--check-paths", status=lib.USAGE), "leave --check out")
    refuses(memhist("config", "--config", "", status=lib.USAGE), "--config needs a file")
    good = configure("history: {}\n", "good.yaml")
    assert memhist("config", "--check", good).text == f"configuration: {good}: good\n"


def modes_and_owners_are_checked():
    for mode in range(0o600, 0o1000):
        if mode & 0o27 not in (0o20, 0o04, 0o02, 0o01, 0):
            continue
        path = configure("history: {}\n", mode=mode)
        if mode & 0o27:
            refuses(memhist("config", path, status=lib.OTHER), f"(mode {mode:04o})", "chmod 0640")
        else:
            memhist("config", path)
    path = configure("history: {}\n")
    os.chmod(".", 0o777)
    refuses(memhist("config", path, status=lib.OTHER), "a directory that everybody may write to")
    os.chmod(".", 0o700)
    if os.geteuid() == 0:
        os.chown(path, 65533, 65533)
        refuses(memhist("config", path, status=lib.OTHER), "belongs to user 65533", "chown root")


def what_is_not_allowed_is_not_written():
    lib.record([row(s, 1, 4) for s in range(10)])
    os.mkdir("allowed")
    os.mkdir("other")
    os.symlink("../other", "allowed/link")
    path = configure(f"allowed_output_paths: [{os.path.abspath('allowed')}]\n")
    with_it = ["--config", path]
    candles("--output", "allowed/out.tsv", *with_it)
    memhist("dump", "--history", "history", "-o", "allowed/out.json", *with_it)
    memhist("import", "--from", "csv", "--history", "allowed/history", *with_it, "-",
            stdin=lib.csv_bytes([row(0, 1, 4)]))
    assert stat.S_IMODE(os.stat("allowed/out.tsv").st_mode) == 0o640
    assert candles(*with_it).rows and candles("--output", "/dev/null", *with_it)
    for target in "out.tsv", "other/out.tsv", "allowed/../out.tsv", "allowed/link/out.tsv", "allowed":
        found = candles("--output", target, *with_it, status=lib.OTHER)
        refuses(found, "directory" if target == "allowed" else "allowed_output_paths")
        refuses(memhist("import", "--from", "csv", "--history", target, *with_it, "-",
                        status=lib.OTHER, stdin=lib.csv_bytes([row(0, 1, 4)])),
                "not empty" if target == "allowed" else "allowed_output_paths")
    refuses(candles("--output", "allowed/t.tsv", "--pid-map", "t.pids", *with_it, status=lib.OTHER),
            "allowed_output_paths")
    refuses(memhist("seal", "--history", "history", *with_it, status=lib.OTHER),
            "not beneath one of allowed_output_paths")
    assert memhist("verify", "--history", "history", *with_it).text
    memhist("seal", "--history", "allowed/history", *with_it)
    assert not os.listdir("other")
    nowhere = configure("allowed_output_paths: []\n", "nowhere.yaml")
    refuses(candles("--output", "allowed/new.tsv", "--config", nowhere, status=lib.OTHER),
            "allowed_output_paths")
    assert candles("--config", nowhere).rows


def decisions_are_explained():
    os.mkdir("allowed")
    os.mkdir("open")
    os.chmod("open", 0o777)
    os.symlink("/etc", "etc")
    allowed, here = os.path.abspath("allowed"), os.getcwd()
    path = configure(f"allowed_output_paths: [{allowed}, {here}/open]\n"
                     f"history: {{dir: {here}/open}}\n")
    args = ["--config", path, "--check-paths"]
    words = ["allowed/x", "x", "etc/x", "/dev/null", "allowed", "allowed/no/x"]
    text = memhist("config", *args, *words, status=lib.OTHER).text
    assert f"history  {here}/open\n         refused by rule 7: everybody may write" in text, text
    assert f"chmod o-w {here}/open" in text
    found = shown(*args, *words, status=lib.OTHER)["paths"]
    rows = {(d["what"], d["path"]): d for d in found}
    assert rows["history", here + "/open"]["rule"] == 7
    assert rows["allowed", here + "/open"]["rule"] == 7
    one = rows["path", "allowed/x"]
    assert one["allowed"] and one["allowed_by"] == allowed and not one["exists"], one
    assert one["leads_to"] == allowed + "/x"
    assert rows["path", "x"]["rule"] == 4 and not rows["path", "x"]["allowed"]
    assert rows["path", "etc/x"]["rule"] == 2 and rows["path", "etc/x"]["leads_to"] == "/etc/x"
    assert rows["path", "/dev/null"] == {"what": "path", "path": "/dev/null", "use": "device",
                                         "allowed": True}
    assert rows["path", "allowed/FILE"]["allowed"]
    assert rows["path", "allowed/no/x"]["obstacle"] == "there is no directory to put it in"
    assert rows["usual", "/tmp/FILE"]["rule"] == 4
    os.chmod("open", 0o750)
    memhist("config", *args, "allowed/x")
    text = memhist("config", *args, "allowed/x", "x", status=lib.OTHER).text
    assert f"mode 0750" in text and "allowed: within" in text, text
    if os.geteuid() == 0:
        os.chown("open", 65533, 65533)
        text = memhist("config", *args, status=lib.OTHER).text
        assert "refused by rule 6" in text and "belongs to user 65533" in text, text


lib.run_tests([
    it_shows_what_is_in_force,
    the_environment_names_it_and_the_option_wins,
    every_command_reads_it,
    mistakes_are_told_by_line_and_column,
    modes_and_owners_are_checked,
    what_is_not_allowed_is_not_written,
    decisions_are_explained,
])

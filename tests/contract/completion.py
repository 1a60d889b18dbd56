"""What bash completes against what --help of each program and command says."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))
from exporter_lib import EXPORTER
from tools_lib import BUILD, SOURCE, run_tests

SCRIPT = os.path.join(SOURCE, "tools/completion.bash")
PROGRAMS = [os.path.join(BUILD, name) for name in ("memhist", "memhist-candles")]
if os.path.exists(EXPORTER):
    PROGRAMS.append(EXPORTER)

COMPLETE = """
. "$1"; shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_memhist "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(*words):
    """What is offered for the last word."""
    done = subprocess.run(["bash", "--norc", "-c", COMPLETE, "bash", SCRIPT, *words],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=60,
                          check=True)
    return [line for line in done.stdout.split("\n") if line]


def help_of(*words):
    return subprocess.run([*words, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, timeout=60, check=True).stdout


def commands():
    """Of memhist: the paragraph that begins with "status"."""
    listed = re.search(r"\n\n((?:  [a-z]+ .*\n)+)", help_of(PROGRAMS[0]))[1]
    names = [line.split()[0] for line in listed.splitlines()]
    assert "status" in names and "config" in names and len(names) >= 9, names
    return names


def everything_with_options():
    return [[PROGRAMS[0], name] for name in commands()] + [[program] for program in PROGRAMS[1:]]


def options_in(text):
    return re.findall(r"^ +(?:-[a-zA-Z], )?(--[^ =]+)", text, re.M)


def every_option_of_help_is_offered():
    for words in everything_with_options():
        options = options_in(help_of(*words))
        assert "--help" in options, words
        assert sorted(complete(*words, "--")) == sorted(options), words
        assert complete(*words, options[0][:-1]), words


def commands_are_offered():
    assert sorted(complete(PROGRAMS[0], "")) == sorted(commands() + ["help", "--help", "--version"])
    assert complete(PROGRAMS[0], "exp") == ["export"]
    assert sorted(complete(PROGRAMS[0], "help", "")) == sorted(commands())


def directories_are_offered_where_one_belongs():
    os.mkdir("directory")
    with open("file", "wb"):
        pass
    for words in everything_with_options():
        text = help_of(*words)
        if re.search("--history[ =]DIR", text):
            assert complete(*words, "--history", "") == ["directory"], words
        elif "--history.dir=DIR" in text:
            assert complete(*words, "--history.dir", "=", "") == ["directory"], words
            assert complete(*words, "--history.dir", "=") == ["directory"], words
    assert complete(PROGRAMS[0], "export", "--output", "") == []  # files: bash's own default


def words_that_options_take_are_those_of_help():
    with open(SCRIPT, encoding="utf-8") as file:
        known = re.findall(r"^\t(--[a-z.-]+)\) echo (.*) ;;$", file.read(), re.M)
    assert len(known) >= 7, known
    if EXPORTER not in PROGRAMS:
        known = [(option, words) for option, words in known
                 if not re.match("--(collector|groups|log)", option)]
    for option, words in known:
        where = [words for words in everything_with_options() if option in options_in(help_of(*words))]
        assert where, option
        for program in where:
            if complete(*program, option, ""):
                assert complete(*program, option, "") == words.split(), (program, option)
        said = help_of(*where[0])
        said = re.search(rf"^ +(-., )?{option}[ =](.*?)(\n +(-., )?--|\n\n)", said, re.M | re.S)[2]
        for word in words.split():
            assert word in said, (option, word, said)


run_tests([
    every_option_of_help_is_offered,
    commands_are_offered,
    directories_are_offered_where_one_belongs,
    words_that_options_take_are_those_of_help,
])

"""The plugin's configuration as collectd reads it, and the papers about it."""

import os
import re
import shutil
import subprocess

from collectd_lib import PLUGIN, collectd, complaints, configure, run_tests
from exporter_lib import fake_proc
from tools_lib import SOURCE, Skip

EXAMPLE = os.path.join(SOURCE, "plugin/memhist.conf")
MANUAL = os.path.join(SOURCE, "docs/collectd-memhist.5.pod")

# What is written in the block, and what collectd has to say before it ends with an error.
WRONG = [
    ('HistroyDir "/tmp"', 'unknown option "HistroyDir": did you mean HistoryDir?'),
    ("Interval 10", "Interval belongs into <LoadPlugin memhist>, not <Plugin memhist>"),
    ("Frobnicate yes", 'unknown option "Frobnicate": see collectd-memhist(5)'),
    ('HistoryDir "relative/path"', 'HistoryDir takes an absolute path, or "none"'),
    ('HistoryDir ""', 'HistoryDir takes an absolute path, or "none"'),
    ('Backend "bpf-sek"', "Backend: 'bpf-sek' is no backend: did you mean bpf-seq?"),
    ('Backend "psutil"', "Backend: 'psutil' is none of auto, bpf, bpf-seq, procfs"),
    ("Backend bpf-seq", "Backend takes one value; one with a blank or a dash needs quotes"),
    ("Backend true", 'Backend takes "auto", "bpf", "bpf-seq" or "procfs"'),
    ('ConfigFile "memhist.yaml"', 'ConfigFile takes an absolute path, or "none"'),
    ("ConfigFile true", 'ConfigFile takes an absolute path, or "none" to read no file'),
    ('Procfs "proc"', "Procfs takes an absolute path"),
    ("MaxInstances 0", "MaxInstances takes a whole number, 1 to 10000"),
    ("MaxInstances many", "MaxInstances takes a whole number, 1 to 10000"),
    ("MaxInstances 1.5", "MaxInstances takes a whole number, 1 to 10000"),
    ('ReportMeminfo "true"', "ReportMeminfo takes true or false, without quotes"),
    ("IgnoreSelected 2", "IgnoreSelected takes true or false, without quotes"),
    ('Select "/(/"', 'Select: pattern "/(/"'),
    ('Select ""', "Select: pattern"),
    ('Select "a" "b"', "Select takes one value"),
    ("<Select>\n  Name x\n</Select>", "Select takes one value"),
]


def options():
    """Those that the plugin knows."""
    with open(os.path.join(SOURCE, "plugin/config.c"), encoding="utf-8") as file:
        found = re.findall(r'^\t\{"(\w+)", [A-Z_]+, offsetof', file.read(), re.M)
    assert len(found) > 5
    return found


def parsing_alone_touches_nothing():
    # the first block is right; the second ends collectd before anything is started
    configure(f'HistoryDir "{os.getcwd()}/history"\nSelect "/x/"')
    with open("collectd.conf", "a", encoding="utf-8") as file:
        file.write("<Plugin memhist>\n  Nonsense 1\n</Plugin>\n")
    assert collectd("-T")[0] == 1
    assert sorted(os.listdir(".")) == ["collectd.conf", "log"]


def each_mistake_is_named_and_stops_collectd():
    for option, sentence in WRONG:
        configure(option)
        status, said = collectd("-T")
        assert status == 1, (option, status, said)
        assert f"memhist plugin: {sentence}" in said, (option, said)
        os.remove("log")


def a_check_alone_finds_mistakes_too():
    with open("collectd.conf", "w", encoding="utf-8") as file:
        file.write("this is no configuration\n")
    if collectd("-t")[0] == 0:
        raise Skip("this collectd reads no file at -t")
    configure("Frobnicate yes")
    assert collectd("-t")[0] == 1
    configure(f'HistoryDir "{os.getcwd()}/history"')
    assert collectd("-t")[0] == 0
    assert not os.path.exists("history")


def a_procfs_that_is_none_is_said_at_the_start():
    configure(f'Procfs "{os.getcwd()}"')
    status, said = collectd("-T")
    assert status == 1
    assert "no procfs" in said and "Nothing is measured." in said, said


def the_backend_is_said_at_the_start():
    configure("Backend procfs")
    status, said = collectd("-T")
    assert status == 0 and "memhist plugin: processes are read by procfs." in said, said
    os.remove("log")
    configure('Backend "auto"')
    status, said = collectd("-T")
    assert status == 0, said
    assert re.search(r"plugin: processes are read by (bpf\.|(bpf-seq|procfs) \()", said), said


def a_backend_that_cannot_be_had_is_said_at_the_start():
    fake_proc()  # BPF could not read it
    configure(f'Procfs "{os.getcwd()}/proc"\nBackend bpf')
    status, said = collectd("-T")
    assert status == 1
    assert "BPF" in said and "Nothing is measured." in said, said


def an_interval_out_of_range_is_said_at_the_start():
    configure(interval=0.01)
    status, said = collectd("-T")
    assert status == 1
    assert "an interval of 10 ms" in said, said


def a_missing_types_db_is_said_at_the_start():
    with open("types.db", "w", encoding="ascii") as file:
        file.write("gauge value:GAUGE:U:U\n")
    configure()
    with open("collectd.conf", encoding="utf-8") as file:
        text = file.read()
    with open("collectd.conf", "w", encoding="utf-8") as file:
        file.write(f'TypesDB "{os.getcwd()}/types.db"\n' + text)
    _, said = collectd("-T")
    assert "collectd does not know its own type ps_rss" in said, said


def the_example_is_accepted_as_it_is_and_with_every_comment_removed():
    with open(EXAMPLE, encoding="utf-8") as file:
        example = file.read()
    everything = re.sub(r"^(\s*)#(?=[A-Z]\w+ )", r"\1", example, flags=re.M)
    assert everything != example
    # a later block has the last word, so that nothing outside this folder is touched
    here = (f'\n<Plugin memhist>\n  HistoryDir "{os.getcwd()}/history"\n'
            '  MaxInstances 10000\n  HistorySealer "none"\n</Plugin>\n')
    for text in example, everything:
        configure(load="")
        with open("collectd.conf", encoding="utf-8") as file:
            before = file.read().split("<Plugin memhist>")[0]
        with open("collectd.conf", "w", encoding="utf-8") as file:
            file.write(before + text + here)
        status, said = collectd("-T")
        assert status == 0 and not complaints(said), said
        assert os.path.exists("history")
        shutil.rmtree("history")


def example_and_manual_have_every_option():
    with open(EXAMPLE, encoding="utf-8") as file:
        example = set(re.findall(r"^\s+#([A-Z]\w+) ", file.read(), re.M))
    with open(MANUAL, encoding="utf-8") as file:
        manual = set(re.findall(r"^=item B<(\w+)> ", file.read(), re.M))
    ours = set(options())
    assert example == ours | {"Interval"}, example ^ ours
    assert manual == ours | {"Interval", "FlushInterval"}, manual ^ ours


def the_plugin_exports_one_name():
    assert shutil.which("nm"), "binutils come with every compiler"
    names = subprocess.run(["nm", "-D", "--defined-only", PLUGIN], stdout=subprocess.PIPE,
                           check=True, text=True).stdout
    assert [line.split()[-1] for line in names.splitlines()] == ["module_register"], names


run_tests([
    parsing_alone_touches_nothing,
    each_mistake_is_named_and_stops_collectd,
    a_check_alone_finds_mistakes_too,
    a_procfs_that_is_none_is_said_at_the_start,
    the_backend_is_said_at_the_start,
    a_backend_that_cannot_be_had_is_said_at_the_start,
    an_interval_out_of_range_is_said_at_the_start,
    a_missing_types_db_is_said_at_the_start,
    the_example_is_accepted_as_it_is_and_with_every_comment_removed,
    example_and_manual_have_every_option,
    the_plugin_exports_one_name,
])

"""libmemhist/model/fields.def against what the programs print and the manual pages say."""

import collections
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))
import exporter_lib
from tools_lib import NO_DATA, SOURCE, USAGE, Skip, candles, memhist, record, refuses, row, run, run_tests


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        return file.read()


STRING = r'"([^"]*)"'
ENTRY = (rf"^MH_FIELD\(\w+,\s{STRING},\s(\d+),\s(PAGES|COUNT),\s(SUM|NONE|MAX),\s(\w+),"
         rf"\s{STRING},\s+{STRING},\s+{STRING},\s+{STRING}\)")
Field = collections.namedtuple(
    "Field", "name column unit in_groups mark origin metric collectd_type help")
FIELDS = [Field(*entry) for entry in
          re.findall(ENTRY, read("libmemhist/model/fields.def"), re.M)]
NAMES = [field.name for field in FIELDS]
IMPORTED = {"rss": 100, "vsz": 200, "swap": 300}


def the_table_has_no_doubles():
    assert len(FIELDS) == read("libmemhist/model/fields.def").count("\nMH_FIELD(")
    columns = [f.column for f in FIELDS if f.column != "0"]
    for values in NAMES, columns, [f.metric for f in FIELDS]:
        assert len(set(values)) == len(values), values
    assert set(IMPORTED) <= set(NAMES)


def every_field_has_candles():
    record([row(0, 7, 100, vsz=200, swap=300)])
    for name in NAMES:
        if name in IMPORTED:
            assert candles("--metric", name).rows[1][1:] == [str(IMPORTED[name])] * 4, name
        else:
            refuses(candles("--metric", name, status=NO_DATA), name)
    refuses(candles("--metric", "nothing", status=USAGE), *NAMES)


def every_measured_field_is_dumped():
    record([row(0, 7, 100, vsz=200, swap=300)])
    process = json.loads(memhist("dump", "--history", "history").text.split("\n")[0])["born"][0]
    shown = {key: value for key, value in process.items() if key.endswith("_bytes")}
    assert shown == {f"{name}_bytes": kib * 1024 for name, kib in IMPORTED.items()}


def every_field_is_exported_under_its_name():
    record([row(0, 7, 100, vsz=200, swap=300)])
    with open("all.csv", "w", encoding="ascii") as file:
        file.write(memhist("export", "--format", "csv", "--history", "history").text)
    with open("all.csv", encoding="ascii") as file:
        header = file.readline().strip().split(",")
    of_field = {f.name: f.name + ("_kb" if f.unit == "PAGES" else "") for f in FIELDS}
    stored = [f.name for f in FIELDS if f.column != "0"]
    assert header[14:-2] == [of_field[name] for name in stored]
    for f in FIELDS:
        one = memhist("export", "--format", "csv", "--field", f.name, "--history", "history").text
        assert one.split("\n")[0].split(",")[14:-2] == [of_field[f.name]], f.name
    shown = memhist("export", "--format", "openmetrics", "--history", "history").text
    for name in IMPORTED:
        (f,) = [f for f in FIELDS if f.name == name]
        assert f"# HELP memhist_process_{f.metric} {f.help}\n" in shown, name
    refuses(memhist("export", "--format", "csv", "--field", "nothing", status=USAGE), *NAMES)


def help_and_manual_of_candles_offer_every_field():
    helped = re.search(r"--metric NAME +([^[]*)",
                       run("memhist-candles", "--help").text).group(1)
    item = re.search(r"^=item B<--metric>.*?\n\n(.*?)\n\n", read("docs/memhist-candles.1.pod"),
                     re.M | re.S).group(1)
    for name in NAMES:
        assert re.search(rf"\b{name}\b", helped), name
        assert f"C<{name}>" in item, name


def metrics_of_fields_come_from_the_table():
    if not os.path.exists(exporter_lib.EXPORTER):
        raise Skip("memhist-exporter was not built")
    manual = read("docs/memhist-exporter.1.pod")
    with exporter_lib.Exporter() as exporter:
        page = exporter.get()[2].decode()
    for of in "process", "group":
        shown = set(re.findall(rf"^memhist_{of}_(\w+_bytes|threads)\{{", page, re.M))
        # windows and exits are no fields
        shown = {name for name in shown if not re.search("_1m_|_15m_|^exited_", name)}
        fields = [f for f in FIELDS if of == "process" or f.in_groups != "NONE"]
        assert shown >= {"resident_memory_bytes", "virtual_memory_bytes"}
        assert shown <= {field.metric for field in fields}
        for field in fields:
            if field.metric in shown:
                name = f"memhist_{of}_{field.metric}"
                assert re.search(rf"^# HELP {name} {re.escape(field.help)}", page, re.M), name
                assert name in manual, name


def the_manual_of_the_plugin_knows_its_types():
    shown = set(re.findall(r"memhist-PROGRAM/(\w+)", read("docs/collectd-memhist.5.pod")))
    assert shown == {f.collectd_type for f in FIELDS if f.collectd_type} | {"ps_count"}


run_tests([
    the_table_has_no_doubles,
    every_field_has_candles,
    every_measured_field_is_dumped,
    every_field_is_exported_under_its_name,
    help_and_manual_of_candles_offer_every_field,
    metrics_of_fields_come_from_the_table,
    the_manual_of_the_plugin_knows_its_types,
])

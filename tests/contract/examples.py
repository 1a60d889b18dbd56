"""Example files are what the programs that read them take."""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))
from exporter_lib import EXPORTER
from tools_lib import SOURCE, Skip, run_tests

SCRAPE = os.path.join(SOURCE, "docs/prometheus.yml")


def check_with_promtool(path):
    promtool = shutil.which("promtool")
    if not promtool:
        raise Skip("promtool is not installed")
    done = subprocess.run([promtool, "check", "config", path], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def prometheus_takes_its_example():
    check_with_promtool(SCRAPE)


def prometheus_takes_what_is_commented_out_as_well():
    with open(SCRAPE, encoding="utf-8") as file:
        text = file.read()
    all_of_it = re.sub(r"^( +)# ( *- |metric_relabel|  +[a-z_]+: )", r"\1\2", text, flags=re.M)
    assert all_of_it.count("\n    metric_relabel_configs:\n      - source_labels") == 1, all_of_it
    assert all_of_it.count("- targets") == 2
    with open("prometheus.yml", "w", encoding="utf-8") as file:
        file.write(all_of_it)
    check_with_promtool("prometheus.yml")


def the_example_scrapes_where_the_exporter_listens():
    if not os.path.exists(EXPORTER):
        raise Skip("memhist-exporter was not built")
    shown = subprocess.run([EXPORTER, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           text=True, timeout=60, check=True).stdout
    address = re.search(r"--web.listen-address=.*\[(.*)\]", shown)[1]
    with open(SCRAPE, encoding="utf-8") as file:
        assert f'- targets: ["{address}"]\n' in file.read()


run_tests([
    prometheus_takes_its_example,
    prometheus_takes_what_is_commented_out_as_well,
    the_example_scrapes_where_the_exporter_listens,
])

"""The service as systemd understands it: valid, hardened, with and without BPF."""

import os
import shutil
import subprocess
import sys

import tools_lib
from tools_lib import BUILD, SOURCE

UNIT = "memhist-exporter.service"
EBPF = f"exporter/{UNIT}.d/ebpf.conf"
EXPOSURE_MAX = 25  # tenths; of 100 for a service that may do everything


def unit(drop_in=False):
    """Put the unit, made for the programs of the build, into the current folder; its path."""
    with open(os.path.join(SOURCE, f"exporter/{UNIT}.in"), encoding="utf-8") as file:
        text = file.read()
    assert text.count("@") == text.count("@bindir@") * 2 + text.count("@system-service") \
        + text.count("@privileged") + text.count("@resources")
    with open(UNIT, "w", encoding="utf-8") as file:
        file.write(text.replace("@bindir@", BUILD))
    if drop_in:
        os.mkdir(f"{UNIT}.d")
        shutil.copy(os.path.join(SOURCE, EBPF), f"{UNIT}.d")
    return os.path.abspath(UNIT)


def analyze(*args):
    done = subprocess.run(["systemd-analyze", "--no-pager", *args], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def the_unit_is_valid():
    said = analyze("verify", "--man=no", "--recursive-errors=no", unit())
    assert UNIT not in said, said


def the_unit_is_valid_with_bpf():
    said = analyze("verify", "--man=no", "--recursive-errors=no", unit(drop_in=True))
    assert UNIT not in said, said


def the_unit_may_do_little():
    analyze("security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", unit())


def with_bpf_it_may_do_little_more():
    """systemd-analyze does not read drop-ins offline: in one file, later lines count as well."""
    path = unit()
    with open(os.path.join(SOURCE, EBPF), encoding="utf-8") as file:
        settings = file.read()
    with open(path, "a", encoding="utf-8") as file:
        file.write(settings)
    analyze("security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", path)


if not os.path.exists(os.path.join(BUILD, "memhist-exporter")):
    print("1..0 # SKIP memhist-exporter was not built")
    sys.exit(0)
if not shutil.which("systemd-analyze"):
    print("1..0 # SKIP systemd-analyze is not installed")
    sys.exit(0)
tools_lib.run_tests([
    the_unit_is_valid,
    the_unit_is_valid_with_bpf,
    the_unit_may_do_little,
    with_bpf_it_may_do_little_more,
])

"""The service as systemd understands it: valid, hardened, with and without BPF."""

import os
import re
import shutil
import subprocess
import sys

import tools_lib
from tools_lib import BUILD, SOURCE

UNIT = "memhist-exporter.service"
SOCKET = "memhist-exporter.socket"
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


def the_socket_unit_is_valid():
    unit()
    shutil.copy(os.path.join(SOURCE, f"exporter/{SOCKET}"), SOCKET)
    said = analyze("verify", "--man=no", "--recursive-errors=no", os.path.abspath(SOCKET))
    assert SOCKET not in said, said
    shown = subprocess.run([os.path.join(BUILD, "memhist-exporter"), "--help"], check=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout
    address = re.search(r"--web.listen-address=.*\[(.*)\]", shown)[1]
    with open(SOCKET, encoding="utf-8") as file:
        assert f"\nListenStream={address}\n" in file.read()


def make(program, name, *args):
    """Apply a file of sysusers.d or tmpfiles.d to an empty file system in the current folder."""
    if not shutil.which(program) or os.geteuid() != 0:
        raise tools_lib.Skip(f"needs {program}, and root")
    done = subprocess.run([program, f"--root={os.getcwd()}", *args,
                           os.path.join(SOURCE, f"exporter/{name}.d/memhist-exporter.conf")],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def the_user_and_its_directory_are_made():
    for folder in "etc", "var/lib":
        os.makedirs(folder)
    make("systemd-sysusers", "sysusers")
    with open("etc/passwd", encoding="utf-8") as file:
        (line,) = [line for line in file if line.startswith("memhist:")]
    assert line.split(":")[5] == "/var/lib/memhist" and "nologin" in line, line
    make("systemd-tmpfiles", "tmpfiles", "--create")
    made = os.stat("var/lib/memhist")
    assert (made.st_mode & 0o7777, made.st_uid) == (0o750, int(line.split(":")[2])), made


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
    the_socket_unit_is_valid,
    the_user_and_its_directory_are_made,
])

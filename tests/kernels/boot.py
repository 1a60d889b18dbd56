"""The backends on another kernel: that of the distribution, started under qemu.

Boots the kernel of KERNEL_PACKAGE (linux-image-cloud-amd64 when not set), downloaded by apt and
unpacked into kernels/ of the build folder, never installed. The guest is an initramfs of busybox,
the test programs that KERNEL_TESTS names and memhist-exporter, with their libraries; init.sh is
its first process and reports over a serial port. Each test point of each program becomes one of
ours; then each backend must be taken or refused as a kernel of that version has it. Needs no root,
no disk, no network in the guest and no KVM: qemu translates, which takes about a minute.
"""

import gzip
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

BUILD = pathlib.Path(os.environ.get("MEMHIST_BUILDDIR", os.getcwd()))
SOURCE = pathlib.Path(os.environ.get("MEMHIST_SRCDIR", pathlib.Path(__file__).parents[2]))
PACKAGE = os.environ.get("KERNEL_PACKAGE", "linux-image-cloud-amd64")
FOLDER = BUILD / "kernels"
BUSYBOX, QEMU = "/bin/busybox", "qemu-system-x86_64"
PROGRAMS = os.environ.get("KERNEL_TESTS", "").split()
SECONDS_MAX, MEMORY = 900, "3G"
TOOLS = ["cat", "grep", "ip", "mount", "poweroff", "rm", "sleep", "stty", "true", "uname", "usleep",
         "wget"]
FIRST = {"bpf": (6, 7), "bpf-seq": (5, 8), "procfs": (0, 0)}  # the first kernels that have them


class Skip(Exception):
    """It cannot be done here; the text says why."""


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def point(self, good, name, notes=()):
        self.count += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}")
        for note in notes:
            print(f"# {note}")

    def done(self):
        print(f"1..{self.count}")
        return 1 if self.failed or not self.count else 0


# --- the kernel -----------------------------------------------------------------------------------

def output(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False, **options)
    return done.stdout if done.returncode == 0 else ""


def kernel_package():
    """The package of the image: a meta package depends on it."""
    if re.match(r"linux-image-\d", PACKAGE):
        return PACKAGE
    found = re.search(r"Depends: (linux-image-\d\S*)", output("apt-cache", "depends", PACKAGE))
    if not found:
        raise Skip(f"apt knows no {PACKAGE}")
    return found[1]


def kernel_image():
    """The path of the kernel, downloaded and unpacked unless it was before."""
    package = kernel_package()
    folder = FOLDER / package
    if not list(folder.glob("boot/vmlinuz-*")):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        output("apt-get", "download", package, cwd=folder)
        debs = list(folder.glob("*.deb"))
        if not debs:
            raise Skip(f"{package} cannot be downloaded")
        subprocess.run(["dpkg-deb", "--extract", debs[0], folder], check=True)
        shutil.rmtree(folder / "lib")  # modules: none is needed
    return next(folder.glob("boot/vmlinuz-*"))


# --- the guest ------------------------------------------------------------------------------------

def libraries(program):
    """The shared libraries that a program needs, the loader among them."""
    return set(re.findall(r"(/\S+) \(0x", output("ldd", program)))


def entry(name, mode, content=b""):
    """A file of a cpio archive of the kind that the kernel unpacks ("newc")."""
    name = name.encode() + b"\0"
    fields = [0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4)


def initramfs():
    files = {"init": SOURCE / "tests/kernels/init.sh", "bin/busybox": BUSYBOX,
             "bin/sh": os.path.realpath("/bin/sh"),  # busybox' own takes its argv[0] for a command
             "bin/memhist-exporter": BUILD / "memhist-exporter"}
    files.update({f"tests/{pathlib.Path(path).name}": path for path in PROGRAMS})
    for path in list(files.values())[2:]:
        files.update({library[1:]: library for library in libraries(path)})
    folders = {"dev", "proc", "sys", "tmp", "tests", "bin"}
    for name in files:
        folders.update(str(parent) for parent in pathlib.Path(name).parents[:-1])
    archive = [entry(name, 0o040755) for name in sorted(folders)]
    archive += [entry(name, 0o100755, pathlib.Path(path).read_bytes())
                for name, path in files.items()]
    archive += [entry(f"bin/{tool}", 0o120777, b"busybox") for tool in TOOLS]
    archive.append(entry("TRAILER!!!", 0))
    path = FOLDER / "initramfs.gz"
    path.write_bytes(gzip.compress(b"".join(archive), 1))
    return path


def boot(kernel, archive):
    """Run the guest to its end. Returns the lines of its report and the end of its console."""
    report, console = FOLDER / "report", FOLDER / "console"
    command = [QEMU, "-accel", "tcg,thread=multi", "-smp", "2", "-m", MEMORY, "-nodefaults",
               "-nographic", "-no-reboot", "-kernel", kernel, "-initrd", archive,
               "-append", "console=ttyS0 edd=off panic=-1",
               "-serial", f"file:{console}", "-serial", f"file:{report}"]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, check=False, timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        print(f"# given up after {SECONDS_MAX} s")
    text = report.read_text(encoding="utf-8", errors="replace")
    messages = console.read_text(encoding="utf-8", errors="replace")
    return text.splitlines(), messages.splitlines()[-20:]


# --- the report -----------------------------------------------------------------------------------

def sections(lines, word):
    """{name: (lines, exit status)} of what stands between "@word name" and "@end status"."""
    found, name = {}, None
    for line in lines:
        if line.startswith(f"@{word} "):
            name, body = line.split(" ", 1)[1], []
            found[name] = body, None
        elif name and line.startswith("@end "):
            found[name] = body, int(line.split()[1])
            name = None
        elif name:
            body.append(line)
    return found


def pass_on(tap, program, lines, status, may_skip):
    """The test points of a program; may_skip(name) says whether one may be skipped."""
    before = tap.count
    for line in lines:
        point = re.match(r"(not )?ok \d+ -? ?(# SKIP )?(.*)", line)
        if not point:
            print("# " + line.lstrip("# "))
        elif not point[2]:
            tap.point(not point[1], f"{program}: {point[3]}")
        elif may_skip(point[3]):  # of a skipped test cmocka 1.1.5 says "not ok 3 # SKIP name"
            tap.point(True, f"{program}: {point[3]} # SKIP not on this kernel")
        else:
            tap.point(False, f"{program}: {point[3]} must not be skipped on this kernel")
    tap.point(tap.count > before and status == 0, f"{program}: exit status {status}")


def has(version, backend):
    return version >= FIRST[backend]


def check_exporter(tap, version, said):
    """Each backend is taken or refused, as this version has to; "auto" says why it is no better."""
    best = next(backend for backend in FIRST if has(version, backend))
    for wanted, (lines, status) in said.items():
        text = "\n".join(lines)
        used = re.search(r'^memhist_collector_backend_info\{backend="(.*?)",reason="(.*)"\} 1$',
                         text, re.M)
        if wanted == "auto":
            good = used and used[1] == best and bool(used[2]) == (best != "bpf") and status == 0
            tap.point(good, f"memhist-exporter reads by {best} of its own accord", lines)
        elif has(version, wanted):
            good = used and used[1] == wanted and not used[2] and status == 0
            tap.point(good, f"memhist-exporter reads by {wanted} when told to", lines)
        else:
            good = not used and status == 1 and len(lines) == 1
            tap.point(good, f"memhist-exporter refuses {wanted} in one line", lines)
    tap.point(set(said) == {"auto", *FIRST}, "memhist-exporter was started by each backend")


def check_report(tap, lines):
    kernel = next((line.split()[1] for line in lines if line.startswith("@kernel ")), "")
    print(f"# Linux {kernel}")
    version = tuple(int(part) for part in re.findall(r"\d+", kernel)[:2])
    tap.point(version and "@done" in lines, "the kernel boots, and init.sh gets to its end")
    if not version:
        return
    reports = sections(lines, "begin")
    for path in PROGRAMS:
        name = pathlib.Path(path).name
        # what skips is named after its backend: "seq" is that which must not, and no other may
        pass_on(tap, name, *reports.get(name, ([], None)),
                lambda test: not has(version, "bpf-seq" if "seq" in test else "bpf"))
    check_exporter(tap, version, sections(lines, "exporter"))


def prepare():
    if not PROGRAMS:
        raise Skip("built without cmocka or without BPF: nothing to be tested")
    if platform.machine() != "x86_64":
        raise Skip("the kernels are those of x86_64")
    for program, package in ((QEMU, "qemu-system-x86"), (BUSYBOX, "busybox-static"),
                             ("apt-get", "apt"), ("dpkg-deb", "dpkg")):
        if not shutil.which(program):
            raise Skip(f"{package} is not installed")
    if "static" not in output("file", "-b", BUSYBOX) and libraries(BUSYBOX):
        raise Skip("busybox-static is not installed")
    return kernel_image(), initramfs()


def main():
    tap = Tap()
    try:
        kernel, archive = prepare()
    except Skip as reason:
        print(f"1..0 # SKIP {reason}")
        return 0
    lines, messages = boot(kernel, archive)
    check_report(tap, lines)
    if tap.failed:
        for line in messages:
            print(f"# console: {line}")
    return tap.done()


sys.exit(main())

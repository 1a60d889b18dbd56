"""What a service manager hears of a running exporter, and when it hears no more."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import time

from exporter_lib import Exporter, fake_proc, run_tests, wait_for
from tools_lib import Skip

WATCHDOG_S = 3  # a thread is stuck after half of it, and it is fed each quarter


class Manager:
    """A service manager's end: a datagram socket, by path or in the abstract namespace."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(name.replace("@", "\0", 1))
        self.socket.setblocking(False)
        self.env = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": str(WATCHDOG_S * 1000000)}
        self.heard = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def listen(self):
        """What has been said since the last call."""
        news = []
        with contextlib.suppress(BlockingIOError):
            while True:
                news.append(self.socket.recv(65536).decode())
        self.heard += news
        return news

    def wait_for(self, start):
        """Something that begins so is said from now on."""
        return wait_for(lambda: [n for n in self.listen() if n.startswith(start)], what=start)[0]


def abstract():
    return f"@memhist-test-{os.getpid()}"


def its_life_is_told():
    path = os.path.abspath("notify")
    with Manager(path) as manager, Exporter("--interval=100ms", env=manager.env) as exporter:
        manager.wait_for("READY=1")
        manager.wait_for("WATCHDOG=1")
        wait_for(lambda: manager.listen() is None or "STATUS=the figures are current"
                 in manager.heard, what="a status")
        exporter.process.send_signal(signal.SIGHUP)
        usec = int(manager.wait_for("RELOADING=1").split("\nMONOTONIC_USEC=")[1])
        assert usec > 0
        wait_for(lambda: manager.listen() is None or manager.heard.count("READY=1") == 2,
                 what="the end of reloading")
        assert exporter.end() == 0
        manager.listen()
        assert manager.heard[-1] == "STOPPING=1\nSTATUS=ending for SIGTERM", manager.heard[-1]


def a_start_that_fails_is_told_with_its_reason():
    with Manager(abstract()) as manager:
        try:
            with Exporter("--path.procfs=missing", env=manager.env, ready=False):
                raise RuntimeError("it has started")
        except AssertionError as e:
            assert "the exporter ended" in str(e), e
        (said,) = manager.listen()
        assert said.startswith("STOPPING=1\nSTATUS=") and "missing" in said, said


def without_figures_it_is_well_nevertheless():
    fake_proc()
    with Manager(abstract()) as manager, Exporter("--path.procfs=proc", "--interval=100ms",
                                                  env=manager.env) as exporter:
        manager.wait_for("READY=1")
        shutil.rmtree("proc")
        wait_for(lambda: exporter.get("/-/ready")[0] == 503, what="unreadiness")
        manager.wait_for("STATUS=not ready: ")
        manager.wait_for("WATCHDOG=1")  # this is no reason to be killed


PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000


class Stopped:
    """One thread of a process, stopped by ptrace(2); the others go on."""

    def __init__(self, pid, name):
        self.tid = next(tid for tid in map(int, os.listdir(f"/proc/{pid}/task"))
                        if self.name(pid, tid) == name)
        self.libc = ctypes.CDLL(None, use_errno=True)

    @staticmethod
    def name(pid, tid):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="utf-8") as file:
            return file.read().strip()

    def ptrace(self, request):
        return self.libc.ptrace(request, self.tid, None, None)

    def __enter__(self):
        if self.ptrace(PTRACE_SEIZE):
            raise Skip("needs ptrace(2)")
        assert self.ptrace(PTRACE_INTERRUPT) == 0
        os.waitpid(self.tid, WALL)

    def __exit__(self, *_):
        self.ptrace(PTRACE_DETACH)


def threads_that_hang_starve_the_watchdog():
    hung = [("memhist-sampler", "sampling"), ("memhist-web", "web")]
    with contextlib.ExitStack() as stack:
        rigs = []
        for thread, what in hung:
            manager = stack.enter_context(Manager(f"{abstract()}-{what}"))
            exporter = stack.enter_context(Exporter("--interval=100ms", env=manager.env))
            manager.wait_for("WATCHDOG=1")
            rigs.append((manager, exporter, thread, what))
        with contextlib.ExitStack() as stopped:
            for _, exporter, thread, _ in rigs:
                stopped.enter_context(Stopped(exporter.process.pid, thread))
            for _, exporter, _, what in rigs:
                wait_for(lambda e=exporter, w=what: f"the {w} thread does not get on"
                         in e.read_log(), what=f"a word on the {what} thread")
            def quiet():
                for manager, _, _, _ in rigs:
                    manager.listen()
                time.sleep(0.75 * WATCHDOG_S)
                return not [1 for manager, _, _, _ in rigs if "WATCHDOG=1" in manager.listen()]
            wait_for(quiet, what="a long time without WATCHDOG=1")
        for manager, exporter, _, _ in rigs:
            manager.wait_for("WATCHDOG=1")  # were it not killed, it would be well again
            assert exporter.end() == 0


run_tests([
    its_life_is_told,
    a_start_that_fails_is_told_with_its_reason,
    without_figures_it_is_well_nevertheless,
    threads_that_hang_starve_the_watchdog,
])

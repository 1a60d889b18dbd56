"""Where the command-line programs write, and where they refuse to."""

import os
import stat

import tools_lib as lib
from tools_lib import candles, memhist, refuses, row


def hour():
    lib.record([row(s, 1, 4) for s in range(10)])


def need_root():
    if os.geteuid() != 0:
        raise lib.Skip("needs root")


def nothing_is_written_into_the_system():
    hour()
    os.symlink("/etc", "link")
    for path in "/etc/memhist-test.tsv", "/usr/memhist-test.tsv", "link/memhist-test.tsv", \
            "../../../../../../../../etc/memhist-test.tsv":
        for found in candles("--output", path, status=lib.OTHER), \
                memhist("dump", "--history", "history", "-o", path, status=lib.OTHER):
            refuses(found, "directory of the system (/", "choose another place")
        assert not os.path.exists(path)
    refuses(memhist("import", "--from", "csv", "--history", "/etc/memhist-test", "-",
                    status=lib.OTHER, stdin=lib.csv_bytes([row(0, 1, 4)])), "(/etc)")
    refuses(candles("--output", "/memhist-test.tsv", status=lib.OTHER),
            "/ is shared by the whole system")
    refuses(candles("--output", "t.tsv", "--pid-map", "/etc/memhist-test.tsv", status=lib.OTHER),
            "(/etc)")
    assert sorted(os.listdir(".")) == ["history", "link"]


def pipes_and_devices_are_no_places():
    hour()
    rows = candles().out
    assert rows
    for path in "/dev/null", "/dev/stdout", "/dev/fd/1", "-":
        assert candles("--output", path).out == (b"" if path == "/dev/null" else rows), path
    with open("file", "wb") as file:
        candles("--output", "/dev/stdout", stdout=file)
    with open("file", "rb") as file:
        assert file.read() == rows


def a_file_without_a_name_is_not_replaced():
    hour()
    with open("gone", "wb") as file:
        os.unlink("gone")
        refuses(candles("--output", f"/dev/fd/{file.fileno()}", status=lib.OTHER,
                        pass_fds=[file.fileno()]), "has no name of its own")
    with open("here", "wb") as file:
        memhist("dump", "--history", "history", "-o", f"/dev/fd/{file.fileno()}",
                pass_fds=[file.fileno()])
    with open("here", "rb") as file:
        assert file.read() == memhist("dump", "--history", "history").out
    assert sorted(os.listdir(".")) == ["here", "history"]


def files_are_for_owner_and_group():
    hour()
    for umask, mode in (0o022, 0o640), (0o077, 0o600), (0, 0o640):
        before = os.umask(umask)
        try:
            candles("--output", f"{umask}.tsv")
            memhist("dump", "--history", "history", "-o", f"{umask}.json")
            lib.record([row(0, 1, 4)], f"history-{umask}")
        finally:
            os.umask(before)
        for name in f"{umask}.tsv", f"{umask}.pids.tsv", f"{umask}.json":
            assert stat.S_IMODE(os.stat(name).st_mode) == mode, name
        for name in os.listdir(f"history-{umask}"):
            assert stat.S_IMODE(os.stat(f"history-{umask}/{name}").st_mode) == mode, name


def links_of_others_are_not_followed():
    need_root()
    hour()
    os.mkdir("target")
    os.symlink("target", "link")
    os.symlink("target/file", "file-link")
    with open("target/file", "w", encoding="ascii") as file:
        file.write("precious")
    for name in "link", "file-link":
        os.lchown(name, 65533, 65533)
    for path in "link/new", "link/file", "file-link":
        refuses(candles("--output", path, status=lib.OTHER),
                "symbolic link of user 65533, which is not followed")
    refuses(memhist("import", "--from", "csv", "--history", "link/x", "-", status=lib.OTHER,
                    stdin=lib.csv_bytes([row(0, 1, 4)])), "symbolic link of user 65533")
    with open("target/file", encoding="ascii") as file:
        assert file.read() == "precious"
    assert os.listdir("target") == ["file"]


def root_changes_no_history_of_another():
    need_root()
    hour()
    os.chown("history", 65533, 65533)
    refuses(memhist("seal", "--history", "history", status=lib.OTHER),
            "belongs to user 65533", "run as that user, or give it to root")
    assert memhist("status", "--history", "history").text
    assert candles().rows
    os.chown("history", 0, 0)
    os.chmod("history", 0o757)
    refuses(memhist("seal", "--history", "history", status=lib.OTHER), "chmod o-w history")
    os.chmod("history", 0o750)
    memhist("seal", "--history", "history")


def who_seals_may_be_told_where():
    hour()
    here = os.getcwd()
    for command in "seal", "merge":
        refuses(memhist(command, "--history", "history", f"--allowed-output-path={here}/other",
                        "--allowed-output-path", "/srv/other", status=lib.OTHER),
                f"{here}/history is not beneath one of allowed_output_paths")
        refuses(memhist(command, "--history", "history", "--allowed-output-path=here",
                        status=lib.USAGE), "“here” is no absolute path")
    assert len(lib.names(".open")) == 1
    # the configuration holds besides
    with open("memhist.yaml", "w", encoding="ascii") as file:
        file.write(f"allowed_output_paths: [{here}/other]\n")
    os.chmod("memhist.yaml", 0o640)
    refuses(memhist("seal", "--config", "memhist.yaml", "--history", "history",
                    f"--allowed-output-path={here}", status=lib.OTHER), "not beneath one of")
    assert len(lib.names(".open")) == 1
    memhist("seal", "--history", "history", "--allowed-output-path=/srv/other",
            f"--allowed-output-path={here}")
    assert len(lib.names(".mh")) == 1


def an_import_takes_owner_and_mode_of_an_empty_directory():
    os.mkdir("history")
    os.chmod("history", 0o2770)
    os.symlink("history", "link")
    if os.geteuid() == 0:
        os.chown("history", 65533, 65532)
    lib.record([row(0, 1, 4)], "link")
    found = os.stat("history")
    assert stat.S_IMODE(found.st_mode) == 0o2770
    assert os.path.islink("link")
    if os.geteuid() == 0:
        assert (found.st_uid, found.st_gid) == (65533, 65532)
    assert sorted(os.listdir(".")) == ["history", "link"]
    assert memhist("status", "--history", "history").text


lib.run_tests([
    nothing_is_written_into_the_system,
    pipes_and_devices_are_no_places,
    a_file_without_a_name_is_not_replaced,
    files_are_for_owner_and_group,
    links_of_others_are_not_followed,
    root_changes_no_history_of_another,
    who_seals_may_be_told_where,
    an_import_takes_owner_and_mode_of_an_empty_directory,
])

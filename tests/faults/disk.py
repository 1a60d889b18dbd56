"""A disk that loses power: what a program did to one directory, as strace saw it, and the states
in which a crash can leave that directory.

The model promises no more than POSIX does: data is on the disk when its file was synced after it
was written, a name when the directory was synced after it was made or taken away. Of all else any
part may be there and any part not, in any order.
"""

import re

TRACED = ("openat,openat2,write,writev,pwrite64,pwritev,fsync,fdatasync,ftruncate,"
          "rename,renameat,renameat2,unlink,unlinkat,link,linkat")
LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>)?(.*)")
CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)(?:<((?:\\x[0-9a-f]{2})*)>)?")
FD = re.compile(r"(?:^|, )(?:-?\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


def unescape(text):
    return bytes.fromhex(text.replace("\\x", ""))


class Op:
    """kind: write (file, at, data), cut (file, at), create / rename / unlink (name, file, old),
    sync (file; None: the directory), mark (data)."""

    def __init__(self, kind, file=None, at=0, data=b"", name=None, old=None, began=0):
        self.kind, self.file, self.at, self.data = kind, file, at, data
        self.name, self.old = name, old
        self.began = began  # of a sync: how many operations were done before it was asked for

    @property
    def is_name(self):
        return self.kind in ("create", "rename", "unlink")

    @property
    def is_data(self):
        return self.kind in ("write", "cut")


class Recording:
    """The operations on one directory, in the order in which they were done."""

    def __init__(self, trace, directory):
        self.ops = []
        self.directory = directory.encode()
        self.names = {}  # as the program sees them: name → file
        self.size = {}  # by file
        began = {}  # by thread: unfinished text and how many operations were done before it
        for line in trace.splitlines():
            found = LINE.match(line)
            if not found:
                continue
            thread, resumed, text = found.groups()
            if text.endswith("<unfinished ...>"):
                began[thread] = (text.removesuffix("<unfinished ...>"), len(self.ops))
                continue
            before = len(self.ops)
            if resumed:
                if thread not in began:
                    continue
                start, before = began.pop(thread)
                text = start + text
            call = CALL.match(text)
            if call and int(call[3]) >= 0:
                self.take(call[1], call[2], int(call[3]), unescape(call[4] or ""), before)

    def name_in(self, folder, text):
        """The name in the directory of a path from there, None for any other."""
        path = unescape(text)
        if not path.startswith(b"/"):
            path = folder + b"/" + path
        name = path.removeprefix(self.directory + b"/")
        return None if name == path or b"/" in name else name.decode()

    def file_of(self, path):
        """(whether it is known, the file or None for the directory): what a descriptor names, as
        strace -y has it. Its number tells nothing: threads use it again at once."""
        if path == self.directory:
            return True, None
        name = path.removeprefix(self.directory + b"/").decode("utf-8", "replace")
        return name in self.names, self.names.get(name)

    def new_file(self):
        file = len(self.size)
        self.size[file] = 0
        return file

    def take(self, call, arguments, result, path, before):
        strings = STRING.findall(FD.sub("", arguments))
        folders = [unescape(text) for text in FD.findall(arguments)] or [b""]
        known, file = self.file_of(folders[0])
        if call in ("openat", "openat2"):
            self.take_open(path, arguments)
        elif call in ("write", "writev", "pwrite64", "pwritev"):
            self.take_write(call, arguments, strings, result, known, file)
        elif call in ("fsync", "fdatasync"):
            if known:
                self.ops.append(Op("sync", file, began=before))
        elif call == "ftruncate" and known:
            size = int(arguments.split(",")[-1])
            self.ops.append(Op("cut", file, size))
            self.size[file] = size
        elif call.startswith("unlink"):
            name = self.name_in(folders[0], strings[0])
            if name:
                self.ops.append(Op("unlink", self.names.pop(name), name=name))
        elif call.startswith(("rename", "link")):
            self.take_rename(call, folders, strings)

    def take_open(self, path, arguments):
        if not path.startswith(self.directory + b"/"):
            return
        name = path[len(self.directory) + 1:].decode()
        if name not in self.names:
            self.names[name] = self.new_file()
            self.ops.append(Op("create", self.names[name], name=name))
        file = self.names[name]
        if "O_TRUNC" in arguments:
            self.ops.append(Op("cut", file, 0))
            self.size[file] = 0

    def take_write(self, call, arguments, strings, result, known, file):
        data = b"".join(map(unescape, strings))[:result]
        assert len(data) == result, f"a write that strace cut: {arguments[-80:]}"
        if arguments.startswith("1<"):
            self.ops.append(Op("mark", data=data))
            return
        if not known or file is None:
            return
        # without a place of its own it goes to the end: nobody here goes back in a file
        at = int(arguments.split(",")[-1]) if call.startswith("pwrite") else self.size[file]
        self.ops.append(Op("write", file, at, data))
        self.size[file] = max(self.size[file], at + result)

    def take_rename(self, call, folders, strings):
        old, name = (self.name_in(folder, text)
                     for folder, text in zip((folders[0], folders[-1]), strings))
        if not old or not name:
            return
        self.names[name] = self.names[old]
        if call.startswith("rename"):
            del self.names[old]
            self.ops.append(Op("rename", self.names[name], name=name, old=old))
        else:
            self.ops.append(Op("create", self.names[name], name=name))


def durable(ops, ignore=()):
    """Which operations must be on the disk after all of these."""
    sure = set()
    for op in ops:
        if op.kind != "sync" or ("directory" if op.file is None else "file") in ignore:
            continue
        for i in range(op.began):
            if ops[i].is_name if op.file is None else ops[i].is_data and ops[i].file == op.file:
                sure.add(i)
    return sure


def names_after(ops, chosen):
    names = {}
    for i in sorted(chosen):
        op = ops[i]
        if op.kind == "create":
            names[op.name] = op.file
        elif op.kind == "rename":
            names.pop(op.old, None)
            names[op.name] = op.file
        elif names.get(op.name) == op.file:
            del names[op.name]
    return names


def data_after(ops, chosen, torn=None, zeros=()):
    """Contents by file. `torn`: (operation, bytes of it that came); `zeros`: operations of which
    only the size came."""
    files = {}
    for i in sorted(chosen):
        op = ops[i]
        content = files.setdefault(op.file, bytearray())
        if op.kind == "cut":
            del content[op.at:]
            content.extend(bytes(op.at - len(content)))
            continue
        data = op.data
        if torn and torn[0] == i:
            data = data[:torn[1]]
        if i in zeros:
            data = bytes(len(data))
        content.extend(bytes(max(0, op.at - len(content))))
        content[op.at:op.at + len(data)] = data
    return files


def subsets(pending):
    """None, all, each alone, all but each."""
    found = [(), tuple(pending)]
    found += [(i,) for i in pending]
    found += [tuple(j for j in pending if j != i) for i in pending]
    return list(dict.fromkeys(found))


def states(ops, ignore=()):
    """Each state that a crash after these operations can leave: (how, {name: bytes}). `how` says
    whether what is left is a beginning of what was done ("in order") or may lack a middle."""
    sure = durable(ops, ignore)
    data_sure = {i for i in sure if ops[i].is_data}
    name_sure = {i for i in sure if ops[i].is_name}
    data_open = [i for i, op in enumerate(ops) if op.is_data and i not in sure]
    name_open = [i for i, op in enumerate(ops) if op.is_name and i not in sure]
    everything = data_sure | set(data_open)
    contents = []
    for chosen in subsets(data_open):
        in_order = chosen in ((), tuple(data_open))
        contents.append((in_order, data_after(ops, data_sure | set(chosen))))
    contents.append((True, data_after(ops, everything, zeros=set(data_open))))
    for i in data_open[-1:]:  # the last one torn at the edges of sectors
        if ops[i].kind == "write":
            edge = 512 - ops[i].at % 512
            for come in range(edge, len(ops[i].data), 512):
                contents.append((True, data_after(ops, everything, torn=(i, come))))
            half = len(ops[i].data) // 2
            contents.append((True, data_after(ops, everything, torn=(i, half))))
    for chosen in subsets(name_open):
        names = names_after(ops, name_sure | set(chosen))
        for in_order, files in contents:
            yield (in_order and chosen == tuple(name_open),
                   {name: bytes(files.get(file, b"")) for name, file in names.items()})

"""Who may include whom: the floors of docs/ARCHITECTURE.md."""

import re

import tree

# Room -> the rooms it may include from, besides its own.
MAY_INCLUDE = {
    "libmemhist/base": set(),
    "libmemhist/model": {"libmemhist/base"},
    "libmemhist/proc": {"libmemhist/base", "libmemhist/model"},
    "libmemhist/config": {"libmemhist/base", "libmemhist/model", "libmemhist/history",
                          "libmemhist/net"},
    "libmemhist/history": {"libmemhist/base", "libmemhist/model", "proto"},
    "libmemhist/net": {"libmemhist/base"},
    "libmemhist/view": {"libmemhist/base", "libmemhist/model"},
    "libmemhist": {"libmemhist/base", "libmemhist/model", "libmemhist/proc", "libmemhist/history"},
}
LIBRARY = set(MAY_INCLUDE)
# collectd loads no HTTP client with the plugin.
MAY_INCLUDE.update(plugin=LIBRARY - {"libmemhist/net"}, exporter=LIBRARY, tools=LIBRARY)


def room_of(path):
    """`libmemhist/base/err.h` is in the room libmemhist/base, `plugin/config.h` in plugin."""
    parts = path.split("/")[:-1]
    return "/".join(parts[:2]) if parts[:1] == ["libmemhist"] else "".join(parts[:1])


def includes(path):
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', tree.text(path), re.M)


def offences(room):
    allowed = MAY_INCLUDE[room] | {room}
    for path in tree.sources(".c", ".h", ".def", rooms=[room.split("/")[0]]):
        if room_of(str(path)) != room:
            continue
        for included in includes(path):
            target = room_of(included)
            # No folder in the name: not ours (collectd's headers).
            if target and target in KNOWN and target not in allowed:
                yield f"{path} includes {included}"


def foreign():
    """collectd is the plugin's alone, the HTTP server the exporter's, YAML the configuration's, the HTTP
    client and its packing net's."""
    owner = {r"plugin\.h|collectd\.h": "plugin", r"microhttpd\.h": "exporter",
             r"yaml\.h": "libmemhist/config",
             r"curl/\w+\.h|snappy[\w-]*\.h": "libmemhist/net"}
    for path in tree.sources(".c", ".h", rooms=["libmemhist", "plugin", "exporter", "tools"]):
        for name, room in owner.items():
            pattern = rf'^\s*#\s*include\s+["<]({name})[">]'
            if room_of(str(path)) != room and re.search(pattern, tree.text(path), re.M):
                yield f"{path} includes {name}, which only {room}/ may"


KNOWN = LIBRARY | {"plugin", "exporter", "tools", "proto", "tests"}

tap = tree.Tap()
for room in sorted(MAY_INCLUDE):
    rooms = ", ".join(sorted(MAY_INCLUDE[room])) or "nothing"
    tap.rule(f"{room} includes only from itself and {rooms}", list(offences(room)))
tap.rule("collectd's headers, those of HTTP and of YAML stay in their rooms", list(foreign()))
tap.rule("the plugin is not linked with the HTTP client",
         [line for line in tree.text("plugin/Makemodule.am").split("\n") if "memhist_net" in line])
tap.rule(
    "every folder of libmemhist has a floor",
    [
        str(path)
        for path in tree.sources(".c", ".h", rooms=["libmemhist"])
        if room_of(str(path)) not in MAY_INCLUDE
    ],
)
tap.done()

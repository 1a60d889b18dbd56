"""Each source file is built, short, formatted, guarded and finished."""

import re
import shutil
import subprocess

import tree

MAX_LINES = 500
LONGER = {}  # path: why it may be longer

FORMAT_TESTS = [f"tests/unit/test_{name}.c" for name in ("damage", "decode", "history", "writer")]

C_FILES = tree.sources(".c", ".h", ".def")
SCRIPTS = tree.sources(".py", ".sh")
TEXTS = (
    C_FILES
    + SCRIPTS
    + tree.sources(".am", ".proto", ".md", ".pod")
    + [name for name in tree.TOP_LEVEL if (tree.ROOT / name).exists()]
)


def unlisted():
    """A test program may be listed without the .c: automake adds it."""
    listed = set(tree.fragments().split())
    return [
        path
        for path in C_FILES + SCRIPTS
        if str(path) not in listed and str(path).removesuffix(".c") not in listed
    ]


def guards():
    """MEMHIST_, then the path without the room libmemhist: MEMHIST_BASE_ERR_H."""
    for path in tree.sources(".h"):
        inner = re.sub(r"^libmemhist/", "", str(path))
        guard = "MEMHIST_" + re.sub(r"\W", "_", inner).upper()
        if f"#ifndef {guard}\n#define {guard}\n" not in tree.text(path):
            yield f"{path}: its guard is not {guard}"


def too_long():
    for path in C_FILES + SCRIPTS:
        lines = tree.text(path).count("\n")
        if lines > MAX_LINES and str(path) not in LONGER:
            yield f"{path}: {lines} lines"


def unfinished():
    # Written so that this file does not find itself.
    words = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    for path in TEXTS:
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            if words.search(line):
                yield f"{path}:{number}: {line.strip()}"


def machine_paths():
    here = re.compile(re.escape(str(tree.ROOT.resolve())) + r"|/home/\w+/|/ro" + r"ot/")
    for path in TEXTS:
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            if here.search(line):
                yield f"{path}:{number}: {line.strip()}"


def whitespace():
    for path in TEXTS:
        content = tree.text(path)
        if content and not content.endswith("\n"):
            yield f"{path}: no newline at its end"
        for number, line in enumerate(content.split("\n"), 1):
            if line != line.rstrip():
                yield f"{path}:{number}: white space at the end of the line"


def badly_formatted():
    files = [str(path) for path in C_FILES if path.suffix != ".def"]
    found = subprocess.run(
        ["clang-format", "--dry-run", *files], cwd=tree.ROOT, capture_output=True, text=True
    )
    return sorted({line.split(":")[0] for line in found.stderr.split("\n") if ": warning:" in line})


def format_rules():
    """Rules of docs/FORMAT.md that nothing cites, and cited ones that it does not have."""
    known = set(re.findall(r"\*\*([A-Z]\d+)\*\*", tree.text("docs/FORMAT.md")))
    letters = "".join({rule[0] for rule in known})
    history = tree.sources(".c", ".h", ".proto", rooms=["libmemhist/history", "proto"])
    cited = set()
    for path in history + FORMAT_TESTS:
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            for rule in re.findall(rf"\b[{letters}]\d+\b", line):
                cited.add(rule)
                if rule not in known:
                    yield f"{path}:{number}: rule {rule} is not in docs/FORMAT.md"
    for rule in sorted(known - cited):
        yield f"rule {rule} of docs/FORMAT.md is cited nowhere"


def opened_by_name():
    """Only dir.c opens a directory by its path; files are opened beneath its descriptor."""
    call = re.compile(r"\b(openat2?|open|fopen|freopen|opendir)\(")
    for path in tree.sources(".c", ".h", rooms=["libmemhist/history"]):
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            if call.search(line) and str(path) != "libmemhist/history/dir.c":
                yield f"{path}:{number}: opens a file other than by mh_beneath_file()"


def named_files():
    """Files that the documents name, in back quotes or links, and that are not there."""
    name = re.compile(r"`([\w.-]+/[\w./-]+\.\w+)`|\]\(([\w./-]+)\)")
    for path in ["README.md", *tree.sources(".md")]:
        folder = (tree.ROOT / path).parent
        for quoted, linked in name.findall(tree.text(path)):
            if quoted.startswith("build") or "NAME" in quoted:  # made, or to be made
                continue
            if not (tree.ROOT / quoted if quoted else folder / linked).exists():
                yield f"{path}: {quoted or linked}"


tap = tree.Tap()
tap.rule("every source file and script is in a Makemodule.am", unlisted())
tap.rule("header guards say the path", list(guards()))
tap.rule(f"no file is longer than {MAX_LINES} lines", list(too_long()))
tap.rule("nothing is marked as unfinished", list(unfinished()))
tap.rule("no path of somebody's machine", list(machine_paths()))
tap.rule("files of a history are opened beneath its directory", list(opened_by_name()))
tap.rule("files that the documents name exist", list(named_files()))
tap.rule("no white space at line ends", list(whitespace()))
tap.rule("code and tests cite each rule of the format and no other", list(format_rules()))
if shutil.which("clang-format"):
    tap.rule("C files are formatted", badly_formatted())
else:
    tap.skip("C files are formatted", "clang-format is not installed")
tap.done()

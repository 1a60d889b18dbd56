"""The exporter's live page in a real browser."""

import os
import signal
import subprocess
import sys

import chromium_lib
from exporter_lib import Exporter, run_tests, wait_for
from tools_lib import Skip

# The kernel cuts it at 15 bytes; the group has all of it.
NAME = "<img src=x onerror=alert(1)>"
GROWER = """
import time
held = []
while True:
    if len(held) < 100:
        held.append(bytearray(b"x" * (2 << 20)))
    else:
        held.clear()
    time.sleep(0.1)
"""


class Grower:
    """A real process with that name that takes 2 MiB more ten times a second, up to 200."""

    def __enter__(self):
        os.symlink(os.path.realpath(sys.executable), NAME)
        self.process = subprocess.Popen([os.path.abspath(NAME), "-c", GROWER],
                                        stdin=subprocess.DEVNULL)
        self.id = f"tr[data-id^=\"{self.process.pid}-\"]"
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def press_until(page, what, action):
    """An action whose row may go away under it, until it has done what it should."""
    wait_for(lambda: action(page), what=what)


def next_row_by_keyboard(page):
    page.value("document.querySelector('[data-rows=groups] tr[tabindex=\"0\"]').focus()")
    before = page.value("document.activeElement.dataset.id")
    page.key("ArrowDown")
    chosen = page.value("document.activeElement.dataset.id")
    page.key("Enter")
    return chosen != before and page.value(
        f"document.activeElement.dataset.id === {chosen!r} && "
        "document.activeElement.getAttribute('aria-selected') === 'true' && "
        "document.querySelector('#subject').textContent === document.activeElement.dataset.name")


def hover(page):
    """The mouse over the last candle, which a new minute may move."""
    x, y = page.value("(() => { const e = [...document.querySelectorAll('#chart g')].pop();"
                      "e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
                      "return [r.x + r.width / 2, r.y + r.height / 2]; })()")
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    return page.value("['open', 'high', 'low', 'close'].every(word => "
                      "document.querySelector('#values').textContent.includes(word))")


def check_tables(page, grower):
    page.wait("document.body.dataset.state === 'live' && document.querySelectorAll('tbody tr').length")
    for kind in "processes", "groups":
        page.click(f"[data-list={kind}][data-order=growth]")
    page.wait(f"!!document.querySelector('{grower.id}')", "the growing process")
    page.wait(f"[...document.querySelectorAll('[data-rows=groups] .name')].some(cell => "
              f"cell.textContent === '{NAME}')", "its group")
    shown = page.value(f"document.querySelector('{grower.id}').cells[0].textContent")
    assert shown == NAME[:15], shown
    size = f"document.querySelector('{grower.id} .size')?.textContent"
    before = page.wait(size)
    page.wait(f"{size} && {size} !== {before!r}", "another size, by itself")


def check_chart(page, grower):
    page.click("[data-list=processes][data-order=growth]")
    def click_it(page):
        if page.value(f"!!document.querySelector('{grower.id}')"):
            page.click(grower.id)
        return page.value(f"document.querySelector('#subject').textContent === {NAME[:15]!r}")
    press_until(page, "the chosen process", click_it)
    page.wait("!!document.querySelector('#chart g.up, #chart g.down')", "a candle")
    press_until(page, "the values of a candle", hover)
    page.value("document.querySelector('#chart svg').focus()")
    page.key("Escape")
    page.wait("document.querySelector('#values').textContent === ''")
    page.key("End")
    page.wait("document.querySelector('#values').textContent.includes('close')")
    page.click("[data-list=groups][data-order=rss]")  # where there are always several
    page.wait("document.querySelectorAll('[data-rows=groups] tbody tr').length > 1")
    press_until(page, "another row by the keyboard", next_row_by_keyboard)
    page.wait("!!document.querySelector('#chart g.up, #chart g.down')", "its candles")
    page.click("[data-interval='15m']")
    page.wait("!!document.querySelector('#chart g.up, #chart g.down')", "longer candles")


def check_looks(page):
    page.prefer("light")
    light = page.value("getComputedStyle(document.documentElement).backgroundColor")
    page.prefer("dark")
    dark = page.value("getComputedStyle(document.documentElement).backgroundColor")
    assert light != dark, light
    page.click("#theme")  # as the system has it -> dark
    page.click("#theme")  # -> light
    assert page.value("getComputedStyle(document.documentElement).backgroundColor") == light
    page.click("[data-list=processes][data-order=rss]")  # a table without rows is not shown
    page.wait("[...document.querySelectorAll('table')].every(e => !e.hidden)", "both tables")
    for width in 400, 640, 641, 760, 761, 1000, 1179, 1180, 1279, 1280, 1600:
        page.size(width, 900)
        assert page.value("document.documentElement.scrollWidth <= innerWidth"), width
        names = page.value("[...document.querySelectorAll('th.name')].map(e => e.clientWidth - "
                           "2 * parseFloat(getComputedStyle(e).paddingRight))")
        assert len(names) == 2 and min(names) >= 90, (width, names)


# Bytes from and to which a process went; drawn and read at once, before the page draws its own.
SCALES = [(4096, 4096), (5 << 20, 5 << 20), (190500000, 190500000), (190000000, 191000000),
          (1047900000, 1048000000), (1 << 30, 1 << 30), (1000 << 20, 1030 << 20), (0, 3 << 30),
          (77 << 30, 77 << 30), (999 << 40, 999 << 40)]
LABELS = """(() => {
  chart.show([[60000, LOW, HIGH, LOW, HIGH, 9]], 60000, "");
  return [...document.querySelectorAll("#chart text[text-anchor=start]")].map(e => e.textContent);
})()"""


def check_scale(page):
    for low, high in SCALES:
        labels = page.value(LABELS.replace("LOW", str(low)).replace("HIGH", str(high)))
        assert len(labels) > 1 and len(set(labels)) == len(labels), (low, high, labels)


def check_pause(page, exporter):
    """It hangs, and goes on: its connections stay, so that only time tells."""
    page.size(1000, 900)
    os.kill(exporter.process.pid, signal.SIGSTOP)
    try:
        page.wait("document.body.dataset.state === 'gone'", "no answer")
        tops = page.value("['h1', '#theme'].map(e => { const r = document.querySelector(e)"
                          ".getBoundingClientRect(); return (r.top + r.bottom) / 2; })")
        assert abs(tops[0] - tops[1]) < 8, tops
    finally:
        os.kill(exporter.process.pid, signal.SIGCONT)
    page.wait("document.body.dataset.state === 'live'", "the exporter that goes on")


def another_exporter(port):
    """At the same port, which somebody may have for a moment."""
    def start():
        try:
            return Exporter(f"--web.listen-address=127.0.0.1:{port}")
        except AssertionError:
            return None
    return wait_for(start, what="the port")


def the_page_lives():
    if not chromium_lib.CHROMIUM:
        raise Skip("chromium is not installed")
    with Grower() as grower, Exporter("--interval=200ms") as exporter, \
            chromium_lib.Chromium() as page:
        address = f"http://127.0.0.1:{exporter.port}"
        page.go(address + "/ui")
        check_tables(page, grower)
        check_chart(page, grower)
        check_looks(page)
        check_scale(page)
        check_pause(page, exporter)
        assert page.value("document.images.length") == 0
        assert page.value("document.querySelectorAll('[style], [onerror]').length") == 0
        exporter.kill()
        page.wait("document.body.dataset.state === 'gone'", "the end of the exporter")
        with another_exporter(exporter.port):
            page.wait("document.body.dataset.state === 'live'", "another exporter")
        elsewhere = [url for url in page.requests if not url.startswith(address + "/")]
        assert not elsewhere, elsewhere
        # but for the network: the exporter was gone, and those who are shown may end
        troubles = [t for t in page.troubles if t.get("source") != "network"]
        assert not troubles, troubles


POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " \
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
FILES = {"/ui": "text/html; charset=utf-8", "/ui/ui.css": "text/css; charset=utf-8",
         "/ui/ui.js": "text/javascript; charset=utf-8",
         "/ui/chart.js": "text/javascript; charset=utf-8", "/ui/icon.svg": "image/svg+xml"}
SOURCES = os.path.join(os.environ["MEMHIST_SRCDIR"], "exporter", "ui")


def files_are_those_of_the_tree():
    with Exporter("--interval=1h") as exporter:
        assert b'href="/ui"' in exporter.get("/")[2]
        for path, kind in FILES.items():
            status, headers, body = exporter.get(path)
            name = "index.html" if path == "/ui" else os.path.basename(path)
            with open(os.path.join(SOURCES, name), "rb") as f:
                assert status == 200 and body == f.read(), path
            assert headers["Content-Type"] == kind and headers["Content-Security-Policy"] == POLICY
            assert headers["Cache-Control"] == "no-cache"
            assert headers["X-Content-Type-Options"] == "nosniff"
            tag = headers["ETag"]
            status, headers, body = exporter.get(path, If_None_Match=f'"other", W/{tag}')
            assert status == 304 and body == b"" and headers["ETag"] == tag, path
            assert exporter.get(path, If_None_Match='"other"')[0] == 200
            assert exporter.get(path, "HEAD")[2] == b""
        assert exporter.get("/ui/")[0] == exporter.get("/ui/nothing")[0] == 404


def nothing_is_loaded_or_written_inline():
    """What the policy forbids is not there either; names never become markup."""
    for name in os.listdir(SOURCES):
        if not name.endswith((".html", ".css", ".js", ".svg")):
            continue
        with open(os.path.join(SOURCES, name), encoding="utf-8") as f:
            text = f.read()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                     "style=", "onclick", "@import", "url("):
            assert word not in text, (name, word)
        others = text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in others and "https:" not in others, name


run_tests([files_are_those_of_the_tree, nothing_is_loaded_or_written_inline, the_page_lives])

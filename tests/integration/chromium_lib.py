"""A headless Chromium, driven over a pipe by its DevTools protocol, for the tests of pages."""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--remote-debugging-pipe", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-extensions", "--no-pings",
         "--disable-features=Translate,OptimizationHints,MediaRouter", "--mute-audio",
         "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
         "--window-size=1280,900", "about:blank"]


class Chromium:
    """One page; use in a `with`. What it logs, what fails and what it asks for is kept."""

    def __init__(self, seconds=60):
        self.seconds = seconds
        self.folder = tempfile.mkdtemp(prefix="chromium-")
        self.requests, self.troubles, self.is_loaded = [], [], False
        self.number, self.buffer, self.answers = 0, b"", {}
        to_read, self.to = os.pipe()
        self.come, from_write = os.pipe()
        def take_pipes():
            # where it looks for them: 3 and 4. Neither may be in the other's place.
            high = [os.dup2(fd, 100 + i) for i, fd in enumerate((to_read, from_write))]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)
        self.process = subprocess.Popen(
            [CHROMIUM, f"--user-data-dir={self.folder}", *FLAGS], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=take_pipes,
            close_fds=False, start_new_session=True,
            env={**os.environ, "HOME": self.folder})
        os.close(to_read)
        os.close(from_write)
        try:
            target = next(t for t in self.call("Target.getTargets", session=None)["targetInfos"]
                          if t["type"] == "page")
            self.session = self.call("Target.attachToTarget", session=None,
                                     targetId=target["targetId"], flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """It and all processes that it started, which are in a session of their own."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self.to)
        os.close(self.come)
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method, session="", **parameters):
        """The result of a command."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        number, end = self.number, time.monotonic() + self.seconds
        while number not in self.answers:
            self.receive(end - time.monotonic(), method)
        answer = self.answers.pop(number)
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def receive(self, seconds, what):
        ready, _, _ = select.select([self.come], [], [], max(seconds, 0))
        assert ready, f"Chromium said nothing for {self.seconds} s: {what}"
        got = os.read(self.come, 1 << 20)
        assert got, "Chromium ended"
        *messages, self.buffer = (self.buffer + got).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self.answers[message["id"]] = message
            else:
                self.note(message["method"], message["params"])

    def note(self, event, parameters):
        if event == "Page.loadEventFired":
            self.is_loaded = True
        elif event == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.troubles.append(parameters["exceptionDetails"])
        elif event == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.troubles.append(parameters["entry"])
        elif event == "Runtime.consoleAPICalled":
            self.troubles.append(parameters)

    def go(self, url):
        """Until it is loaded."""
        self.is_loaded, end = False, time.monotonic() + self.seconds
        self.call("Page.navigate", url=url)
        while not self.is_loaded:
            self.receive(end - time.monotonic(), "load")

    def value(self, expression):
        """What JavaScript makes of it."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        assert "exceptionDetails" not in result, (expression, result["exceptionDetails"])
        return result["result"].get("value")

    def wait(self, expression, what=None):
        """The first value of it that is true."""
        end = time.monotonic() + self.seconds
        while True:
            value = self.value(expression)
            if value:
                return value
            assert time.monotonic() < end, \
                f"waited {self.seconds} s in vain for: {what or expression}; " \
                f"{self.value('document.body.innerText')!r} {self.troubles}"
            time.sleep(0.05)

    def click(self, selector):
        """A real click in the middle of what the selector finds."""
        x, y = self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def key(self, name):
        text = {"Enter": "\r", " ": " "}.get(name)
        code = {"Enter": 13, "ArrowDown": 40, "ArrowUp": 38, "ArrowLeft": 37, "Tab": 9, "End": 35,
                "Escape": 27, " ": 32}[name]
        pressed = {"text": text} if text else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, code=name,
                  windowsVirtualKeyCode=code, **pressed)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name, code=name,
                  windowsVirtualKeyCode=code)

    def size(self, width, height, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=scale, mobile=False)

    def prefer(self, scheme):
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as f:
            f.write(base64.b64decode(data))

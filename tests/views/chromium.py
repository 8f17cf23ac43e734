"""Headless Chromium over its debugging pipe: enough to open a page, drag in it and listen."""

import base64
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--remote-debugging-pipe",
)
WAIT_S = 60.0


class Page:
    """One page of a browser."""

    def __init__(self, to_browser, from_browser):
        self._to, self._from = to_browser, from_browser
        self._number, self._kept = 0, b""
        self.session = None
        self.complaints, self.requests = [], []

    def ask(self, method, **parameters):
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            self._listen(answer)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def evaluate(self, code):
        found = self.ask("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, code):
        end = time.monotonic() + WAIT_S
        while not self.evaluate(code):
            assert time.monotonic() < end, f"never came true: {code}; {self.complaints}"
            time.sleep(0.05)

    def open(self, url):
        self.ask("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def drag(self, start, stop):
        def mouse(kind, at, buttons):
            x, y = at
            self.ask(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=buttons
            )

        mouse("mousePressed", start, 1)
        mouse("mouseMoved", stop, 1)
        mouse("mouseReleased", stop, 0)

    def point_at(self, at):
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=at[0], y=at[1])

    def size(self, width, height):
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def screenshot(self):
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])

    def _next(self):
        while b"\0" not in self._kept:
            read = os.read(self._from, 1 << 20)
            assert read, "the browser ended"
            self._kept += read
        message, _, self._kept = self._kept.partition(b"\0")
        return json.loads(message)

    def _listen(self, message):
        kind, told = message.get("method"), message.get("params", {})
        if kind == "Runtime.exceptionThrown":
            self.complaints.append(told["exceptionDetails"].get("text"))
        elif kind == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            self.complaints.append(str(told["args"]))
        elif kind == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(told["entry"]["text"])
        elif kind == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])


@contextmanager
def browser(folder):
    """Give a page of a fresh headless browser; skip where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    ours, theirs = os.pipe(), os.pipe()  # from the browser, to the browser

    def wire():
        # The browser reads file 3 and writes file 4.
        take, give = os.dup(theirs[0]), os.dup(ours[1])
        os.dup2(take, 3)
        os.dup2(give, 4)
        # Nothing else that is open here, a lock least of all, may live on in the browser.
        os.closerange(5, 1024)

    command = [program, *FLAGS, f"--user-data-dir={folder}"]
    process = subprocess.Popen(
        command,
        preexec_fn=wire,
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(ours[1])
    os.close(theirs[0])
    try:
        page = Page(theirs[1], ours[0])
        target = page.ask("Target.createTarget", url="about:blank")["targetId"]
        page.session = page.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for chapter in ("Page", "Runtime", "Log", "Network"):
            page.ask(f"{chapter}.enable")
        yield page
    finally:
        process.kill()
        process.wait()
        os.close(theirs[1])
        os.close(ours[0])

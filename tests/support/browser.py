"""A real headless browser, driven over its DevTools pipe: load a page, press keys, click, look."""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

# The browser listens at descriptor 3 and answers at 4.
_LAUNCH = """
import fcntl, os, sys
listen, answer = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(listen, 3)
os.dup2(answer, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


_CODES = dict(Tab=9, Enter=13, End=35, Home=36, ArrowLeft=37, ArrowUp=38, ArrowRight=39, ArrowDown=40)  # noqa: C408
"""Of keys that do something in Chromium by themselves: move the focus, press a button, pull a slider."""


class Browser:
    """One tab. What the page asks of the network, and what goes wrong in it, is kept in ``requests`` and ``errors``."""

    def __init__(self, program: str, profile: Path) -> None:
        ours, theirs = os.pipe(), os.pipe()
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--window-size=1200,800"]
        launch = [sys.executable, "-c", _LAUNCH, str(ours[0]), str(theirs[1])]
        self._process = subprocess.Popen(
            [*launch, program, *options, f"--user-data-dir={profile}"],
            pass_fds=(ours[0], theirs[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._out = os.fdopen(ours[1], "wb", buffering=0)
        self._in = os.fdopen(theirs[0], "rb")
        self._numbers = itertools.count(1)
        self._loaded = False
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._session = ""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def open(self, page: Path) -> None:
        """Load a local file and wait until it has run."""
        self._loaded = False
        self.requests.clear()
        self.errors.clear()
        self._ask("Page.navigate", url=page.as_uri())
        while not self._loaded:
            self._receive()

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, condition: str, seconds: float = 20) -> None:
        """Wait until an expression in the page is true."""
        end = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.02)

    def overflows(self) -> int:
        """How many pixels the page is wider than the window."""
        return int(self.run("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def click(self, x: float, y: float) -> None:
        """Press and release the mouse."""
        for kind in ("mousePressed", "mouseReleased"):
            self._mouse(kind, x, y, button="left", clickCount=1)

    def drag(self, x: float, y: float, dx: float, dy: float) -> None:
        """Pull from (x, y) by (dx, dy)."""
        self._mouse("mousePressed", x, y, button="left", clickCount=1)
        for part in (0.3, 0.7, 1.0):
            self._mouse("mouseMoved", x + dx * part, y + dy * part, button="left", buttons=1)
        self._mouse("mouseReleased", x + dx, y + dy, button="left", clickCount=1)

    def wheel(self, x: float, y: float, delta: float) -> None:
        """Turn the wheel; down is positive."""
        self._mouse("mouseWheel", x, y, deltaX=0, deltaY=delta)

    def press(self, key: str) -> None:
        """Press and release a key, by its name as in KeyboardEvent.key."""
        text = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
        code = {"windowsVirtualKeyCode": _CODES[key]} if key in _CODES else {}
        self._ask("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **code)
        self._ask("Input.dispatchKeyEvent", type="keyUp", key=key, **code)

    def view(self, width: int, height: int, dark: bool = False) -> None:
        """Show pages in a window of this size, to someone who prefers light or dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, target: Path, whole: bool = False) -> None:
        """The page as a PNG: what the window shows, or the whole page."""
        answer = self._ask("Page.captureScreenshot", captureBeyondViewport=whole, **self._clip(whole))
        target.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        """End the browser."""
        self._process.kill()
        self._process.wait()
        self._out.close()
        self._in.close()

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self._ask("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}

    def _mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def _ask(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        self._out.write(json.dumps({"id": number, "method": method, "params": params, **session}).encode() + b"\0")
        while True:
            message = self._receive()
            if message.get("id") == number:
                assert "error" not in message, message["error"]
                return message["result"]

    def _receive(self) -> Any:
        data = bytearray()
        while (byte := self._in.read(1)) != b"\0":
            assert byte, "the browser has ended"
            data += byte
        message = json.loads(data)
        method, params = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"]["text"])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(str(params["args"]))
        return message

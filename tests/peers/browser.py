"""A real browser: Chromium, steered through its DevTools protocol over a pair of pipes.

https://chromedevtools.github.io/devtools-protocol/: commands and events are JSON, each followed by a NUL.
"""

import base64
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.peers.tools import require_tool

LIMIT = 30.0
"""Seconds in which the browser must answer, or a page become what is waited for."""

_OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    # Whatever is asked of the net beyond this machine is not there.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


class BrowserFailed(Exception):
    """The browser does not do as it is told."""


class Browser:
    """A running browser, until `close`."""

    def __init__(self, profile: Path) -> None:
        command = [require_tool("chromium"), *_OPTIONS, f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            command.append("--no-sandbox")  # it has none for root
        theirs, self._writing = os.pipe()
        self._reading, their_output = os.pipe()

        def place() -> None:
            """Give the browser its pipes as the descriptors 3 and 4."""
            first, second = os.dup(theirs), os.dup(their_output)
            high = (os.dup2(first, 63), os.dup2(second, 64))
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._process = subprocess.Popen(
            [*command, "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=place,
            pass_fds=(3, 4),
            env={**os.environ, "TZ": "UTC", "LANG": "C.UTF-8", "LANGUAGE": "en"},
        )
        os.close(theirs)
        os.close(their_output)
        self._count = 0
        self._rest = b""
        self._events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, /, **parameters: object) -> Any:
        """Give a command and return its result."""
        self._count += 1
        number = self._count
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + LIMIT
        while True:
            for received in self._receive(end):
                if received.get("id") == number:
                    if "error" in received:
                        raise BrowserFailed(f"{method}: {received['error']}")
                    return received["result"]
                self._events.append(received)

    def events(self, session: str) -> list[dict[str, Any]]:
        """Return what a page has told of so far."""
        return [event for event in self._events if event.get("sessionId") == session]

    def _receive(self, end: float) -> list[dict[str, Any]]:
        left = end - time.monotonic()
        if left <= 0 or not select.select([self._reading], [], [], left)[0]:
            raise BrowserFailed("the browser does not answer")
        data = os.read(self._reading, 1 << 20)
        if not data:
            raise BrowserFailed("the browser has ended")
        *messages, self._rest = (self._rest + data).split(b"\0")
        return [json.loads(message) for message in messages]

    def close(self) -> None:
        """End the browser."""
        self._process.kill()
        self._process.wait()
        os.close(self._reading)
        os.close(self._writing)


class Page:
    """A page in a browser."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        width: int = 1100,
        height: int = 900,
        dark: bool = False,
    ) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self._call("Page.navigate", url=url)
        self.wait_for("location.href !== 'about:blank' && document.readyState === 'complete'")

    def _call(self, method: str, **parameters: object) -> Any:
        return self._browser.call(method, self._session, **parameters)

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        result = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise BrowserFailed(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Return the value of a JavaScript expression once it is true."""
        end = time.monotonic() + LIMIT
        while not (value := self.evaluate(expression)):
            if time.monotonic() > end:
                raise BrowserFailed(f"not so in {LIMIT} s: {expression}\n{self.text()}")
            time.sleep(0.05)
        return value

    def text(self) -> str:
        """Return what can be read on the page."""
        return str(self.evaluate("document.body.innerText"))

    def rows(self, table: str) -> list[list[str]]:
        """Return the texts of the cells of a table's body."""
        return list(
            self.evaluate(
                f"[...document.querySelectorAll('#{table} tbody tr')]"
                ".map(row => [...row.children].map(cell => cell.textContent))"
            )
        )

    def requested(self) -> list[str]:
        """Return the addresses that were asked for."""
        self.evaluate("0")  # what has happened so far is told before the answer
        return [
            event["params"]["request"]["url"]
            for event in self._browser.events(self._session)
            if event["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        """Return what is on the console, exceptions and violations of the policy among it."""
        self.evaluate("0")
        return [
            json.dumps(event["params"])
            for event in self._browser.events(self._session)
            if event["method"]
            in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        ]

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Save a picture of the page."""
        picture = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))


@contextmanager
def browser() -> Iterator[Browser]:
    """Run a browser until the end of the block."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        running = Browser(Path(profile))
        try:
            yield running
        finally:
            running.close()

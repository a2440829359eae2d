"""A headless Chromium for tests, spoken to over the WebDriver protocol of its `chromedriver`."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key under which the protocol hands out an element."""
NEEDED = ("chromium", "chromedriver")


class Browser:
    """One window, and all that its pages asked for and complained about."""

    def __init__(self, session: str) -> None:
        self.session = session

    def open(self, path: Path) -> None:
        """Open a file from the disk."""
        self._post("url", url=path.as_uri())

    def run(self, script: str, *values: object) -> Any:
        """Run JavaScript in the page and return what it returns."""
        return self._post("execute/sync", script=script, args=list(values))

    def until(self, script: str, seconds: float = 20) -> Any:
        """Run JavaScript until it returns something true, and return that."""
        end = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < end, script
            time.sleep(0.1)
        return found

    def click(self, selector: str) -> None:
        """Click an element as a user would, which fails where another one covers it."""
        self._post(f"element/{self._find(selector)}/click")

    def point_at(self, element: str) -> None:
        """Move the pointer to the middle of an element, which a JavaScript expression names."""
        box = self.run(f"return {element}.getBoundingClientRect()")
        x, y = (round(box[at] + box[size] / 2) for at, size in (("x", "width"), ("y", "height")))
        move = {"type": "pointerMove", "duration": 0, "x": x, "y": y, "origin": "viewport"}
        self._post("actions", actions=[{"type": "pointer", "id": "mouse", "actions": [move]}])

    def type(self, selector: str, text: str) -> None:
        """Type into a field, after what is there is deleted."""
        element = self._find(selector)
        self._post(f"element/{element}/clear")
        self._post(f"element/{element}/value", text=text)

    def requests(self) -> list[str]:
        """Return the addresses asked for since the last call, but for data and Chromium's own."""
        messages = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        urls = [params["request"]["url"] for params in sent]
        return [url for url in urls if not url.startswith(("data:", "blob:", "chrome:"))]

    def complaints(self) -> list[str]:
        """Return what scripts or the browser complained about since the last call."""
        entries = self._log("browser")
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def screenshot(self, path: Path) -> None:
        """Save what is seen as a PNG."""
        path.write_bytes(base64.b64decode(_ask("GET", f"{self.session}/screenshot")))

    def _find(self, selector: str) -> str:
        found = self._post("element", using="css selector", value=selector)
        return str(found[ELEMENT])

    def _log(self, kind: str) -> list[dict[str, str]]:
        entries: list[dict[str, str]] = self._post("se/log", type=kind)
        return entries

    def _post(self, path: str, **content: object) -> Any:
        return _ask("POST", f"{self.session}/{path}", content)


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Start a Chromium without a window, or skip the test where there is none.

    Its log is written to `folder`, where its profile is, too.
    """
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        pytest.skip(f"needs {' and '.join(missing)} (Debian: chromium, chromium-driver)")
    with (folder / "chromedriver.log").open("w+", encoding="utf-8") as log:
        driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=log, stderr=log)
        try:
            port = _port(folder / "chromedriver.log")
            arguments = [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ]
            options = {
                "args": [
                    *arguments,
                    f"--user-data-dir={folder / 'profile'}",
                    "--window-size=1250,1000",
                ]
            }
            wanted = {
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }
            server = f"http://127.0.0.1:{port}/session"
            made = _ask("POST", server, {"capabilities": {"alwaysMatch": wanted}})
            session = f"{server}/{made['sessionId']}"
            try:
                yield Browser(session)
            finally:
                _ask("DELETE", session)
        finally:
            driver.terminate()
            driver.wait(30)


def _port(log: Path) -> int:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        text = log.read_text(encoding="utf-8")
        if "started successfully on port " in text:
            return int(text.partition("started successfully on port ")[2].split(".")[0])
        time.sleep(0.05)
    raise TimeoutError(log.read_text(encoding="utf-8"))


def _ask(method: str, url: str, content: object = None) -> Any:
    data = None if method != "POST" else json.dumps(content or {}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from None

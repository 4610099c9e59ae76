"""A headless Chromium, driven over the WebDriver protocol (W3C) on loopback."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = CHROMIUM is None or DRIVER is None
ARGUMENTS = [
    "--headless=new",
    "--disable-gpu",
    "--window-size=1400,900",
    "--force-color-profile=srgb",
]

# Narrower pages are a phone's.
PHONE = 500
# https://www.w3.org/TR/webdriver2/#keyboard-actions
KEYS = {
    "Escape": "\ue00c",
    "Enter": "\ue007",
    "Tab": "\ue004",
    "PageUp": "\ue00e",
    "PageDown": "\ue00f",
    "End": "\ue010",
    "Home": "\ue011",
    "Left": "\ue012",
    "Up": "\ue013",
    "Right": "\ue014",
    "Down": "\ue015",
}


class Browser:
    """One page at a time; `console` is what it logged."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._opener = build_opener(ProxyHandler({}))
        arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        options = {"binary": CHROMIUM, "args": arguments}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        made = self._post("/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{made['sessionId']}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._send(Request(self._base + self._session, method="DELETE"))  # noqa: S310 - loopback

    def open(self, page: Path, fragment: str = "") -> None:
        """Load a page from a file; `fragment` is what follows it, from `#` on."""
        self._post(f"{self._session}/url", {"url": page.resolve().as_uri() + fragment})

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - any JSON
        """Run JavaScript in the page and return what it returns."""
        return self._post(
            f"{self._session}/execute/sync", {"script": script, "args": list(arguments)}
        )

    def press(self, *keys: str) -> None:
        """Press keys one after another, by their names in KEYS or as characters."""
        actions = [
            {"type": kind, "value": KEYS.get(key, key)}
            for key in keys
            for kind in ("keyDown", "keyUp")
        ]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        self._post(f"{self._session}/actions", {"actions": [keyboard]})

    def resize(self, width: int, height: int) -> None:
        """Give the page a size in CSS pixels."""
        metrics = {
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": width < PHONE,
        }
        self._devtools("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, media: str = "", **features: str) -> None:
        """Have the page think that it is printed (`media`), or what people prefer."""
        wanted = [
            {"name": name.replace("_", "-"), "value": value} for name, value in features.items()
        ]
        self._devtools("Emulation.setEmulatedMedia", {"media": media, "features": wanted})

    def _devtools(self, command: str, parameters: dict[str, Any]) -> None:
        self._post(f"{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def console(self) -> list[str]:
        """What the page has logged since the last time: errors and refused resources too."""
        entries = self._post(f"{self._session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries]

    def screenshot(self) -> bytes:
        """The page as a PNG."""
        with self._opener.open(f"{self._base}{self._session}/screenshot", timeout=60) as answer:
            return base64.b64decode(json.load(answer)["value"])

    def _post(self, path: str, body: object) -> Any:  # noqa: ANN401
        request = Request(  # noqa: S310 - the address is the driver's, on loopback
            self._base + path,
            json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        return self._send(request)

    def _send(self, request: Request) -> Any:  # noqa: ANN401
        with self._opener.open(request, timeout=60) as answer:
            return json.load(answer)["value"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for one test."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(
        [str(DRIVER), f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(port)
        with Browser(port) as browser:
            yield browser
    finally:
        driver.terminate()
        driver.wait()


def _wait(port: int) -> None:
    opener = build_opener(ProxyHandler({}))
    for _ in range(200):
        try:
            opener.open(f"http://127.0.0.1:{port}/status", timeout=5).close()
        except URLError:
            time.sleep(0.05)
        else:
            return
    message = "chromedriver did not start"
    raise RuntimeError(message)

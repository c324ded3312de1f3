"""A headless Chromium behind chromedriver, driven over HTTP: enough to open a page, ask it things and photograph it."""

import base64
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--hide-scrollbars",
)  # fmt: skip


def _binary(*names: str) -> str:
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    message = f"none of {', '.join(names)} is installed"
    if os.environ.get("HARNESS_REQUIRE_CHROMIUM") == "1":
        pytest.fail(message)
    pytest.skip(message)


class Browser:
    """One window; `call` speaks WebDriver, `cdp` the DevTools protocol."""

    def __init__(self, http: httpx.Client, session: str) -> None:
        self._http, self._path = http, f"/session/{session}"

    def call(self, what: str, **body: Any) -> Any:
        answer = self._http.post(f"{self._path}/{what}", json=body).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def cdp(self, cmd: str, **params: Any) -> Any:
        return self.call("goog/cdp/execute", cmd=cmd, params=params)

    def open(self, path: Path) -> None:
        self.call("url", url=path.as_uri())

    def run(self, script: str, *args: Any) -> Any:
        return self.call("execute/sync", script=script, args=list(args))

    def problems(self) -> list[str]:
        """Return the console's messages since last asked."""
        return [f"{entry['level']} {entry['message']}" for entry in self.call("se/log", type="browser")]

    def size(self, width: int, height: int = 900, *, mobile: bool = False) -> None:
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def prefer(self, **features: str) -> None:
        media = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.cdp("Emulation.setEmulatedMedia", features=media)

    def photograph(self, path: Path, *, clip: dict[str, float] | None = None) -> None:
        more = {} if clip is None else {"clip": {**clip, "scale": 1}}
        data = self.cdp("Page.captureScreenshot", captureBeyondViewport=True, **more)["data"]
        path.write_bytes(base64.b64decode(data))

    def printed(self) -> bytes:
        return base64.b64decode(self.cdp("Page.printToPDF", preferCSSPageSize=True)["data"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ready(http: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(200):
        assert process.poll() is None, "chromedriver ended at once"
        try:
            if http.get("/status").json()["value"]["ready"]:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail("chromedriver did not come up")


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Yield a browser with a new profile in `folder`; skips, or fails where it is required, without Chromium."""
    chromium, driver = _binary("chromium", "chromium-browser", "google-chrome"), _binary("chromedriver")
    port = _free_port()
    process = subprocess.Popen([driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as http:
            _ready(http, process)
            options = {"binary": chromium, "args": [*FLAGS, f"--user-data-dir={folder / 'profile'}"]}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            answer = http.post("/session", json={"capabilities": {"alwaysMatch": wanted}}).json()["value"]
            assert "sessionId" in answer, answer
            try:
                yield Browser(http, answer["sessionId"])
            finally:
                http.delete(f"/session/{answer['sessionId']}")
    finally:
        process.terminate()
        process.wait(10)

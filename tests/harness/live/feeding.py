"""Snapshots as a run makes them, a page's events as a browser reads them, and a proxy whose connections can be cut."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from harness.live.feed import LivePage
from harness.live.messages import about_run
from harness.load.latency.recent import Recent
from harness.load.pump import Snapshot

# A test waits this long for what comes at its own pace, before it is taken to hang.
PATIENCE_S = 60.0
SECOND_NS = 1_000_000_000
ABOUT = about_run("Load run test", "constant:rate=100, lognormal words, through none", duration_ns=60 * SECOND_NS)


def until(condition: Callable[[], Any], what: str) -> Any:
    """Return what `condition` returns once that is true; fails after a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < deadline, f"no {what} after {PATIENCE_S} s"
        time.sleep(0.02)
    return value


def snapshot(second: int, **changes: Any) -> Snapshot:
    """Return how a run of 100 lines/s stands after so many seconds."""
    lines = 100 * second
    times = {"lag": (20_000, 300_000), "service": (100_000, 900_000), "response": (130_000, 1_200_000)}
    figures = {f"{name}_p{p}_ns": ns for name, pair in times.items() for p, ns in zip((50, 99), pair, strict=True)}
    values: dict[str, Any] = {
        "elapsed_ns": second * SECOND_NS,
        "offered": lines,
        "processed": lines - 2 * second,
        "failed": 2 * second,
        "dropped": 0,
        "rate": 99.0,
        "target_rate": 100.0,
        **figures,
        "errors": {"not_utf8": second, "nul": second},
        "recent": Recent(until_ns=second * SECOND_NS, **figures),
        "pages": [(second * SECOND_NS - 500_000_000, second * SECOND_NS - 490_000_000)],
    }
    return Snapshot(**{**values, **changes})


class Beside:
    """The other observer, which keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.snapshots: list[Snapshot] = []

    def phase(self, text: str) -> None:
        self.told.append(text)

    def say(self, text: str) -> None:
        self.told.append(text)

    def progress(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None:
        self.snapshots.append(progress)


@contextmanager
def page(**about: Any) -> Iterator[LivePage]:
    """Yield a page that is served by a process of its own."""
    with LivePage({**ABOUT, **about}) as opened:
        yield opened


def client(opened: LivePage) -> httpx.Client:
    """Return a client of a page."""
    return httpx.Client(base_url=opened.url, timeout=PATIENCE_S, trust_env=False)


class Events:
    """The stream of a page as an EventSource reads it; iterating yields name and data of each event."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()
        self.number: int | None = None

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        fields: dict[str, str] = {}
        for line in self._lines:
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "event" in fields:
                self.number = int(fields["id"]) if "id" in fields else self.number
                yield fields["event"], json.loads(fields["data"])
                fields = {}

    def next(self, name: str) -> Any:
        """Return the data of the next event of a name."""
        return next(data for event, data in self if event == name)


@contextmanager
def events(opened: LivePage) -> Iterator[Events]:
    """Yield the events of a page."""
    with client(opened) as asking, asking.stream("GET", "/events") as response:
        assert response.status_code == 200, response.status_code
        yield Events(response)


class Proxy:
    """Passes connections on to a port, until they are cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self.refusing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                if self.refusing:
                    here.close()
                    continue
                there = socket.create_connection(("127.0.0.1", self._port))
                self._open += [here, there]
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65_536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """End every connection at once."""
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def close(self) -> None:
        """Stop listening as well."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

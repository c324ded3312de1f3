"""The scraper of the sides of pairs, which start and end on a few fixed ports: Prometheus or a built-in poller."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from harness.errors import UsageError
from harness.scrape.choose import make_scraper
from harness.scrape.prometheus.server import PrometheusServer, prometheus_error

__all__ = ["SlotScraper"]

_ACCEPT = "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
_TIMEOUT_S = 5.0
_FIRST_S = 30.0


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [int(sock.getsockname()[1]) for sock in sockets]


def _ask(url: str, path: str) -> dict[str, Any]:
    """Return the data of an answer of Prometheus' API; empty where there is none."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        data = json.loads(connection.getresponse().read())["data"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return {}
    finally:
        connection.close()
    return data if isinstance(data, dict) else {}


def _version(url: str) -> str:
    """Return the version of the Prometheus at `url`; empty where it is unknown."""
    return str(_ask(url, "/api/v1/status/buildinfo").get("version", "")).partition("+")[0]


class _Poller:
    """Periodic requests for the page of one port, which need not be in use."""

    def __init__(self, port: int, interval_s: float) -> None:
        self._port, self._interval_s = port, interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"harness-poll-{port}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._interval_s, time.monotonic())
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_S)
            try:
                connection.request("GET", "/metrics", headers={"Accept": _ACCEPT, "Accept-Encoding": "gzip"})
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                continue  # no side is running there, or it has just ended
            finally:
                connection.close()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(_TIMEOUT_S + 1)


class SlotScraper:
    """Context manager that scrapes `slots` free ports, or `ports`, every `interval_ms`, whether in use or not.

    `kind` is ``prometheus``, ``builtin`` or ``auto`` (Prometheus where it is installed). The threads of the built-in
    poller run in this process, which is idle during timed blocks and is on another core. Entering raises `ScraperError`
    where Prometheus does not start; the constructor raises `UsageError` for the kind ``none``.
    """

    def __init__(self, kind: str, interval_ms: int, slots: int = 2, ports: Sequence[int] = ()) -> None:
        scraper = make_scraper(kind, interval_ms * 1_000_000)
        if scraper.kind == "none":
            raise UsageError("none cannot scrape; choose prometheus, builtin or auto", field="scraper")
        self.kind, self.description = scraper.kind, scraper.description
        self._interval_ms = interval_ms
        self._ports = list(ports) or _free_ports(slots)
        self._open = ExitStack()

    def port(self, slot: int) -> int:
        """Return the port of `slot`."""
        return self._ports[slot]

    def __enter__(self) -> Self:
        if self.kind == "builtin":
            for port in self._ports:
                self._open.callback(_Poller(port, self._interval_ms / 1e3).stop)
            return self
        server = PrometheusServer(self._config())
        try:
            self._open.callback(server.start().stop)
            self.description = self.description.replace("Prometheus", f"Prometheus {_version(server.url)}".strip(), 1)
            self._await_first(server)
        except BaseException:
            self._open.close()
            raise
        return self

    def _await_first(self, server: PrometheusServer) -> None:
        """Wait for the first scrape of every port, which Prometheus begins about five seconds after it is ready."""
        deadline = time.monotonic() + _FIRST_S
        while time.monotonic() < deadline:
            server.check()
            targets = _ask(server.url, "/api/v1/targets?state=active").get("activeTargets", [])
            # The targets are down, since nothing is running there yet; the year 1 stands for no scrape so far.
            scraped = [target for target in targets if not str(target.get("lastScrape", "0001")).startswith("0001")]
            if len(scraped) == len(self._ports):
                return
            time.sleep(0.05)
        raise prometheus_error(f"did not begin to scrape within {_FIRST_S:g} s")

    def _config(self) -> str:
        interval = f"{self._interval_ms}ms"
        job = {
            "job_name": "pairs",
            "scrape_interval": interval,
            "scrape_timeout": interval,
            "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in self._ports]}],
        }
        return json.dumps({"scrape_configs": [job]})  # JSON is YAML

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

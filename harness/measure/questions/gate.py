"""A gate between a scraper and the subject, so that whether the subject is scraped can be drawn at random in one run.

It lets scrapes through in some windows of time and answers them itself in the others.
"""

import http.client
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

__all__ = ["Gate", "Windows"]

_TIMEOUT_S = 10.0
_ASKED = ("Accept", "Accept-Encoding")
_ANSWERED = ("Content-Type", "Content-Encoding")


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of equal length from `start_ns` (``time.monotonic_ns``); `scraped` tells which let scrapes pass."""

    start_ns: int
    window_ns: int
    scraped: tuple[bool, ...]

    @property
    def end_ns(self) -> int:
        """The end of the last window."""
        return self.start_ns + self.window_ns * len(self.scraped)

    def open_at(self, now_ns: int) -> bool:
        """Tell whether scrapes pass at a moment; outside all windows they do not."""
        index = (now_ns - self.start_ns) // self.window_ns
        return 0 <= index < len(self.scraped) and self.scraped[index]


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_GET(self) -> None:
        """Pass the request on, or answer it with an empty page."""
        status, headers, body = 200, {"Content-Type": "text/plain; version=0.0.4"}, b""
        schedule = self.server.schedule
        if schedule is not None and schedule.open_at(time.monotonic_ns()):
            status, headers, body = self._pass_on()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _pass_on(self) -> tuple[int, dict[str, str], bytes]:
        # As the scraper asked: compressing the page is part of what a scrape costs the subject.
        asked = {name: value for name in _ASKED if (value := self.headers.get(name))}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", "/metrics", headers=asked)
            answer = connection.getresponse()
            kept = {name: value for name in _ANSWERED if (value := answer.headers.get(name))}
            return answer.status, kept, answer.read()
        except (OSError, http.client.HTTPException):
            return 503, {"Content-Type": "text/plain"}, b""
        finally:
            connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    target = 0
    schedule: Windows | None = None

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a scraper that hung up is no error of ours."""


class Gate:
    """The gate on a port of 127.0.0.1, closed until `set`; a context manager that ends it."""

    def __init__(self, port: int = 0) -> None:
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="harness-gate", daemon=True
        )

    @property
    def port(self) -> int:
        """Where scrapers ask."""
        return int(self._server.server_address[1])

    def set(self, target_port: int, schedule: Windows | None) -> None:
        """Pass scrapes on to `target_port` as the schedule says; None closes the gate."""
        self._server.target, self._server.schedule = target_port, schedule

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

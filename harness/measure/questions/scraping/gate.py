"""The gate: a proxy between scraper and subject, for windows with and without scrapes at random within one run.

It passes scrapes on in some windows of time and answers them itself in the others.
"""

import http.client
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness.measure.questions.background import BackgroundServer

__all__ = ["Gate", "Windows"]

_TIMEOUT_S = 10.0
_REQUEST_HEADERS = ("Accept", "Accept-Encoding")
_RESPONSE_HEADERS = ("Content-Type", "Content-Encoding")


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of equal length from `start_ns` (``time.monotonic_ns``); `scraped` marks those with scrapes."""

    start_ns: int
    window_ns: int
    scraped: tuple[bool, ...]

    @property
    def end_ns(self) -> int:
        """The end of the last window."""
        return self.start_ns + self.window_ns * len(self.scraped)

    def open_at(self, now_ns: int) -> bool:
        """Return whether scrapes pass at `now_ns`; outside all windows they do not."""
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
        # With the scraper's own headers, since compression is part of the cost of a scrape.
        request_headers = {name: value for name in _REQUEST_HEADERS if (value := self.headers.get(name))}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=_TIMEOUT_S)
        try:
            connection.request("GET", "/metrics", headers=request_headers)
            answer = connection.getresponse()
            headers = {name: value for name in _RESPONSE_HEADERS if (value := answer.headers.get(name))}
            return answer.status, headers, answer.read()
        except (OSError, http.client.HTTPException):
            return 503, {"Content-Type": "text/plain"}, b""
        finally:
            connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    target = 0
    schedule: Windows | None = None

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing: a scraper that closed its connection is not our error."""


class Gate(BackgroundServer["_Server"]):
    """A gate on a port of 127.0.0.1, closed until `set`; a context manager that starts and ends it."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(_Server(("127.0.0.1", port), _Handler))

    @property
    def port(self) -> int:
        """The port for scrapers."""
        return int(self._server.server_address[1])

    def set(self, target_port: int, schedule: Windows | None) -> None:
        """Pass scrapes on to `target_port` by the schedule; None closes the gate."""
        self._server.target, self._server.schedule = target_port, schedule

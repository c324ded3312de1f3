"""The process of the built-in scraper: requests as Prometheus makes them, aligned interval, reports as JSON lines.

Run as ``python -m harness.scrape.builtin.process SPEC``. It ends when its standard input does, which the system closes
however its parent ends. Times are ``time.monotonic_ns``, which all processes of a machine share.

Commands, one a line: ``allow NS`` (the timeout of a scrape, and at least the interval), ``stored``, ``pages``.

Messages, one object a line: ``scrape`` (start in ns, duration in ms, ok, bytes, timed out), ``error`` (why the last one
failed), ``problems`` (of that scrape: since when in ns, name, size, detail) with
``received`` (when it was, in ns), ``stored`` (the last page, packed and in base 64),
``page`` (begin and end in ns, packed as the difference from the page before; the first one whole), ``pages_end``.
"""

import base64
import contextlib
import http.client
import json
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from harness.audit.scrape_checks import Checker
from harness.exposition.headers import scrape_headers
from harness.exposition.page import ExpositionError, Shown, read_shown
from harness.scrape.body import MOST_BYTES, BodyError, unpacked
from harness.scrape.builtin.packing import PageStore, pack
from harness.views import QUICKSTART_VIEWS, View

__all__ = ["Asker", "main"]

_PIECE_BYTES = 1 << 20


class Asker:
    """Client of one target, over one connection as long as the server keeps it open."""

    def __init__(self, address: str, port: int, timeout_ns: int, views: Sequence[View] = QUICKSTART_VIEWS) -> None:
        self._connection = http.client.HTTPConnection(address, port)
        self._views = views
        self.timeout_ns = timeout_ns
        self.shown: Shown | None = None
        self.error = ""
        self._deadline_ns = 0

    def ask(self) -> tuple[int, float, bool, int | None, bool]:
        """Scrape once; return start in ns, duration in ms, whether there was a page, its bytes, whether it timed out.

        The content of the page is in `shown`, or the reason why there is none in `error`.
        """
        start_ns = time.monotonic_ns()
        self._deadline_ns = start_ns + self.timeout_ns
        body, timed_out = b"", False
        self.error, self.shown = "", None
        try:
            response, body = self._get()
            if response.status != http.HTTPStatus.OK:
                self.error = " ".join(f"HTTP status {response.status} {response.reason}".split())
        except (OSError, ValueError, http.client.HTTPException) as error:
            self._connection.close()
            timed_out = isinstance(error, TimeoutError) or time.monotonic_ns() >= self._deadline_ns
            if timed_out:
                error = TimeoutError("timed out")
            self.error = " ".join(str(error).split()) or type(error).__name__
        duration_ms = (time.monotonic_ns() - start_ns) / 1e6
        if not self.error:
            self._read(response, body)
        return start_ns, duration_ms, not self.error, len(body) or None, timed_out

    def _get(self) -> tuple[http.client.HTTPResponse, bytes]:
        """Return an answer and its body; the timeout covers both together, as Prometheus' does."""
        self._connection.timeout = self._left_s()
        if self._connection.sock is None:
            self._connection.connect()
        connected = self._connection.sock
        connected.settimeout(self._left_s())
        # The timeout of a socket begins anew with each byte, of which a head may have any number.
        ending = threading.Timer(self._left_s(), _end, (connected,))
        ending.daemon = True
        ending.start()
        try:
            self._connection.request("GET", "/metrics", headers=scrape_headers(self.timeout_ns))
            response = self._connection.getresponse()
            body = self._body(connected, response)
        finally:
            ending.cancel()
        # What was cut off at the deadline may look whole.
        self._left_s()
        return response, body

    def _body(self, connected: socket.socket, response: http.client.HTTPResponse) -> bytes:
        pieces, size = [], 0
        # A server that closes the connection after its answer has left the socket to the response alone.
        while not response.isclosed():
            connected.settimeout(self._left_s())
            piece = response.read1(_PIECE_BYTES)
            if not piece:
                response.close()
            pieces.append(piece)
            size += len(piece)
            if size > MOST_BYTES:
                raise BodyError(f"the page has more than {MOST_BYTES >> 20} MiB")
        return b"".join(pieces)

    def _left_s(self) -> float:
        left_ns = self._deadline_ns - time.monotonic_ns()
        if left_ns <= 0:
            raise TimeoutError("timed out")
        return left_ns / 1e9

    def _read(self, response: http.client.HTTPResponse, body: bytes) -> None:
        try:
            text = unpacked(body, response.headers.get("Content-Encoding")).decode()
            self.shown = read_shown(text, response.headers.get("Content-Type", ""), self._views)
        except (ExpositionError, UnicodeDecodeError) as error:
            self.error = str(error)
        except BodyError as error:
            self.error = f"the page {error}"


def _end(connected: socket.socket) -> None:
    """End whatever is read from a connection."""
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _report(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _text(packed: bytes) -> str:
    return base64.b64encode(packed).decode("ascii")


class _Loop:
    """Scrapes at its times, and executes commands in between."""

    def __init__(self, spec: dict[str, Any]) -> None:
        views = [view for view in QUICKSTART_VIEWS if view.name in spec["views"]]
        self._interval_ns: int = spec["interval_ns"]
        self._asker = Asker(spec["address"], spec["port"], spec["timeout_ns"], views)
        self._checker = Checker(views)
        self._store = PageStore()
        self._due_ns = time.monotonic_ns() + spec["offset_ns"]
        self._unread = b""

    def run(self) -> None:
        while self._listen():
            self._scrape()
            # A scrape that took too long is followed by the next one on the grid, as with Prometheus.
            late_ns = time.monotonic_ns() - self._due_ns
            self._due_ns += max(1, -(-late_ns // self._interval_ns)) * self._interval_ns

    def _scrape(self) -> None:
        scrape = self._asker.ask()
        message: dict[str, Any] = {"scrape": scrape}
        if self._asker.error:
            message["error"] = self._asker.error
        shown = self._asker.shown
        if shown is not None:
            # One microsecond for what the duration lost as a float.
            end_ns = scrape[0] + int(scrape[1] * 1e6) + 1000
            self._store.add(scrape[0], end_ns, shown)
            self._checker.observe(shown, scrape[0])
            if found := self._checker.take():
                message["problems"] = [(since, one.name, one.size, one.detail) for since, one in found]
                message["received"] = end_ns
        _report(**message)

    def _listen(self) -> bool:
        """Execute commands until the time is up; return False at the end of input."""
        while True:
            left_s = max(0.0, (self._due_ns - time.monotonic_ns()) / 1e9)
            readable, _, _ = select.select([0], [], [], left_s)
            if not readable:
                return True
            # Unbuffered, or a second command would hide from select in a buffer.
            said = os.read(0, 4096)
            if not said:
                return False
            *commands, self._unread = (self._unread + said).split(b"\n")
            for command in commands:
                self._obey(*command.decode().split())

    def _obey(self, command: str, *arguments: str) -> None:
        if command == "allow":
            self._asker.timeout_ns = int(arguments[0])
            self._interval_ns = max(self._interval_ns, self._asker.timeout_ns)
            self._due_ns = time.monotonic_ns()
        elif command == "stored":
            _report(stored=_text(pack(self._store.last)))
        elif command == "pages":
            for page in self._store.packed():
                _report(page=[page.begin_ns, page.end_ns, _text(page.packed)])
            _report(pages_end=True)


def main(arguments: list[str]) -> int:
    """Scrape until the input ends; `arguments` holds the specification as one JSON object."""
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        _Loop(json.loads(arguments[0])).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

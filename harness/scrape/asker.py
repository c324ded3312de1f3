"""The process behind the built-in scraper: asks as Prometheus asks, on an aligned interval, and reports in JSON lines.

Run as ``python -m harness.scrape.asker SPEC``. It ends when its standard input does, which the system sees to
whichever way its parent goes. Times are ``time.monotonic_ns``, which all processes of a machine share.

Messages, one object a line: ``scrape`` (start in ns, duration in ms, ok, bytes), ``error`` (why the last one failed),
``problems`` (name, size, detail; everything until now), ``stored`` (name, labels, value; on the command ``stored``).
"""

import gzip
import http.client
import json
import os
import select
import sys
import time
from typing import Any

from harness.scrape.asking import scrape_headers
from harness.scrape.checks import Checker
from harness.scrape.exposition import ExpositionError, Page, parse_page
from harness.views import QUICKSTART_VIEWS

__all__ = ["Asker", "main"]


class Asker:
    """Asks one target for its page, again and again, over one connection as long as the server keeps it open."""

    def __init__(self, address: str, port: int, timeout_ns: int) -> None:
        self._connection = http.client.HTTPConnection(address, port, timeout=timeout_ns / 1e9)
        self._headers = scrape_headers(timeout_ns)
        self.page: Page | None = None
        self.error = ""

    def ask(self) -> tuple[int, float, bool, int | None]:
        """Scrape once; return its start in ns, its duration in ms, whether it brought a page, and the body's bytes.

        The page stands in `page`, or the reason why there is none in `error`.
        """
        start_ns = time.monotonic_ns()
        body = b""
        self.error = ""
        try:
            response, body = self._get()
            if response.status != http.HTTPStatus.OK:
                self.error = f"HTTP status {response.status} {response.reason}"
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self.error = str(error) or type(error).__name__
        duration_ms = (time.monotonic_ns() - start_ns) / 1e6
        if not self.error:
            self._parse(response, body)
        return start_ns, duration_ms, not self.error, len(body) or None

    def _get(self) -> tuple[http.client.HTTPResponse, bytes]:
        self._connection.request("GET", "/metrics", headers=self._headers)
        response = self._connection.getresponse()
        return response, response.read()

    def _parse(self, response: http.client.HTTPResponse, body: bytes) -> None:
        try:
            if response.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            self.page = parse_page(body.decode(), response.headers.get("Content-Type", ""))
        except (ExpositionError, UnicodeDecodeError, OSError, EOFError) as error:
            self.error = str(error)


def _report(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _scrape(asker: Asker, checker: Checker) -> None:
    before = asker.page
    scrape = asker.ask()
    message: dict[str, Any] = {"scrape": scrape}
    if asker.error:
        message["error"] = asker.error
    page = asker.page
    if page is not None and page is not before:
        checker.observe(page.samples)
        problems = checker.findings()
        if problems:
            message["problems"] = [(finding.name, finding.size, finding.detail) for finding in problems]
    _report(**message)


def _listen(until_ns: int, asker: Asker) -> bool:
    """Obey what comes in until the time is up; return False at the end of input."""
    while True:
        left_s = max(0.0, (until_ns - time.monotonic_ns()) / 1e9)
        readable, _, _ = select.select([0], [], [], left_s)
        if not readable:
            return True
        # Unbuffered, or a second command would hide from select in a buffer.
        commands = os.read(0, 4096)
        if not commands:
            return False
        if b"stored" in commands:
            samples = asker.page.samples if asker.page else ()
            _report(stored=[(sample.name, dict(sample.labels), sample.value) for sample in samples])


def main(arguments: list[str]) -> int:
    """Scrape until the input ends; `arguments` holds the specification as one JSON object."""
    spec = json.loads(arguments[0])
    interval_ns: int = spec["interval_ns"]
    asker = Asker(spec["address"], spec["port"], spec["timeout_ns"])
    checker = Checker([view for view in QUICKSTART_VIEWS if view.name in spec["views"]])
    due_ns = time.monotonic_ns() + spec["offset_ns"]
    try:
        while _listen(due_ns, asker):
            _scrape(asker, checker)
            # A scrape that took too long is followed by the next one on the grid, as with Prometheus.
            due_ns += max(1, -(-(time.monotonic_ns() - due_ns) // interval_ns)) * interval_ns
    except (BrokenPipeError, KeyboardInterrupt):
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A scraper without Prometheus: a separate process that requests and reads pages as Prometheus would.

It is a separate process because its parsing would share the interpreter's lock with the program under load. This module
is the parent's end; `harness.scrape.builtin.process` is the process.
"""

import base64
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import IO, Any

from harness.audit.findings import Finding, Name
from harness.audit.scrape_checks import ScrapeProblems
from harness.children import ISOLATED, own_folder, python_path
from harness.deadline import Deadline, DeadlineError
from harness.errors import ScraperError
from harness.exposition.page import Shown
from harness.scrape.builtin.packing import StoredPage, unpack
from harness.scrape.scraper import Scrape, ScrapedPage, ScrapeStats, Target, failures
from harness.views import QUICKSTART_VIEWS, View

__all__ = ["BuiltinScraper", "child_environment"]

_error = partial(ScraperError, field="scraper", value="builtin")

START_S = 20.0
STOP_S = 0.5  # then it is killed; all that it knows was asked for before
MAX_TIMEOUT_NS = 10_000_000_000  # Prometheus' own default


def child_environment() -> dict[str, str]:
    """Return an environment in which a child of this interpreter imports this copy of the package."""
    return {**os.environ, "PYTHONPATH": python_path(own_folder())}


class BuiltinScraper:
    """Scrapes every `interval_ns` from another process; instances are independent, so several can run side by side.

    `offset_ns` shifts its scrapes within the interval, as Prometheus spreads its targets. A scrape may take
    `timeout_ns`; by default, as with Prometheus, the interval, and ten seconds at most.
    """

    kind = "builtin"

    def __init__(
        self,
        interval_ns: int,
        views: Sequence[View] = QUICKSTART_VIEWS,
        why: str = "",
        *,
        offset_ns: int = 0,
        timeout_ns: int | None = None,
    ) -> None:
        self.description = f"the built-in scraper ({why})" if why else "the built-in scraper"
        self._interval_ns = interval_ns
        self._offset_ns = offset_ns
        self._timeout_ns = timeout_ns or min(interval_ns, MAX_TIMEOUT_NS)
        self._view_names = [view.name for view in views]
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._changed = threading.Condition()
        self._scrapes: list[Scrape] = []
        self._problems = ScrapeProblems()
        self._stored: list[bytes] = []
        self._pages: list[StoredPage] = []
        self._pages_known = False
        self._yielded_ns = -1
        self._error = ""
        self._ended = False

    @property
    def pid(self) -> int | None:
        """The process that scrapes, None before the start."""
        return self._process.pid if self._process else None

    def start(self, target: Target) -> None:
        """Start the process and wait for the first page; raises `ScraperError` when there is none."""
        if self._process is not None:
            raise _error("was started already")
        spec = {
            "address": target.address,
            "port": target.port,
            "interval_ns": self._interval_ns,
            "offset_ns": self._offset_ns,
            "timeout_ns": self._timeout_ns,
            "views": self._view_names,
        }
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, *ISOLATED, "-m", "harness.scrape.builtin.process", json.dumps(spec)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=child_environment(),
                # Ctrl-C on the terminal is for us; we end the scraper when we are done with it.
                start_new_session=True,
            )
        except OSError as error:
            raise _error(f"its process does not start: {error.strerror}") from error
        self._reader = threading.Thread(target=self._read, name="harness-builtin", daemon=True)
        self._reader.start()
        try:
            self._await(lambda: any(s.ok for s in self._scrapes), self._patience(None), "no scrape succeeded")
        except BaseException:
            self.stop()
            raise

    def allow(self, timeout_ns: int, deadline: Deadline | None = None) -> None:
        """Set the timeout of scrapes from now on to `timeout_ns`, and the interval to at least that."""
        del deadline
        self._tell(f"allow {timeout_ns}")
        self._timeout_ns = timeout_ns
        self._interval_ns = max(self._interval_ns, timeout_ns)

    def wait_for_next(self, deadline: Deadline | None = None) -> None:
        """Return once a scrape that began after this call has a page; raises `ScraperError` when none has."""
        now_ns = time.monotonic_ns()
        self._await(
            lambda: any(s.ok and s.start_ns >= now_ns for s in self._scrapes[-4:]),
            self._patience(deadline),
            "no further scrape succeeded",
        )

    def stored(self, deadline: Deadline | None = None) -> Shown | None:
        """Return the content of the last page that was read."""
        with self._changed:
            self._stored.clear()
        self._tell("stored")
        self._await(lambda: bool(self._stored), self._patience(deadline), "it does not hand over what it stored")
        return unpack(self._stored[-1])

    def pages(self, deadline: Deadline | None = None) -> Iterator[ScrapedPage]:
        """Yield the content of each successful scrape, oldest first, the last 64 MiB of them."""
        with self._changed:
            self._pages, self._pages_known = [], False
        self._tell("pages")
        self._await(lambda: self._pages_known, self._patience(deadline), "it does not hand over its pages")
        shown: Shown = {}
        for page in self._pages:
            shown = unpack(page.packed, shown)
            if page.begin_ns > self._yielded_ns:
                self._yielded_ns = page.begin_ns
                yield ScrapedPage(page.begin_ns, page.end_ns, shown)

    def problems(self, restarts_ns: Sequence[int] = ()) -> list[Finding]:
        """Return the problems of single scrapes, without what restarts at these moments explain."""
        with self._changed:
            problems, error = self._problems.findings(restarts_ns), self._error
        return [*problems, *failures(self.stats(), error)]

    def stats(self) -> ScrapeStats:
        """Return the scrapes since the start."""
        with self._changed:
            return ScrapeStats(tuple(self._scrapes))

    def stop(self) -> None:
        """End the process by closing its input."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(OSError):
            _pipe(process.stdin).close()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.join(STOP_S)
        _pipe(process.stdout).close()
        _pipe(process.stderr).close()

    def _patience(self, deadline: Deadline | None) -> Deadline:
        """Return the deadline given, or one that a working scraper meets: a scrape may be in progress."""
        return deadline or Deadline(START_S + (3 * self._interval_ns + 2 * self._timeout_ns) / 1e9)

    def _tell(self, command: str) -> None:
        process = self._process
        if process is None:
            raise _error("was not started")
        try:
            _pipe(process.stdin).write(f"{command}\n")
            _pipe(process.stdin).flush()
        except (OSError, ValueError) as error:
            raise _error(self._last_words()) from error

    def _await(self, condition: Callable[[], bool], deadline: Deadline, complaint: str) -> None:
        """Wait until the condition holds; raises `ScraperError` when the process has ended, or the time is over."""
        with self._changed:
            try:
                deadline.wait(self._changed, lambda: condition() or self._ended, complaint)
            except DeadlineError as error:
                if deadline.interrupted:
                    raise
                reason = f" ({self._error})" if self._error else ""
                raise _error(f"{complaint}{reason}") from error
            if condition():
                return
            reason = f" ({self._error})" if self._error else ""
        raise _error(f"{self._last_words()}{reason}")

    def _last_words(self) -> str:
        process = self._process
        if process is None or process.stderr is None or process.stderr.closed:
            return "is stopped"
        code = process.wait()
        lines = [line for line in process.stderr.read().splitlines() if line.strip()]
        return f"its process ended with code {code}" + (f": {lines[-1]}" if lines else "")

    def _read(self) -> None:
        process = self._process
        if process is None:
            return
        for line in _pipe(process.stdout):
            with contextlib.suppress(json.JSONDecodeError):  # a killed process may leave half a line
                self._take(json.loads(line))
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        with self._changed:
            if "stored" in message:
                self._stored.append(base64.b64decode(message["stored"]))
            if "page" in message:
                begin_ns, end_ns, packed = message["page"]
                self._pages.append(StoredPage(begin_ns, end_ns, base64.b64decode(packed)))
            if "pages_end" in message:
                self._pages_known = True
            if "scrape" in message:
                self._scrapes.append(Scrape(*message["scrape"]))
            if "problems" in message:
                self._problems.add(
                    message["received"],
                    [(since, Finding(Name(name), size, detail)) for since, name, size, detail in message["problems"]],
                )
            self._error = message.get("error", self._error)
            self._changed.notify_all()


def _pipe(stream: "IO[str] | None") -> "IO[str]":
    if stream is None:  # pragma: no cover - Popen was told to make every pipe
        raise _error("has no pipe")
    return stream

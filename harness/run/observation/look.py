"""Observation of what a run exposed: the final page, what the scraper stored of it, and each scrape.

Every wait ends: at the plan's deadline, or a few seconds after an interruption. Whatever could not be compared by then
is a finding, and what was read until then is used.
"""

import signal
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from harness.audit.bounds import BoundsChecker
from harness.audit.findings import Finding, Name
from harness.audit.promtool import check_with_promtool
from harness.deadline import INTERRUPTED_S, Deadline, DeadlineError
from harness.errors import RunError
from harness.expected import TruthOverLives, TruthOverTime
from harness.load.stop import Stop
from harness.run.observation.seen import Seen
from harness.run.workers import Served
from harness.scrape.scraper import Scraper, ScrapeStats, slowness
from harness.views import View

if TYPE_CHECKING:
    from harness.exposition.page import Page, Shown

__all__ = ["audit_limit_s", "look", "unlooked"]

_Value = TypeVar("_Value")

# The audit's own time: a minute, an interval or two for the last scrape, and for each series what a page with it may
# take many times over on a slow machine.
_LIMIT_S = 60.0
_LIMIT_INTERVALS = 3
_LIMIT_S_PER_SERIES = 0.05
# A scraper is left so much more than a page took at rest, and then half a second.
_ROOM = 2.0
_ROOM_NS = 500_000_000
# The page is fetched again and again for its duration at rest as long as that is quick.
_REST_REPEATS = 5
_REST_S = 2.0
# Waiting for the scraper ends so much earlier after an interruption, to leave time for the page.
_PAGE_FIRST_S = 1.0


class Phases(Protocol):
    """Receiver of the phases."""

    def phase(self, text: str) -> None:
        """Receive a phase."""


def audit_limit_s(interval_ns: int, series: int) -> float:
    """Return how many seconds the audit may take, for scrapes each `interval_ns` and so many values of `method`."""
    return _LIMIT_S + _LIMIT_INTERVALS * interval_ns / 1e9 + _LIMIT_S_PER_SERIES * series


class _NothingKnown:
    """The truth about an instrument that exposes nothing."""

    def between(self, begin_ns: int, end_ns: int) -> None:
        """Return None."""


class _Interruption:
    """The moment at which the run was first known to be interrupted."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._moment_s: float | None = None

    def __call__(self) -> float | None:
        if self._moment_s is None and self._stop.signal is not None:
            self._moment_s = time.monotonic()
        return self._moment_s


class _Look:
    """The steps of an observation, each of which stores its result and the reason for what is missing."""

    def __init__(
        self, endpoint: Served, scraper: Scraper, observer: Phases, stop: Stop, interval_ns: int, limit_s: float
    ) -> None:
        self.endpoint, self.scraper, self.observer = endpoint, scraper, observer
        self.interval_ns = interval_ns
        moment = _Interruption(stop)
        self.deadline = Deadline(limit_s, moment)
        self.scraper_deadline = Deadline(limit_s, moment, INTERRUPTED_S - _PAGE_FIRST_S)
        self.problems: list[Finding] = []
        self.rest_ns: list[int] = []
        self.page: Page | None = None
        self.stored: Shown | None = None
        self.slow: list[Finding] = []

    def time_page(self) -> None:
        """Time the page once, and lengthen the scraper's timeout where it is too short for it."""
        try:
            self.rest_ns = self.endpoint.rest_durations_ns(1, self.scraper_deadline)
        except RunError:
            return  # reading the page reports it
        page_ns = self.rest_ns[0]
        if _ROOM * page_ns > self.interval_ns and self.scraper.kind != "none":
            self.observer.phase(f"a page takes {page_ns / 1e9:.1f} s; waiting for a scrape that may take as long")
            self._try_store(lambda: self.scraper.allow(int(_ROOM * page_ns) + _ROOM_NS, self.scraper_deadline))

    def read_store(self) -> None:
        """Wait for a scrape of the final state, and read what was stored of it."""

        def read() -> None:
            self.scraper.wait_for_next(self.scraper_deadline)
            self.stored = self.scraper.stored(self.scraper_deadline)

        self._try_store(read)

    def _try_store(self, action: Callable[[], None]) -> None:
        if any(finding.name in {Name.STORE_UNREADABLE, Name.SCRAPER_DIED} for finding in self.problems):
            return
        try:
            action()
        except DeadlineError as error:
            self.problems.append(Finding(Name.STORE_UNREADABLE, 1, {"reason": str(error)}))
        except RunError as error:
            self.problems.append(Finding(Name.SCRAPER_DIED, 1, {"reason": str(error)}))

    def read_page(self) -> None:
        """Read the page, check it with promtool, and time it at rest where it is quick."""
        try:
            self.page = self.endpoint.page(self.deadline)
            if isinstance(rejected := check_with_promtool(self.page, self.deadline), Finding):
                self.problems.append(rejected)
        except RunError as error:
            self.problems.append(Finding(Name.PAGE_UNREADABLE, 1, {"reason": str(error)}))
            return
        self._time_again()

    def _time_again(self) -> None:
        while len(self.rest_ns) < _REST_REPEATS and sum(self.rest_ns) < _REST_S * 1e9 and not self.deadline.interrupted:
            try:
                self.rest_ns += self.endpoint.rest_durations_ns(1, self.deadline)
            except RunError:
                return  # only this figure is missing

    def compare_scrapes(self, bounds: BoundsChecker) -> None:
        """Compare each scrape with the ledger."""
        try:
            for scraped in self.scraper.pages(self.deadline):
                bounds.observe(scraped.begin_ns, scraped.end_ns, scraped.shown)
                self.deadline.check("not all scrapes were compared")
        except DeadlineError as error:
            self.problems.append(Finding(Name.SCRAPES_UNREAD, 1, {"reason": str(error)}))
        except RunError as error:
            if not any(finding.name is Name.SCRAPER_DIED for finding in self.problems):
                self.problems.append(Finding(Name.SCRAPER_DIED, 1, {"reason": str(error)}))


def _unless_interrupted(ask: Callable[[], _Value], otherwise: _Value) -> _Value:
    """Return the result of `ask`, or the alternative where it is interrupted, so that earlier results are kept."""
    try:
        return ask()
    except KeyboardInterrupt:
        return otherwise


def look(
    endpoint: Served,
    scraper: Scraper,
    truth: TruthOverTime | None,
    views: Sequence[View],
    observer: Phases,
    stop: Stop,
    *,
    interval_ns: int,
    series: int,
) -> Seen:
    """Wait for a scrape of the final state, read page and store, and compare every scrape with `truth`.

    `truth` is None for an instrument that exposes nothing by design, whose scrapes have nothing to be compared with.

    A scraper that died, an interruption, or a deadline that is over loses only the part that depends on it.
    `interval_ns` is the time between two scrapes and `series` the number of methods: the total time allowed follows
    from them. A second Ctrl-C ends it at once.
    """
    began = time.monotonic()
    result = _Look(endpoint, scraper, observer, stop, interval_ns, audit_limit_s(interval_ns, series))
    bounds = BoundsChecker(views, truth or _NothingKnown())
    windows = endpoint.windows
    try:
        observer.phase("waiting for one more scrape")
        result.time_page()
        result.read_store()
        windows = endpoint.windows
        observer.phase("reading the page")
        result.read_page()
        observer.phase("comparing the scrapes with the ledger")
        result.compare_scrapes(bounds)
    except KeyboardInterrupt:
        name = Name.STORE_UNREADABLE if result.stored is None else Name.SCRAPES_UNREAD
        result.problems.append(Finding(name, 1, {"reason": "interrupted"}))
        stop.signal = stop.signal or signal.SIGINT
    restarts_ns = truth.restarts_ns if isinstance(truth, TruthOverLives) else ()
    stats = _unless_interrupted(scraper.stats, ScrapeStats())
    # Pages that were given up took at least so long; at rest a page may be quick enough.
    taken_ns = [*result.rest_ns, *(window.duration_ns for window in windows if stats.timed_out)]
    return Seen(
        page=result.page,
        stored=result.stored,
        problems=[
            *result.problems,
            *_unless_interrupted(lambda: scraper.problems(restarts_ns), list[Finding]()),
            *(_unseen(truth) if bounds.compared else ()),
            *bounds.findings(),
            *slowness(stats, max(taken_ns, default=0) / 1e9, interval_ns / 1e9),
        ],
        windows=windows,
        rest_durations_ns=result.rest_ns,
        scraper=scraper.description,
        stats=stats,
        interrupted=stop.signal is not None,
        scrapes_compared=bounds.compared,
        elapsed_s=time.monotonic() - began,
    )


def _unseen(truth: TruthOverTime | None) -> list[Finding]:
    """Return a finding for each life of the service that ended with lines that no scrape showed."""
    unseen = truth.unseen() if isinstance(truth, TruthOverLives) else ()
    return [Finding(Name.RESTART_UNSEEN, lines, {"restart": number}) for number, lines in unseen]


def unlooked(scraper: Scraper) -> Seen:
    """Return what is known where an interruption left no time for a look."""
    interrupted = {"reason": "interrupted"}
    return Seen(
        page=None,
        stored=None,
        problems=[Finding(Name.STORE_UNREADABLE, 1, interrupted), Finding(Name.PAGE_UNREADABLE, 1, interrupted)],
        windows=[],
        rest_durations_ns=[],
        scraper=scraper.description,
        stats=ScrapeStats(),
        interrupted=True,
    )

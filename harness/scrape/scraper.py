"""The protocol of a scraper, and the values it returns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from harness.audit.findings import Finding, Name
from harness.deadline import Deadline
from harness.exposition.page import Shown

__all__ = [
    "NoScraper",
    "Scrape",
    "ScrapeStats",
    "ScrapedPage",
    "Scraper",
    "SinkScraper",
    "Target",
    "failures",
    "slowness",
]

MAX_FAILED = 0.01  # of the scrapes; more, and at least two, is an error


class Target(NamedTuple):
    """The address of the endpoint to be scraped."""

    address: str
    port: int

    @property
    def netloc(self) -> str:
        """Return ``address:port``, an IPv6 address in brackets."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Scrape(NamedTuple):
    """One scrape as the scraper saw it; `start_ns` is ``time.monotonic_ns``, `duration_ms` in milliseconds.

    `size_bytes` is the body's size as received, None where the scraper does not know it. `timed_out` marks a scrape
    that failed because the page took longer than the timeout.
    """

    start_ns: int
    duration_ms: float
    ok: bool
    size_bytes: int | None = None
    timed_out: bool = False


class ScrapedPage(NamedTuple):
    """What one scrape showed of the views, requested at `begin_ns` and received by `end_ns`.

    Both are ``time.monotonic_ns``, and as far apart as the scraper's clock leaves them uncertain.
    """

    begin_ns: int
    end_ns: int
    shown: Shown


@dataclass(frozen=True, slots=True)
class ScrapeStats:
    """The scrapes of a run, oldest first."""

    scrapes: tuple[Scrape, ...] = ()

    @property
    def count(self) -> int:
        """The number of scrapes, failed ones included."""
        return len(self.scrapes)

    @property
    def failed(self) -> int:
        """The number of scrapes without a page."""
        return sum(not scrape.ok for scrape in self.scrapes)

    @property
    def timed_out(self) -> int:
        """The number of failed scrapes whose page took too long."""
        return sum(scrape.timed_out for scrape in self.scrapes)

    @property
    def durations_ms(self) -> list[float]:
        """The duration of each in milliseconds, including network and parsing of the answer's head."""
        return [scrape.duration_ms for scrape in self.scrapes]


class Scraper(Protocol):
    """Scrapes one endpoint at an interval, checks each scrape, and stores the results.

    Every method but `stop` raises `ScraperError`, one clear line, when the scraper does not start or is gone; the
    `stats` and `problems` until then remain available. Waiting methods take a deadline and raise `DeadlineError` when
    it is over; without one they wait as long as the interval requires.
    """

    @property
    def kind(self) -> str:
        """``prometheus``, ``builtin``, ``sink`` or ``none``."""

    @property
    def description(self) -> str:
        """Which scraper it is, and why it was chosen; for a reader."""

    def start(self, target: Target) -> None:
        """Start, and return once `target` has been scraped successfully."""

    def allow(self, timeout_ns: int, deadline: Deadline | None = None) -> None:
        """Set the timeout of scrapes from now on to `timeout_ns`, and the interval to at least that."""

    def wait_for_next(self, deadline: Deadline | None = None) -> None:
        """Return once a scrape that began after this call is stored."""

    def stored(self, deadline: Deadline | None = None) -> Shown | None:
        """Return the samples stored by the last successful scrape; None when nothing is ever stored."""

    def pages(self, deadline: Deadline | None = None) -> Iterator[ScrapedPage]:
        """Yield the content of each successful scrape, oldest first; only the last ones when they are too many.

        A page is yielded once, however often this is called.
        """

    def problems(self, restarts_ns: Sequence[int] = ()) -> list[Finding]:
        """Return the problems of single scrapes of the run, as far as they have been read.

        Counters that fall and series that vanish are none where the service restarted at one of these moments
        (``time.monotonic_ns``).
        """

    def stats(self) -> ScrapeStats:
        """Return the scrapes since the start."""

    def stop(self) -> None:
        """End everything that was started; never raises, and may be called again."""


class NoScraper:
    """Scrapes nothing."""

    kind = "none"
    description = "none"

    def start(self, target: Target) -> None:
        """Do nothing."""

    def allow(self, timeout_ns: int, deadline: Deadline | None = None) -> None:
        """Do nothing."""

    def wait_for_next(self, deadline: Deadline | None = None) -> None:
        """Return at once."""

    def stored(self, deadline: Deadline | None = None) -> None:
        """Return None: nothing is stored."""

    def pages(self, deadline: Deadline | None = None) -> Iterator[ScrapedPage]:
        """Return nothing."""
        del deadline
        return iter(())

    def problems(self, restarts_ns: Sequence[int] = ()) -> list[Finding]:
        """Return nothing."""
        del restarts_ns
        return []

    def stats(self) -> ScrapeStats:
        """Return no scrapes."""
        return ScrapeStats()

    def stop(self) -> None:
        """Do nothing."""


class SinkScraper(NoScraper):
    """Scrapes nothing, since the instrument pushes its values to a sink; the page shows what has arrived there."""

    kind = "sink"
    description = "none: values are pushed to a sink"


def failures(stats: ScrapeStats, reason: str) -> list[Finding]:
    """Return a finding when scrapes failed for another reason than a slow page.

    It is an error when they are more than `MAX_FAILED` of all and at least two. `reason` is the scraper's message about
    the last one.
    """
    failed = stats.failed - stats.timed_out
    if not failed:
        return []
    many = failed > 1 and failed > MAX_FAILED * stats.count
    name = Name.TOO_MANY_SCRAPES_FAILED if many else Name.SCRAPE_FAILED
    return [Finding(name, failed, {"scrapes": stats.count, "reason": reason or "not told"})]


def slowness(stats: ScrapeStats, page_s: float, interval_s: float) -> list[Finding]:
    """Return a finding when scrapes timed out, or would: `page_s` is the page's duration, `interval_s` the interval."""
    if not stats.timed_out and page_s <= interval_s:
        return []
    detail = {"scrapes": stats.count, "page_s": page_s, "interval_s": interval_s}
    return [Finding(Name.SCRAPE_SLOW, stats.timed_out, detail)]

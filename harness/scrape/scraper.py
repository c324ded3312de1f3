"""What every scraper can do, and what it tells."""

from collections.abc import Iterator
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
    "Target",
    "failures",
    "slowness",
]

MAX_FAILED = 0.01  # of the scrapes; more, and at least two, is an error


class Target(NamedTuple):
    """Where the endpoint is that is to be scraped."""

    address: str
    port: int

    @property
    def netloc(self) -> str:
        """Return ``address:port``, an IPv6 address in brackets."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Scrape(NamedTuple):
    """One scrape as the scraper saw it; `start_ns` is ``time.monotonic_ns``, `duration_ms` in milliseconds.

    `size_bytes` is the body's size as received, None where the scraper does not tell. `timed_out` tells of a scrape
    that failed because the page took longer than the scraper waits.
    """

    start_ns: int
    duration_ms: float
    ok: bool
    size_bytes: int | None = None
    timed_out: bool = False


class ScrapedPage(NamedTuple):
    """What one scrape showed of our views; it was asked for at `begin_ns` and had come by `end_ns`.

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
        """How many there were, failed ones included."""
        return len(self.scrapes)

    @property
    def failed(self) -> int:
        """How many of them brought no page."""
        return sum(not scrape.ok for scrape in self.scrapes)

    @property
    def timed_out(self) -> int:
        """How many of those that failed did so because the page took too long."""
        return sum(scrape.timed_out for scrape in self.scrapes)

    @property
    def durations_ms(self) -> list[float]:
        """How long each took, in milliseconds, network and parsing of the answer's head included."""
        return [scrape.duration_ms for scrape in self.scrapes]


class Scraper(Protocol):
    """Scrapes one endpoint at an interval, checks each scrape, and keeps what it got.

    Every method but `stop` raises `ScraperError`, one clear line, when the scraper does not start or is gone; what
    `stats` and `problems` had until then stays available. Those that wait take a deadline and raise `DeadlineError`
    when it is over; without one they wait as long as the interval calls for.
    """

    @property
    def kind(self) -> str:
        """``prometheus``, ``builtin`` or ``none``."""

    @property
    def description(self) -> str:
        """What scrapes, and why that one was taken; for a reader."""

    def start(self, target: Target) -> None:
        """Start, and return once `target` has been scraped with success."""

    def allow(self, timeout_ns: int, deadline: Deadline | None = None) -> None:
        """Let each scrape from now on take `timeout_ns`, and make the interval as long."""

    def wait_for_next(self, deadline: Deadline | None = None) -> None:
        """Return once a scrape that began after this call is stored."""

    def stored(self, deadline: Deadline | None = None) -> Shown | None:
        """Return what was stored of the last scrape that succeeded; None when nothing ever is."""

    def pages(self, deadline: Deadline | None = None) -> Iterator[ScrapedPage]:
        """Yield what each successful scrape showed, oldest first; only the last ones when there are too many to keep.

        A page is yielded once, however often this is called.
        """

    def problems(self) -> list[Finding]:
        """Return what was wrong with single scrapes of the run, as far as they have been read."""

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

    def problems(self) -> list[Finding]:
        """Return nothing."""
        return []

    def stats(self) -> ScrapeStats:
        """Return no scrapes."""
        return ScrapeStats()

    def stop(self) -> None:
        """Do nothing."""


def failures(stats: ScrapeStats, reason: str) -> list[Finding]:
    """Return a finding when scrapes failed for another reason than a slow page.

    It is an error when they are more than `MAX_FAILED` of all and at least two. `reason` is what the scraper said of
    the last one.
    """
    failed = stats.failed - stats.timed_out
    if not failed:
        return []
    many = failed > 1 and failed > MAX_FAILED * stats.count
    name = Name.TOO_MANY_SCRAPES_FAILED if many else Name.SCRAPE_FAILED
    return [Finding(name, failed, {"scrapes": stats.count, "reason": reason or "not told"})]


def slowness(stats: ScrapeStats, page_s: float, interval_s: float) -> list[Finding]:
    """Return a finding when scrapes timed out, or would: a page takes `page_s` and the interval is `interval_s`."""
    if not stats.timed_out and page_s <= interval_s:
        return []
    detail = {"scrapes": stats.count, "page_s": page_s, "interval_s": interval_s}
    return [Finding(Name.SCRAPE_SLOW, stats.timed_out, detail)]

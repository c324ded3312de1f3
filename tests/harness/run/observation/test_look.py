"""Looking at what a run exposed: what cannot be looked at is told, and nothing holds the look up."""

import signal
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from harness.audit.audit import Audit, AuditOutcome, audit
from harness.audit.findings import Name, sentence
from harness.deadline import Deadline
from harness.errors import ScraperError
from harness.exposition.page import Shown
from harness.instruments import create
from harness.load.recorder import EVALUATED
from harness.load.stop import Stop
from harness.load.truth.ledger import Ledger
from harness.load.truth.log import TruthLog
from harness.run.observation.look import audit_limit_s, look
from harness.run.observation.seen import Seen
from harness.scrape.endpoint import Endpoint, serve
from harness.scrape.scraper import NoScraper, Scrape, ScrapedPage, ScrapeStats
from harness.views import QUICKSTART_VIEWS, Tags
from tests.fakes import FakeClock
from tests.harness.run.stepped import SteppedScraper
from workloads.workload import Truth

SECOND = 1_000_000_000
PROMTOOL = {Name.PROMTOOL_MISSING, Name.PROMTOOL_REJECTS}


class Slow:
    """Takes its time for a page, on the clock of the test."""

    def __init__(self, registry: CollectorRegistry, clock: FakeClock) -> None:
        self.registry, self.clock, self.takes_ns = registry, clock, 0

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        self.clock.advance(self.takes_ns)
        return self.registry.collect()


class Run:
    """Two lines that were sent and recorded, and the endpoint that shows them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        instrument = create("prometheus-client", QUICKSTART_VIEWS)
        self.slow = Slow(instrument.registry, self.clock)
        registry = CollectorRegistry()
        registry.register(self.slow)
        self.endpoint: Endpoint = serve(registry, now_ns=self.clock.now_ns)
        self.ledger = Ledger(QUICKSTART_VIEWS, ["repl"])
        self.log = TruthLog(self.ledger, self.endpoint)
        instrument.record(0.5, 7, Tags())
        instrument.record(0.25, 8, Tags())
        truth = Truth(np.array([7, 8]), np.zeros(2, np.int32), np.zeros(2, np.int8))
        self.log.add(truth, np.full(2, EVALUATED, np.int8), [0.5, 0.25], [], [0, 2], [1, 3])
        self.log.close(self.clock.now_ns())
        self.stop = Stop()
        self.phases: list[str] = []

    def phase(self, text: str) -> None:
        self.phases.append(text)

    def look(self, scraper: SteppedScraper | NoScraper, *, known: bool = True) -> Seen:
        return look(
            self.endpoint,
            scraper,
            self.log if known else None,
            QUICKSTART_VIEWS,
            self,
            self.stop,
            interval_ns=SECOND,
            series=1,
        )

    def audit(self, seen: Seen) -> Audit:
        return audit(self.ledger.expected(), QUICKSTART_VIEWS, seen.page, seen.stored, others=seen.problems)


@pytest.fixture
def run() -> Iterator[Run]:
    run = Run()
    with run.endpoint:
        yield run


class Troubled(SteppedScraper):
    """A scraper in which something happens when it is to wait, to say what it stored, or to hand over its pages."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.endpoint, run.clock)
        self.on_wait: Callable[[], object] = lambda: None
        self.on_stored: Callable[[], object] = lambda: None
        self.on_pages: Callable[[], object] = lambda: None
        self.allowed_ns: list[int] = []

    def allow(self, timeout_ns: int, deadline: Deadline | None = None) -> None:
        self.allowed_ns.append(timeout_ns)

    def wait_for_next(self, deadline: Deadline | None = None) -> None:
        assert deadline is not None
        self.on_wait()
        deadline.check("no scrape came")
        super().wait_for_next(deadline)

    def stored(self, deadline: Deadline | None = None) -> Shown | None:
        self.on_stored()
        return super().stored(deadline)

    def pages(self, deadline: Deadline | None = None) -> Iterator[ScrapedPage]:
        self.on_pages()
        return super().pages(deadline)


def names(seen: Seen) -> set[Name]:
    return {finding.name for finding in seen.problems} - PROMTOOL


def test_what_is_right_is_conserved(run: Run) -> None:
    """Page, store and every scrape agree with the ledger."""
    seen = run.look(Troubled(run))
    assert names(seen) == set()
    assert run.audit(seen).outcome is AuditOutcome.CONSERVED
    assert (seen.scrapes_compared, seen.interrupted) == (1, False)
    assert len(seen.rest_durations_ns) == 5


def test_a_scraper_that_died_is_not_verified_and_the_page_is_compared(run: Run) -> None:
    """The page is held against the ledger all the same, and nothing is called wrong."""
    scraper = Troubled(run)

    def die() -> None:
        raise ScraperError("--scraper prometheus: the server ended: exit -9")

    scraper.on_wait = scraper.on_pages = die
    seen = run.look(scraper)
    found = run.audit(seen)
    assert seen.page is not None
    assert names(seen) == {Name.SCRAPER_DIED}
    assert [finding.name for finding in found.findings].count(Name.SCRAPER_DIED) == 1
    assert (found.outcome, found.conserved) == (AuditOutcome.NOT_VERIFIED, None)


def test_an_interruption_while_waiting_leaves_time_for_the_page(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first Ctrl-C ends the wait for the scraper; the page is read, and the store is not verified."""
    # No grace for the scraper, all of it for the page.
    monkeypatch.setattr("harness.run.observation.look._PAGE_FIRST_S", 4.0)
    monkeypatch.setattr("harness.run.observation.look.INTERRUPTED_S", 4.0)
    scraper = Troubled(run)

    def interrupt() -> None:
        run.stop.request()
        run.stop.signal = signal.SIGINT

    scraper.on_wait = interrupt
    seen = run.look(scraper)
    assert seen.page is not None
    assert seen.stored is None
    assert seen.interrupted
    assert Name.STORE_UNREADABLE in names(seen)
    (finding,) = [finding for finding in seen.problems if finding.name is Name.STORE_UNREADABLE]
    assert "interrupted" in sentence(finding)
    assert run.audit(seen).outcome is AuditOutcome.NOT_VERIFIED


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("on_wait", {Name.STORE_UNREADABLE}),
        ("on_stored", {Name.STORE_UNREADABLE}),
        ("on_pages", {Name.SCRAPES_UNREAD}),
    ],
)
def test_a_second_interruption_ends_the_look_at_once(run: Run, where: str, found: set[Name]) -> None:
    """What was seen until then is kept; nothing else is asked for."""
    scraper = Troubled(run)

    def interrupt() -> None:
        raise KeyboardInterrupt

    setattr(scraper, where, interrupt)
    seen = run.look(scraper)
    assert seen.interrupted
    assert names(seen) == found
    assert (seen.page is None) is (where != "on_pages")
    assert run.audit(seen).outcome is AuditOutcome.NOT_VERIFIED


def test_a_slow_page_gets_its_time_and_is_a_finding_of_its_own(run: Run) -> None:
    """The scraper may take twice as long as the page, and the run is conserved."""
    run.slow.takes_ns = 3_900_000_000
    scraper = Troubled(run)
    seen = run.look(scraper)
    assert scraper.allowed_ns == [8_300_000_000]
    assert names(seen) == {Name.SCRAPE_SLOW}
    (finding,) = [finding for finding in seen.problems if finding.name is Name.SCRAPE_SLOW]
    assert sentence(finding).startswith("a page takes 3.9 s: the interval of 1 s cannot hold")
    assert run.audit(seen).outcome is AuditOutcome.CONSERVED
    assert any("a page takes 3.9 s" in phase for phase in run.phases)
    # Once is enough where it takes so long.
    assert len(seen.rest_durations_ns) == 1


def test_pages_that_were_given_up_tell_how_long_one_takes_at_least(run: Run) -> None:
    """Scrapes that timed out under load are told with the time the endpoint spent on them, quick as it is at rest."""

    class TimedOut(Troubled):
        def stats(self) -> ScrapeStats:
            return ScrapeStats((Scrape(0, 1000.0, ok=False, timed_out=True), *super().stats().scrapes))

    scraper = TimedOut(run)
    run.slow.takes_ns = 1_200_000_000
    scraper.scrape()
    run.slow.takes_ns = 0
    (finding,) = [finding for finding in run.look(scraper).problems if finding.name is Name.SCRAPE_SLOW]
    assert sentence(finding).startswith("a page takes 1.2 s: the interval of 1 s cannot hold; 1 of ")


def test_scrapes_of_what_exposes_nothing_are_compared_with_nothing(run: Run) -> None:
    """An instrument that shows nothing by design is not behind its ledger."""
    seen = run.look(Troubled(run), known=False)
    assert names(seen) == set()
    assert seen.scrapes_compared == 0


def test_without_a_scraper_only_the_page_is_read(run: Run) -> None:
    """Nothing is waited for, and nothing is missing."""
    seen = run.look(NoScraper())
    assert names(seen) == set()
    assert (seen.stored, seen.scrapes_compared) == (None, 0)
    assert run.audit(seen).outcome is AuditOutcome.CONSERVED


def test_a_page_that_cannot_be_read_is_told_once(run: Run) -> None:
    """An endpoint that is gone costs the page; what the scraper has is kept."""
    scraper = Troubled(run)
    scraper.scrape()
    scraper.on_stored = run.endpoint.stop
    seen = run.look(scraper)
    assert names(seen) == {Name.PAGE_UNREADABLE}
    assert run.audit(seen).outcome is AuditOutcome.NOT_VERIFIED
    assert seen.scrapes_compared == 2


@pytest.mark.parametrize(
    ("what", "interval_s", "series", "limit_s"),
    [
        ("the default", 1, 1, 63.05),
        ("a long interval", 60, 1, 240.05),
        ("many series", 1, 10_000, 563),
    ],
)
def test_the_audit_s_time_follows_from_the_plan(what: str, interval_s: int, series: int, limit_s: float) -> None:
    """A minute, the interval, and something for each series."""
    assert audit_limit_s(interval_s * SECOND, series) == pytest.approx(limit_s), what

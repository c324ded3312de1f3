"""What is stored of a lost worker is held against its schedule, made again from the seed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from harness.audit.audit import Audit, AuditOutcome
from harness.audit.findings import Name, sentence
from harness.deadline import Deadline
from harness.errors import ScraperError
from harness.exposition.page import SeriesShown, Shown
from harness.load.pump import Snapshot
from harness.load.recorder import EVALUATED
from harness.load.stop import Stop
from harness.load.truth.ledger import Ledger
from harness.run.observation.lost import ScheduledTruth, look_at_lost
from harness.run.observation.seen import Seen
from harness.run.workers import Lost
from harness.scrape.scraper import NoScraper, ScrapedPage
from harness.views import LATENCY_MS, QUICKSTART_VIEWS, Aggregation
from workloads.workload import Workload, WorkloadSpec

START_NS, MS = 5_000_000_000, 1_000_000
# Worker 1 of 2 sends every second line: one each 2 ms, the first after 1 ms.
SPEC = WorkloadSpec(arrivals="constant:rate=1000", lengths="edges", errors="20%", series="3", count=2_000)
INFINITY = float("inf")


def shard() -> Workload:
    return Workload(SPEC).shard(1, 2)


def page_after(lines: int) -> Shown:
    """Return what a page shows when the first so many of the shard's lines are recorded, each in 30 ms."""
    load = shard()
    ledger = Ledger(QUICKSTART_VIEWS, load.methods)
    for block in load.blocks(100):
        count = min(lines, len(block.lines))
        ledger.add(block.truth, np.full(count, EVALUATED, np.int8), [30.0] * count)
        lines -= count
    shown: dict[str, dict] = {view.name: {} for view in QUICKSTART_VIEWS}
    for view in QUICKSTART_VIEWS:
        for tags, series in ledger.expected()[view.name].items():
            if view.aggregation is Aggregation.COUNT:
                shown[view.name][tags] = SeriesShown(series.count)
                continue
            buckets = dict(zip((*view.bounds, INFINITY), np.cumsum(series.buckets).tolist(), strict=True))
            shown[view.name][tags] = SeriesShown(series.count, series.total, buckets)
    return shown


class Stored(NoScraper):
    """Has stored some pages."""

    def __init__(self, pages: Sequence[ScrapedPage], error: Exception | None = None) -> None:
        self._pages, self._error = pages, error

    def pages(self, deadline: Deadline | None = None) -> Iterator[ScrapedPage]:
        yield from self._pages
        if self._error:
            raise self._error


def at(ms: int, lines: int) -> ScrapedPage:
    """Return the page of a scrape that ended so long after the start."""
    return ScrapedPage(START_NS + (ms - 1) * MS, START_NS + ms * MS, page_after(lines))


def reported(processed: int) -> Snapshot:
    return Snapshot(0, processed, processed, 0, 0, 0.0, None, None, None, None, None, None, None)


def look(*pages: ScrapedPage, lost: Lost | None = None, uncertain_ns: int = 0, error: Exception | None = None) -> Seen:
    lost = lost or Lost("killed", START_NS)
    truth = ScheduledTruth(shard(), QUICKSTART_VIEWS, START_NS, uncertain_ns)
    return look_at_lost(lost, truth, Stored(pages, error), QUICKSTART_VIEWS, Stop(), interval_ns=1_000 * MS, series=3)


def names(seen: Seen) -> list[Name]:
    return [finding.name for finding in seen.problems]


def test_what_was_due_may_have_been_stored() -> None:
    """Each line from the moment it was due on, and fewer of them where the worker was behind."""
    seen = look(at(1, 1), at(2, 0), at(3, 2), at(500, 250), at(5_000, 1_000))
    assert names(seen) == [Name.LOST_WORKER_WITHIN]
    assert seen.scrapes_compared == 5
    assert Audit(tuple(seen.problems)).outcome is AuditOutcome.CONSERVED


@pytest.mark.parametrize(("ms", "lines"), [(0, 1), (500, 251), (1, 3)])
def test_more_than_was_due_is_an_error_of_its_own(ms: int, lines: int) -> None:
    """A line more, or one before it was due: somebody sent it twice, or counted it twice."""
    seen = look(at(ms, lines), at(5_000, 1_000))
    assert names(seen) == [Name.LOST_WORKER_AHEAD]
    assert seen.problems[0].size == 1
    assert sentence(seen.problems[0]).startswith("1 of 2 scrapes of a lost worker showed more than its schedule")
    assert Audit(tuple(seen.problems)).outcome is AuditOutcome.NOT_CONSERVED


def test_more_than_the_whole_schedule_is_an_error_however_late() -> None:
    """As after a worker that was started again and sent its lines once more."""
    twice = {
        view: {tags: replace(series, count=2 * (series.count or 0)) for tags, series in shown.items()}
        for view, shown in page_after(1_000).items()
    }
    assert names(look(ScrapedPage(START_NS, START_NS + 9_000 * MS, twice))) == [Name.LOST_WORKER_AHEAD]


def test_longer_lines_than_the_schedule_has_are_an_error() -> None:
    """Their number alone says nothing of what was sent."""
    page = page_after(1_000)
    view = next(view for view in QUICKSTART_VIEWS if view.measure != LATENCY_MS and view.bounds)
    longer = {tags: replace(series, total=(series.total or 0) + 1) for tags, series in page[view.name].items()}
    assert names(look(ScrapedPage(START_NS, START_NS + 5_000 * MS, {**page, view.name: longer}))) == [
        Name.LOST_WORKER_AHEAD
    ]


def test_an_uncertain_clock_accuses_nobody() -> None:
    """A worker that may have begun earlier may have sent more."""
    assert names(look(at(500, 251))) == [Name.LOST_WORKER_AHEAD]
    assert names(look(at(500, 251), uncertain_ns=2 * MS)) == [Name.LOST_WORKER_WITHIN]


def test_less_than_it_had_reported_is_an_error_of_its_own() -> None:
    """On a page that was asked for after the report, and not on one before."""
    good = int(np.count_nonzero(next(shard().blocks(100)).truth.error == 0))
    lost = Lost("killed", START_NS, reported(good), START_NS + 300 * MS)
    assert names(look(at(300, 20), at(400, 100), lost=lost)) == [Name.LOST_WORKER_WITHIN]
    seen = look(at(300, 20), at(400, 20), lost=lost)
    assert names(seen) == [Name.LOST_WORKER_BEHIND]
    assert Audit(tuple(seen.problems)).outcome is AuditOutcome.NOT_CONSERVED


def test_without_a_scrape_nothing_is_claimed() -> None:
    """Nothing was compared."""
    assert names(look()) == []


def test_what_could_not_be_read_is_not_verified() -> None:
    """And what was read until then is compared."""
    seen = look(at(500, 251), error=ScraperError("it is gone"))
    assert names(seen) == [Name.SCRAPES_UNREAD, Name.LOST_WORKER_AHEAD]
    assert names(look(error=ScraperError("it is gone"))) == [Name.SCRAPES_UNREAD]


def test_making_the_schedule_again_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load of days must not hold up the result."""
    monkeypatch.setattr("harness.run.observation.lost.audit_limit_s", lambda *_: 0.0)
    seen = look(at(500, 250))
    assert names(seen) == [Name.SCRAPES_UNREAD]
    assert "not made again" in sentence(seen.problems[0])


def test_a_closed_loop_ended_by_time_has_no_schedule() -> None:
    """Only its last report bounds what may be stored."""
    load = Workload(WorkloadSpec(arrivals="max", duration_ns=10**9)).shard(0, 2)
    truth = ScheduledTruth(load, QUICKSTART_VIEWS, START_NS)
    assert truth.between(START_NS, START_NS + 10**9) is None

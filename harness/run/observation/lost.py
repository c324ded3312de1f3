"""What may be stored of a worker that was lost: no more than its schedule, and no less than it had reported."""

import math
import time
from collections.abc import Iterator, Mapping

import numpy as np

from harness.audit.bounds import BoundsChecker
from harness.audit.findings import Finding, Name
from harness.deadline import Deadline
from harness.errors import RunError
from harness.expected import Range, SeriesTruth
from harness.exposition.page import Shown
from harness.load.recorder import EVALUATED
from harness.load.stop import Stop
from harness.load.truth.ledger import Ledger
from harness.run.observation.look import audit_limit_s
from harness.run.observation.seen import Seen
from harness.run.workers import Lost
from harness.scrape.scraper import ScrapedPage, Scraper
from harness.views import LATENCY_MS, LINES_IN, Aggregation, Tags, View
from workloads.workload import Block, Workload

__all__ = ["ScheduledTruth", "look_at_lost"]

_BLOCK_LINES = 512


class ScheduledTruth:
    """What the pages of a worker may show by its schedule alone; see `harness.expected.TruthOverTime`.

    At least nothing, and at most every line of `shard` that was due by the end of the scrape: nothing is sent before.
    The lines are made again from the seed, so their number and lengths are known for each series, and the number of
    their latencies. `start_ns` is the start of the schedule on the clock that scrapes are told by, known to within
    `uncertainty_ns`.
    """

    def __init__(self, shard: Workload, views: tuple[View, ...], start_ns: int, uncertainty_ns: int = 0) -> None:
        # A closed loop that only time ends has no schedule.
        self._known = shard.total is not None
        self._ledger = Ledger(views, shard.methods)
        self._earliest_ns = start_ns - uncertainty_ns
        self._blocks: Iterator[Block] = shard.blocks(_BLOCK_LINES) if self._known else iter(())
        self._block: Block | None = None
        self._next = 0
        self._ranges: dict[str, dict[Tags, Range]] = {view.name: {} for view in views}
        # Until when lines may be made again; then asking raises `DeadlineError`.
        self.deadline: Deadline | None = None

    def between(self, begin_ns: int, end_ns: int) -> Mapping[str, Mapping[Tags, Range]] | None:
        """Return what a page received by `end_ns` may show; None where there is no schedule.

        Pages must be asked for in the order of their ends.
        """
        del begin_ns
        if not self._known:
            return None
        if self._add_until(end_ns - self._earliest_ns):
            self._ranges = {
                view.name: {tags: _at_most(view, truth) for tags, truth in self._ledger.expected()[view.name].items()}
                for view in self._ledger.views
            }
        return self._ranges

    def _add_until(self, elapsed_ns: int) -> int:
        """Add the lines that were due by then; return how many."""
        added = 0
        while elapsed_ns >= 0:
            if self._block is None or self._next == len(self._block.lines):
                if self.deadline is not None:
                    self.deadline.check("the schedule of the lost worker was not made again")
                self._block, self._next = next(self._blocks, None), 0
            if self._block is None:
                break
            due = int(np.searchsorted(self._block.due_ns, elapsed_ns, side="right"))
            if due > self._next:
                self._add(self._block, self._next, due)
                added += due - self._next
                self._next = due
            if due < len(self._block.lines):
                break
        return added

    def _add(self, block: Block, first: int, last: int) -> None:
        count, truth = last - first, block.truth
        part = type(truth)(truth.lengths[first:last], truth.method[first:last], truth.error[first:last])
        self._ledger.add(part, np.full(count, EVALUATED, np.int8), [0.0] * count)


def _at_most(view: View, truth: SeriesTruth) -> Range:
    """Return the range from nothing to all of a series; of latencies only their number is known."""
    if view.aggregation is Aggregation.COUNT:
        return Range((0,), (truth.count,))
    size = len(view.bounds) + 1
    if view.measure == LATENCY_MS:
        most = (truth.count, math.inf, *(truth.count,) * size)
    else:
        most = (truth.count, truth.total, *np.cumsum(truth.buckets).tolist())
    return Range((0,) * (size + 2), most)


class _Reported:
    """Compares scrapes that began after the worker's last report with what that said."""

    def __init__(self, lost: Lost) -> None:
        self._least = 0 if lost.last is None else lost.last.processed
        self._since_ns = lost.heard_ns
        self.behind = 0
        self.example = ""

    def observe(self, page: ScrapedPage) -> None:
        if page.begin_ns < self._since_ns:
            return
        lines = _lines(page.shown)
        if lines < self._least:
            self.behind += 1
            self.example = f"{lines:g} lines, {self._least} reported"


def _lines(shown: Shown) -> float:
    return sum(series.count or 0.0 for series in shown[LINES_IN.name].values())


def look_at_lost(
    lost: Lost,
    truth: ScheduledTruth,
    scraper: Scraper,
    views: tuple[View, ...],
    stop: Stop,
    *,
    interval_ns: int,
    series: int,
) -> Seen:
    """Compare every scrape that is stored of a lost worker with its schedule and with its last report.

    Its page is gone, so nothing can be verified; a scrape that shows more or less than can be is an error of its own.
    """
    began_s = time.monotonic()
    deadline = Deadline(audit_limit_s(interval_ns, series), lambda: began_s if stop.signal is not None else None)
    truth.deadline = deadline
    checker, reported = BoundsChecker(views, truth), _Reported(lost)
    problems: list[Finding] = []
    try:
        for page in scraper.pages(deadline):
            checker.observe(*page)
            reported.observe(page)
            deadline.check("not all scrapes were compared")
    except RunError as error:
        problems.append(Finding(Name.SCRAPES_UNREAD, 1, {"reason": str(error)}))
    return Seen(
        page=None,
        stored=None,
        problems=[*problems, *_findings(checker, reported)],
        windows=[],
        rest_durations_ns=[],
        scraper=scraper.description,
        stats=scraper.stats(),
        interrupted=stop.signal is not None,
        scrapes_compared=checker.compared,
        elapsed_s=time.monotonic() - began_s,
    )


def _findings(checker: BoundsChecker, reported: _Reported) -> list[Finding]:
    ahead = [Finding(Name.LOST_WORKER_AHEAD, each.size, each.detail) for each in checker.findings()]
    detail = {"compared": checker.compared, "examples": [reported.example]}
    behind = [Finding(Name.LOST_WORKER_BEHIND, reported.behind, detail)] if reported.behind else []
    if ahead or behind or not checker.compared:
        return [*ahead, *behind]
    return [Finding(Name.LOST_WORKER_WITHIN, checker.compared)]

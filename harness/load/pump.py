"""Driving of a whole workload: blocks made ahead in gaps of the schedule, sent in slices and accounted for.

One thread does all of it. Between two lines only the driver runs; between two blocks the pump folds the columns,
updates the ledger and, when the schedule leaves time or no block is ready, makes the next block.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.load.ahead import BlockStore
from harness.load.clock import Clock, fine_timers
from harness.load.cpu_time import Machine, RunQueue, ThreadRunQueue, Turns, watch_machine
from harness.load.drive_result import DriveResult, Moments
from harness.load.driver import BURST, Evaluate, Interventions, Policy, drive
from harness.load.latency.recent import Recent, RecentPercentiles
from harness.load.lateness import Slice, Window
from harness.load.recorder import DROPPED, Recorder, Timings
from harness.load.stop import Stop
from harness.load.truth.ledger import Ledger
from harness.load.truth.log import LineLog

if TYPE_CHECKING:
    from workloads.workload import Block

__all__ = ["BLOCK_LINES", "Pages", "Snapshot", "drive_workload"]

# Given a moment of the clock, the times since then at which the subject's page was being made for a scrape.
Pages = Callable[[int], Sequence[Window]]

# Making and counting a block of this size takes some 0.2 ms: the most by which it can delay the lines after it.
BLOCK_LINES = 512
# Blocks made before the first line is due, and held ready for periods without a gap.
_LEAD = 16
# The first line is due this long after everything is ready.
_HEAD_START_NS = 2_000_000
# Intended length of a slice of a block, so that progress and stop requests do not depend on the subject's speed.
_SLICE_NS = 100_000_000
# Until it is known how long a line takes, a slice has so many; each later one may be twice as long.
_FIRST_SLICE = 16
_PROGRESS_NS = 200_000_000
# Showing progress waits for a gap twice as long as it took the last time, at most this long, but does not wait longer
# than `_PROGRESS_AT_LAST_NS`: then the lines that follow are late by as much.
_PROGRESS_GAP_NS = 2_000_000
_PROGRESS_AT_LAST_NS = 1_000_000_000
# Snapshots over which a rate is averaged, some five seconds: at a few lines a second less would fluctuate.
_RATE_OVER = 25


@dataclass(frozen=True, slots=True)
class Snapshot:
    """State of a run: totals since the start, rates (lines/s) over the last seconds, latencies in nanoseconds."""

    elapsed_ns: int
    offered: int
    processed: int
    failed: int
    dropped: int
    rate: float
    target_rate: float | None
    lag_p50_ns: int | None
    lag_p99_ns: int | None
    service_p50_ns: int | None
    service_p99_ns: int | None
    response_p50_ns: int | None
    response_p99_ns: int | None
    # Of several workers that stand together, the one with the longest p99 lag, and that lag.
    worst_worker: int | None = None
    worst_lag_p99_ns: int | None = None
    # Failed lines by kind, the last second, pages made since the snapshot before (ns after the start), and each worker.
    errors: Mapping[str, int] = field(default_factory=dict)
    recent: Recent | None = None
    pages: Sequence[Window] = ()
    workers: Mapping[int, "Snapshot"] = field(default_factory=dict)
    # Kinds of incident that are going on.
    incidents: tuple[str, ...] = ()


class _Pump:
    def __init__(
        self,
        store: BlockStore,
        evaluate: Evaluate,
        ledger: Ledger,
        clock: Clock,
        policy: Policy,
        latencies_ms: list[float],
        stop: Stop,
        progress: Callable[[Snapshot], object] | None,
        pages: Pages,
        queue: RunQueue,
        log: LineLog | None,
        timings: Timings | None,
        interventions: Interventions | None,
    ) -> None:
        self.log, self.interventions = log, interventions
        self.store, self.evaluate, self.ledger, self.clock = store, evaluate, ledger, clock
        self.policy, self.latencies_ms, self.stop, self.progress = policy, latencies_ms, stop, progress
        self.pages, self.queue = pages, queue
        self.closed = policy.name == "closed"
        self.recorder = Recorder(timings)
        self.recent = RecentPercentiles(self.recorder.timings)
        self.start_ns = 0
        self.first_due_ns: int | None = None
        self.last_due_ns = 0
        self.counting_ns = self.longest_counting_ns = 0
        self.slice_lines = _FIRST_SLICE
        self.shown_ns = 0
        self.show_gap_ns = _PROGRESS_GAP_NS
        # Moment, lines offered and last due time at the last few progresses: rates are those since the oldest.
        self.shown: deque[tuple[int, int, int]] = deque(maxlen=_RATE_OVER)
        # The end of the slice before, and the thread's turns at that moment.
        self.sliced_ns = 0
        self.turns = Turns()

    def _begin(self, start_ns: int | None) -> None:
        if start_ns is None:
            start_ns = self.clock.now_ns() + (0 if self.closed else _HEAD_START_NS)
        elif self.closed and not self.stop.requested:
            self.clock.wait_until(start_ns)
        self.start_ns = self.shown_ns = self.recorder.start_ns = start_ns
        if self.interventions is not None:
            self.interventions.begin(start_ns)

    def run(self, start_ns: int | None) -> None:
        self._begin(start_ns)
        self.sliced_ns, self.turns = self.start_ns, self.queue.read()
        while not self.stop.requested and (block := self.store.take()) is not None:
            first = 0
            while first < len(block.lines) and not self.stop.requested:
                if self._switched(block, first):
                    break
                first += self._send(block, first)
                self._between(block, first)

    def _switched(self, block: "Block", first: int) -> bool:
        """Take in incidents that were switched on; return whether other lines than the block's follow."""
        if self.interventions is None or not self.interventions.poll():
            return False
        blocks = self.interventions.switch(block.first + first * block.step, self.last_due_ns)
        if blocks is not None:
            self.store.replace(blocks)
        return blocks is not None

    def _send(self, block: "Block", first: int) -> int:
        """Send one slice of a block and account for it; return the number of lines handled."""
        part = self._slice(block, first)
        if not self.closed and not self._idle_until(self.start_ns + int(part.due_ns[0])):
            return 0
        before = self.queue.read()
        began = self.clock.now_ns()
        evaluate = self.evaluate if self.interventions is None else self.interventions.evaluator(self.evaluate)
        done = drive(part, evaluate, self.recorder, self.clock, self.policy, self.start_ns, self.stop)
        ended = self.clock.now_ns()
        if done:
            after = self.queue.read()
            self._pace_slices(done, ended - began)
            self._account(part, done, self._beside(began, before, after))
            self.sliced_ns, self.turns = ended, after
            took = self.clock.now_ns() - ended
            self.counting_ns += took
            self.longest_counting_ns = max(self.longest_counting_ns, took)
        return done

    def _slice(self, block: "Block", first: int) -> "Block":
        last = min(first + self.slice_lines, len(block.lines))
        if not self.closed:
            horizon = int(block.due_ns[first]) + _SLICE_NS
            if self.interventions is not None and (renewal := self.interventions.next_renewal_ns()) is not None:
                horizon = min(horizon, max(renewal - 1, int(block.due_ns[first])))
            last = min(last, int(np.searchsorted(block.due_ns, horizon, side="right")))
        if (first, last) == (0, len(block.lines)):
            return block
        truth = block.truth
        return replace(
            block,
            first=block.first + first,
            lines=block.lines[first:last],
            due_ns=block.due_ns[first:last],
            tags=block.tags[first:last],
            truth=replace(
                truth,
                lengths=truth.lengths[first:last],
                method=truth.method[first:last],
                error=truth.error[first:last],
            ),
        )

    def _pace_slices(self, lines: int, took_ns: int) -> None:
        """Choose the next slice's size from how long this one took."""
        fitting = max(1, _SLICE_NS * lines // max(took_ns, 1))
        self.slice_lines = min(fitting, 2 * self.slice_lines + 1, 1 << 20)

    def _idle_until(self, due_ns: int) -> bool:
        """Use a long gap; return whether the run continues."""
        while due_ns - self.clock.now_ns() > _SLICE_NS:
            if self.stop.requested or (self.interventions is not None and self.interventions.poll()):
                return False
            self.store.top_up(due_ns)
            self._show(due_ns)
            self.clock.wait_until(min(self.clock.now_ns() + _SLICE_NS // 2, due_ns))
        return True

    def _beside(self, began_ns: int, before: Turns, after: Turns) -> Slice:
        """Return what happened besides the lines of a slice since the one before it."""
        return Slice(
            began_ns=began_ns,
            lost_before_ns=before.waited_ns - self.turns.waited_ns,
            lost_ns=after.waited_ns - before.waited_ns,
            running_ns=after.running_ns - before.running_ns,
            pages=() if self.closed else self.pages(self.sliced_ns),
        )

    def _account(self, part: "Block", done: int, beside: Slice) -> None:
        outcomes, raised = self.recorder.outcomes(), self.recorder.raised()
        if self.log is None:
            self.ledger.add(part.truth, outcomes, self.latencies_ms, raised)
        else:
            starts, ends = self.recorder.starts, self.recorder.ends
            self.log.add(part.truth, outcomes, self.latencies_ms, raised, starts, ends)
        if self.interventions is not None and (held := self.interventions.take_held()):
            beside = replace(beside, held=_by_line(held, outcomes))
        due_ns = None if self.closed else part.due_ns[:done] + self.start_ns
        self.recorder.fold(due_ns, outcomes, beside, part.truth.error[:done])
        self.latencies_ms.clear()
        if self.first_due_ns is None:
            self.first_due_ns = int(part.due_ns[0])
        self.last_due_ns = int(part.due_ns[done - 1])

    def _between(self, block: "Block", first: int) -> None:
        """Do background work until the next line is due."""
        if self.closed:
            self._show(None)
            return
        ahead = int(block.due_ns[first]) if first < len(block.lines) else self.store.next_due_ns()
        due = self.start_ns + (self.last_due_ns if ahead is None else ahead)
        self.store.top_up(due)
        self._show(due)

    def _show(self, due_ns: int | None) -> None:
        if self.progress is None:
            return
        now = self.clock.now_ns()
        since = now - self.shown_ns
        if since < _PROGRESS_NS:
            return
        if due_ns is not None and due_ns - now < self.show_gap_ns and since < _PROGRESS_AT_LAST_NS:
            return
        snapshot = self._snapshot(now)
        self.progress(snapshot)
        self.show_gap_ns = min(_PROGRESS_GAP_NS, 2 * (self.clock.now_ns() - now))
        self.shown_ns = now
        self.shown.append((now, snapshot.offered, self.last_due_ns))

    def _snapshot(self, now: int) -> Snapshot:
        ledger, timings = self.ledger, self.recorder.timings
        then, offered, due = self.shown[0] if self.shown else (self.start_ns, 0, 0)
        # Each of these is a sum over all kinds and series.
        processed, refused, raised = ledger.processed, ledger.refused, ledger.raised
        failed = sum(refused.values()) + raised.total()
        total = processed + failed + ledger.dropped
        lines, span = total - offered, self.last_due_ns - due
        lag, service, response = (one.percentiles((50, 99)) for one in (timings.lag, timings.service, timings.response))
        return Snapshot(
            elapsed_ns=now - self.start_ns,
            offered=total,
            processed=processed,
            failed=failed,
            dropped=ledger.dropped,
            rate=lines * 1e9 / max(1, now - then),
            target_rate=None if self.closed or span <= 0 else lines * 1e9 / span,
            lag_p50_ns=lag[50],
            lag_p99_ns=lag[99],
            service_p50_ns=service[50],
            service_p99_ns=service[99],
            response_p50_ns=response[50],
            response_p99_ns=response[99],
            errors={**refused, **raised},
            recent=self.recent.at(now - self.start_ns),
            pages=[(begin - self.start_ns, end - self.start_ns) for begin, end in self.pages(self.shown_ns)],
            incidents=() if self.interventions is None else self.interventions.active(),
        )

    def result(self, machine: Machine) -> DriveResult:
        recorder = self.recorder
        recorder.stretches.close()
        moments = self._moments()
        target, achieved = moments.rates(
            self.ledger.offered, self.ledger.offered - self.ledger.dropped, closed=self.closed
        )
        return DriveResult(
            timings=recorder.timings,
            ledger=self.ledger,
            start_ns=self.start_ns,
            elapsed_ns=moments.last_end_ns - moments.first_start_ns,
            target_rate=target,
            achieved_rate=achieved,
            span_ns=0 if self.closed else moments.last_due_ns - moments.first_due_ns,
            behind=recorder.lateness.behind,
            worst_stretch_lag_ns=recorder.stretches.worst_lag_ns,
            worst_stretch_lateness_ns=recorder.stretches.worst_lateness_ns,
            outside_ns=self.counting_ns + self.store.spent_ns,
            longest_outside_ns=max(self.longest_counting_ns, self.store.longest_ns),
            starved=self.store.starved,
            machine=machine,
            interrupted=self.stop.requested,
            moments=moments,
            timeline=recorder.timeline,
        )

    def _moments(self) -> Moments:
        recorder = self.recorder
        if recorder.first_ns is None or recorder.last_ns is None or recorder.last_end_ns is None:
            return Moments()
        return Moments(
            first_due_ns=self.first_due_ns or 0,
            last_due_ns=self.last_due_ns,
            first_start_ns=recorder.first_ns - self.start_ns,
            last_start_ns=recorder.last_ns - self.start_ns,
            last_end_ns=recorder.last_end_ns - self.start_ns,
        )


def _by_line(held: Mapping[int, int], outcomes: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return for how long each line was held up, from the calls; a dropped line was none."""
    result = np.zeros(outcomes.size, dtype=np.int64)
    called = np.flatnonzero(outcomes != DROPPED)
    for call, held_ns in held.items():
        result[called[call]] = held_ns
    return result


def no_pages(_since_ns: int) -> Sequence[Window]:
    """Return no page; the default where nothing is served."""
    return ()


def drive_workload(
    blocks: Iterator["Block"],
    evaluate: Evaluate,
    ledger: Ledger,
    clock: Clock,
    policy: Policy = BURST,
    *,
    latencies_ms: list[float],
    stop: Stop | None = None,
    progress: Callable[[Snapshot], object] | None = None,
    pages: Pages = no_pages,
    queue: RunQueue | None = None,
    log: LineLog | None = None,
    timings: Timings | None = None,
    start_ns: int | None = None,
    interventions: Interventions | None = None,
) -> DriveResult:
    """Send every block on schedule and return the result; memory does not grow with the number of lines.

    `latencies_ms` is the list to which the subject appends the latency it recorded for each line (`Repl`'s ``keep``);
    it is emptied block by block into `ledger`. `progress` is called from this thread, outside the timed windows, at
    most five times a second. `pages` returns the times, on the clock, at which the subject's page was being made for a
    scrape since the given moment, including one in progress. `queue` provides the run-queue times of this thread; by
    default they come from the system. `log` stores the state of `ledger` at the moments when pages were made. Lines are
    counted in `timings`, which `progress` may read; by default in new ones.
    `start_ns` is the moment from which due times count; by default as soon as everything is ready. Blocks should have
    `BLOCK_LINES` lines. The run ends with the blocks, or at the line at which `stop` is requested; a subject that takes
    longer than 100 ms for a line delays the end by that time. `interventions` are the incidents of the run.
    """
    stop = stop or Stop()
    store = BlockStore(blocks, clock, _LEAD if policy.name != "closed" else 2)
    with fine_timers(), ThreadRunQueue() as own:
        pump = _Pump(
            store,
            evaluate,
            ledger,
            clock,
            policy,
            latencies_ms,
            stop,
            progress,
            pages,
            queue or own,
            log,
            timings,
            interventions,
        )
        store.fill()
        with watch_machine() as machine:
            pump.run(start_ns)
    if log is not None:
        log.close(clock.now_ns())
    return pump.result(machine)

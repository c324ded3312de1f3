"""Lag of a line split into the subject's queue and lateness.

In an open loop a line also waits for the lines before it. That queue is the subject's: it would exist with a generator
that is never late, and it belongs in the response time. So the schedule is simulated a second time, with the service
times that were measured and a generator that costs nothing (Lindley's recursion for a single server; D. V. Lindley,
"The theory of queues with a single server", 1952):

    earliest start = max(due, earliest end of the line before)       earliest end = earliest start + service time
    queue = earliest start - due          lateness = start - earliest start          lag = queue + lateness

Delays of the generator, and time denied by the machine, stay in the lateness until the lines have caught up. While the
subject's page is made for a scrape, that thread holds the interpreter; the time a line loses to it counts as service,
since it is the cost to a program of serving its own page.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.load.latency.histogram import Histogram
from harness.load.latency.tail import supported

__all__ = ["Behind", "Lateness", "Slice", "Stretches", "Window", "typical"]

Nanoseconds = NDArray[np.int64]
Window = tuple[int, int]

# A stretch of the run lasts at least so long and has at least so many lines: ten of them lie beyond its p90.
STRETCH_NS = 1_000_000_000
STRETCH_LINES = 100


def typical(count: int) -> float:
    """Return the percentile that bounds most of `count` lines: 90, or 50 where too few lie beyond that."""
    return 90 if supported(90, count) else 50


@dataclass(slots=True)
class Behind:
    """Sums of the time that lines waited, by cause; nanoseconds.

    `queue_ns` and `lateness_ns` are added up over all lines, dropped ones included. The others are wall time.
    `idle_ns`: a line was due, but none was being processed and no page was made. `outside_ns`: the part of it between
    two slices, when blocks are made and counted, less `outside_lost_ns`, the machine's part of that; `held_up` is the
    number of lines that began late because of it. `service_ns`: lines were being processed while others waited;
    `service_lost_ns` and `service_running_ns` are the machine's part of it and the time on a processor.
    `incident_ns` is the part of the queue that incidents caused, `held_ns` the time for which they held up lines.
    """

    queue_ns: int = 0
    lateness_ns: int = 0
    idle_ns: int = 0
    outside_ns: int = 0
    outside_lost_ns: int = 0
    held_up: int = 0
    service_ns: int = 0
    service_lost_ns: int = 0
    service_running_ns: int = 0
    incident_ns: int = 0
    held_ns: int = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """Times of a slice that `Lateness` needs besides those of its lines; nanoseconds.

    `began_ns` is when it was handed to the driver; `lost_before_ns` the time denied by the machine since the slice
    before it, `lost_ns` and `running_ns` the time denied and the time on a processor within it. `pages` are the times
    at which a page was being made. `held` is the part of each line's service time for which an incident held it up.
    """

    began_ns: int
    lost_before_ns: int = 0
    lost_ns: int = 0
    running_ns: int = 0
    pages: Sequence[Window] = ()
    held: Nanoseconds | None = None


class Lateness:
    """Simulation of the schedule, slice by slice; stores two moments and some sums between slices."""

    __slots__ = ("_earliest_end", "_last_end", "_unheld_end", "behind")

    def __init__(self) -> None:
        self.behind = Behind()
        self._earliest_end: int | None = None
        self._last_end: int | None = None
        # The earliest end without incidents, from the first line on that one of them held up.
        self._unheld_end: int | None = None

    def split(self, due: Nanoseconds, starts: Nanoseconds, ends: Nanoseconds, part: Slice) -> Nanoseconds:
        """Return the lateness of each line of the next slice, in ns; never negative, never more than its lag.

        The three times are on one clock, one entry per line the driver handled; a dropped line has its start as its
        end.
        """
        before = np.empty_like(ends)
        before[0] = due[0] if self._last_end is None else self._last_end
        before[1:] = ends[:-1]
        free = np.maximum(due, before)
        idle = starts - free
        service = ends - starts
        pages = _overlap(free, starts, part.pages)
        work = service if pages is None else service + pages
        begun = self._earliest_end
        earliest_end = _earliest_ends(due, work, begun)
        self._earliest_end = int(earliest_end[-1])
        if part.held is not None or self._unheld_end is not None:
            self._split_queue(due, work, earliest_end, begun, part.held)
        lateness: Nanoseconds = starts - (earliest_end - service)
        self._sum_up(due, before, free, idle if pages is None else idle - pages, service, part)
        self.behind.lateness_ns += int(lateness.sum())
        self.behind.queue_ns += int((starts - due).sum()) - int(lateness.sum())
        self._last_end = int(ends[-1])
        return lateness

    def _split_queue(
        self,
        due: Nanoseconds,
        work: Nanoseconds,
        earliest_end: Nanoseconds,
        begun: int | None,
        held: Nanoseconds | None,
    ) -> None:
        """Simulate once more without the time held, and count the difference of the queues as the incidents'."""
        own = work if held is None else work - held
        unheld_end = _earliest_ends(due, own, begun if self._unheld_end is None else self._unheld_end)
        self._unheld_end = int(unheld_end[-1])
        self.behind.incident_ns += int(((earliest_end - work) - (unheld_end - own)).sum())
        if held is not None:
            self.behind.held_ns += int(held.sum())

    def _sum_up(
        self,
        due: Nanoseconds,
        before: Nanoseconds,
        free: Nanoseconds,
        idle: Nanoseconds,
        service: Nanoseconds,
        part: Slice,
    ) -> None:
        behind = self.behind
        behind.idle_ns += int(idle.sum())
        behind.held_up += int(np.count_nonzero(idle))
        outside = min(max(part.began_ns - int(free[0]), 0), int(idle[0]))
        behind.outside_lost_ns += min(part.lost_before_ns, outside)
        behind.outside_ns += outside - min(part.lost_before_ns, outside)
        # In a slice in which the driver never had to wait, whatever the machine took was taken from work.
        if bool((due[1:] <= before[1:]).all()) and int(due[0]) <= part.began_ns:
            at_work = int(service.sum())
            behind.service_ns += at_work
            behind.service_lost_ns += min(part.lost_ns, at_work)
            behind.service_running_ns += min(part.running_ns, at_work)


def _earliest_ends(due: Nanoseconds, work: Nanoseconds, before: int | None) -> Nanoseconds:
    """Solve the recursion for a slice: end[i] = max over j <= i of (due[j] + work[j] + ... + work[i])."""
    done = np.cumsum(work)
    latest = np.maximum.accumulate(due - (done - work))
    if before is not None:
        latest = np.maximum(latest, before)
    ends: Nanoseconds = done + latest
    return ends


def _overlap(froms: Nanoseconds, untils: Nanoseconds, windows: Sequence[Window]) -> Nanoseconds | None:
    """Return the overlap of each [from, until] with any of the windows, which may overlap; None without overlap."""
    last = int(untils[-1])
    merged: list[list[int]] = []
    for begin, end in sorted(windows):
        if end <= int(froms[0]) or begin >= last:
            continue
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    if not merged:
        return None
    edges = np.array(merged, dtype=np.int64)
    covered = np.concatenate(([0], np.cumsum(edges[:, 1] - edges[:, 0])))

    def until(moments: Nanoseconds) -> Nanoseconds:
        at = np.searchsorted(edges[:, 0], moments, side="right")
        inside = edges[np.maximum(at - 1, 0), 1] - moments
        outcome: Nanoseconds = covered[at] - np.where((at > 0) & (inside > 0), inside, 0)
        return outcome

    result: Nanoseconds = until(untils) - until(froms)
    return result


class Stretches:
    """The worst stretch of a run by lag and by lateness, each the p90 of the stretch's lines; constant memory.

    A stretch ends at the first slice that makes it at least a second long by the schedule and at least a hundred lines.
    The last stretch is joined to the one before it when it is shorter.
    """

    __slots__ = ("_began_ns", "_lag", "_lateness", "_marks", "worst_lag_ns", "worst_lateness_ns")

    def __init__(self, lag: Histogram, lateness: Histogram) -> None:
        self._lag, self._lateness = lag, lateness
        self._began_ns: int | None = None
        # The counts at the start of the stretch before this one, and of this one.
        self._marks = [self._mark()]
        self.worst_lag_ns = self.worst_lateness_ns = 0

    def add(self, first_due_ns: int, last_due_ns: int) -> None:
        """Register the lines due between these moments; they have been recorded in both histograms."""
        if self._began_ns is None:
            self._began_ns = first_due_ns
        lines = self._lag.count - self._marks[-1][2]
        if last_due_ns - self._began_ns >= STRETCH_NS and lines >= STRETCH_LINES:
            self._judge(self._marks[-1])
            self._marks = [self._marks[-1], self._mark()]
            self._began_ns = None

    def close(self) -> None:
        """Include the last lines."""
        if self._lag.count > self._marks[-1][2]:
            self._judge(self._marks[0])

    def _mark(self) -> tuple[Nanoseconds, Nanoseconds, int]:
        return self._lag.reached(), self._lateness.reached(), self._lag.count

    def _judge(self, since: tuple[Nanoseconds, Nanoseconds, int]) -> None:
        percent = typical(self._lag.count - since[2])
        lag = self._lag.percentile_since(since[0], percent) or 0
        lateness = self._lateness.percentile_since(since[1], percent) or 0
        self.worst_lag_ns = max(self.worst_lag_ns, lag)
        self.worst_lateness_ns = max(self.worst_lateness_ns, lateness)

"""Load under incidents: due times moved and lines altered, as a function of seed, line number and due time."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workloads.arrivals import Arrivals
from workloads.forms import MAX_LINE_BYTES
from workloads.incidents import KINDS, Incident, of_kinds
from workloads.refusals import NOT_UTF8, NUL, spoiled_lengths
from workloads.tags import Tags

__all__ = ["FURTHER_METHODS", "FURTHER_SERIES", "LoadShape", "Plan", "Warped", "alters_lines", "warped"]

_FLOOD = 5
_LONGER = 20
# Of 2^32, so that a share is compared in whole numbers.
_HALF, _QUARTER = 2**31, 2**30
# Enough for an alert on more than 50 series. OpenCensus takes time for each at every line: with twice as many a demo on
# two cores would fall behind its schedule.
FURTHER_SERIES = 60
FURTHER_METHODS = tuple(f"{Tags().method}-id-{i:02}" for i in range(FURTHER_SERIES))


class Plan(NamedTuple):
    """Columns of lines before any text.

    Lengths drawn, how often the text drawn is repeated, true lengths, choice of text, method, true error, error to
    make, and random bits for incidents.
    """

    drawn: NDArray[np.int64]
    repeats: NDArray[np.int64]
    lengths: NDArray[np.int64]
    picks: NDArray[np.uint32]
    method: NDArray[np.int32]
    error: NDArray[np.int8]
    spoiled: NDArray[np.int8]
    chance: NDArray[np.uint64]

    def part(self, where: slice) -> "Plan":
        """Return a range of the lines."""
        return Plan._make(column[where] for column in self)


class _Windows:
    """The times of some incidents, which may overlap."""

    def __init__(self, incidents: Iterable[Incident]) -> None:
        spans = [(each.start_ns, each.end_ns) for each in incidents]
        self._starts = np.array(sorted(start for start, _ in spans), dtype=np.int64)
        self._ends = np.array(sorted(end for _, end in spans), dtype=np.int64)

    def hold(self, due_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which moments lie within one of them, its end excluded."""
        inside: NDArray[np.bool_] = self._starts.searchsorted(due_ns, "right") > self._ends.searchsorted(
            due_ns, "right"
        )
        return inside


class LoadShape:
    """Alteration of lines that are due during an incident.

    `methods` is the number of values of the tag ``method`` without incidents; the further ones come after them.
    """

    def __init__(self, incidents: Sequence[Incident], methods: int) -> None:
        self._methods = methods
        self._errors, self._faults, self._long, self._series = (
            _Windows(of_kinds(incidents, kind)) for kind in ("errors", "bad-deploy", "long-lines", "series")
        )

    def applied(self, plan: Plan, due_ns: NDArray[np.int64]) -> Plan:
        """Return the plan of lines due at these moments, altered by what goes on then."""
        own = (plan.error != 0) & (plan.spoiled == 0)
        longest = np.clip(MAX_LINE_BYTES // np.maximum(plan.drawn, 1), 1, _LONGER)
        # A line that is bad by itself, which a file may hold, stays as it is.
        repeats = np.where(self._long.hold(due_ns) & ~own, longest, 1)
        bits = plan.chance & np.uint64(2**32 - 1)
        share = np.where(self._errors.hold(due_ns), _HALF, np.where(self._faults.hold(due_ns), _QUARTER, 0))
        kind = np.where(plan.chance >> np.uint64(63), NOT_UTF8, NUL)
        spoiled = np.where((bits < share.astype(np.uint64)) & (plan.spoiled == 0), kind, plan.spoiled).astype(np.int8)
        further = self._methods + (plan.chance >> np.uint64(32)) % np.uint64(FURTHER_SERIES)
        return plan._replace(
            repeats=repeats,
            lengths=spoiled_lengths(plan.drawn * repeats, spoiled, plan.picks),
            method=np.where(self._series.hold(due_ns), further, plan.method).astype(np.int32),
            error=np.where(spoiled, spoiled, plan.error).astype(np.int8),
            spoiled=spoiled,
        )


class Warped:
    """Arrivals whose schedule runs five times as fast during a flood and stands still during a silence.

    schedule ^            _-‾
             |         _-‾        silence wins where both are at the same time
             |     ___/
             | _-‾/
             +-------------> t
              flood silence

    What comes afterwards is moved by as much. Everything is a whole number of nanoseconds, so that due times depend
    neither on the block nor on the shard.
    """

    def __init__(self, arrivals: Arrivals, incidents: Sequence[Incident]) -> None:
        self._arrivals = arrivals
        flood, silence = of_kinds(incidents, "flood"), of_kinds(incidents, "silence")
        moments = sorted({0, *(edge for each in (*flood, *silence) for edge in (each.start_ns, each.end_ns))})
        self._real: list[int] = moments
        self._speed = [0 if _within(silence, moment) else _FLOOD if _within(flood, moment) else 1 for moment in moments]
        self._scheduled = [0]
        for i, moment in enumerate(moments[1:]):
            self._scheduled.append(self._scheduled[-1] + (moment - moments[i]) * self._speed[i])
        running = [i for i, speed in enumerate(self._speed) if speed]
        self._columns = tuple(
            np.array([column[i] for i in running], dtype=np.int64)
            for column in (self._scheduled, self._real, self._speed)
        )

    @property
    def total(self) -> int | None:
        """The number of lines, which is that of the schedule."""
        return self._arrivals.total

    def due(self, first: int, n: int) -> NDArray[np.int64]:
        """Return when the schedule reaches the lines first … first + n - 1."""
        scheduled = self._arrivals.due(first, n)
        starts, real, speed = self._columns
        place = starts.searchsorted(scheduled, "right") - 1
        due: NDArray[np.int64] = real[place] + (scheduled - starts[place]) // speed[place]
        return due

    def count_until(self, duration_ns: int) -> int:
        """Return the number of lines due before that instant."""
        place = bisect_right(self._real, duration_ns) - 1
        return self._arrivals.count_until(
            self._scheduled[place] + (duration_ns - self._real[place]) * self._speed[place]
        )


def _within(incidents: Iterable[Incident], moment_ns: int) -> bool:
    return any(each.start_ns <= moment_ns < each.end_ns for each in incidents)


def warped(arrivals: Arrivals, incidents: Sequence[Incident]) -> Arrivals:
    """Return the arrivals under these incidents; the same object where none of them moves a line."""
    return Warped(arrivals, incidents) if of_kinds(incidents, "flood", "silence") else arrivals


def alters_lines(incidents: Iterable[Incident]) -> bool:
    """Return whether any of them alters lines, and not only their due times."""
    return any(KINDS[each.kind].shapes_load and each.kind not in {"flood", "silence"} for each in incidents)

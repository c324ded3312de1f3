"""What the one page of forked workers may show over time: the sum of what each of them may have recorded."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from harness.expected import Range, SeriesTruth
from harness.load.truth.ledger import Ledger
from harness.load.truth.log import TruthLog
from harness.views import Aggregation, Tags, View

__all__ = ["ForkedTruth", "KilledPart", "LoggedPart", "Ticks"]

# Time between two moments at which a worker stores the state of its ledger.
TICK_NS = 50_000_000

_Ranges = Mapping[str, Mapping[Tags, Range]]


class Ticks:
    """Moments at fixed intervals in the place of those at which pages are made, which another worker may do.

    A log that stores its state at them is asked for one interval more to either side; see `LoggedPart`.
    """

    def __init__(self, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._now_ns = now_ns
        self._next_ns = now_ns()
        self.since_ns = self._next_ns

    def take(self) -> tuple[list[int], list[int]]:
        """Return the moments that have passed since the last call, for the begin and for the end of pages."""
        now_ns, moments = self._now_ns(), []
        while self._next_ns <= now_ns:
            moments.append(self._next_ns)
            self._next_ns += TICK_NS
        return moments, list(moments)


class _Part(Protocol):
    def between(self, begin_ns: int, end_ns: int) -> _Ranges | None:
        """Return what one worker may have added to a page; None where it is not known."""


@dataclass(frozen=True, slots=True)
class LoggedPart:
    """What a worker recorded that handed over its log; it began at `since_ns`, with its first tick."""

    log: TruthLog
    since_ns: int

    def between(self, begin_ns: int, end_ns: int) -> _Ranges | None:
        """Return the state at the tick before the page was asked for, and at the one after it was received."""
        if end_ns + TICK_NS < self.since_ns:
            return {}
        return self.log.between(begin_ns - TICK_NS, end_ns + TICK_NS)


class KilledPart:
    """What a worker recorded that was killed between `since_ns` and `until_ns`, of which only the end is known.

    `doubtful` has the series of each line that it may have been recording when it was killed.
    """

    def __init__(self, ledger: Ledger, doubtful: Sequence[Mapping[str, Tags]], since_ns: int, until_ns: int) -> None:
        self._since_ns, self._until_ns = since_ns, until_ns
        self._all: dict[str, dict[Tags, Range]] = {}
        self._some: dict[str, dict[Tags, Range]] = {}
        expected = ledger.expected()
        for view in ledger.views:
            most: dict[Tags, Sequence[float]] = {
                tags: _values(view, truth) for tags, truth in expected[view.name].items()
            }
            least = dict(most)
            for tags in (each[view.name] for each in doubtful if view.name in each):
                most[tags] = [a + b for a, b in zip(most.get(tags, _nothing(view)), _one(view), strict=True)]
            nothing = _nothing(view)
            self._all[view.name] = {tags: Range(least.get(tags, nothing), high) for tags, high in most.items()}
            self._some[view.name] = {tags: Range(nothing, high) for tags, high in most.items()}

    def between(self, begin_ns: int, end_ns: int) -> _Ranges:
        """Return all of it for a page asked for after the end, and from nothing to all for one before it."""
        if end_ns < self._since_ns:
            return {}
        return self._all if begin_ns >= self._until_ns else self._some


def _values(view: View, truth: SeriesTruth) -> Sequence[float]:
    if view.aggregation is Aggregation.COUNT:
        return [truth.count]
    return [truth.count, truth.total, *np.cumsum(truth.buckets).tolist()]


def _nothing(view: View) -> Sequence[float]:
    return [0] * (1 if view.aggregation is Aggregation.COUNT else len(view.bounds) + 3)


def _one(view: View) -> Sequence[float]:
    """Return the most that one line may add, of which the value is not known."""
    return [1] if view.aggregation is Aggregation.COUNT else [1, math.inf, *[1] * (len(view.bounds) + 1)]


class ForkedTruth:
    """The truth about the one page of several workers; see `harness.expected.TruthOverTime`."""

    def __init__(self, parts: Sequence[_Part], views: Sequence[View]) -> None:
        self._parts, self._views = parts, views

    def between(self, begin_ns: int, end_ns: int) -> _Ranges | None:
        """Return the sum of what each worker may have recorded; None where it is not known of one."""
        result: dict[str, dict[Tags, Range]] = {view.name: {} for view in self._views}
        for part in self._parts:
            ranges = part.between(begin_ns, end_ns)
            if ranges is None:
                return None
            for name, series in ranges.items():
                for tags, one in series.items():
                    before = result[name].get(tags)
                    result[name][tags] = one if before is None else _plus(before, one)
        return result


def _plus(left: Range, right: Range) -> Range:
    return Range(
        [a + b for a, b in zip(left.least, right.least, strict=True)],
        [a + b for a, b in zip(left.most, right.most, strict=True)],
    )

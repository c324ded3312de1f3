"""A run over time in at most 600 points: lines, failures and histograms of durations by second, or by several seconds.

A line belongs to the point in which it was due, in a closed loop to that in which it began: a stall of the subject is
found where its users met it, not where the lines that waited were sent at last. Only `sent` counts lines by when they
began.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.load.latency.histogram import POSITIONS, highest_at, rank
from harness.load.latency.tail import supported

__all__ = ["DURATIONS", "FIRST_WIDTH_NS", "MOST_POINTS", "Spread", "TimePoint", "Timeline"]

MOST_POINTS = 600
FIRST_WIDTH_NS = 1_000_000_000
# The rows of durations, in the order in which the recorder has them.
DURATIONS = ("service", "lag", "response")
_DUE, _SENT, _FAILED, _DROPPED = range(4)

# A cell is 16 neighbouring positions of an HDR histogram: 16 ns up to 2 µs, and 1.6 % of the value above.
_SHIFT = 4
_CELLS = POSITIONS >> _SHIFT
_OFFSETS = np.arange(len(DURATIONS), dtype=np.int64)[:, np.newaxis] * _CELLS


class Spread(NamedTuple):
    """Durations of a point's lines in ns; a percentile with fewer than ten lines beyond it is None, as is all of none.

    A percentile is at most 16 ns or 1.6 % above the value of that rank, `max` is exact.
    """

    p50: int | None
    p99: int | None
    max: int | None


@dataclass(frozen=True, slots=True)
class TimePoint:
    """What happened from `start_ns` after the start of the run, for `width_ns`.

    Of the `due` lines that fell due, `failed` failed and `dropped` were not sent; `sent` lines began in this time,
    whenever they were due. `durations` are those of the lines due, by name (`DURATIONS`).
    """

    start_ns: int
    width_ns: int
    due: int
    sent: int
    failed: int
    dropped: int
    durations: Mapping[str, Spread]


class Timeline:
    """Points of equal width from the start of a run on: 1 s, doubled whenever there would be more than `MOST_POINTS`.

    Doubling joins neighbours exactly: what a timeline holds depends on its lines alone, never on how they were added.
    """

    __slots__ = ("_counts", "_longest", "_rows", "length", "width_ns")

    def __init__(self) -> None:
        self.width_ns = FIRST_WIDTH_NS
        self.length = 0
        self._counts = np.zeros((4, MOST_POINTS), dtype=np.int64)
        self._longest = np.zeros((len(DURATIONS), MOST_POINTS), dtype=np.int64)
        self._rows = _Rows()

    def add(
        self,
        due_ns: NDArray[np.int64],
        starts_ns: NDArray[np.int64],
        failed: NDArray[np.bool_] | None,
        sent: NDArray[np.bool_] | None,
        durations: NDArray[np.int64],
        positions: NDArray[np.int64],
    ) -> None:
        """Count some lines, at least one, given in ns since the start of the run.

        `due_ns` and `starts_ns` have an entry for each line, in order, and so have `failed` and `sent`; None stands for
        no and for every line. `durations` has a row for each of `DURATIONS` with an entry for each line that was sent,
        and `positions` where `Histogram` counts it.
        """
        self._reach(max(int(due_ns[-1]), int(starts_ns[-1])))
        by_due = self._split(due_ns)
        self._tally(_DUE, by_due)
        if failed is not None:
            for point, lines in by_due:
                self._counts[_FAILED, point] += np.count_nonzero(failed[lines])
        if sent is not None:
            self._tally(_DROPPED, self._split(due_ns[~sent]))
            by_due, starts_ns = self._split(due_ns[sent]), starts_ns[sent]
        self._tally(_SENT, self._split(starts_ns))
        cells = (positions >> _SHIFT) + _OFFSETS
        for point, lines in by_due:
            longest = self._longest[:, point]
            np.maximum(longest, durations[:, lines].max(axis=1), out=longest)
            self._rows.count(point, cells[:, lines])

    def _split(self, moments_ns: NDArray[np.int64]) -> list[tuple[int, slice]]:
        """Return the points that moments, in order, fall into, each with the slice of those that do."""
        if not moments_ns.size:
            return []
        first, last = int(moments_ns[0]) // self.width_ns, int(moments_ns[-1]) // self.width_ns
        if first == last:
            return [(first, slice(0, moments_ns.size))]
        edges = np.searchsorted(moments_ns, np.arange(first + 1, last + 1) * self.width_ns).tolist()
        slices = pairwise([0, *edges, moments_ns.size])
        return [(first + index, slice(begin, end)) for index, (begin, end) in enumerate(slices) if begin < end]

    def _tally(self, kind: int, by_point: list[tuple[int, slice]]) -> None:
        for point, lines in by_point:
            self._counts[kind, point] += lines.stop - lines.start

    def _reach(self, moment_ns: int) -> None:
        """Make room for a moment."""
        self._make_room()
        while moment_ns >= MOST_POINTS * self.width_ns:
            self._double()
        self.length = max(self.length, moment_ns // self.width_ns + 1)

    def _make_room(self) -> None:
        """Hold as many points as there may be: one that came from a state holds only those it has."""
        lacking = MOST_POINTS - self._counts.shape[1]
        if lacking:
            self._counts = np.pad(self._counts, ((0, 0), (0, lacking)))
            self._longest = np.pad(self._longest, ((0, 0), (0, lacking)))

    def _double(self) -> None:
        """Join each two neighbouring points."""
        self._make_room()
        counts, longest = self._counts, self._longest
        self._counts, self._longest = np.zeros_like(counts), np.zeros_like(longest)
        self._counts[:, : MOST_POINTS // 2] = counts[:, ::2] + counts[:, 1::2]
        self._longest[:, : MOST_POINTS // 2] = np.maximum(longest[:, ::2], longest[:, 1::2])
        self._rows.double()
        self.length = -(-self.length // 2)
        self.width_ns *= 2

    def merge(self, other: "Timeline") -> None:
        """Add the other's lines, of a run that began at the same instant; what is narrower is first joined."""
        while self.width_ns < other.width_ns:
            self._double()
        if other.width_ns < self.width_ns:
            other = Timeline.from_state(other.state())
            while other.width_ns < self.width_ns:
                other._double()  # noqa: SLF001 - one of the same class, here and below
        self._make_room()
        held = slice(0, other._counts.shape[1])  # noqa: SLF001
        self._counts[:, held] += other._counts  # noqa: SLF001
        np.maximum(self._longest[:, held], other._longest, out=self._longest[:, held])  # noqa: SLF001
        for point, row in other._rows.all().items():  # noqa: SLF001
            self._rows.put(point, row)
        self.length = max(self.length, other.length)

    def points(self, end_ns: int) -> list[TimePoint]:
        """Return the points in order; the last one ends at `end_ns`, as far as its width reaches.

        What would last less than half a width is part of the point before it: a rate over next to no time says nothing.
        """
        starts = [point * self.width_ns for point in range(self.length)]
        if len(starts) > 1 and end_ns - starts[-1] < self.width_ns / 2:
            del starts[-1]
        end = min(max(end_ns, self.width_ns * (self.length - 1) + 1), self.width_ns * self.length)
        rows = self._rows.all()
        return [self._point(start, stop, rows) for start, stop in pairwise([*starts, end])]

    def _point(self, start_ns: int, stop_ns: int, rows: Mapping[int, "_Row"]) -> TimePoint:
        held = range(start_ns // self.width_ns, -(-stop_ns // self.width_ns))
        among = slice(held.start, held.stop)
        counts = self._counts[:, among].sum(axis=1).tolist()
        longest = self._longest[:, among].max(axis=1).tolist()
        cells = _dense(*(rows[point] for point in held if point in rows)).reshape(len(DURATIONS), _CELLS)
        spreads = {name: _spread(row, most) for name, row, most in zip(DURATIONS, cells, longest, strict=True)}
        return TimePoint(
            start_ns, stop_ns - start_ns, counts[_DUE], counts[_SENT], counts[_FAILED], counts[_DROPPED], spreads
        )

    def state(self) -> dict[str, Any]:
        """Return everything it holds as plain values and arrays, for `from_state` in another process."""
        rows = self._rows.all()
        points = sorted(rows)
        nothing = np.zeros(0, dtype=np.int64)
        return {
            "width_ns": self.width_ns,
            "length": self.length,
            "counts": self._counts[:, : self.length],
            "longest": self._longest[:, : self.length],
            "points": np.array(points, dtype=np.int64),
            "sizes": np.array([rows[point].cells.size for point in points], dtype=np.int64),
            "cells": np.concatenate([nothing, *(rows[point].cells for point in points)]),
            "values": np.concatenate([nothing, *(rows[point].counts for point in points)]),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Timeline":
        """Return the timeline of a `state`; raises `ValueError` where it is none."""
        result = cls()
        width_ns, length = state["width_ns"], state["length"]
        cells, points = state["cells"], state["points"]
        inside = not cells.size or 0 <= int(cells.min()) <= int(cells.max()) < _CELLS * len(DURATIONS)
        if not 0 <= length <= MOST_POINTS or width_ns < FIRST_WIDTH_NS or width_ns % FIRST_WIDTH_NS or not inside:
            raise ValueError("this is no timeline")
        result.width_ns, result.length = width_ns, length
        # A coordinator holds the timelines of all workers, so they must not take more room than they need.
        result._counts = np.array(state["counts"], dtype=np.int64).reshape(4, length)
        result._longest = np.array(state["longest"], dtype=np.int64).reshape(len(DURATIONS), length)
        edges = np.concatenate([[0], np.cumsum(state["sizes"])]).tolist()
        for point, (begin, end) in zip(points.tolist(), pairwise(edges), strict=True):
            result._rows.put(point, _Row(cells[begin:end].astype(np.uint16), state["values"][begin:end]))
        return result


class _Row(NamedTuple):
    """The histograms of a point without the cells that nothing was counted in."""

    cells: NDArray[np.uint16]
    counts: NDArray[np.int64]


class _Rows:
    """The histograms of all points: of the one being filled every cell, of the others those in use.

    Neighbours are joined ahead, a pair at each new point, since joining hundreds at the doubling would keep lines
    waiting for some milliseconds.
    """

    __slots__ = ("_ahead", "_filled", "_filling", "_pairs", "_rows")

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}
        self._filling = 0
        self._filled = np.zeros(0, dtype=np.int64)
        # The first so many pairs, joined.
        self._ahead: dict[int, _Row] = {}
        self._pairs = 0

    def count(self, point: int, cells: NDArray[np.int64]) -> None:
        """Count some values of a point by their cells."""
        if point != self._filling:
            self._store()
            self._filling = point
            if 2 * self._pairs + 1 < point:
                self._join()
        if not self._filled.size:
            self._filled = np.zeros(len(DURATIONS) * _CELLS, dtype=np.int64)
        np.add.at(self._filled, cells.ravel(), 1)

    def put(self, point: int, row: _Row) -> None:
        """Add counts to those of a point."""
        self._rows[point] = _compact(_dense(self._rows[point], row)) if point in self._rows else row
        if point < 2 * self._pairs:
            self._ahead, self._pairs = {}, 0

    def all(self) -> dict[int, _Row]:
        """Return those of every point with lines."""
        self._store()
        return self._rows

    def double(self) -> None:
        """Join each two neighbouring points."""
        self._store()
        while 2 * self._pairs <= max(self._rows, default=-1):
            self._join()
        self._rows, self._ahead, self._pairs = self._ahead, {}, 0
        self._filling //= 2

    def _store(self) -> None:
        row = _compact(self._filled)
        if row.cells.size:
            self._filled[row.cells] = 0
            self.put(self._filling, row)

    def _join(self) -> None:
        """Join the next pair of points."""
        pair = [self._rows[point] for point in (2 * self._pairs, 2 * self._pairs + 1) if point in self._rows]
        if pair:
            self._ahead[self._pairs] = pair[0] if len(pair) == 1 else _compact(_dense(*pair))
        self._pairs += 1


def _dense(*rows: _Row) -> NDArray[np.int64]:
    """Return the sum of some rows, with every cell."""
    result = np.zeros(len(DURATIONS) * _CELLS, dtype=np.int64)
    for row in rows:
        result[row.cells] += row.counts
    return result


def _compact(dense: NDArray[np.int64]) -> _Row:
    cells = np.flatnonzero(dense)
    return _Row(cells.astype(np.uint16), dense[cells])


def _spread(counts: NDArray[np.int64], longest: int) -> Spread:
    reached = np.cumsum(counts)
    count = int(reached[-1])
    if not count:
        return Spread(None, None, None)
    p50, p99 = (_percentile(reached, count, percent, longest) for percent in (50, 99))
    return Spread(p50, p99, longest)


def _percentile(reached: NDArray[np.int64], count: int, percent: float, longest: int) -> int | None:
    if not supported(percent, count):
        return None
    cell = int(np.searchsorted(reached, rank(count, percent)))
    return min(highest_at((cell << _SHIFT) + (1 << _SHIFT) - 1), longest)

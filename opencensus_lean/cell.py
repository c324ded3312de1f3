"""The data of one measure for one set of tag values: exact sums, counts per bucket, the last value."""

import math
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from copy import copy
from fractions import Fraction

__all__ = ["FOLD_AT", "Bounds", "Cell", "expansion"]

Bounds = tuple[float, ...]

# Values wait in a list until there are this many. Folding them together makes exact addition affordable; more of
# them would save little and make the one record that folds stand out.
FOLD_AT = 32


def expansion(values: Iterable[float]) -> list[float]:
    """Return floats, largest first, whose exact sum is the exact sum of `values`; the first is that sum rounded.

    `math.fsum` rounds the true sum once. What it rounded away is the sum of the same values less the result, found
    the same way, until nothing is left: Shewchuk's expansions (Discrete & Computational Geometry 18, 1997), built
    from the largest part down. A sum beyond the largest float is infinite.
    """
    rest = list(values)
    parts: list[float] = []
    try:
        while part := math.fsum(rest):
            if math.isinf(part):
                return [part]
            parts.append(part)
            rest.append(-part)
    except OverflowError:
        return [math.inf]
    return parts


def _sum(values: list[float]) -> float | None:
    """Return the plain sum, or None where the values are decimals or the like, or do not go into a float."""
    try:
        total: object = sum(values)
    except (OverflowError, TypeError):
        return None
    return total if isinstance(total, int | float) else None


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _as_floats(bounds: Bounds) -> Bounds:
    """Return the bounds as floats, with which floats compare fastest, or as they are where one would be rounded."""
    floats = tuple(map(_as_float, bounds))
    return floats if floats == bounds else bounds


def _count(ordered: list[float], bounds: Bounds, counts: list[int]) -> None:
    """Count sorted values into the buckets of `bounds`; one equal to a bound lies below it, as Prometheus' ``le``."""
    # Few of the bounds lie between the least and the greatest value, often none.
    first, last = bisect_left(bounds, ordered[0]), bisect_left(bounds, ordered[-1])
    counted = 0
    for i in range(first, last):
        upto = bisect_right(ordered, bounds[i], counted)
        counts[i] += upto - counted
        counted = upto
    counts[last] += len(ordered) - counted


class Cell:
    """One measure's values under one set of tag values, for every view that looks at them.

    `pending` is appended to by the recorder, which calls `fold` when it holds `FOLD_AT` values. Values are numbers
    that are not negative. A cell is not safe for threads by itself: its owner holds a lock around both.
    """

    __slots__ = (
        "_bounds", "_counts", "_deviations", "_float_bounds", "_mean", "_parts", "_whole", "count", "last", "pending",
    )  # fmt: skip

    def __init__(self, bounds: Iterable[Bounds]) -> None:
        self.pending: list[float] = []
        self.count = 0
        self.last: float | None = None
        self._whole = 0  # the sum of the batches of whole numbers
        self._parts: list[float] = []  # the sum of all others, as an expansion
        self._mean = 0.0
        self._deviations = 0.0
        self._bounds = tuple(bounds)
        self._float_bounds = tuple(map(_as_floats, self._bounds))
        self._counts = [[0] * (len(each) + 1) for each in self._bounds]

    def fold(self) -> None:
        """Take the pending values into the counts and sums."""
        batch = self.pending
        if not batch:
            return
        # A record made by a signal handler in the midst of this goes to the next batch.
        self.pending = []
        self.last = batch[-1]
        total = _sum(batch)
        if total is None:
            batch = [_as_float(value) for value in batch]
            total = sum(batch)
        if isinstance(total, int):
            comparable = self._bounds
            self._whole += total
        else:
            comparable = self._float_bounds
            self._parts = expansion([*self._parts, *batch])
        ordered = sorted(batch)
        for bounds, counts in zip(comparable, self._counts, strict=True):
            _count(ordered, bounds, counts)
        self._spread(batch, total)
        self.count += len(batch)

    def _spread(self, batch: list[float], total: float) -> None:
        """Merge the batch's squared deviations (Chan, Golub and LeVeque, 1979); infinities make them NaN."""
        try:
            mean = total / len(batch)
            delta = mean - self._mean
            self._deviations += math.dist(batch, [mean] * len(batch)) ** 2
            share = len(batch) / (self.count + len(batch))
            self._deviations += delta * delta * self.count * share
            self._mean += delta * share
        except OverflowError:  # whole numbers beyond the floats
            self._mean = self._deviations = math.nan

    def copy(self) -> "Cell":
        """Return a cell that shares nothing that changes; cheap, because the pending values are not folded."""
        twin = copy(self)
        # All else is replaced when folding, never changed.
        twin.pending = self.pending.copy()
        twin._counts = [counts.copy() for counts in self._counts]  # noqa: SLF001 - of its own class
        return twin

    def total(self) -> float:
        """Return the sum of the folded values, exact for whole numbers and rounded once for others.

        Rounding keeps order, so a sum of values that are not negative never falls.
        """
        if not self._parts:
            return self._whole if self._whole <= sys.float_info.max else math.inf
        if not self._whole or math.isinf(self._parts[0]):
            return self._parts[0]
        try:
            return float(sum(map(Fraction, self._parts), Fraction(self._whole)))
        except OverflowError:
            return math.inf

    def buckets(self, bounds: Bounds) -> list[int]:
        """Return how many folded values fell in each bucket of `bounds`, the last one being above them all."""
        return self._counts[self._bounds.index(bounds)]

    @property
    def mean(self) -> float:
        """The mean of the folded values."""
        return self._mean

    @property
    def squared_deviations(self) -> float:
        """The sum of the folded values' squared deviations from their mean."""
        return max(self._deviations, 0.0)

"""Estimates how far a figure's level is from that of the runs before, in logarithms, with what is known of its noise.

A run's value differs from the level by noise between runs (the machine's day) and by noise within the run (its finite
pairs). With m runs before, whose values scatter by s and whose own standard errors have the mean square w²:

    between² = max(0, s² - w²)          variance of a run's true value; s alone counts where runs do not state an error
    shift    = mean of the new values - mean of the runs before
    error²   = between² f (1/k + 1/m) + w_new² + w²/m

k is the number of runs at the new level and w_new the standard error of their mean, which measuring again makes
smaller. f = (1 + phi)/(1 - phi) widens means of autocorrelated runs. The interval is Student's with m - 1 degrees of
freedom. With fewer than `ENOUGH` runs before, their scatter says nothing yet: the runs' own errors stand alone, and
the estimate says so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

__all__ = ["ENOUGH", "Level", "Value", "shift"]

ENOUGH = 8
# A ratio's interval is Student's, so the pairs behind it give its degrees of freedom; unknown pairs count as few.
_FEW_PAIRS = 5
_MOST_PHI = 0.9


def _quantile(share: float, freedom: float) -> float:
    """Return Student's quantile; scipy.special starts in a tenth of the time that scipy.stats takes."""
    return float(special.stdtrit(freedom, share))


@dataclass(frozen=True, slots=True)
class Value:
    """The logarithm of one run's figure, its standard error (None: not stated), and its pairs (0: unknown)."""

    log: float
    error: float | None
    pairs: int = 0

    @classmethod
    def of(cls, value: float, low: float | None, high: float | None, pairs: int) -> "Value":
        """Make it from a positive figure with its 95 % interval; one not positive or of no width is unknown."""
        if low is None or high is None or not 0 < low < high:
            return cls(math.log(value), None, pairs)
        quantile = _quantile(0.975, max(pairs or _FEW_PAIRS, 2) - 1)
        return cls(math.log(value), math.log(high / low) / 2 / quantile, pairs)


@dataclass(frozen=True, slots=True)
class Level:
    """How far the new level is from the old one, in logarithms; `error` None where nothing allows an interval.

    `within_only` tells that there were too few runs to know how much runs differ from one another.
    """

    shift: float
    error: float | None
    freedom: float
    within_only: bool

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return Student's two-sided interval at level `alpha`; unbounded without an error."""
        if self.error is None:
            return -math.inf, math.inf
        half = _quantile(1 - alpha / 2, self.freedom) * self.error
        return self.shift - half, self.shift + half

    def beyond(self, bound: float) -> float:
        """Return the one-sided p-value of "the shift is at most `bound`"."""
        if self.error is None:
            return 1.0
        if self.error == 0:
            return 0.0 if self.shift > bound else 1.0
        return float(special.stdtr(self.freedom, (bound - self.shift) / self.error))

    def detectable(self, alpha: float, power: float = 0.8) -> float:
        """Return the shift beyond a bound that is found with probability `power` at two-sided level `alpha`."""
        if self.error is None:
            return math.inf
        return (_quantile(1 - alpha / 2, self.freedom) + _quantile(power, self.freedom)) * self.error


def shift(before: Sequence[Value], now: Sequence[Value], again: Sequence[Value] = ()) -> Level:
    """Estimate the shift from the runs `before` to those `now`; `again` are re-measurements of the newest of them.

    Both `before` and `now` have at least one value; raises `ValueError` otherwise.
    """
    if not before or not now:
        raise ValueError("a shift needs at least one run on each side")
    newest = _mean([now[-1], *again])
    recent = [*now[:-1], newest]
    moved = _mean(recent).log - _mean(before).log
    within, within_new = _mean(before).error, _mean(recent).error
    if len(before) < ENOUGH:
        error = None if within is None or within_new is None else math.hypot(within, within_new)
        freedom = max(min(value.pairs or _FEW_PAIRS for value in (*before, *now)) - 1, 1)
        return Level(moved, error, freedom, within_only=True)
    between, stretch = _between(before)
    spread = between * stretch * (1 / len(recent) + 1 / len(before))
    error = math.sqrt(spread + (within_new or 0.0) ** 2 + (within or 0.0) ** 2)
    return Level(moved, error, len(before) - 1, within_only=False)


def _mean(values: Sequence[Value]) -> Value:
    """Return the plain mean; its error is unknown as soon as one value's is."""
    errors = [value.error for value in values if value.error is not None]
    known = len(errors) == len(values)
    error = math.sqrt(sum(error**2 for error in errors)) / len(values) if known else None
    return Value(math.fsum(value.log for value in values) / len(values), error)


def _between(before: Sequence[Value]) -> tuple[float, float]:
    """Return the variance between runs, and what autocorrelation multiplies the variance of their mean with."""
    logs = np.array([value.log for value in before])
    left = logs - logs.mean()
    total = float(left @ left) / (len(logs) - 1)
    stated = [value.error**2 for value in before if value.error is not None]
    between = max(0.0, total - float(np.mean(stated))) if len(stated) == len(before) else total
    square = float(left @ left)
    if square == 0:
        return between, 1.0
    # Kendall (1954): the estimate from n values is low by about (1 + 3 phi)/n.
    n = len(logs)
    raw = float(left[1:] @ left[:-1]) / square
    phi = min(max((raw * n + 1) / (n - 3), 0.0), _MOST_PHI)
    return between, (1 + phi) / (1 - phi)

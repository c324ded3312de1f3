"""Drift of a series over time: its slope with an interval that accounts for autocorrelation, and constant counts.

Neighbouring samples of a process are alike: memory keeps its level for minutes. So a series is first reduced to means
of `BATCHES` spans of equal length (batch means; Conway 1963), and a straight line is fitted to these by least squares.
What correlation is left between them is estimated from the residuals as that of neighbours, corrected for the bias that
fitting a line causes (Tanaka 1984), and reduces the number of means that count as independent to n·(1 - r)/(1 + r)
(Santer et al. 2000, Journal of Geophysical Research 105, 7337). The interval is Student's with that number.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

BATCHES = 20
# Fewer means than this leave no degrees of freedom worth an interval.
FEWEST = 8
# A correlation of neighbouring means above this leaves next to nothing that is independent.
MOST_CORRELATION = 0.9


@dataclass(frozen=True)
class Slope:
    """A slope in units of the values per unit of time, with its interval; without bounds where too little is known."""

    value: float
    low: float
    high: float
    samples: int

    def document(self) -> dict[str, Any]:
        """Return it as JSON values, in which an unknown bound is null."""
        return {
            "value": _finite(self.value),
            "low": _finite(self.low),
            "high": _finite(self.high),
            "samples": self.samples,
        }

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Slope":
        """Return the slope of a `document`."""
        value, low, high = (document[name] for name in ("value", "low", "high"))
        return cls(
            math.nan if value is None else value,
            -math.inf if low is None else low,
            math.inf if high is None else high,
            document["samples"],
        )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


class Verdict(StrEnum):
    """What a slope says."""

    FLAT = "flat"
    GROWS = "grows"
    UNDECIDED = "undecided"


def slope(times: Sequence[float], values: Sequence[float], confidence: float = 0.95, batches: int = BATCHES) -> Slope:
    """Return the slope of `values` over `times`, which are in order; see the module for the method.

    With fewer than `FEWEST` spans that hold a sample the interval is unbounded. Raises `ValueError` where the numbers
    of times and values differ or a value is not finite.
    """
    when, what = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if when.shape != what.shape or when.ndim != 1:
        raise ValueError(f"{when.shape} times do not fit {what.shape} values")
    if not (np.isfinite(when).all() and np.isfinite(what).all()):
        raise ValueError("a time or a value is not finite")
    x, y = batch_means(when, what, batches)
    spread = float(((x - x.mean()) ** 2).sum()) if x.size else 0.0
    if x.size < FEWEST or spread == 0:
        return Slope(math.nan, -math.inf, math.inf, when.size)
    # Numpy would return some 1e-17 for values that are all equal.
    line = 0.0 if np.ptp(y) == 0 else float(((x - x.mean()) * (y - y.mean())).sum() / spread)
    residuals = y - y.mean() - line * (x - x.mean())
    half = _half_width(residuals, spread, confidence)
    return Slope(line, line - half, line + half, when.size)


def batch_means(
    times: NDArray[np.float64], values: NDArray[np.float64], batches: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means of times and of values over `batches` equal spans; those without a sample are left out."""
    if not times.size or times[-1] <= times[0]:
        return times[:1], values[:1]
    places = np.minimum(((times - times[0]) / (times[-1] - times[0]) * batches).astype(np.int64), batches - 1)
    counts = np.bincount(places, minlength=batches)
    held = counts > 0
    means = [np.bincount(places, each, batches)[held] / counts[held] for each in (times, values)]
    return means[0], means[1]


def _half_width(residuals: NDArray[np.float64], spread: float, confidence: float) -> float:
    """Return half the interval of the slope, from what lies off the line and the spread of the times."""
    squares = float((residuals**2).sum())
    if squares <= 1e-24:
        return 0.0
    independent = residuals.size * (1 - (r := correlation(residuals))) / (1 + r)
    freedom = max(independent - 2, 1.0)
    quantile = float(scipy.stats.t.ppf(0.5 + confidence / 2, freedom))
    return quantile * math.sqrt(squares / freedom / spread)


def correlation(residuals: NDArray[np.float64]) -> float:
    """Return the correlation of neighbouring residuals of a straight line, without its bias; 0 to `MOST_CORRELATION`.

    Around a fitted line it comes out too small by (2 + 4r)/n on average (Tanaka 1984).
    """
    n, squares = residuals.size, float((residuals**2).sum())
    if n <= 4 or squares == 0:
        return 0.0
    raw = float((residuals[1:] * residuals[:-1]).sum()) / squares
    return min(max((n * raw + 2) / (n - 4), 0.0), MOST_CORRELATION)


def judge(drift: Slope, limit: float) -> Verdict:
    """Return the verdict on growth: the whole interval above zero is growth, and flat is one that ends below `limit`.

    An interval around zero that does not exclude `limit` decides nothing.
    """
    if drift.low > 0:
        return Verdict.GROWS
    return Verdict.FLAT if drift.high < limit else Verdict.UNDECIDED


def relative_slope(times: Sequence[float], values: Sequence[float]) -> Slope:
    """Return the change of positive `values` per unit of time as a share of them: 0.1 is a rise by a tenth.

    It is the slope of their logarithms; values that are not positive are left out.
    """
    pairs = [(when, math.log(value)) for when, value in zip(times, values, strict=True) if value > 0]
    drift = slope([when for when, _ in pairs], [value for _, value in pairs])
    return Slope(*(_raised(each) for each in (drift.value, drift.low, drift.high)), drift.samples)


def _raised(exponent: float) -> float:
    return math.inf if exponent > 700 else math.expm1(exponent)


def rises(drift: Slope, allowed: float) -> bool:
    """Return whether the whole interval of a relative slope lies above what is allowed."""
    return drift.low > allowed


def usual(values: Sequence[int]) -> list[int]:
    """Return the most frequent value of each third of a series, the smallest of equally frequent ones; none of none."""
    thirds = [part.tolist() for part in np.array_split(np.asarray(values, dtype=np.int64), 3)]
    return [min(Counter(part).items(), key=lambda each: (-each[1], each[0]))[0] for part in thirds if part]


def constant(values: Sequence[int]) -> bool:
    """Return whether the most frequent value is the same in each third of a series.

    A connection or a thread that is open for a moment is seen in single samples and no growth; one that is never closed
    stays in all samples that follow.
    """
    return len(set(usual(values))) <= 1

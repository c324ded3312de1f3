"""Statistical inference from pairs of processes: pure functions of a few dozen numbers, each with its source.

The sampling unit is the pair of fresh processes. Blocks of one pair share its memory layout, hash seed and load of the
machine, so they are not independent observations (treating them as such gave 40 % false alarms); all functions here
take one number for each pair.

Values have to be finite: a pair without a finite statistic is void, and its caller excludes and counts it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its submodules load on first use, so that reading a document does not wait for them

__all__ = [
    "Estimate",
    "binomial_interval",
    "bootstrap_interval",
    "minimal_detectable_effect",
    "power_of",
    "standard_deviation",
    "t_interval",
    "trimmed_mean",
]

_RESAMPLES = 4000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval: ``low <= value <= high``, in the unit of the values.

    For fewer than two values the interval is (-inf, inf); for none, `value` is NaN.
    """

    value: float
    low: float
    high: float
    count: int
    confidence: float

    @property
    def half_width(self) -> float:
        """Half the interval's length; inf when it is unbounded."""
        return (self.high - self.low) / 2

    @property
    def bounded(self) -> bool:
        """Whether both ends are finite."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def covers(self, point: float) -> bool:
        """Return whether `point` lies in the closed interval."""
        return self.low <= point <= self.high

    def exp(self) -> "Estimate":
        """Return the estimate of the ratio from this estimate of its logarithm."""
        return Estimate(_exp(self.value), _exp(self.low), _exp(self.high), self.count, self.confidence)


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _array(values: Sequence[float]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"one number for each pair is expected, not an array of shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("a value is not finite; leave void pairs out and count them")
    return array


def _level(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, not {value}")


def standard_deviation(values: Sequence[float]) -> float:
    """Return the sample standard deviation (divisor n - 1); NaN for fewer than two values."""
    array = _array(values)
    if array.size < 2:
        return math.nan
    # Numpy returns 1e-17 where all values are equal; callers test for a spread of exactly zero.
    return 0.0 if np.ptp(array) == 0 else float(array.std(ddof=1))


def t_interval(values: Sequence[float], confidence: float = 0.95, *, critical: float | None = None) -> Estimate:
    """Return the mean with Student's interval, mean ± t(1 - alpha/2; n - 1)·s/√n (Student 1908).

    `critical` replaces the quantile where the interval is corrected for several looks (see
    `harness.measure.sequential`). Values that are all equal give an interval of zero width.
    """
    array = _array(values)
    _level("confidence", confidence)
    if array.size < 2:
        value = float(array[0]) if array.size else math.nan
        return Estimate(value, -math.inf, math.inf, array.size, confidence)
    spread = standard_deviation(values)
    mean = float(array[0]) if spread == 0 else float(array.mean())
    quantile = scipy.stats.t.ppf(0.5 + confidence / 2, array.size - 1) if critical is None else critical
    half = float(quantile) * spread / math.sqrt(array.size) if spread else 0.0
    return Estimate(mean, mean - half, mean + half, array.size, confidence)


def bootstrap_interval(values: Sequence[float], confidence: float = 0.95, *, seed: int = 1) -> Estimate:
    """Return the mean with the bias-corrected accelerated bootstrap interval (Efron 1987), to check Student's interval.

    It does not assume a normal distribution, but is too short below about ten pairs; no verdict depends on it. Equal
    values and an equal `seed` give an equal interval.
    """
    array = _array(values)
    _level("confidence", confidence)
    if array.size < 2 or standard_deviation(values) == 0:
        return t_interval(values, confidence)
    interval = scipy.stats.bootstrap(
        (array,),
        np.mean,
        n_resamples=_RESAMPLES,
        confidence_level=confidence,
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(float(array.mean()), float(interval.low), float(interval.high), array.size, confidence)


def power_of(effect: float, spread: float, count: int, alpha: float = 0.05) -> float:
    """Return the power of a two-sided t test at level `alpha`, for `effect` and `count` pairs of deviation `spread`.

    The statistic follows a noncentral t with n - 1 degrees of freedom and noncentrality √n·effect/spread (Cohen 1988,
    chapter 2). The power of fewer than two pairs is 0.
    """
    _level("alpha", alpha)
    if count < 2 or math.isnan(spread):
        return 0.0
    if spread == 0:
        return 1.0 if effect else alpha
    return _power(math.sqrt(count) * abs(effect) / spread, count - 1, alpha)


def _power(noncentrality: float, freedom: int, alpha: float) -> float:
    quantile = scipy.stats.t.ppf(1 - alpha / 2, freedom)
    # nctdtr(df, nc, x); the far tail is lost to rounding and worth less than 1e-10 there.
    upper = 1 - scipy.special.nctdtr(freedom, noncentrality, quantile)
    lower = scipy.special.nctdtr(freedom, noncentrality, -quantile)
    return float(np.clip(upper + (0.0 if np.isnan(lower) else lower), 0, 1))


def minimal_detectable_effect(spread: float, count: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest effect that `count` pairs detect with probability `power` at two-sided level `alpha`.

    The effect has the unit of `spread`; it solves `power_of`. It is infinite for fewer than two pairs and 0 for zero
    spread. Raise `ValueError` where `power` is not above `alpha`.
    """
    _level("alpha", alpha)
    _level("power", power)
    if not power > alpha:
        raise ValueError(f"power {power} must exceed the level {alpha}")
    if count < 2 or math.isnan(spread):
        return math.inf
    if spread == 0:
        return 0.0
    high = float(scipy.stats.t.ppf(1 - alpha / 2, count - 1) + scipy.stats.t.ppf(power, count - 1)) * 2 + 4
    root = scipy.optimize.brentq(lambda noncentrality: _power(noncentrality, count - 1, alpha) - power, 0.0, high)
    return float(root) * spread / math.sqrt(count)


def binomial_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a proportion (Clopper and Pearson 1934); (0, 1) for no trials."""
    _level("confidence", confidence)
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials")
    if trials == 0:
        return 0.0, 1.0
    interval = scipy.stats.binomtest(successes, trials).proportion_ci(confidence_level=confidence, method="exact")
    return float(interval.low), float(interval.high)


def trimmed_mean(values: Sequence[float], share: float = 0.2) -> float:
    """Return the mean without the lowest and highest `share` of the values (Tukey and McLaughlin 1963).

    ``floor(share·n)`` values are removed at each end. NaN for no values.
    """
    array = _array(values)
    if not 0 <= share < 0.5:
        raise ValueError(f"the share trimmed at each end must lie in [0, 0.5), not {share}")
    if array.size == 0:
        return math.nan
    cut = int(share * array.size)
    return float(np.sort(array)[cut : array.size - cut].mean())

r"""Estimate of a figure's shift from the runs before, in logarithms, with its standard error.

The runs before have values x[1] to x[m] at one level, with first-order autoregressive noise: slow days of a machine
come in sequences. The new value is one run or the mean of several.

One new run y is compared with the prediction for it from the runs before, by the regression of each run on the one
before it, x[t] = a + b x[t-1] + e[t], with n = m - 1 such steps:

    shift  = y - (a + b x[m])
    error² = s² (1 + 1/n + (x[m] - mean)² / sum of (x[t-1] - mean)²) + w_new² - w²      Student, n - 2 degrees

The mean of k new runs, which a change point has separated, is compared with the mean of those before. The variance of a
mean of k runs of variance sigma² and autocorrelation phi is sigma² v(k), and two means of neighbouring runs have the
covariance sigma² c(m, k):

    v(k)    = 1/k (1 + 2 sum over j from 1 to k - 1 of (1 - j/k) phi^j)
    c(m, k) = 1/(m k) sum over i from 1 to m, j from 1 to k, of phi^(i + j - 1)
    sigma²  = (squares about both means) / (m (1 - v(m)) + k (1 - v(k)))
    error²  = sigma² (v(m) + v(k) - 2 c(m, k)) + (w_new² - w²)/k

with Student's (m + k)(1 - phi²)/(1 + phi²) - 2 degrees of freedom, at least 2: autocorrelated runs carry less
information.

w² is the median square of the standard errors that the runs before state for themselves, w_new² the mean square of the
new ones', which repeated measurement makes smaller. Neither error² is less than half of its value from the scatter of
the runs alone, nor than the new runs' own: stated errors may be wrong, the scatter is not. The intervals' coverage is
simulated in `benchmarks/method/check_rates.py`. With fewer than `ENOUGH` runs before, the differences between runs are
not known, and no interval is given.

Prediction by regression on the past: Box and Jenkins (1970); the mean of autocorrelated values: Bartlett (1946); phi
estimated with the correction of Kendall (1954); the degrees of freedom: Bayley and Hammersley (1946).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["ENOUGH", "MACHINES", "Level", "Value", "across", "mean_of", "shift", "since"]

ENOUGH = 8
# So many machines show how much machines differ.
MACHINES = 3
# A ratio's interval is Student's, so the pairs behind it give its degrees of freedom; unknown pairs count as few.
_FEW_PAIRS = 5
_MOST_PHI = 0.95

Floats = NDArray[np.float64]


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
        """Create it from a positive figure with its 95 % interval; one not positive or of no width is unknown."""
        if low is None or high is None or not 0 < low < high:
            return cls(math.log(value), None, pairs)
        quantile = _quantile(0.975, max(pairs or _FEW_PAIRS, 2) - 1)
        return cls(math.log(value), math.log(high / low) / 2 / quantile, pairs)


@dataclass(frozen=True, slots=True)
class Level:
    """The shift of the new runs from the old level, in logarithms; `error` is None where no interval is possible."""

    shift: float
    error: float | None = None
    freedom: float = 1.0

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

    def below(self, bound: float) -> float:
        """Return the one-sided p-value of "the shift is at least `bound`"."""
        return 1.0 if self.error is None else 1 - self.beyond(bound)

    def detectable(self, alpha: float, power: float = 0.8) -> float:
        """Return the shift beyond a bound that is found with probability `power` at two-sided level `alpha`."""
        if self.error is None:
            return math.inf
        return (_quantile(1 - alpha / 2, self.freedom) + _quantile(power, self.freedom)) * self.error


def mean_of(values: Sequence[Value]) -> Value:
    """Return the plain mean; its error is unknown if one value's is."""
    errors = [value.error for value in values if value.error is not None]
    known = len(errors) == len(values)
    error = math.sqrt(sum(error**2 for error in errors)) / len(values) if known else None
    return Value(math.fsum(value.log for value in values) / len(values), error)


def shift(before: Sequence[Value], now: Sequence[Value]) -> Level:
    """Estimate the shift from the runs `before` to those `now`, which follow them.

    Without an interval where there are fewer than `ENOUGH` runs before. Raises `ValueError` when one of them is empty.
    """
    if not before or not now:
        raise ValueError("a shift needs at least one run on each side")
    if len(before) < ENOUGH:
        return Level(mean_of(now).log - mean_of(before).log)
    return _predicted(before, now[0]) if len(now) == 1 else _means(before, now)


def since(baseline: Value, now: Value, scatter: Sequence[Value]) -> Level:
    """Estimate the shift from one run to another; the differences between runs are taken from the runs of `scatter`.

    The two may lie far apart, so they count as independent.
    """
    moved = now.log - baseline.log
    if len(scatter) < ENOUGH:
        return Level(moved)
    logs = _logs(scatter)
    variance = _variance(_phi(logs), logs)
    error = _error(2 * variance, scatter, [now])
    return Level(moved, error, len(scatter) - 1)


def across(machines: Sequence[Sequence[Value]], now: Value) -> Level:
    """Estimate the shift of a run on a new machine from the means of other machines' runs.

    With M machines whose means scatter by s, and runs of one machine that scatter by r about its mean,
    error² = s² (1 + 1/M) + r², Student with M - 1 degrees of freedom: a prediction for a machine drawn like the others.
    Without an interval for fewer than `MACHINES` machines. Raises `ValueError` without any run.
    """
    means = np.array([mean_of(values).log for values in machines if values])
    if not means.size:
        raise ValueError("a shift needs at least one run on each side")
    moved = now.log - float(means.mean())
    if len(means) < MACHINES:
        return Level(moved)
    freedom = sum(len(values) - 1 for values in machines if values)
    squares = sum(float(np.var(_logs(values))) * len(values) for values in machines if values)
    runs = squares / freedom if freedom else (now.error or 0.0) ** 2
    between = float(means.var(ddof=1)) * (1 + 1 / len(means))
    return Level(moved, math.sqrt(between + runs), len(means) - 1)


def _logs(values: Sequence[Value]) -> Floats:
    return np.array([value.log for value in values])


def _predicted(before: Sequence[Value], now: Value) -> Level:
    x = _logs(before)
    past, following = x[:-1], x[1:]
    n, mean = len(past), float(past.mean())
    spread = float(((past - mean) ** 2).sum())
    slope = float(((past - mean) * following).sum()) / spread if spread > 0 else 0.0
    last = x[-1] - mean
    left = following - following.mean() - slope * (past - mean)
    innovation = float(left @ left) / (n - 2)
    variance = innovation * (1 + 1 / n + (last * last / spread if spread > 0 else 0.0))
    error = _error(variance, before, [now])
    return Level(now.log - float(following.mean() + slope * last), error, n - 2)


def _means(before: Sequence[Value], now: Sequence[Value]) -> Level:
    old, new = _logs(before), _logs(now)
    m, k, n = len(old), len(new), len(old) + len(new)
    phi = _phi(old, new)
    joint = float((phi ** np.add.outer(np.arange(m), np.arange(1, k + 1))).sum()) / (m * k)
    share = _of_mean(m, phi) + _of_mean(k, phi) - 2 * joint
    error = _error(_variance(phi, old, new) * share, before, now)
    freedom = max(n * (1 - phi * phi) / (1 + phi * phi) - 2, 2.0)
    return Level(float(new.mean() - old.mean()), error, freedom)


def _error(variance: float, before: Sequence[Value], now: Sequence[Value]) -> float:
    """Return the error of the mean of the new runs, given its variance from the scatter of all."""
    old, new = _squared(before), _squared(now)
    stated = math.fsum(new) / len(new) / len(now) if new else 0.0
    more = stated - float(np.median(old)) / len(now) if old and new else 0.0
    return math.sqrt(max(variance + more, variance / 2, stated))


def _squared(values: Sequence[Value]) -> list[float]:
    """Return the squares of the values' own errors; empty when one of them is unknown."""
    squares = [value.error**2 for value in values if value.error is not None]
    return squares if len(squares) == len(values) else []


def _phi(*levels: Floats) -> float:
    """Return the autocorrelation of neighbouring runs about the mean of each level, from 0 to 0.95."""
    left = [logs - logs.mean() for logs in levels]
    square, n, means = _squares(*levels), sum(map(len, levels)), len(levels)
    if square == 0:
        return 0.0
    # Kendall (1954): about one mean, the estimate from n values is low by about (1 + 3 phi)/n.
    raw = sum(float(each[1:] @ each[:-1]) for each in left) / square
    return min(max((raw * n + means) / (n - 3 * means), 0.0), _MOST_PHI)


def _squares(*levels: Floats) -> float:
    return sum(float(((logs - logs.mean()) ** 2).sum()) for logs in levels)


def _of_mean(count: int, phi: float) -> float:
    """Return the variance of a mean of `count` neighbouring runs, in units of one run's."""
    lags = np.arange(1, count)
    return float(1 + 2 * ((1 - lags / count) * phi**lags).sum()) / count


def _variance(phi: float, *levels: Floats) -> float:
    """Return the variance of one run; the sum of squares about the mean of autocorrelated runs is low."""
    return _squares(*levels) / sum(len(logs) * (1 - _of_mean(len(logs), phi)) for logs in levels if len(logs) > 1)

r"""Change points of a series of runs, detected against its own, possibly autocorrelated, noise.

The model is a level plus first-order autoregressive noise, x[t] = level[t] + u[t], u[t] = phi u[t-1] + e[t]. For each
position k from which the level could have stepped, or begun to drift, the exact Gaussian likelihood ratio against "no
change" is computed with phi estimated anew on both sides (a step that is left in the noise looks like autocorrelation,
and would hide itself):

    score = (n - 4)/n * 2 (max over k, phi of log L(change at k) - max over phi of log L(no change))

    ......                          ..../
          \.......  step at k   ....      drift from k on
          k                     k

Its null distribution is not chi-squared: k is searched for, and n is small. The threshold is therefore simulated
(`benchmarks/method/detector_rates.py --calibrate`): base(n) + 8 phi², phi as estimated beside the change, which keeps
the share of flagged unchanged series at or under 5 % for every phi from 0 to 0.8 tried. There are two bases: for a
single look at a whole series, and, stricter, for a look after each of 100 runs.

Exact likelihood of AR(1) errors: Prais and Winsten (1954); change-point search by likelihood ratio: Quandt (1960),
Andrews (1993); several changes by binary segmentation: Vostrikova (1981).
"""

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["MIN_RUNS", "ChangePoint", "Kind", "change_points", "scan", "tamed", "thresholds"]

# A change needs this many runs before it and from it on; one slow run alone can then never be a change.
BEFORE = 5
AFTER = 3
MIN_RUNS = 10

_PHIS = tuple(round(0.1 * i, 1) for i in range(10))
_PHI_WEIGHT = 8.0
# Simulated: series length, and the base when looked at once.
_LENGTHS = (10, 12, 15, 20, 30, 45, 60, 100, 200, 400, 1000, 10000)
_ONCE = (8.0, 9.2, 10.1, 11.4, 11.4, 10.9, 10.7, 10.2, 10.7, 10.7, 11.2, 12.5)
# Added when a series is looked at after each of 100 runs.
_EVERY_RUN = 6.8
# A run further than this many deviations from its neighbours is left out; Gaussian noise hardly notices.
_TAME = 4.0
# Logs of ratios that differ by less than this differ by rounding only.
_ROUNDING = 1e-9

Floats = NDArray[np.float64]


class Kind(Enum):
    """The kind of a change of level."""

    STEP = "step"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The level changed at run `index` (from 0), the first run that is different.

    `shift` is the change of level in the unit of the series (up to the last run for a drift), `error` its standard
    error, `phi` the autocorrelation and `sigma` the marginal standard deviation of the noise around the levels. `score`
    exceeds `threshold`; it is `lasting` when it also exceeds the threshold for series examined after every run.
    """

    index: int
    kind: Kind
    score: float
    threshold: float
    lasting: bool
    shift: float
    error: float
    phi: float
    sigma: float


@dataclass(frozen=True, slots=True)
class Scan:
    """The best change for each series (rows) and each prefix (columns): score, position, and estimated noise."""

    score: Floats
    place: NDArray[np.int64]
    drift: NDArray[np.bool_]
    phi: Floats


@dataclass(frozen=True, slots=True)
class _Whitened:
    """Sums of one series set whitened by one phi, from which every fit is a closed form."""

    phi: float
    values: Floats  # series x runs
    sums: Floats  # series x (runs + 1), cumulative
    weighted: Floats  # the same of t * value
    squares: Floats  # the same of value²

    @classmethod
    def of(cls, series: Floats, phi: float) -> "_Whitened":
        y = np.empty_like(series)
        y[:, 0] = np.sqrt(1 - phi * phi) * series[:, 0]
        y[:, 1:] = series[:, 1:] - phi * series[:, :-1]
        return cls(phi, y, _cumulative(y), _cumulative(y * np.arange(y.shape[1])), _cumulative(y * y))

    def constant(self, ends: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        """Return the constant's own square (prefixes), its product with the series, and the residual sum of squares."""
        q = 1 - self.phi
        own = np.asarray((1 - self.phi**2) + (ends - 1) * q * q, dtype=np.float64)
        first = self.values[:, :1]
        product = np.sqrt(1 - self.phi**2) * first + q * (self.sums[:, ends] - first)
        residual: Floats = self.squares[:, ends] - product**2 / own
        return own, product, residual

    def step(self, ends: NDArray[np.int64], places: NDArray[np.int64], runs: Floats) -> tuple[Floats, Floats, Floats]:
        """Return a step's square, its product with the constant (prefixes x places), and with the series."""
        q = 1 - self.phi
        after = self.sums[:, ends][:, :, None] - self.sums[:, None, places + 1]
        return 1 + q * q * (runs - 1), q + q * q * (runs - 1), self.values[:, None, places] + q * after

    def drift(self, ends: NDArray[np.int64], places: NDArray[np.int64], runs: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the same for a ramp that is 1 at its place and grows by 1 a run to the end."""
        phi, q = self.phi, 1 - self.phi
        total = self.sums[:, ends][:, :, None] - self.sums[:, None, places]
        moment = self.weighted[:, ends][:, :, None] - self.weighted[:, None, places]
        own = q * q * runs * (runs + 1) * (2 * runs + 1) / 6 + q * phi * runs * (runs + 1) + phi * phi * runs
        return own, q * (q * runs * (runs + 1) / 2 + phi * runs), q * (moment - (places - 1) * total) + phi * total


def _cumulative(values: Floats) -> Floats:
    return np.concatenate([np.zeros((len(values), 1)), values.cumsum(axis=1)], axis=1)


def scan(series: ArrayLike, ends: ArrayLike | None = None) -> Scan:
    """Score the best change in each prefix of each series.

    `series` is series x runs, all finite; `ends` are the prefix lengths to examine, each at least `MIN_RUNS` (default:
    the whole). Raises `ValueError` for shorter ones.
    """
    x = np.atleast_2d(np.asarray(series, dtype=float))
    stops = np.atleast_1d(np.asarray(x.shape[1] if ends is None else ends, dtype=np.int64))
    if stops.size and not MIN_RUNS <= stops.min() <= stops.max() <= x.shape[1]:
        msg = f"a prefix has {MIN_RUNS} to {x.shape[1]} runs, not {stops.min()} to {stops.max()}"
        raise ValueError(msg)
    x = x - x[:, :BEFORE].mean(axis=1, keepdims=True)
    places = np.arange(BEFORE, x.shape[1] - AFTER + 1)
    allowed = places <= stops[:, None] - AFTER
    runs = np.where(allowed, stops[:, None] - places, 1).astype(float)
    unchanged = np.full((len(x), len(stops)), -np.inf)
    best = np.full((2, len(x), len(stops), len(places)), -np.inf)
    phis = np.zeros(best.shape)
    # Noise below rounding is none at all; without a floor a constant series would divide by zero.
    floor = stops * _ROUNDING**2
    for phi in _PHIS:
        white = _Whitened.of(x, phi)
        own, product, residual = white.constant(stops)
        prior = np.log(1 - phi * phi)
        unchanged = np.maximum(unchanged, prior - stops * np.log(residual + floor))
        for likelihood, chosen, shape in zip(best, phis, (white.step, white.drift), strict=True):
            square, cross, with_series = shape(stops, places, runs)
            gain = (with_series - cross * (product / own)[:, :, None]) ** 2 / (square - cross**2 / own[:, None])
            left = np.maximum(residual[:, :, None] - gain, 0) + floor[:, None]
            value = prior - stops[:, None] * np.log(left)
            better = value > likelihood
            likelihood[better] = value[better]
            chosen[better] = phi
    return _pick(best, phis, unchanged, allowed, places, stops)


def _pick(
    best: Floats,
    phis: Floats,
    unchanged: Floats,
    allowed: NDArray[np.bool_],
    places: NDArray[np.int64],
    stops: NDArray[np.int64],
) -> Scan:
    """Choose, for each series and prefix, the position and kind with the greatest likelihood."""
    best = np.where(allowed, best, -np.inf)
    where = best.argmax(axis=3)
    top = np.take_along_axis(best, where[..., None], axis=3)[..., 0]
    phi = np.take_along_axis(phis, where[..., None], axis=3)[..., 0]
    drift = top[1] > top[0]
    # Small series: the factor keeps the threshold nearly flat in n (simulated, not derived).
    score = (top.max(axis=0) - unchanged) * (stops - 4) / stops
    return Scan(score, places[np.where(drift, where[1], where[0])], drift, np.where(drift, phi[1], phi[0]))


def thresholds(runs: ArrayLike, phi: ArrayLike) -> tuple[Floats, Floats]:
    """Return the thresholds of a score for a single look at a series, and for a look after every run."""
    n, weight = np.log(np.asarray(runs, dtype=float)), _PHI_WEIGHT * np.asarray(phi, dtype=float) ** 2
    known = np.log(_LENGTHS)
    once: Floats = np.interp(n, known, _ONCE) + weight
    return once, once + _EVERY_RUN


def change_points(values: ArrayLike) -> tuple[ChangePoint, ...]:
    """Find all changes in one series of runs, oldest first; runs that are not finite are ignored.

    Of a series of 100 unchanged runs at most 5 % are given any change point in a single look, and at most 5 % are ever
    given a `lasting` one in looks after each run. Fewer than `MIN_RUNS` runs have none.
    """
    x = np.asarray(values, dtype=float)
    stored = np.flatnonzero(np.isfinite(x))
    result: list[ChangePoint] = []
    # Segments still to look at: where they start, and their values (less any drift already found in them).
    waiting = [(0, tamed(x[stored]))]
    while waiting:
        start, segment = waiting.pop()
        change = _change_in(segment)
        if change is None:
            continue
        result.append(replace(change, index=int(stored[start + change.index])))
        rest = segment[change.index :]
        if change.kind is Kind.DRIFT:
            rest = rest - change.shift * np.arange(1, len(rest) + 1) / len(rest)
        waiting += [(start, segment[: change.index]), (start + change.index, rest)]
    return tuple(sorted(result, key=lambda change: change.index))


def tamed(values: Floats) -> Floats:
    """Replace single runs far from the median of the five around them (Hampel 1974); three runs form a level."""
    n = len(values)
    if n < MIN_RUNS:
        return values
    starts = np.clip(np.arange(n) - 2, 0, n - 5)
    medians = np.median(np.lib.stride_tricks.sliding_window_view(values, 5), axis=1)[starts]
    away = values - medians
    # 1.4826 makes the median absolute deviation a standard deviation for Gaussian noise.
    reach = _TAME * 1.4826 * float(np.median(np.abs(away[away != 0]))) if away.any() else 0.0
    without: Floats = np.where(np.abs(away) > reach, medians, values)
    return without


def _change_in(segment: Floats) -> ChangePoint | None:
    if len(segment) < MIN_RUNS or np.ptp(segment) < _ROUNDING:
        return None
    result = scan(segment)
    score, place, phi = float(result.score[0, 0]), int(result.place[0, 0]), float(result.phi[0, 0])
    once, every_run = (float(threshold) for threshold in thresholds(len(segment), phi))
    if score <= once:
        return None
    kind = Kind.DRIFT if result.drift[0, 0] else Kind.STEP
    shift, error, sigma = _fit(segment, place, kind, phi)
    return ChangePoint(place, kind, score, once, score > every_run, shift, error, phi, sigma)


def _fit(segment: Floats, place: int, kind: Kind, phi: float) -> tuple[float, float, float]:
    """Return the shift, its standard error and the noise's marginal deviation, by generalised least squares."""
    n = len(segment)
    runs = np.maximum(np.arange(n) - place + 1, 0)
    shape = (runs > 0).astype(float) if kind is Kind.STEP else runs / (n - place)
    rows = np.stack([segment, np.ones(n), shape])
    rows = _Whitened.of(rows, phi).values
    y, design = rows[0], rows[1:].T
    coefficients, *_ = np.linalg.lstsq(design, y)
    left = y - design @ coefficients
    variance = float(left @ left) / (n - 4)
    covariance = np.linalg.inv(design.T @ design) * variance
    return float(coefficients[1]), float(np.sqrt(covariance[1, 1])), float(np.sqrt(variance / (1 - phi * phi)))

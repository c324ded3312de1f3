"""Prints the simulated error rates of the change detector, with exact binomial intervals.

    python benchmarks/method/detector_rates.py                 the tables of docs/history.md, about 40 minutes
    python benchmarks/method/detector_rates.py --libraries     the same rates of ruptures, apache-otava and fastcpd
    python benchmarks/method/detector_rates.py --calibrate     the source of the thresholds of change_points.py

Every rate is that of `change_points()` itself, which removes outliers first, on series as long as the horizon of
verdicts. Whether a look has any change is computed for many series at once, by the score of that function; the function
is called where there is one. Noise is Gaussian AR(1) unless the row states another; sigma is its marginal standard
deviation, as visible in a plot. Seeds are fixed, so that every run prints the same figures.
"""

import argparse
import importlib
import platform
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.method.noise import PHIS, Series, ar1
from harness.history.checking import change_points as detect
from harness.history.checking.cases import HORIZON
from harness.measure.stats import binomial_interval

_BATCH = 50


def share(hits: int, trials: int) -> str:
    """Return a share with its 95 % interval."""
    low, high = binomial_interval(hits, trials)
    return f"{hits / trials:6.1%}  [{low:5.1%}, {high:6.1%}]"


@dataclass(frozen=True)
class Looks:
    """The results of `change_points()` for series at several looks: any change, and a lasting one (series x looks)."""

    any: NDArray[np.bool_]
    lasting: NDArray[np.bool_]


def looked_at(series: Series, ends: Iterable[int], window: int = 10**9) -> Looks:
    """Look at the newest `window` runs of each series after each of the runs `ends`."""
    any_change, lasting = [], []
    for end in ends:
        visible = series[:, max(0, end - window) : end]
        flagged = np.concatenate([_flagged(batch) for batch in batches(visible)])
        any_change.append(flagged)
        sure = np.zeros(len(series), dtype=bool)
        for i in np.flatnonzero(flagged):
            sure[i] = any(change.lasting for change in detect.change_points(visible[i]))
        lasting.append(sure)
    return Looks(np.array(any_change).T, np.array(lasting).T)


def _flagged(batch: Series) -> NDArray[np.bool_]:
    tamed = np.array([detect.tamed(row) for row in batch])
    scan = detect.scan(tamed)
    threshold, _ = detect.thresholds(batch.shape[1], scan.phi[:, 0])
    return np.asarray(scan.score[:, 0] > threshold)


def unchanged(trials: int) -> Iterator[str]:
    """Yield the rates for series in which nothing changed."""
    for phi in (*PHIS, 0.9):
        series = ar1(np.random.default_rng([1, int(phi * 10)]), trials, HORIZON, phi)
        looks = looked_at(series, range(detect.MIN_RUNS, HORIZON + 1))
        for runs in (30, 100, HORIZON):
            last = runs - detect.MIN_RUNS
            what = f"unchanged, {runs} runs, phi {phi}"
            yield f"{what}: looked at once                 {share(int(looks.any[:, last].sum()), trials)}"
            yield f"{what}: any, at any of {last + 1} looks      {share(_ever(looks.any[:, : last + 1]), trials)}"
            yield f"{what}: lasting, at any of {last + 1} looks  {share(_ever(looks.lasting[:, : last + 1]), trials)}"
    for name, draw in UNUSUAL.items():
        series = draw(np.random.default_rng(5), trials)
        flagged = sum(bool(detect.change_points(row)) for row in series)
        yield f"unchanged, 100 runs, {name}: looked at once  {share(flagged, trials)}"


def _ever(looks: NDArray[np.bool_]) -> int:
    return int(looks.any(axis=1).sum())


def later(trials: int) -> Iterator[str]:
    """Yield the rate for runs beyond the horizon, of which a check uses the newest only."""
    for phi in PHIS:
        series = ar1(np.random.default_rng([8, int(phi * 10)]), trials, HORIZON + 100, phi)
        looks = looked_at(series, range(HORIZON + 1, HORIZON + 101), window=HORIZON + 1)
        what = f"unchanged, {HORIZON} runs and 100 more, phi {phi}"
        yield f"{what}: lasting, at any of the last 100 looks {share(_ever(looks.lasting), trials)}"


def _outliers(rng: np.random.Generator, trials: int) -> Series:
    return ar1(rng, trials, 100, 0) + 8 * (rng.random((trials, 100)) < 0.03)


UNUSUAL: dict[str, Callable[[np.random.Generator, int], Series]] = {
    "Student t with 4 degrees": lambda rng, trials: rng.standard_t(4, (trials, 100)),
    "lognormal, sigma 0.8": lambda rng, trials: rng.lognormal(0, 0.8, (trials, 100)),
    "3 % of runs 8 sigma slow": _outliers,
}


def steps(trials: int) -> Iterator[str]:
    """Yield the rates for steps, with up to ten runs after them."""
    for before, size in ((20, 3), (30, 2), (30, 3), (30, 5), (50, 3), (90, 3), (HORIZON - 10, 3)):
        for phi in PHIS:
            rng = np.random.default_rng([2, before, size, int(phi * 10)])
            series = ar1(rng, trials, before + 10, phi)
            series[:, before:] += size
            looks = looked_at(series, range(before + detect.AFTER, before + 11))
            what = f"step of {size} sigma after {before} runs, phi {phi}"
            yield f"{what}: found with 10 runs after it  {share(int(looks.any[:, -1].sum()), trials)}"
            yield f"{what}: lasting within 10 runs       {share(_ever(looks.lasting), trials)}"


def drifts(trials: int) -> Iterator[str]:
    """Yield the rates for a drift of 1 % a run over 20 runs."""
    for noise in (0.01, 0.02):
        for phi in PHIS:
            series = noise * ar1(np.random.default_rng([3, int(noise * 100), int(phi * 10)]), trials, 70, phi)
            series[:, 50:] += np.log(1.01) * np.arange(1, 21)
            looks = looked_at(series, range(50 + detect.AFTER, 71))
            what = f"drift of 1 % a run over 20 runs, noise {noise:.0%}, phi {phi}"
            yield f"{what}: found at its end  {share(int(looks.any[:, -1].sum()), trials)}"
            yield f"{what}: lasting by then   {share(_ever(looks.lasting), trials)}"


def calibrate(trials: int) -> Iterator[str]:
    """Yield the 95 % points of score - 8 phi², and the addition needed for looks after every run."""
    grid = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9)
    for runs in (10, 12, 15, 20, 30, 45, 60, 100, 200, 400, 1000):
        points = []
        for phi in grid:
            series = ar1(np.random.default_rng([4, runs]), trials, runs, phi)
            scans = [detect.scan(batch) for batch in batches(series)]
            points.append(np.quantile(np.concatenate([f.score[:, 0] - 8 * f.phi[:, 0] ** 2 for f in scans]), 0.95))
        yield f"base for {runs:4d} runs, phi {grid}: {np.round(points, 1)}"
    ends = np.arange(detect.MIN_RUNS, 101)
    for phi in grid:
        worst = []
        for batch in batches(ar1(np.random.default_rng([5, int(phi * 100)]), trials, 100, phi)):
            scan = detect.scan(batch, ends)
            worst.append((scan.score - detect.thresholds(ends, scan.phi)[0]).max(axis=1))
        yield f"added when looking after every run, phi {phi}: {np.quantile(np.concatenate(worst), 0.95):.2f}"


def batches(series: Series) -> list[Series]:
    """Divide series so that a scan of each fits in memory."""
    return np.array_split(series, max(1, len(series) // _BATCH))


def whitened(row: Series) -> Series:
    """Return the series without its lag-1 autocorrelation, for a detector of independent noise."""
    x = row - row.mean()
    phi = float(np.clip((x[1:] @ x[:-1]) / (x @ x), 0, 0.95))
    return x[1:] - phi * x[:-1]


def _ruptures(model: str, prepare: Callable[[Series], Series], **params: int) -> Callable[[Series], float]:
    ruptures = importlib.import_module("ruptures")

    def score(row: Series) -> float:
        signal = prepare(row) / row.std()
        search = ruptures.Binseg(model=model, min_size=5, jump=1, params=params or None).fit(signal)
        place, n = search.predict(n_bkps=1)[0], len(signal)
        parts = search.cost.error(0, place) + search.cost.error(place, n)
        return float(n * np.log(search.cost.error(0, n) / max(parts, 1e-12)))

    return score


def _otava() -> Callable[[Series], float]:
    analysis = importlib.import_module("otava.analysis")

    def finds(row: Series, level: float) -> bool:
        # It takes a list: an array's slices do not behave as it expects.
        return bool(analysis.compute_change_points(row.tolist(), window_len=50, max_pvalue=level)[0])

    def score(row: Series) -> float:
        # The strictest of these levels, as minus its decimal logarithm, at which it still detects a change.
        exponents = (14.0, 12.0, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0)
        return next((exponent for exponent in exponents if finds(row, 10**-exponent)), 0.0)

    return score


def _fastcpd() -> Callable[[Series], float]:
    segmentation = importlib.import_module("fastcpd.segmentation")

    def score(row: Series) -> float:
        # The greatest penalty at which it still detects a change, by bisection.
        low, high = 0.0, 60.0
        for _ in range(7):
            middle = (low + high) / 2
            changes = segmentation.ar(row - row.mean(), order=1, beta=middle, cost_adjustment="BIC").cp_set
            low, high = (middle, high) if len(changes) else (low, middle)
        return low

    return score


LIBRARIES: dict[str, Callable[[], Callable[[Series], float]]] = {
    "ruptures 'l2' on the raw series": lambda: _ruptures("l2", lambda row: row - row.mean()),
    "ruptures 'l2', whitened by lag 1": lambda: _ruptures("l2", whitened),
    "ruptures CostAR of order 1": lambda: _ruptures("ar", lambda row: row - row.mean(), order=1),
    "apache-otava": _otava,
    "fastcpd ar(1)": _fastcpd,
}


def libraries(trials: int) -> Iterator[str]:
    """Yield the power of other detectors, with thresholds at which they flag 5 % of unchanged AR(1) up to 0.8."""
    for name, make in LIBRARIES.items():
        try:
            score = make()
        except ImportError as error:
            yield f"{name}: not installed ({error})"
            continue
        try:
            yield from _calibrated(name, score, trials)
        except Exception as error:
            yield f"{name}: failed ({type(error).__name__}: {error})"


def _calibrated(name: str, score: Callable[[Series], float], trials: int) -> Iterator[str]:
    for before in (50, 90):
        null = {
            phi: np.array([score(row) for row in ar1(np.random.default_rng([6, before]), trials, before + 10, phi)])
            for phi in PHIS
        }
        threshold = max(float(np.quantile(scores, 0.95)) for scores in null.values())
        begin = time.perf_counter()
        for phi in PHIS:
            series = ar1(np.random.default_rng([7, before]), trials, before + 10, phi)
            series[:, before:] += 3
            hits = sum(score(row) > threshold for row in series)
            yield f"{name}, step after {before} runs, phi {phi}: {share(hits, trials)}"
        look_s = (time.perf_counter() - begin) / trials / len(PHIS)
        yield f"{name}, after {before} runs: threshold {threshold:.2f}, {look_s * 1e3:.1f} ms a look"


def main() -> None:
    """Print the requested rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--libraries", action="store_true")
    parser.add_argument("--calibrate", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    begin = time.perf_counter()
    print(f"{options.trials} series a row, 95 % intervals; Python {platform.python_version()}, numpy {np.__version__}")
    parts = (
        (calibrate,) if options.calibrate else (libraries,) if options.libraries else (unchanged, later, steps, drifts)
    )
    for part in parts:
        for line in part(options.trials):
            print(line, flush=True)
    print(f"{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()

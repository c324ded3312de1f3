"""Prints the error rates of `harness check` on simulated histories; `make check-rates`, about five minutes.

    python benchmarks/method/check_rates.py [--trials 2000] [--part coverage,machines,power,states]

coverage   share of intervals of a new run, or of the mean of several, that miss an unchanged level
machines   share of checks of unchanged code that end `regressed` in histories with a new machine every 20 runs
power      share of tenth runs called `regressed`, 5 % slower or unchanged
states     share of runs of an unchanged machine that are called unlike those before

A run's logarithm is the sum of a level, autoregressive noise between runs (`between`, its marginal standard deviation)
and the error of its own pairs (`within`, known). A repetition has the same noise between runs. Seeds are fixed, so that
every run prints the same figures.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.method.noise import PHIS, Series, ar1
from harness.history.checking.check import Decision, Question, check
from harness.history.checking.level import Value, shift
from harness.history.checking.likeness import limits_of
from harness.history.figures import Figure
from harness.history.index import FigurePoint, NewestRun, RunRow
from harness.history.processor import _deviation
from harness.measure.stats import binomial_interval

PAIRS = 30


def share(hits: int, trials: int) -> str:
    """Return a share with its 95 % interval."""
    low, high = binomial_interval(hits, trials)
    return f"{hits / trials:5.1%} [{low:.1%}, {high:.1%}]"


@dataclass
class Simulated:
    """A history in memory: for each run its machine and its figures."""

    runs: list[tuple[str, dict[str, Figure]]] = field(default_factory=list)

    def add(self, machine: str, logs: Sequence[float], within: float) -> None:
        """Add a run with one figure for each logarithm."""
        figures = {f"figure {i}": metric(f"figure {i}", log, within) for i, log in enumerate(logs)}
        self.runs.append((machine, figures))

    def rows(self, where: str = "", values: Sequence[object] = ()) -> list[RunRow]:
        """Not needed: runs are chosen by question."""
        raise NotImplementedError(where, values)

    def answers(self, kind: str) -> list[NewestRun]:
        """Return the newest run."""
        del kind
        return [NewestRun("", str(len(self.runs) - 1))]

    def metrics(self, run_id: str) -> list[Figure]:
        """Return the figures of one run."""
        return list(self.runs[int(run_id)][1].values())

    def points(self, key: str, newest: int | None = None, until: str | None = None) -> list[FigurePoint]:
        """Return one figure over time."""
        end = len(self.runs) if until is None else int(until) + 1
        first = 0 if newest is None else max(0, end - newest)
        return [
            FigurePoint(str(i), "", machine, figures[key])
            for i, (machine, figures) in enumerate(self.runs[first:end], first)
        ]


def metric(key: str, log: float, within: float) -> Figure:
    """Return a figure whose pairs state the error `within`."""
    half = 2.045 * within  # Student's quantile for 30 pairs
    ratio = math.exp(log)
    return Figure(
        key, "ns", ratio, ratio=ratio, ratio_low=math.exp(log - half), ratio_high=math.exp(log + half), pairs=PAIRS
    )


def coverage(trials: int) -> Iterator[str]:
    """Yield the share of intervals of nominal level 5 % that miss an unchanged level."""
    for before in (8, 9, 30, 100, 300):
        for now in (1, 3, 6):
            row = []
            for phi in PHIS:
                rng = np.random.default_rng([1, before, now, int(phi * 10)])
                runs = ar1(rng, trials, before + now, phi) + 0.5 * rng.standard_normal((trials, before + now))
                missed = sum(_misses(values, before) for values in runs)
                row.append(share(missed, trials))
            what = "one new run" if now == 1 else f"mean of {now} runs"
            yield f"{before:3} runs before, {what:14} missed at phi 0, 0.5, 0.8: {', '.join(row)}"


def _misses(values: Series, before: int) -> bool:
    runs = [Value(float(value), 0.5, PAIRS) for value in values]
    low, high = shift(runs[:before], runs[before:]).interval(0.05)
    return not low <= 0 <= high


def _again(day: Sequence[float], within: float, rng: np.random.Generator) -> Callable[..., list[Figure]]:
    """Return a function that repeats the measurement of a run, with the same noise between runs and new pairs."""

    def measure(_run: str, keys: Sequence[str]) -> list[Figure]:
        logs = {f"figure {i}": log for i, log in enumerate(day)}
        return [metric(key, logs[key] + within * rng.standard_normal(), within) for key in keys]

    return measure


def machines(trials: int) -> Iterator[str]:
    """Yield the share of checks that end regressed where only the machine changes, every 20 runs."""
    histories = max(1, trials // 100)
    for between_machines in (0.01, 0.03, 0.1):
        for phi in (0.0, 0.5):
            rng = np.random.default_rng([2, int(between_machines * 100), int(phi * 10)])
            counts = dict.fromkeys(Decision, 0)
            for _ in range(histories):
                for outcome in _moving(rng, between_machines, phi):
                    counts[outcome] += 1
            checks = sum(counts.values())
            yield (
                f"3 figures, machines differ by {between_machines:.0%}, phi {phi}: regressed "
                f"{share(counts[Decision.REGRESSED], checks)}, undecided {counts[Decision.UNDECIDED] / checks:.0%}, "
                f"pass {counts[Decision.PASS] / checks:.0%} of {checks} checks"
            )


def _moving(rng: np.random.Generator, between_machines: float, phi: float, moves: int = 8) -> Iterator[Decision]:
    """Check after each run of a history of 20 runs on each of `moves` machines, with three unchanged figures."""
    history = Simulated()
    for machine in range(moves):
        level = between_machines * rng.standard_normal(3)
        noise = 0.004 * ar1(rng, 3, 20, phi)
        for run in range(20):
            day = level + noise[:, run]
            history.add(f"machine {machine}", list(day + 0.003 * rng.standard_normal(3)), 0.003)
            if machine or run:
                yield check(history, Question(remeasure=_again(list(day), 0.003, rng))).outcome


def power(trials: int) -> Iterator[str]:
    """Yield the shares of runs that are 5 % slower, and of unchanged ones, called regressed at a tolerance of 3 %."""
    for before in (9, 30):
        for between, within in ((0.001, 0.002), (0.002, 0.002), (0.003, 0.002), (0.003, 0.004), (0.005, 0.003)):
            row = []
            for slower in (0.05, 0.0):
                rng = np.random.default_rng([3, before, int(between * 1e4), int(within * 1e4)])
                hits = sum(_tenth(rng, before, between, within, slower) is Decision.REGRESSED for _ in range(trials))
                row.append(share(hits, trials))
            noise = f"between {between:.1%}, within {within:.1%}"
            yield f"{before:3} runs before, {noise}: 5 % slower {row[0]}, unchanged {row[1]}"


def _tenth(rng: np.random.Generator, before: int, between: float, within: float, slower: float) -> Decision:
    history = Simulated()
    days = between * rng.standard_normal(before + 1)
    days[-1] += math.log1p(slower)
    for day in days:
        history.add("here", [day + within * rng.standard_normal()], within)
    return check(history, Question(remeasure=_again([days[-1]], within, rng))).outcome


def states(trials: int) -> Iterator[str]:
    """Yield the share of runs called unlike those before, on machines whose variation has not changed."""
    noises: dict[str, Callable[[np.random.Generator, int], Series]] = {
        "the control's speed varies by 2 %": lambda rng, runs: 0.02 * rng.standard_normal(runs),
        "by 20 %, phi 0.8": lambda rng, runs: 0.2 * ar1(rng, 1, runs, 0.8)[0],
        "now one speed, now twice that": lambda rng, runs: math.log(2) * rng.integers(0, 2, runs).astype(float),
        "one run in ten at half speed": lambda rng, runs: math.log(2) * (rng.random(runs) < 0.1),
    }
    for before in (9, 20):
        for what, draw in noises.items():
            rng = np.random.default_rng([4, before])
            unlike = sum(_unlike(rng, draw(rng, before + 1)) for _ in range(trials))
            yield f"{before:3} runs before, {what}: unlike {share(unlike, trials)}"


def _unlike(rng: np.random.Generator, speeds: Series) -> bool:
    runs = [
        replace(
            metric("x", 0.0, 0.003), base_per_line=500 * math.exp(speed), off_cpu=0.01 * float(rng.exponential()),
            spread=_deviation(0.016 * rng.standard_t(4, PAIRS)),
        )
        for speed in speeds
    ]  # fmt: skip
    return bool(limits_of(runs[:-1]).exceeded(runs[-1]))


PARTS = {"coverage": coverage, "machines": machines, "power": power, "states": states}


def main() -> int:
    """Print the requested parts; return 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--part", default=",".join(PARTS))
    options = parser.parse_args()
    begin = time.perf_counter()
    print(f"{options.trials} trials, shares with 95 % intervals")
    for name in options.part.split(","):
        for line in PARTS[name](options.trials):
            print(line, flush=True)
    print(f"{time.perf_counter() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Prints the simulated coverage of the interval of a sustained rate, with exact binomial intervals.

    python benchmarks/method/saturation_coverage.py                the table of docs/overhead.md, some four minutes
    python benchmarks/method/saturation_coverage.py --runs 100     the same with fewer searches a row

Each search is the real one, with simulated processes: each process has its own edge, log-normal around the true one
with the given spread, and any try also fails with the given probability. Seeds are fixed, so that every run prints the
same figures.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.measure.questions.saturation import Saturation, Search, Trial
from harness.measure.stats import binomial_interval
from harness.measure.subject import Subject

__all__ = ["ROWS", "Row", "Simulated", "coverage", "main"]

_CEILING = 100_000.0


@dataclass(slots=True)
class Simulated:
    """Simulated processes with known edges: `harness.measure.questions.saturation.Tries`.

    `spread` is the standard deviation of the processes' log-edge, with the tails of Student's t with three degrees of
    freedom where `heavy`. `false_failures` is the probability that a try fails at any rate. `spells` describe temporary
    slowdowns: the probability per try that one begins, the probability that it ends, and the share that it takes off
    every edge.
    """

    edge: float
    rng: np.random.Generator
    spread: float = 0.03
    false_failures: float = 0.05
    heavy: bool = False
    spells: tuple[float, float, float] = (0.0, 1.0, 0.0)
    slow: bool = field(default=False, init=False)

    def closed_loop(self) -> float:
        """Return a rate without a schedule, with the variation of a process."""
        return _CEILING * math.exp(self._deviation())

    def _deviation(self) -> float:
        begins, ends, share = self.spells
        self.slow = self.rng.random() < (1 - ends if self.slow else begins)
        drawn = self.rng.standard_t(3) / math.sqrt(3) if self.heavy else self.rng.standard_normal()
        return self.spread * float(drawn) + (math.log1p(-share) if self.slow else 0.0)

    def attempt(self, rate: float, seed: int) -> Trial:  # noqa: ARG002 - the protocol's signature
        """Return a try of a random process at `rate`."""
        sustained = math.log(rate) <= math.log(self.edge) + self._deviation()
        passed = sustained and self.rng.random() >= self.false_failures
        return Trial(rate=rate, achieved=rate, p99_ns=None, lag_p99_ns=None, sustained=passed)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: the properties of the processes, and the most tries of a search."""

    words: str
    tries: int = 12
    spread: float = 0.03
    false_failures: float = 0.05
    edges: tuple[float, float] = (0.6, 1.0)  # as a share of the ceiling
    heavy: bool = False
    spells: tuple[float, float, float] = (0.0, 1.0, 0.0)


ROWS = (
    Row("8 tries", tries=8),
    Row("12 tries"),
    Row("24 tries, or until within ±5 %", tries=24),
    Row("24 tries, processes differ by 1 %", tries=24, spread=0.01),
    Row("12 tries, processes differ by 10 %", spread=0.10),
    Row("24 tries, processes differ by 10 %", tries=24, spread=0.10),
    Row("24 tries, processes differ by 15 %", tries=24, spread=0.15),
    Row("12 tries, heavy tails", heavy=True),
    Row("12 tries, no false failure", false_failures=0.0),
    Row("12 tries, 10 % false failures", false_failures=0.10),
    Row("12 tries, edge at 10 to 50 % of the ceiling", edges=(0.1, 0.5)),
    Row("24 tries, a third of them in spells 25 % slower", tries=24, spells=(0.1, 0.2, 0.25)),
    Row("4 tries", tries=4),
)


@dataclass(slots=True)
class Coverage:
    """The results of searches: the numbers of intervals and of lower bounds, and of those that cover the edge."""

    intervals: int = 0
    covering: int = 0
    bounds: int = 0
    covering_bounds: int = 0
    half_widths: list[float] = field(default_factory=list)
    tries: list[int] = field(default_factory=list)

    def add(self, result: Saturation, edge: float) -> None:
        """Add the result of one search with its true `edge`."""
        self.tries.append(len(result.trials))
        if result.interval is not None:
            low, high = result.interval
            self.intervals += 1
            self.covering += low <= edge <= high
            self.half_widths.append((high / low) ** 0.5 - 1)
        if result.at_least is not None:
            self.bounds += 1
            self.covering_bounds += result.at_least <= edge


def coverage(row: Row, runs: int, seed: int = 1) -> Coverage:
    """Return the coverage of `runs` searches, each with another edge."""
    rng = np.random.default_rng([seed, ROWS.index(row) if row in ROWS else 99])
    total = Coverage()
    for run in range(runs):
        edge = _CEILING * float(rng.uniform(*row.edges))
        tries = Simulated(edge, rng, row.spread, row.false_failures, row.heavy, row.spells)
        search = Search(
            Subject(), tries, bound_ns=5_000_000, run_s=0.4, precision=0.05, most=row.tries, seed=seed * 10**6 + run
        )
        while not search.done:
            search.step()
        total.add(search.result(), edge)
    return total


def _line(row: Row, total: Coverage, runs: int) -> str:
    low, high = binomial_interval(total.covering, total.intervals)
    share = f"{total.covering / total.intervals:.1%} ({low:.1%} to {high:.1%})" if total.intervals else "–"
    width = f"±{np.median(total.half_widths):.1%}" if total.half_widths else "–"
    return " | ".join([
        "", row.words, f"{row.false_failures:.0%}", f"{row.spread:.0%}", f"{np.mean(total.tries):.1f}",
        f"{total.intervals / runs:.0%}", share, width, f"{total.covering_bounds / max(total.bounds, 1):.1%}", "",
    ]).strip()  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 1 where the coverage of an interval is significantly below 95 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="searches a row")
    runs = parser.parse_args(arguments).runs
    print("| searches | false failures | spread | tries made | with an interval | interval holds the edge (95 %) "
          "| half-width | ≥ holds |")  # fmt: skip
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    short = []
    for row in ROWS:
        total = coverage(row, runs)
        print(_line(row, total, runs), flush=True)
        # Spells last over several tries, which are then not independent: for information, without a guarantee.
        if not row.spells[0] and binomial_interval(total.covering, total.intervals)[1] < 0.95:
            short.append(row.words)
    if short:
        print(f"\ncovers less than 95 %: {'; '.join(short)}")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())

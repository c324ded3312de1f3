"""Whether a second whole run confirms the first: how many of its ratios lie where the first one predicts them.

The 95 % prediction interval for the mean of m further pairs, from n pairs whose log-ratios have the mean x and the
standard deviation s, is x ± t s sqrt(1/n + 1/m) with Student's t at n - 1 degrees of freedom (Hahn and Meeker,
Statistical Intervals, 1991, section 4.7). It allows for the scatter of pairs within a run and for nothing that changes
between runs, such as a slower machine: that it holds all the same is what is tried.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.stats import t as student

from harness.measure.questions.answer import Answer
from harness.measure.result import Experiment
from harness.measure.stats import binomial_interval

__all__ = ["Compared", "Replication", "predicted", "replication"]

# The trials of the self-test are one experiment many times over, and its rates are shown of their own.
_PARTS = ("table", "ladder", "laws:series", "laws:views", "laws:tags", "laws:buckets", "laws:threads")


@dataclass(frozen=True, slots=True)
class Compared:
    """One ratio in both runs: the first one's estimate, where it predicts the second's, and the second's."""

    part: str
    head: str
    factors: tuple[tuple[str, object], ...]
    first: float
    low: float
    high: float
    second: float

    @property
    def inside(self) -> bool:
        """Whether the second estimate lies within the prediction interval."""
        return self.low <= self.second <= self.high


@dataclass(frozen=True, slots=True)
class Replication:
    """All ratios that both runs have, void ones left out."""

    compared: tuple[Compared, ...]
    left_out: int

    @property
    def inside(self) -> int:
        """How many of the second run's estimates lie within the first's prediction interval."""
        return sum(each.inside for each in self.compared)

    @property
    def share_interval(self) -> tuple[float, float]:
        """The exact 95 % interval of their share, as if the ratios were independent."""
        return binomial_interval(self.inside, len(self.compared))


def replication(first: Answer, second: Answer) -> Replication:
    """Compare two runs by ratios of wall time with the same part, sides and conditions in both."""
    earlier = dict(_experiments(first))
    compared, left_out = [], 0
    for key, now in _experiments(second):
        if (before := earlier.get(key)) is None:
            continue
        ratio = _compared(key, before, now)
        left_out += ratio is None
        compared += [] if ratio is None else [ratio]
    return Replication(tuple(compared), left_out)


_Key = tuple[str, str, str, tuple[tuple[str, object], ...], tuple[tuple[str, object], ...]]


def _experiments(outcome: Answer) -> Iterator[tuple[_Key, Experiment]]:
    for name in _PARTS:
        document = outcome.part(name)
        for each in document.experiments if document is not None else ():
            if each.axis == "wall_ns":
                conditions = tuple(sorted(each.factors.items())), tuple(sorted(each.base_factors.items()))
                yield (name, each.base, each.head, *conditions), each


def _compared(key: _Key, before: Experiment, now: Experiment) -> Compared | None:
    """Return both estimates; None where one is void or has too few pairs."""
    logs, later = ([pair.log_ratio for pair in each.raw_pairs if not pair.void] for each in (before, now))
    if "void" in (before.verdict, now.verdict) or len(logs) < 2 or not later:
        return None
    low, high = predicted(logs, len(later))
    part, _, head, factors, _ = key
    return Compared(part, head, factors, math.exp(fmean(logs)), math.exp(low), math.exp(high), math.exp(fmean(later)))


def predicted(values: Sequence[float], count: int) -> tuple[float, float]:
    """Return the 95 % prediction interval for the mean of `count` further values; needs two values."""
    critical = float(student.ppf(0.975, len(values) - 1))
    half = critical * stdev(values) * math.sqrt(1 / len(values) + 1 / count)
    return fmean(values) - half, fmean(values) + half

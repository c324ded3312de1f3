"""The edge: the rate at which half of the tries fail, with its interval, where some tries fail whatever the rate.

The probability that a try at rate r passes is modelled as (1 - lapse)·Φ((ln edge - ln r) / spread): fresh processes
differ in speed by `spread`, and a share `lapse` of the tries fails at any rate, because of other load on the machine.
This is the psychometric function with lapses (Wichmann and Hill 2001, equation 1). Neither `spread` nor `lapse` is
known: the posterior of all three is computed on a grid, and the distribution of the edge is its marginal (Prins 2013).
Rates are chosen adaptively, as in QUEST (Watson and Pelli 1983): a quartile of the edge's distribution, drawn at
random, since tries at a single rate would not determine the spread.

benchmarks/method/saturation_coverage.py simulates how often the interval covers the true edge.
"""

import math
import random
from dataclasses import dataclass

import numpy as np
import scipy  # its submodules load on first use, so that reading a document does not wait for them
from numpy.typing import NDArray

from harness.errors import UsageError

__all__ = ["CONFIDENCE", "FEWEST_TRIES", "Edge", "EdgeEstimate", "preferred_rate"]

CONFIDENCE = 0.95
# With fewer tries the prior outweighs them.
FEWEST_TRIES = 4
# An interval wider than this (high end over low end) is reported as a bound instead.
_WIDEST = 1.5
# Rates are 96 to a decade, 2.4 % apart, so that the same rates recur.
_TO_A_DECADE = 96
_STEP = 0.005
_LOWEST, _HIGHEST = math.log(1 / 64), math.log(4.0)
# The prior of spread and lapse: processes differ by some percent, by more on a shared machine, and lapses are rare.
# With these weights the interval covers the edge 95 times in 100 up to a spread of 15 %, at the price of being wider
# than necessary where processes are alike. The edge is near the ceiling with probability 0.8, else anywhere on the
# grid.
_SPREADS = np.array([0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32])
_SPREAD_WEIGHTS = np.array([0.5, 0.7, 1.0, 1.3, 1.6, 1.6, 1.2])
_LAPSES = np.array([0.0, 0.02, 0.05, 0.1, 0.2])
_LAPSE_WEIGHTS = (1 - _LAPSES) ** 12
_NEAR_SHARE, _NEAR_CENTRE, _NEAR_WIDTH = 0.8, -0.1, 0.25
_QUARTILES = (0.25, 0.5, 0.75)

Floats = NDArray[np.float64]


def preferred_rate(rate: float) -> float:
    """Return the nearest rate of a series with 96 steps to a decade, in three significant digits (IEC 60063, E96)."""
    place = round(math.log10(rate) * _TO_A_DECADE)
    decade, step = divmod(place, _TO_A_DECADE)
    return float(f"{10 ** (step / _TO_A_DECADE):.2f}e{decade}")


@dataclass(frozen=True, slots=True)
class EdgeEstimate:
    """The estimate of the edge from the tries, rates in lines per second.

    `value` is the median of the edge's distribution and `interval` contains the edge with 95 % probability; None where
    that is wider than a factor of 1.5, or where no try failed or none passed. `at_least` is a lower bound of the edge
    with 95 % probability, None where no try passed; `at_most` an upper bound, None where no try failed. With fewer than
    four tries all of them are None.
    """

    value: float | None
    interval: tuple[float, float] | None
    at_least: float | None
    at_most: float | None


class Edge:
    """The posterior distribution of the edge, updated by each try.

    `ceiling` is the rate without a schedule: the edge is expected between a 64th and four times of it, most likely a
    little below. Raise `UsageError` where it is not a positive, finite number.
    """

    def __init__(self, ceiling: float) -> None:
        if not (ceiling > 0 and math.isfinite(ceiling)):
            raise UsageError(f"a search for the highest rate needs a rate to start from, not {ceiling}")
        offsets = np.arange(_LOWEST, _HIGHEST, _STEP)
        self._logs: Floats = math.log(ceiling) + offsets
        near = np.exp(-0.5 * ((offsets - _NEAR_CENTRE) / _NEAR_WIDTH) ** 2)
        prior = (1 - _NEAR_SHARE) / len(offsets) + _NEAR_SHARE * near / near.sum()
        self._mass: Floats = prior[:, None, None] * _SPREAD_WEIGHTS[:, None] * _LAPSE_WEIGHTS
        self._mass /= self._mass.sum()
        self.passed = self.failed = 0
        self._first = ceiling * 0.9

    def add(self, rate: float, *, sustained: bool) -> None:
        """Update the distribution with the outcome of a try at `rate`."""
        reached = scipy.special.ndtr((self._logs[:, None] - math.log(rate)) / _SPREADS)
        chance = reached[:, :, None] * (1 - _LAPSES)
        self._mass = self._mass * (chance if sustained else 1 - chance)
        self._mass /= self._mass.sum()
        self.passed += sustained
        self.failed += not sustained

    def next_rate(self, rng: random.Random) -> float:
        """Return the rate of the next try, in lines per second."""
        if not self.passed + self.failed:
            return preferred_rate(self._first)
        return preferred_rate(self._quantiles(rng.choice(_QUARTILES))[0])

    def _quantiles(self, *shares: float) -> list[float]:
        reached = np.cumsum(self._mass.sum(axis=(1, 2)))
        last = len(self._logs) - 1
        return [math.exp(self._logs[min(int(np.searchsorted(reached, share)), last)]) for share in shares]

    def estimate(self) -> EdgeEstimate:
        """Return the estimate from the tries so far."""
        if self.passed + self.failed < FEWEST_TRIES:
            return EdgeEstimate(None, None, None, None)
        beside = (1 - CONFIDENCE) / 2
        low, value, high = self._quantiles(beside, 0.5, 1 - beside)
        # The interval includes the step of the grid.
        low, high = low * math.exp(-_STEP), high * math.exp(_STEP)
        least, most = self._quantiles(1 - CONFIDENCE, CONFIDENCE)
        narrow = bool(self.passed and self.failed) and high <= _WIDEST * low
        return EdgeEstimate(
            value=value if narrow else None,
            interval=(low, high) if narrow else None,
            at_least=least * math.exp(-_STEP) if self.passed else None,
            at_most=most * math.exp(_STEP) if self.failed else None,
        )

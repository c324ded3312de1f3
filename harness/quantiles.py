"""Quantiles by nearest rank: which value of so many it is, and whether so many are enough for it."""

import math
from fractions import Fraction

__all__ = ["FEWEST_BEYOND", "beyond", "rank", "supported"]

# With fewer values beyond it a percentile is little more than one of the largest values that happened to occur.
FEWEST_BEYOND = 10


def rank(count: int, percent: float) -> int:
    """Return the rank, from 1, of the value that at least `percent` (0 to 100) of `count` values do not exceed.

    The nearest-rank method: percent/100 of the count, rounded up, and at least 1. `percent` is taken as it is written
    (99.9 is 999/1000), so that p99.9 of 1000 values is the 999th.
    """
    return max(math.ceil(Fraction(repr(float(percent))) * count / 100), 1)


def beyond(count: int, percent: float) -> int:
    """Return how many of `count` values have a higher rank than the percentile."""
    return max(count - rank(count, percent), 0)


def supported(count: int, percent: float) -> bool:
    """Return whether at least `FEWEST_BEYOND` of `count` values lie beyond the percentile."""
    return beyond(count, percent) >= FEWEST_BEYOND

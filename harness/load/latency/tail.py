"""Percentiles that a number of values supports: those with at least ten values beyond them."""

import math

__all__ = ["FEWEST_BEYOND", "beyond", "statistic_supported", "supported"]

# The value at a rank with fewer beyond it is decided by a handful of outliers: the relative error of what lies beyond
# is about one over the square root of their number, a third with ten of them.
FEWEST_BEYOND = 10
_PERCENTS = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}


def beyond(percent: float, count: int) -> int:
    """Return how many of `count` values rank above the `percent` (0 to 100) percentile, at rank ⌈percent·count/100⌉."""
    if not 0 <= percent <= 100:
        raise ValueError(f"there is no percentile {percent}")
    # 99.9 % of 10 000 is 9 990, whatever its last bit says.
    return count - math.ceil(round(percent * count / 100, 6))


def supported(percent: float, count: int) -> bool:
    """Return whether a percentile of `count` values may be shown: whether at least ten of them lie beyond it."""
    return beyond(percent, count) >= FEWEST_BEYOND


def statistic_supported(name: str, count: int) -> bool:
    """Return the same for a result's figure ``p50`` … ``p999``; any other, such as ``max``, needs one value."""
    return supported(_PERCENTS[name], count) if name in _PERCENTS else count > 0

"""The decision rule: an interval and a tolerance give pass, improved, undecided or regressed, everywhere alike.

The interval is that of the log-ratio of head to base; t is the tolerance, a relative change such as 0.03:

             -log(1+t)     0     log(1+t)
    improved  |------|  ¦    ·         ¦
    pass              |---¦----·---|     ¦         no worse than the tolerance
    pass                  ¦   |·---|     ¦
    undecided             ¦    ·    |----¦----|    could be either: measure more
    regressed             ¦    ·         ¦  |-----|

The bounds are symmetric about no change on the logarithmic scale: ratios of 1 + t and of 1 / (1 + t). Swapping the
sides therefore turns regressed into improved, and the reverse, and changes nothing else.
"""

import math
from typing import Literal

__all__ = ["Decision", "bounds", "decide"]

Decision = Literal["pass", "improved", "undecided", "regressed"]


def bounds(tolerance: float) -> tuple[float, float]:
    """Return the log-ratios below which a cost is improved and above which it is regressed."""
    above = math.log1p(tolerance)
    return -above, above


def decide(low: float, high: float, tolerance: float) -> Decision:
    """Return the decision for the interval `low` to `high` of a log-ratio; either end may be infinite."""
    below, above = bounds(tolerance)
    if low > above:
        return "regressed"
    if high < below:
        return "improved"
    return "pass" if high <= above else "undecided"

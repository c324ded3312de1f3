"""The rule that turns an interval and a tolerance into pass, improved, undecided or regressed, wherever one is given.

The head's cost over the base's, as a logarithm, has an interval; t is the tolerance, a share such as 0.03:

             -log(1+t)     0     log(1+t)
    improved  |------|  ¦    ·         ¦
    pass              |---¦----·---|     ¦         no worse than the tolerance
    pass                  ¦   |·---|     ¦
    undecided             ¦    ·    |----¦----|    could be either: measure more
    regressed             ¦    ·         ¦  |-----|

Both bounds are the same distance from no change: costs of 1 + t times and of 1 / (1 + t) times are equally far, so
that exchanging the sides exchanges regressed and improved and nothing else.
"""

import math
from typing import Literal

__all__ = ["Decision", "bounds", "decide"]

Decision = Literal["pass", "improved", "undecided", "regressed"]


def bounds(tolerance: float) -> tuple[float, float]:
    """Return the logarithms below which a cost is improved and above which it is regressed."""
    above = math.log1p(tolerance)
    return -above, above


def decide(low: float, high: float, tolerance: float) -> Decision:
    """Return what the interval `low` to `high` of a log-ratio says; an unbounded one may have infinite ends."""
    below, above = bounds(tolerance)
    if low > above:
        return "regressed"
    if high < below:
        return "improved"
    return "pass" if high <= above else "undecided"

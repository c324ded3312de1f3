"""A distribution over whole numbers, sampled by inverting its cumulative distribution in a few nanoseconds."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Discrete"]

_BITS = 53  # of each draw; a probability below 2**-53 is never drawn
_CELL_BITS = 16


class Discrete:
    """The whole numbers ``first, first + 1, …`` with the given weights.

    `weights` are finite, not negative, and have a positive sum, which need not be 1. A draw takes 53 random bits u and
    returns the first number whose cumulative probability exceeds u / 2^53. A guide table over the top 16 bits (Chen and
    Asau, "On generating random variates from an empirical distribution", 1974) answers directly wherever a whole cell
    of the table lies inside one number; only the other draws need a search.
    """

    __slots__ = ("_cumulative", "_guide", "first", "probabilities")

    def __init__(self, weights: NDArray[np.float64], first: int = 0) -> None:
        used = np.flatnonzero(weights)
        self.first = first + int(used[0])
        stored = weights[used[0] : used[-1] + 1]
        self.probabilities: NDArray[np.float64] = stored / stored.sum()
        scaled = np.rint(np.cumsum(self.probabilities) * 2.0**_BITS).astype(np.int64)
        # The last number takes what rounding left over, so that each u has an answer.
        scaled[-1] = 2**_BITS
        self._cumulative = scaled
        cell = np.arange(2**_CELL_BITS, dtype=np.int64) << (_BITS - _CELL_BITS)
        low = scaled.searchsorted(cell, "right")
        high = scaled.searchsorted(cell + (1 << (_BITS - _CELL_BITS)) - 1, "right")
        self._guide = np.where(low == high, low + self.first, -1)

    @property
    def values(self) -> NDArray[np.int64]:
        """Every number that has a positive probability, ascending."""
        return np.flatnonzero(self.probabilities) + self.first

    def draw(self, raw: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return a number for each word of 64 random bits."""
        drawn: NDArray[np.int64] = self._guide.take((raw >> np.uint64(64 - _CELL_BITS)).view(np.int64))
        unsure = np.flatnonzero(drawn < 0)
        if unsure.size:
            u = (raw[unsure] >> np.uint64(64 - _BITS)).view(np.int64)
            drawn[unsure] = self._cumulative.searchsorted(u, "right") + self.first
        return drawn

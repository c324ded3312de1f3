"""A Poisson process of rate one whose n-th event can be computed directly, at a cost of O(log n)."""

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from workloads.streams import Stream

__all__ = ["BITS", "LEAF", "UnitPoisson"]

# Times are whole numbers of 2^-40 of the mean gap; a leaf's events are drawn together.
BITS = 40
LEAF = 4096
_SPLIT_BITS = 53
_KEPT_NODES = 256


class UnitPoisson:
    r"""Event times T_1 < T_2 < … of a Poisson process of rate one, as whole numbers of 2^-`BITS`.

        T_0        T_L        T_2L                  T_4L        L = LEAF events
        |----leaf---|---leaf---|----------------------|-- ...
                                 Gamma(2L)
                                 |-Beta(L,L)-|

    The times of events L, 2L, 4L, 8L, … differ by independent Gamma variables; each interval between two of them is
    halved, by number of events, by a Beta variable, repeatedly down to a leaf (given the sum of 2h exponential gaps,
    the share of the first h of them is Beta(h, h)). Inside a leaf the gaps are exponential variables scaled to the
    leaf's length, as independent exponentials given their sum are. Each node has its own position in the random stream,
    so the times do not depend on earlier requests. (Devroye: "Non-uniform random variate generation", 1986, chapter
    V.2.)
    """

    __slots__ = ("_nodes", "_stream")

    def __init__(self, seed: int) -> None:
        self._stream = Stream(seed, "arrivals")
        self._nodes: OrderedDict[tuple[int, int], tuple[int, int]] = OrderedDict()

    def leaf(self, index: int) -> tuple[int, NDArray[np.int64]]:
        """Return T of event LEAF * index, and what the LEAF events after it add to that, never decreasing."""
        start, length = self._node(0, index)
        gaps = self._stream.at(index, 0).standard_exponential(LEAF)
        steps = np.cumsum(gaps)
        offsets = (steps * (length / steps[-1])).astype(np.int64)
        np.minimum(offsets, length, out=offsets)
        offsets[-1] = length
        return start, offsets

    def start(self, index: int) -> int:
        """Return T of event LEAF * index."""
        return self._node(0, index)[0]

    def _node(self, level: int, index: int) -> tuple[int, int]:
        """Return start and length of the node that spans the leaves from index * 2^level, 2^level of them."""
        known = self._nodes.get((level, index))
        if known is not None:
            return known
        generator_level = level + 1
        if index == 0:
            node = (0, self._gamma(level, generator_level, 0)) if level == 0 else self._union(level)
        elif index == 1:
            # The spine: after the first 2^level leaves come as many again.
            start = sum(self._node(level, 0))
            node = (start, self._gamma(level, generator_level, 1))
        else:
            node = self._half(level, index)
        self._nodes[level, index] = node
        if len(self._nodes) > _KEPT_NODES:
            self._nodes.popitem(last=False)
        return node

    def _union(self, level: int) -> tuple[int, int]:
        return 0, sum(self._node(level - 1, 1))

    def _gamma(self, level: int, generator_level: int, index: int) -> int:
        events = float(LEAF * 2**level)
        return int(self._stream.at(index, generator_level).standard_gamma(events) * 2.0**BITS)

    def _half(self, level: int, index: int) -> tuple[int, int]:
        start, length = self._node(level + 1, index // 2)
        events = float(LEAF * 2**level)
        share = self._stream.at(index // 2, 64 + level).beta(events, events)
        first = length * int(share * 2.0**_SPLIT_BITS) >> _SPLIT_BITS
        return (start + first, length - first) if index % 2 else (start, first)

"""Moments in order, each with the number of lines at that moment, in 16 bytes."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["PageMoments"]

# So many at the front are removed at once.
_REMOVED = 1024


class PageMoments:
    """Moments (ns) in order with a number of lines each; those at the front can be taken."""

    __slots__ = ("_first", "_lines", "_ns")

    def __init__(self) -> None:
        self._ns, self._lines = array("q"), array("q")
        self._first = 0

    def __len__(self) -> int:
        return len(self._ns) - self._first

    def extend(self, moments: Iterable[tuple[int, int]]) -> None:
        """Add later moments, each with its number of lines."""
        for moment_ns, lines in moments:
            self._ns.append(moment_ns)
            self._lines.append(lines)

    @property
    def first(self) -> tuple[int, int]:
        """The earliest moment, with its number of lines; raises `IndexError` where there is none."""
        return self._ns[self._first], self._lines[self._first]

    def popleft(self) -> int:
        """Remove the earliest moment and return it."""
        moment_ns = self._ns[self._first]
        self._first += 1
        if self._first >= _REMOVED:
            del self._ns[: self._first], self._lines[: self._first]
            self._first = 0
        return moment_ns

    def from_on(self, moment_ns: int) -> tuple[int, int] | None:
        """Return the earliest moment that is not before `moment_ns`, with its number of lines; None without one."""
        place = bisect_left(self._ns, moment_ns, self._first)
        return (self._ns[place], self._lines[place]) if place < len(self._ns) else None

    def until(self, moment_ns: int) -> tuple[int, int] | None:
        """Return the latest moment that is not after `moment_ns`, with its number of lines; None without one."""
        place = bisect_right(self._ns, moment_ns, self._first) - 1
        return (self._ns[place], self._lines[place]) if place >= self._first else None

    def rows(self) -> NDArray[np.int64]:
        """Return an array with a row for each: the moment and its number of lines."""
        columns = [np.array(column[self._first :], dtype=np.int64) for column in (self._ns, self._lines)]
        return np.column_stack(columns)

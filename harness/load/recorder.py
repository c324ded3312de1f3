"""Keeps what happened to each line of a block in columns, and folds them into histograms outside the timed window."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.load.histogram import Histogram

__all__ = ["DROPPED", "EVALUATED", "RAISED", "Recorder", "Timings"]

DROPPED = 0
EVALUATED = 1
RAISED = 2


@dataclass(frozen=True, slots=True)
class Timings:
    """The histograms of a run, each with one entry per line handed to the subject, in nanoseconds.

    `lag` is start - due, `service` end - start, `response` end - due. A closed loop has no due times: there lag is 0
    and response equals service. Dropped lines are in none of them.
    """

    lag: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    response: Histogram = field(default_factory=Histogram)

    def merge(self, other: "Timings") -> None:
        """Add everything the other run counted."""
        self.lag.merge(other.lag)
        self.service.merge(other.service)
        self.response.merge(other.response)


class Recorder:
    """The columns of one block, then of the next: the driver appends, `fold` counts and clears.

    `starts` and `ends` hold one entry per line the driver dealt with, in nanoseconds of the clock; a dropped line has
    the moment it was given up in both. Lines are taken as evaluated unless `exceptions` says otherwise: it maps the
    position in the block to the exception's type name, or to None for a dropped line.
    """

    __slots__ = ("ends", "exceptions", "first_ns", "last_end_ns", "last_ns", "starts", "timings")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.exceptions: dict[int, str | None] = {}
        self.timings = Timings()
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self.last_end_ns: int | None = None

    def outcomes(self) -> NDArray[np.int8]:
        """Return the outcome of each line since the last fold."""
        result = np.full(len(self.ends), EVALUATED, dtype=np.int8)
        for position, name in self.exceptions.items():
            result[position] = DROPPED if name is None else RAISED
        return result

    def raised(self) -> list[str]:
        """Return the type names of the exceptions since the last fold, in the lines' order."""
        return [name for _, name in sorted(self.exceptions.items()) if name is not None]

    def fold(self, due_ns: NDArray[np.int64] | None, outcomes: NDArray[np.int8]) -> None:
        """Count the block's lines in the histograms and clear the columns.

        `due_ns` are the due times on the clock of the lines dealt with, or None for a closed loop.
        """
        if not self.ends:
            return
        starts = np.array(self.starts, dtype=np.int64)
        ends = np.array(self.ends, dtype=np.int64)
        self._mark(starts, ends)
        self.starts.clear()
        self.ends.clear()
        if self.exceptions:
            sent = outcomes != DROPPED
            starts, ends = starts[sent], ends[sent]
            due_ns = None if due_ns is None else due_ns[sent]
            self.exceptions.clear()
        due = starts if due_ns is None else due_ns
        self.timings.service.record(ends - starts)
        self.timings.lag.record(starts - due)
        self.timings.response.record(ends - due)

    def _mark(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        if self.first_ns is None:
            self.first_ns = int(starts[0])
        self.last_ns = int(starts[-1])
        self.last_end_ns = int(ends[-1])

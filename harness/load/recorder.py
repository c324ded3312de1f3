"""Columns with the times of each line of a block, folded into histograms outside the timed window."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.load.latency.histogram import Histogram
from harness.load.latency.timeline import DURATIONS, Timeline
from harness.load.lateness import Lateness, Slice, Stretches

__all__ = ["DROPPED", "EVALUATED", "RAISED", "Recorder", "Timings"]

DROPPED = 0
EVALUATED = 1
RAISED = 2


@dataclass(frozen=True, slots=True)
class Timings:
    """The histograms of a run, each with one entry per line handed to the subject, in nanoseconds.

    `lag` is start - due, `service` end - start, `response` end - due, and `lateness` the part of the lag that the
    subject did not cause (`harness.load.lateness`). A closed loop has no due times: there lag is 0, response equals
    service, and lateness is empty. Dropped lines are in none of them.
    """

    lag: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    response: Histogram = field(default_factory=Histogram)
    lateness: Histogram = field(default_factory=Histogram)

    def merge(self, other: "Timings") -> None:
        """Add the other run's counts."""
        self.lag.merge(other.lag)
        self.service.merge(other.service)
        self.response.merge(other.response)
        self.lateness.merge(other.lateness)


class Recorder:
    """The columns of one block, then of the next: the driver appends, `fold` counts and clears.

    `starts` and `ends` hold one entry per line the driver handled, in nanoseconds of the clock; a dropped line has the
    moment it was given up in both. Lines count as evaluated unless `exceptions` says otherwise: it maps the position in
    the block to the exception's type name, or to None for a dropped line.

    Lines are counted in `timings`, by default in new ones.
    """

    __slots__ = (
        "ends",
        "exceptions",
        "first_ns",
        "last_end_ns",
        "last_ns",
        "lateness",
        "start_ns",
        "starts",
        "stretches",
        "timeline",
        "timings",
    )

    def __init__(self, timings: Timings | None = None) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.exceptions: dict[int, str | None] = {}
        self.timings = timings or Timings()
        self.timeline = Timeline()
        self.start_ns = 0
        self.lateness = Lateness()
        self.stretches = Stretches(self.timings.lag, self.timings.lateness)
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

    def fold(
        self,
        due_ns: NDArray[np.int64] | None,
        outcomes: NDArray[np.int8],
        part: Slice | None = None,
        errors: NDArray[np.int8] | None = None,
    ) -> None:
        """Count the block's lines in the histograms and over time, and clear the columns.

        `due_ns` are the due times on the clock of the lines handled, or None for a closed loop; `part` describes what
        happened besides them, by default nothing; `errors` are above 0 for the lines that are to be refused.
        """
        if not self.ends:
            return
        starts = np.array(self.starts, dtype=np.int64)
        ends = np.array(self.ends, dtype=np.int64)
        self._mark(starts, ends)
        self.starts.clear()
        self.ends.clear()
        sent = outcomes != DROPPED if self.exceptions else None
        self.exceptions.clear()
        lateness, due = None, starts if due_ns is None else due_ns
        if due_ns is not None:
            lateness = self.lateness.split(due_ns, starts, ends, part or Slice(int(starts[0])))
        self._count(due, starts, ends, lateness, sent, _failed(outcomes, errors))
        if due_ns is not None:
            self.stretches.add(int(due_ns[0]), int(due_ns[-1]))

    def _count(
        self,
        due: NDArray[np.int64],
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
        lateness: NDArray[np.int64] | None,
        sent: NDArray[np.bool_] | None,
        failed: NDArray[np.bool_],
    ) -> None:
        every_due, every_start = due - self.start_ns, starts - self.start_ns
        if sent is not None:
            due, starts, ends = due[sent], starts[sent], ends[sent]
            lateness = None if lateness is None else lateness[sent]
        timings = self.timings
        rows = [ends - starts, starts - due, ends - due]
        histograms = [timings.service, timings.lag, timings.response]
        if lateness is not None:
            rows.append(lateness)
            histograms.append(timings.lateness)
        durations = np.stack(rows)
        positions = Histogram.record_rows(histograms, durations)
        kept = len(DURATIONS)
        self.timeline.add(every_due, every_start, failed, sent, durations[:kept], positions[:kept])

    def _mark(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        if self.first_ns is None:
            self.first_ns = int(starts[0])
        self.last_ns = int(starts[-1])
        self.last_end_ns = int(ends[-1])


def _failed(outcomes: NDArray[np.int8], errors: NDArray[np.int8] | None) -> NDArray[np.bool_]:
    """Return which lines failed: those that raised, and of the others evaluated those to be refused."""
    raised: NDArray[np.bool_] = outcomes == RAISED
    return raised if errors is None else raised | ((outcomes == EVALUATED) & (errors > 0))

"""How far a worker's clocks are from the coordinator's, from the quickest of some round trips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.expected import Range, TruthOverLives, TruthOverTime
from harness.views import Tags

__all__ = ["ClockProbe", "Clocks", "ShiftedTruth", "compare_clocks"]


@dataclass(frozen=True, slots=True)
class ClockProbe:
    """One question and its answer: when it was sent and came back, and what the worker's clocks said; nanoseconds.

    `sent_ns` and `received_ns` are of the coordinator's monotonic clock, `wall_ns` its time of day in their middle.
    """

    sent_ns: int
    received_ns: int
    wall_ns: int
    worker_ns: int
    worker_wall_ns: int


@dataclass(frozen=True, slots=True)
class Clocks:
    """The worker's clocks less the coordinator's, known to within `uncertainty_ns`."""

    offset_ns: int
    uncertainty_ns: int
    wall_offset_ns: int


def compare_clocks(probes: Sequence[ClockProbe], *, same_clock: bool = False) -> Clocks:
    """Return the offsets by the quickest round trip: the answer was given somewhere within it (Cristian 1989).

    Two processes of one running system read one monotonic clock; for them the offset is 0. Raises `ValueError` without
    a probe.
    """
    best = min(probes, key=lambda probe: probe.received_ns - probe.sent_ns)
    trip_ns = best.received_ns - best.sent_ns
    wall_ns = best.worker_wall_ns - best.wall_ns
    if same_clock:
        return Clocks(0, 0, wall_ns)
    return Clocks(best.worker_ns - best.sent_ns - trip_ns // 2, trip_ns - trip_ns // 2, wall_ns)


@dataclass(frozen=True, slots=True)
class ShiftedTruth:
    """The truth of a worker, asked for by times of the coordinator's clock."""

    truth: TruthOverTime
    clocks: Clocks

    def between(self, begin_ns: int, end_ns: int) -> Mapping[str, Mapping[Tags, Range]] | None:
        """Return what a page may show; see `TruthOverTime`."""
        offset, uncertain = self.clocks.offset_ns, self.clocks.uncertainty_ns
        return self.truth.between(begin_ns + offset - uncertain, end_ns + offset + uncertain)

    @property
    def restarts_ns(self) -> Sequence[int]:
        """When the worker restarted; see `TruthOverLives`."""
        moments = self.truth.restarts_ns if isinstance(self.truth, TruthOverLives) else ()
        return [moment - self.clocks.offset_ns for moment in moments]

    def unseen(self) -> Sequence[tuple[int, int]]:
        """Return what was on no page; see `TruthOverLives`."""
        return self.truth.unseen() if isinstance(self.truth, TruthOverLives) else ()

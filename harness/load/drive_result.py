"""Result of driving a workload: timings, ledger and the causes of waiting."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from harness.load.cpu_time import Machine
from harness.load.latency.timeline import Timeline
from harness.load.lateness import Behind
from harness.load.recorder import Timings
from harness.load.truth.ledger import Ledger

__all__ = ["DriveResult", "Moments", "merge_results"]


@dataclass(frozen=True, slots=True)
class Moments:
    """When lines were due and sent, in nanoseconds from the start of the run; all zero without a line."""

    first_due_ns: int = 0
    last_due_ns: int = 0
    first_start_ns: int = 0
    last_start_ns: int = 0
    last_end_ns: int = 0

    def joined(self, other: "Moments") -> "Moments":
        """Return those of both together."""
        return Moments(
            min(self.first_due_ns, other.first_due_ns),
            max(self.last_due_ns, other.last_due_ns),
            min(self.first_start_ns, other.first_start_ns),
            max(self.last_start_ns, other.last_start_ns),
            max(self.last_end_ns, other.last_end_ns),
        )

    def rates(self, offered: int, sent: int, *, closed: bool) -> tuple[float | None, float | None]:
        """Return the target and the achieved rate in lines/s; None where there is nothing to divide.

        The achieved rate of an open loop counts from when the first line was due, not from when it began: a late first
        line must not look like speed.
        """
        if closed:
            took = self.last_end_ns - self.first_start_ns
            return None, sent * 1e9 / took if took > 0 else None
        if offered < 2:
            return None, None
        span, took = self.last_due_ns - self.first_due_ns, self.last_start_ns - self.first_due_ns
        return (
            (offered - 1) * 1e9 / span if span > 0 else None,
            sent * (offered - 1) / offered * 1e9 / took if took > 0 else None,
        )


@dataclass(frozen=True, slots=True)
class DriveResult:
    """Result of driving a workload.

    `target_rate` is the rate of the schedule that was sent, from its first due time to its last, not the nominal one:
    ten seconds of Poisson at 1000/s differ from their nominal rate by 1 % one time in three, by chance. `achieved_rate`
    is the number of lines handed to the subject over the time from the first due time to the start of the last line.
    Both are None where they are undefined: no schedule, or fewer than two lines. `span_ns` is the time from the first
    due time to the last. `behind` attributes the time that lines waited, and the worst stretches are p90s of lag and
    lateness (`harness.load.lateness`). `outside_ns` is the time spent making blocks and counting since the start,
    `longest_outside_ns` its longest single period, and `starved` the number of times no block was ready when one was
    needed. `machine` is the CPU time the driving thread was denied. `timeline` has lines and durations by second.
    """

    timings: Timings
    ledger: Ledger
    start_ns: int
    elapsed_ns: int
    target_rate: float | None
    achieved_rate: float | None
    span_ns: int
    behind: Behind
    worst_stretch_lag_ns: int
    worst_stretch_lateness_ns: int
    outside_ns: int
    longest_outside_ns: int
    starved: int
    machine: Machine
    interrupted: bool
    moments: Moments = field(default_factory=Moments)
    timeline: Timeline = field(default_factory=Timeline)


def merge_results(results: Sequence[DriveResult], *, closed: bool) -> DriveResult:
    """Return what the shards of one workload came to together; all of them started at `start_ns` of the first.

    Histograms, counts and sums are those that one worker would have had. Times that were spent are added up over the
    workers, the longest and the worst of them are those of the worst worker. One result is returned as it is. Raises
    `ValueError` without a result, and as `Ledger.merge` does.
    """
    if len(results) == 1:
        return results[0]
    if not results:
        raise ValueError("there is nothing to merge")
    first = results[0]
    timings, timeline, ledger = Timings(), Timeline(), Ledger(first.ledger.views, first.ledger.methods)
    behind, machine = Behind(), Machine()
    with_lines = [result for result in results if result.ledger.offered]
    moments = with_lines[0].moments if with_lines else Moments()
    for result in results:
        timings.merge(result.timings)
        timeline.merge(result.timeline)
        ledger.merge(result.ledger)
        _add(behind, result.behind)
        _add(machine, result.machine)
    for result in with_lines:
        moments = moments.joined(result.moments)
    target, achieved = moments.rates(ledger.offered, ledger.offered - ledger.dropped, closed=closed)
    return DriveResult(
        timings=timings,
        ledger=ledger,
        start_ns=first.start_ns,
        elapsed_ns=moments.last_end_ns - moments.first_start_ns,
        target_rate=target,
        achieved_rate=achieved,
        span_ns=0 if closed else moments.last_due_ns - moments.first_due_ns,
        behind=behind,
        worst_stretch_lag_ns=max(result.worst_stretch_lag_ns for result in results),
        worst_stretch_lateness_ns=max(result.worst_stretch_lateness_ns for result in results),
        outside_ns=sum(result.outside_ns for result in results),
        longest_outside_ns=max(result.longest_outside_ns for result in results),
        starved=sum(result.starved for result in results),
        machine=machine,
        interrupted=any(result.interrupted for result in results),
        moments=moments,
        timeline=timeline,
    )


def _add(total: Behind | Machine, part: Behind | Machine) -> None:
    for each in fields(total):
        setattr(total, each.name, getattr(total, each.name) + getattr(part, each.name))

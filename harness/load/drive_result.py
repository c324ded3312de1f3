"""What driving a workload came to: the timings, the ledger, and what the lines waited for."""

from dataclasses import dataclass

from harness.load.cpu_time import Machine
from harness.load.lateness import Behind
from harness.load.ledger import Ledger
from harness.load.recorder import Timings

__all__ = ["DriveResult"]


@dataclass(frozen=True, slots=True)
class DriveResult:
    """What a run came to.

    `target_rate` is that of the very schedule that was sent, from its first due time to its last, not the nominal one:
    ten seconds of Poisson at 1000/s differ from their nominal rate by 1 % one time in three, by chance. `achieved_rate`
    counts the lines handed to the subject, from the moment the first was due to the one at which the last began. Both
    are None where there is nothing to divide: no schedule, or fewer than two lines. `span_ns` is the time from the
    first due time to the last. `behind` says what lines waited for, and the worst stretches are p90s of lag and
    lateness (`harness.load.lateness`). `outside_ns` is the time spent making blocks and counting since the start,
    `longest_outside_ns` the longest single stretch of it, and `starved` says how often the store was empty when a
    block was needed. `machine` is what was kept from the driving thread.
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

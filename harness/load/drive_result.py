"""Result of driving a workload: timings, ledger and the causes of waiting."""

from dataclasses import dataclass

from harness.load.cpu_time import Machine
from harness.load.lateness import Behind
from harness.load.ledger import Ledger
from harness.load.recorder import Timings

__all__ = ["DriveResult"]


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
    needed. `machine` is the CPU time the driving thread was denied.
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

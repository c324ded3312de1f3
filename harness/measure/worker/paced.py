"""The open loop inside a measured process: each line starts when due, or at once where the one before ended late.

Like `harness.load.driver`, without the other parts of a load run: no generation, accounting or display.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.load.clock import MonotonicClock, fine_timers
from harness.measure.worker.delay import Evaluate
from harness.views import Tags

__all__ = ["Paced", "run_paced"]


@dataclass(slots=True)
class Paced:
    """The start and end of each line sent, ns of ``time.monotonic_ns``, and the number of lines that raised."""

    starts: list[int]
    ends: list[int]
    raised: int = 0


def run_paced(
    evaluate: Evaluate,
    lines: Iterator[tuple[str, Tags]],
    due_ns: Sequence[int],
    give_up_ns: int | None = None,
    clock: MonotonicClock | None = None,
) -> Paced:
    """Evaluate one line for each due time, ns of the clock in ascending order.

    Stop before the first line that would start more than `give_up_ns` late: the rate is far from sustained, and going
    on would only take time. None never gives up.
    """
    ticking = clock or MonotonicClock()
    now, wait = ticking.now_ns, ticking.wait_until
    trace = Paced([], [])
    began, ended = trace.starts.append, trace.ends.append
    patience = 1 << 62 if give_up_ns is None else give_up_ns
    with fine_timers():
        for due, (line, tags) in zip(due_ns, lines, strict=False):
            start = now()
            if start < due:
                wait(due)
                start = now()
            elif start - due > patience:
                break
            try:
                evaluate(line, tags)
            except Exception:
                trace.raised += 1  # go on with the next line
            end = now()
            began(start)
            ended(end)
    return trace

"""The open loop inside a measured process: each line starts when due, or at once where the one before ended late.

Like `harness.load.driver`, without the other parts of a load run: no generation, accounting or display.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.load.clock import Clock, MonotonicClock, fine_timers
from harness.measure.worker.delay import Evaluate
from harness.views import Tags

__all__ = ["Paced", "SleepingClock", "run_paced"]


@dataclass(slots=True)
class Paced:
    """The start and end of each line sent, ns of ``time.monotonic_ns``, and the number of lines that raised.

    `cpu_ns` is the processor time of the whole process from the first wait to the last line, in ns.
    """

    starts: list[int]
    ends: list[int]
    raised: int = 0
    cpu_ns: int = 0


class SleepingClock:
    """The monotonic clock with waits that sleep to their end: lines start a little late, and waiting takes no CPU."""

    __slots__ = ()

    now_ns = staticmethod(time.monotonic_ns)

    def wait_until(self, ns: int, /) -> None:
        """Wait until `now_ns` has reached `ns`; return at once if it has already."""
        while (ahead := ns - time.monotonic_ns()) > 0:
            time.sleep(ahead / 1e9)


def run_paced(
    evaluate: Evaluate,
    lines: Iterator[tuple[str, Tags]],
    due_ns: Sequence[int],
    give_up_ns: int | None = None,
    clock: Clock | None = None,
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
        cpu_start = time.process_time_ns()
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
        trace.cpu_ns = time.process_time_ns() - cpu_start
    return trace

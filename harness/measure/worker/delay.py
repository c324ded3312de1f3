"""Known delays per line, to prove that an experiment measures existing differences and no others."""

import time
from collections.abc import Callable

from harness.views import Tags

__all__ = ["FLOOR_NS", "delayed"]

Evaluate = Callable[[str, Tags], object]

# Both sides wait, so that the calls around the wait cost the same on both; the floor is longer than a clock reading.
FLOOR_NS = 1000.0
# Interrupts of some microseconds each take 2 to 3 % of a core, during waits as at other times. They are compensated, so
# that the mean is exact. A wait that ends later than this was preempted, which is noise and is not compensated.
_PREEMPTED_NS = 200_000.0


def delayed(evaluate: Evaluate, delay_ns: float, now: Callable[[], int] = time.perf_counter_ns) -> Evaluate:
    """Return `evaluate` followed by a busy wait of `delay_ns`, exact in the mean.

    A wait ends at the first clock reading after its end, about 30 ns late on average; the overshoot is subtracted from
    the next wait. The mean over many lines is therefore `delay_ns` by the clock, whatever a clock reading costs, as
    long as the delay is longer than one.
    """
    owed = 0.0

    def with_delay(line: str, tags: Tags) -> object:
        nonlocal owed
        result = evaluate(line, tags)
        owed += delay_ns
        start = now()
        waited = 0
        while waited < owed:
            waited = now() - start
        owed -= waited
        if owed < -_PREEMPTED_NS:
            owed = 0.0
        return result

    return with_delay

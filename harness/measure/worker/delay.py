"""A known delay for each line, to prove that the experiment finds what is there and nothing else."""

import time
from collections.abc import Callable

from harness.views import Tags

__all__ = ["FLOOR_NS", "delayed"]

Evaluate = Callable[[str, Tags], object]

# Both sides wait, so that the calls around the waiting cost the same on both; the floor is above one clock reading.
FLOOR_NS = 1000.0
# Interrupts, some microseconds each, take 2 to 3 % of a core here, of a wait as of anything else: they are made up for,
# so that the mean is what was asked. A wait that ends later than this was preempted: noise, and not made up for.
_PREEMPTED_NS = 200_000.0


def delayed(evaluate: Evaluate, delay_ns: float, now: Callable[[], int] = time.perf_counter_ns) -> Evaluate:
    """Return `evaluate` followed by a busy wait of `delay_ns`, exact in the mean.

    A wait ends at the first clock reading past its end, some 30 ns late on average; what it overshot is taken off the
    next one. So the mean over many lines is `delay_ns` as the clock sees it, whatever a reading costs, as long as the
    delay is longer than one.
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

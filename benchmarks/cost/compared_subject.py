"""The subject of all tools of `compare_tools.py`: a line through prometheus-client, followed by a loop.

`head` is `base` with additional turns of the loop, whose number is in the environment. An empty loop slows every call
by the same time; a wait on the clock would not, and rules by the fastest call could not detect it. pytest and pyperf
load this file directly; with the argument ``timeit`` the standard library times it; this project measures the two
functions like `harness compare --target`.
"""

import functools
import itertools
import json
import os
import statistics
import sys
import timeit
from collections.abc import Callable

from harness.measure.subject import Subject
from harness.measure.worker.build import build
from harness.views import Tags

TURNS = "COMPARED_TURNS"
LINE = "The quick brown fox jumps over the lazy dog"
# Both sides loop long enough that each further turn costs the same: the processor predicts the end of a short loop,
# but not that of a long one.
FEWEST_TURNS = 400

_EVALUATE = build(Subject(instrument="prometheus-client")).evaluators[0]


def _followed_by(turns: int) -> Callable[[str], object]:
    evaluate, tags, repeat = _EVALUATE, Tags(), itertools.repeat

    def handle(line: str) -> object:
        evaluated = evaluate(line, tags)
        for _ in repeat(None, turns):
            pass
        return evaluated

    return handle


base = _followed_by(FEWEST_TURNS)
head = _followed_by(FEWEST_TURNS + int(os.environ.get(TURNS, "0")))


def test_subject(benchmark) -> None:
    """The benchmark for pytest-benchmark."""
    benchmark(head, LINE)


def by_timeit(calls: int = 100, repeats: int = 401) -> float:
    """Return the ratio of the times of head and base by the standard library: the median of alternating repeats.

    Each timing lasts about a millisecond, so that both timings of a repeat have the same state of the machine.
    """
    timers = [timeit.Timer(functools.partial(side, LINE)) for side in (base, head)]
    for timer in timers:
        timer.timeit(10 * calls)
    ratios = []
    for _ in range(repeats):
        base_s, head_s = (timer.timeit(calls) for timer in timers)
        ratios.append(head_s / base_s)
    return statistics.median(ratios)


if __name__ == "__main__" and sys.argv[1:] == ["timeit"]:
    print(json.dumps(by_timeit()))
elif __name__ == "__main__":
    import pyperf

    runner = pyperf.Runner()
    runner.bench_func("subject", head, LINE)

"""The one function that all tools of `compare_tools.py` measure: a line through prometheus-client, and a loop after it.

`head` is `base` with as many more turns of the loop as the environment says. A loop that does nothing makes every call
slower by the same time; waiting on the clock would not, so rules that look at the fastest call could not see it. pytest
and pyperf load this file by itself; with the word ``timeit`` the standard library times it; this project measures the
two functions as `harness compare --target` does.
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
# Both sides loop, and long enough that one more turn costs what each costs: leaving a short loop is foreseen by the
# processor, leaving a long one is not.
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
    """What pytest-benchmark measures."""
    benchmark(head, LINE)


def by_timeit(calls: int = 100, repeats: int = 401) -> float:
    """Return how many times as long as base head takes, timed in turn by the standard library: the median of repeats.

    Each timing lasts about a millisecond, so that the two of a repeat meet the same moment of the machine.
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

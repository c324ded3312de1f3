"""The one function that all tools of `compare_tools.py` measure: a line through prometheus-client, and a known wait.

``pytest`` and ``pyperf`` load this file by itself; the wait, in nanoseconds, comes in the environment.
"""

import itertools
import os
from collections.abc import Callable

from harness.measure.bodies import build
from harness.measure.delay import FLOOR_NS
from harness.measure.subjects import Subject
from harness.views import Tags

DELAY = "COMPARED_DELAY_NS"
INSTRUMENT = "prometheus-client"
LINE = "The quick brown fox jumps over the lazy dog"


def subject(delay_ns: float) -> Subject:
    """Return the subject with `delay_ns` more than the wait that every side has."""
    return Subject(instrument=INSTRUMENT, delay_ns=FLOOR_NS + delay_ns)


def function() -> Callable[[], object]:
    """Return what evaluates and records one line, with the wait that the environment asks for."""
    evaluate = build(subject(float(os.environ[DELAY]))).evaluators[0]
    tags = itertools.repeat(Tags())

    def one() -> object:
        return evaluate(LINE, next(tags))

    return one


def test_subject(benchmark) -> None:
    """What pytest-benchmark measures."""
    benchmark(function())


if __name__ == "__main__":
    import pyperf

    runner = pyperf.Runner()
    # The process that starts the workers has no use for the subject.
    runner.bench_func("subject", function())

"""Prints how ratios to `none` and to `reference` depend on the state of the machine; takes two minutes.

    python benchmarks/method/reference_states.py [--seconds 120] [--block-ms 5]

In one process all ways of recording take turns in short blocks, in random order, long enough for different states of
the machine: other clock rates, other load on the same core. Rounds are sorted by their overall speed and divided into
fifths. A line gives, for each fifth from the fastest on, the difference of the ratio's median from that of all rounds,
in percent, and the range of these differences. All times are processor times.
"""

import argparse
import gc
import math
import random
import time
from collections.abc import Callable

import numpy as np

from harness.measure.inputs import lines_for
from harness.measure.questions.table import ROWS
from harness.measure.subject import Subject
from harness.measure.worker.build import build

BASES = ("none", "reference")
FIFTHS = 5


def block_of(name: str, block_ns: float) -> tuple[Callable[[], float], int]:
    """Return a function that runs a block and returns its processor time per line in ns, and its number of lines."""
    evaluate = build(Subject(instrument=name)).evaluators[0]
    lines = lines_for(1)
    pool = list(zip(lines.texts, lines.tags, strict=True))

    def run(count: int) -> float:
        started = time.process_time_ns()
        for line, tags in pool[:count]:
            evaluate(line, tags)
        return (time.process_time_ns() - started) / count

    run(100)
    count = max(5, min(len(pool), round(block_ns / run(20))))
    return lambda: run(count), count


def main() -> None:
    """Measure and print a line for each way of recording and base."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--block-ms", type=float, default=5.0)
    options = parser.parse_args()
    names = [*BASES, *ROWS]
    blocks = {name: block_of(name, options.block_ms * 1e6)[0] for name in names}
    gc.collect()
    gc.freeze()
    rng, order, rounds = random.Random(1), list(names), list[list[float]]()  # noqa: S311 - an order, nothing secret
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        rng.shuffle(order)
        times = {name: blocks[name]() for name in order}
        rounds.append([math.log(times[name]) for name in names])
    logs = np.array(rounds)
    fifths = np.array_split(np.argsort(logs.mean(axis=1)), FIFTHS)
    speeds = [float(np.exp(np.median(logs[fifth, 0]))) for fifth in fifths]
    print(f"{len(rounds)} rounds; none took {', '.join(f'{speed:.0f}' for speed in speeds)} ns a line, by fifths")
    for name in ROWS:
        for base in BASES:
            ratios = logs[:, names.index(name)] - logs[:, names.index(base)]
            shifts = [100 * float(np.median(ratios[fifth]) - np.median(ratios)) for fifth in fifths]
            cells = ", ".join(f"{shift:+.1f}" for shift in shifts)
            print(f"{name:25} against {base:10} {cells}; range {max(shifts) - min(shifts):.1f} %")


if __name__ == "__main__":
    main()

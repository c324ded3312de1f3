"""Pairs without processes: known effects, spreads and biases, each taking a second of a clock of its own."""

import math
import random
from collections.abc import Callable, Sequence

from harness.measure.pairs.schedule import Comparison, Terms, run_experiments
from harness.measure.result import Experiments, RawPair
from harness.measure.subject import Subject
from harness.progress import Step

NONE = Subject()
HEAD = Subject(instrument="opencensus")
PAIR = Comparison(NONE, HEAD)


def pair(log_ratio: float, base: float = 1000.0, void: str = "") -> RawPair:
    """Return a pair with that log-ratio, base in ns a line."""
    head = base * math.exp(log_ratio)
    return RawPair(
        base_blocks=[round(base * 10)], head_blocks=[round(head * 10)], base_lines=10, head_lines=10, order="b",
        hash_seeds=(1, 2), base_per_line=base, head_per_line=head, log_ratio=log_ratio, difference=head - base,
        void=void,
    )  # fmt: skip


class Pairs:
    """Hands out pairs: `centre` gives the log-ratio of two sides at the pair of that number, noise comes on top."""

    def __init__(
        self, centre: Callable[[Subject, Subject, int], float], spread: float = 0.02, seed: int = 1, pair_s: float = 1.0
    ) -> None:
        self.centre, self.spread, self.pair_s = centre, spread, pair_s
        self.source = random.Random(seed)  # noqa: S311 - nothing secret
        self.calls: list[tuple[Subject, Subject]] = []
        self.stop_at: int | None = None
        self.time = 0.0

    def __call__(self, base: Subject, head: Subject, /) -> RawPair:
        if self.stop_at is not None and len(self.calls) >= self.stop_at:
            raise KeyboardInterrupt
        number = len(self.calls)
        self.calls.append((base, head))
        self.time += self.pair_s
        return pair(self.centre(base, head, number) + self.source.gauss(0.0, self.spread))

    def run(
        self,
        comparisons: Sequence[Comparison] = (PAIR,),
        progress: Callable[[Step], None] = lambda _s: None,
        **terms: object,
    ) -> Experiments:
        """Measure comparisons under the terms given."""
        return run_experiments(list(comparisons), Terms(**terms), self, progress, lambda: self.time)


def identical(_base: Subject, _head: Subject, _number: int) -> float:
    """Return no effect."""
    return 0.0


def biased(upto: int) -> Callable[[Subject, Subject, int], float]:
    """Return a measuring that prefers one side, by far more than the noise, for the first `upto` pairs."""
    return lambda _base, _head, number: 0.2 if number < upto else 0.0

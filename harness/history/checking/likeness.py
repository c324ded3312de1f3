"""Whether a run was measured on a machine in the same state as the runs before it.

A busy machine is not a slower library. Three quantities that every run stores for each figure show it:

- the share of time in which the control's blocks did not run: other programs, or another guest, had the processor;
- the control's own speed: a neighbour on the same physical core, or another clock rate;
- the spread of the pairs: whatever hits one pair and not the next.

Each is compared with the `RECENT` runs before, so that a machine that stays as it is becomes its own reference. The
limits are wide: they separate a state in which ratios shift from everyday variation, and a machine with more variation
has wider limits: one that alternates between two speeds is in its usual state at both.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.history.figures import Figure

__all__ = ["RECENT", "Limits", "limits_of"]

RECENT = 20
# Less time off the processor than this moves no ratio by as much as matters; an idle machine has 0 to 1 %.
_OFF_CPU = 0.05
_OFF_CPU_TIMES = 3.0
# Ratios move by a percent or two while the machine's own speed moves by this, beyond the range of eight runs in ten.
_SPEED = math.log(1.25)
_SPEED_TENTHS = (10, 90)
# By chance a spread of ten pairs is three times as large as usual less than once in a thousand runs.
_SPREAD_TIMES = 3.0
_SPREAD_PAIRS = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits set by the runs before; None where they have no such figure.

    `off_cpu` is the greatest share of time off the processor, `fastest` and `slowest` are logarithms of the control's
    time for a line in ns, `spread` is the scatter of the pairs: in `processor` time, or in elapsed time.
    """

    processor: bool = False

    off_cpu: float = _OFF_CPU
    fastest: float = -math.inf
    slowest: float = math.inf
    spread: float | None = None

    def exceeded(self, metric: Figure) -> str:
        """Return in words how a run differs from those before; empty where it does not."""
        if metric.off_cpu is not None and metric.off_cpu > self.off_cpu:
            return (
                f"the machine was busy: {metric.off_cpu:.0%} of the control's time was spent off the processor, and "
                f"{self.off_cpu:.0%} is the most that the runs before allow"
            )
        if (where := self._at_another_speed(metric)) is not None:
            return where
        if self._scattered(metric):
            spread = spread_of(metric, processor=self.processor)
            return f"its pairs scatter by {spread:.1%}, those of the runs before by {self.spread:.1%}"
        return ""

    def _at_another_speed(self, metric: Figure) -> str | None:
        if not metric.base_per_line or self.fastest <= math.log(metric.base_per_line) <= self.slowest:
            return None
        slower = math.log(metric.base_per_line) > self.slowest
        usual, word, end = (self.slowest, "slower", "most") if slower else (self.fastest, "faster", "least")
        return (
            f"the control itself was {word} than in the runs before: {metric.base_per_line:.0f} ns a line, and "
            f"{math.exp(usual):.0f} is the {end} that they allow"
        )

    def _scattered(self, metric: Figure) -> bool:
        spread = spread_of(metric, processor=self.processor)
        if spread is None or not self.spread or metric.pairs < _SPREAD_PAIRS:
            return False
        return spread > _SPREAD_TIMES * self.spread


def spread_of(metric: Figure, *, processor: bool) -> float | None:
    """Return the scatter of the pairs' log-ratio, of processor times or of elapsed times."""
    return metric.processor_spread if processor else metric.spread


def limits_of(before: Sequence[Figure], *, processor: bool = False) -> Limits:
    """Return the limits that the last `RECENT` of the runs before, oldest first, set by their medians."""
    recent = before[-RECENT:]
    off = [metric.off_cpu for metric in recent if metric.off_cpu is not None]
    fastest, slowest = _range([math.log(metric.base_per_line) for metric in recent if metric.base_per_line])
    spreads = [spread for metric in recent if (spread := spread_of(metric, processor=processor))]
    return Limits(
        off_cpu=max(_OFF_CPU, _OFF_CPU_TIMES * statistics.median(off)) if off else _OFF_CPU,
        fastest=fastest,
        slowest=slowest,
        spread=statistics.median(spreads) if spreads else None,
        processor=processor,
    )


def _range(speeds: Sequence[float]) -> tuple[float, float]:
    if not speeds:
        return -math.inf, math.inf
    low, high = (float(end) for end in np.percentile(speeds, _SPEED_TENTHS))
    reach = _SPEED + (high - low) / 2
    return low - reach, high + reach

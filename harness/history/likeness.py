"""Tells whether a run was measured on a machine in the state in which the runs before it were.

A busy machine is not a slower library. Three things that every run stores for each figure show it:

- the share of time in which the control's blocks did not run: other programs, or another guest, had the processor;
- the control's own speed: a neighbour on the same physical core, or another clock rate;
- the spread of the pairs: whatever hits one pair and not the next.

Each is held against the `RECENT` runs before, so that a machine that stays as it is now is its own measure in the end.
The limits are wide: they are to tell a state in which ratios move from the everyday, and an everyday that is restless
sets them wider.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special

from harness.history.metrics import Metric

__all__ = ["RECENT", "Limits", "limits_of"]

RECENT = 20
# Less time off the processor than this moves no ratio by as much as matters; an idle machine has 0 to 1 %.
_OFF_CPU = 0.05
_OFF_CPU_TIMES = 3.0
# Ratios move by a percent or two while the machine's own speed moves by this.
_SPEED = math.log(1.25)
_SPEED_DEVIATIONS = 5.0
# The pairs' spread has to be twice as large, and larger than chance makes it once in a thousand runs.
_SPREAD_TIMES = 2.0
_SPREAD_CHANCE = 0.001
# 1.4826 makes the median absolute deviation a standard deviation for Gaussian noise.
_MAD = 1.4826


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run like those before stays within; None where they do not say.

    `off_cpu` is the greatest share of time off the processor, `speed` and `speed_reach` the median of the logarithm of
    the control's time for a line and how far from it a run may be, `spread` and `spread_freedom` the pairs' standard
    deviation and the degrees of freedom behind it: of the ratio of processor times, or of elapsed times.
    """

    processor: bool = False

    off_cpu: float = _OFF_CPU
    speed: float | None = None
    speed_reach: float = _SPEED
    spread: float | None = None
    spread_freedom: int = 0

    def exceeded(self, metric: Metric) -> str:
        """Return in words what sets a run apart from those before; empty where nothing does."""
        if metric.off_cpu is not None and metric.off_cpu > self.off_cpu:
            return (
                f"the machine was busy: {metric.off_cpu:.0%} of the control's time was spent off the processor, and "
                f"{self.off_cpu:.0%} is the most that the runs before allow"
            )
        if metric.base_per_line is not None and self.speed is not None:
            moved = math.log(metric.base_per_line) - self.speed
            if abs(moved) > self.speed_reach:
                change = abs(math.expm1(moved))
                return (
                    f"the control itself was {change:.0%} {'slower' if moved > 0 else 'faster'} than in the runs before"
                )
        if self._scattered(metric):
            spread = spread_of(metric, processor=self.processor)
            return f"its pairs scatter by {spread:.1%}, those of the runs before by {self.spread:.1%}"
        return ""

    def _scattered(self, metric: Metric) -> bool:
        spread = spread_of(metric, processor=self.processor)
        if spread is None or not self.spread or metric.pairs < 2 or not self.spread_freedom:
            return False
        ratio = spread / self.spread
        chance = float(special.fdtrc(metric.pairs - 1, self.spread_freedom, ratio * ratio))
        return ratio > _SPREAD_TIMES and chance < _SPREAD_CHANCE


def spread_of(metric: Metric, *, processor: bool) -> float | None:
    """Return the standard deviation of the pairs' log-ratio, of processor times or of elapsed times."""
    if not processor:
        return metric.spread
    return None if metric.processor_error is None else metric.processor_error * math.sqrt(metric.pairs)


def limits_of(before: Sequence[Metric], *, processor: bool = False) -> Limits:
    """Return the limits that the last `RECENT` of the runs before, oldest first, set by their medians."""
    recent = before[-RECENT:]
    off = [metric.off_cpu for metric in recent if metric.off_cpu is not None]
    speeds = [math.log(metric.base_per_line) for metric in recent if metric.base_per_line is not None]
    spreads = [(spread, metric.pairs) for metric in recent if (spread := spread_of(metric, processor=processor))]
    return Limits(
        off_cpu=max(_OFF_CPU, _OFF_CPU_TIMES * statistics.median(off)) if off else _OFF_CPU,
        speed=statistics.median(speeds) if speeds else None,
        speed_reach=max(_SPEED, _SPEED_DEVIATIONS * _deviation(speeds)),
        spread=statistics.median(spread for spread, _ in spreads) if spreads else None,
        spread_freedom=sum(max(pairs - 1, 0) for _, pairs in spreads),
        processor=processor,
    )


def _deviation(values: Sequence[float]) -> float:
    middle = statistics.median(values) if values else 0.0
    return _MAD * statistics.median(abs(value - middle) for value in values) if values else 0.0

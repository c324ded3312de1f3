"""A/A controls: their sharing between comparisons, their sample size and their significance level.

The two sides of an A/A pair run the same program, so any deviation of their ratio from one is a bias of the
measurement. A control is the mean log-ratio of such pairs with Student's interval; a control whose interval excludes
zero voids the comparisons that rest on it.

- **Level.** On an unbiased machine at most `FAMILY` (1 %) of all calls have a control that excludes zero: each of K
  controls is tested at level FAMILY / K (Bonferroni).
- **Power.** Each control has at least as many pairs as are needed to detect a bias of one standard deviation of the
  pairs with probability `POWER`, at that level and in every repetition (see `pairs_needed`).
- **Sharing.** A bias favours one of the two positions in a pair. The program is the same in both positions and cannot
  cause it, so comparisons that are measured in the same way share a control, whose pairs are drawn from all of their
  bases in turn. Scraped pairs, and pairs with several threads, are measured differently and have separate controls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from harness.measure.stats import power_of
from harness.measure.subject import Subject

__all__ = [
    "AGAIN",
    "FAMILY",
    "POWER",
    "REPETITIONS",
    "Comparison",
    "Pipeline",
    "control_subject",
    "controls_of",
    "count_controls",
    "level_of",
    "pairs_needed",
    "pipeline",
]

# The share of calls on an unbiased machine in which any control may exclude zero in the first measurement.
FAMILY = 0.01
# The level of a control in a repetition. Only one unbiased call in a hundred gets this far, so its false alarms hardly
# matter; at this less strict level a real bias is missed much less often.
AGAIN = 0.05
# Above the 0.8 that is promised, since the tails of real pairs are heavier than the normal distribution's.
POWER = 0.9
# The maximum number of repetitions of a void comparison.
REPETITIONS = 2
_MOST_NEEDED = 1000


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two subjects to compare: `head` against `base`."""

    base: Subject
    head: Subject


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The properties of the measurement of a pair that decide whether two comparisons can share a control."""

    scraped: bool
    threaded: bool


def pipeline(subject: Subject) -> Pipeline:
    """Return the pipeline of a pair of `subject` with itself."""
    return Pipeline(scraped=subject.scraped, threaded=subject.threads > 1)


def control_subject(comparison: Comparison) -> Subject:
    """Return the subject of the control's A/A pairs: the base, or the head where the two have different pipelines."""
    base, head = comparison.base, comparison.head
    return base if pipeline(base) == pipeline(head) else head


def controls_of(comparisons: Sequence[Comparison]) -> dict[Pipeline, list[Subject]]:
    """Return the controls of comparisons measured side by side, each with the subjects whose A/A pairs it pools."""
    pools: dict[Pipeline, list[Subject]] = {}
    for subject in dict.fromkeys(control_subject(comparison) for comparison in comparisons):
        pools.setdefault(pipeline(subject), []).append(subject)
    return pools


def count_controls(*documents: Sequence[Comparison]) -> int:
    """Return the number of controls of a call that measures these lists of comparisons one after another."""
    return sum(len(controls_of(comparisons)) for comparisons in documents)


def level_of(controls: int) -> float:
    """Return the two-sided level of each of a call's `controls` controls (Bonferroni); raise `ValueError` below 1."""
    if controls < 1:
        raise ValueError(f"a call has at least one control, not {controls}")
    return FAMILY / controls


@cache
def pairs_needed(level: float) -> int:
    """Return the smallest number of A/A pairs that detects a bias of one standard deviation with probability `POWER`.

    The bias has to be detected by the first control, at `level`, and again by the control of each of the `REPETITIONS`,
    at `AGAIN`; otherwise a repetition would hide it. The power of each test is that of Student's t (`power_of`). Raise
    `ValueError` where fewer than a thousand pairs do not suffice.
    """
    for count in range(2, _MOST_NEEDED):
        power = power_of(1.0, 1.0, count, level) * power_of(1.0, 1.0, count, AGAIN) ** REPETITIONS
        if power >= POWER:
            return count
    raise ValueError(f"fewer than {_MOST_NEEDED} pairs do not have the power wanted at a level of {level}")

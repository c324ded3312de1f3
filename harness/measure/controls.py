"""The A/A control: which comparisons share one, how many pairs of identical code it takes, and how it is judged.

The two sides of an A/A pair run the same program, so whatever their ratio departs from one by was made by the measuring
itself. A control is the mean log-ratio of such pairs with Student's interval; one that misses zero voids the
comparisons that rest on it.

- **Level.** All controls of one call together miss zero on an honest machine in at most `FAMILY` (1 %) of the calls:
  each of K controls is judged at FAMILY / K (Bonferroni).
- **Power.** Each has at least as many pairs as find a bias of one standard deviation of the pairs with probability
  `POWER`, at that level and through every repetition (see `pairs_needed`).
- **Sharing.** A bias is a preference of the measuring for one of the two places of a pair. What a pair's processes run
  is the same on both sides and cannot make one, so comparisons that are measured in the same way share a control, and
  its pairs are taken from all of their bases in turn. Scraped pairs, and pairs with several threads, are measured in
  another way than the others and have controls of their own.
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

# The share of honest calls of which any control may miss zero when first measured.
FAMILY = 0.01
# The level of the control of what is measured again. Its misses are not counted against honest calls, of which only one
# in a hundred gets this far; being less strict it misses a bias that is really there much less often.
AGAIN = 0.05
# Four times in five is what is promised; the tails of real pairs are heavier than the normal distribution's.
POWER = 0.9
# How often a void comparison is measured again.
REPETITIONS = 2
_MOST_NEEDED = 1000


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared: `head` against `base`."""

    base: Subject
    head: Subject


@dataclass(frozen=True, slots=True)
class Pipeline:
    """How pairs are measured, as far as it is not the same for all."""

    scraped: bool
    threaded: bool


def pipeline(subject: Subject) -> Pipeline:
    """Return how a pair of this subject with itself is measured."""
    return Pipeline(scraped=subject.scraped, threaded=subject.threads > 1)


def control_subject(comparison: Comparison) -> Subject:
    """Return which side is compared with itself as the control: the base, unless it is measured in another way."""
    base, head = comparison.base, comparison.head
    return base if pipeline(base) == pipeline(head) else head


def controls_of(comparisons: Sequence[Comparison]) -> dict[Pipeline, list[Subject]]:
    """Return the controls that comparisons measured in one go have, and the subjects whose A/A pairs each pools."""
    found: dict[Pipeline, list[Subject]] = {}
    for subject in dict.fromkeys(control_subject(comparison) for comparison in comparisons):
        found.setdefault(pipeline(subject), []).append(subject)
    return found


def count_controls(*documents: Sequence[Comparison]) -> int:
    """Return how many controls a call has that measures these lists of comparisons one after another."""
    return sum(len(controls_of(comparisons)) for comparisons in documents)


def level_of(controls: int) -> float:
    """Return the two-sided level of each of `controls` controls of a call (Bonferroni); raises `ValueError` below 1."""
    if controls < 1:
        raise ValueError(f"a call has at least one control, not {controls}")
    return FAMILY / controls


@cache
def pairs_needed(level: float) -> int:
    """Return the fewest A/A pairs that find a bias of one standard deviation with probability `POWER` in the end.

    A bias that is there has to be found by the first control, at `level`, and again by the control of each of the
    `REPETITIONS`, at `AGAIN`; otherwise repeating would talk it away. The power of each is that of Student's t.
    """
    for count in range(2, _MOST_NEEDED):
        found = power_of(1.0, 1.0, count, level) * power_of(1.0, 1.0, count, AGAIN) ** REPETITIONS
        if found >= POWER:
            return count
    raise ValueError(f"fewer than {_MOST_NEEDED} pairs do not have the power wanted at a level of {level}")

"""From the pairs of one comparison to its entry in the document: intervals, smallest effect, control and verdict."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from harness.measure.document import (
    Axis,
    Check,
    Experiment,
    Null,
    RawPair,
    Verdict,
    interval_of,
    number_or_none,
)
from harness.measure.sequential import t_critical
from harness.measure.stats import (
    Estimate,
    bootstrap_interval,
    minimal_detectable_effect,
    standard_deviation,
    t_interval,
)
from harness.measure.subjects import Subject

__all__ = ["CONFIDENCE", "NULL_CONFIDENCE", "Comparison", "counting", "experiment_of", "null_of", "verdict_of"]

CONFIDENCE = 0.95
# An honest experiment's control misses zero at this level one time in a hundred; at 95 % one experiment in twenty would
# be thrown away for nothing, and people would learn to run it again until it passes.
NULL_CONFIDENCE = 0.99
_FEWEST_PAIRS = 2
# More void pairs than this share, and what is left is a selection.
_MOST_VOID = 0.25


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared: `head` against `base`."""

    base: Subject
    head: Subject


def counting(pairs: Sequence[RawPair]) -> list[RawPair]:
    """Return the pairs that are not void."""
    return [pair for pair in pairs if not pair.void]


def null_of(pairs: Sequence[RawPair]) -> tuple[Null, Estimate]:
    """Return the control's entry and its log-ratio with interval, from the A/A pairs that count."""
    found = t_interval([pair.log_ratio for pair in counting(pairs)], NULL_CONFIDENCE)
    ratio = found.exp()
    null = Null(
        ratio=number_or_none(ratio.value),
        ratio_interval=interval_of(ratio),
        confidence=NULL_CONFIDENCE,
        pairs=found.count,
    )
    return null, found


def verdict_of(log_ratio: Estimate, null: Estimate, tolerance: float, void_share: float = 0.0) -> Verdict:
    """Return what the pairs say.

    - ``void``: the control's interval misses zero, or more than a quarter of the pairs are void;
    - ``slower``, ``faster``: the whole interval lies on one side of no change;
    - ``indistinguishable``: the whole interval lies within ±`tolerance`, so no difference that matters is left;
    - ``undecided``: anything else, fewer than two pairs of either kind included.
    """
    if not null.covers(0.0) and null.count:
        return "void"
    if void_share > _MOST_VOID:
        return "void"
    if log_ratio.count < _FEWEST_PAIRS or null.count < _FEWEST_PAIRS:
        return "undecided"
    if log_ratio.low > 0:
        return "slower"
    if log_ratio.high < 0:
        return "faster"
    bound = math.log1p(tolerance)
    return "indistinguishable" if log_ratio.low >= -bound and log_ratio.high <= bound else "undecided"


def experiment_of(
    comparison: Comparison,
    pairs: Sequence[RawPair],
    nulls: Sequence[RawPair],
    *,
    tolerance: float,
    z: float | None = None,
    looks: int = 1,
    axis: Axis = "wall_ns",
) -> Experiment:
    """Return the entry of one comparison.

    `z` is the critical value, in standard normal units, that pays for having looked `looks` times; None for one look.
    """
    good = counting(pairs)
    count = len(good)
    critical = None if z is None else t_critical(z, count)
    logs, differences = [pair.log_ratio for pair in good], [pair.difference for pair in good]
    log_ratio = t_interval(logs, CONFIDENCE, critical=critical)
    cost = t_interval(differences, CONFIDENCE, critical=critical)
    ratio = log_ratio.exp()
    null, null_estimate = null_of(nulls)
    spread = standard_deviation(logs)
    # The interval that counts may be wider than Student's own; so is the smallest effect it lets one see.
    alpha = 1 - CONFIDENCE if z is None else math.erfc(z / math.sqrt(2))
    effect = minimal_detectable_effect(spread, count, max(alpha, 1e-12))
    verdict = verdict_of(log_ratio, null_estimate, tolerance, 1 - count / len(pairs) if pairs else 0.0)
    detectable = math.expm1(effect) if effect < 700 else math.inf
    return Experiment(
        axis=axis,
        base=comparison.base.name,
        head=comparison.head.name,
        factors=comparison.head.factors,
        base_factors=_differing(comparison),
        pairs=count,
        base_per_line=_mean([pair.base_per_line for pair in good]),
        head_per_line=_mean([pair.head_per_line for pair in good]),
        cost_per_line=number_or_none(cost.value),
        cost_interval=interval_of(cost),
        ratio=number_or_none(ratio.value),
        ratio_interval=interval_of(ratio),
        minimal_detectable_effect=number_or_none(detectable),
        null=null,
        verdict=verdict,
        conclusion=_conclusion(comparison, ratio, verdict, detectable, null, pairs),
        confidence=CONFIDENCE,
        looks=looks,
        log_ratio_sd=number_or_none(spread),
        off_cpu=statistics.median(pair.off_cpu for pair in good) if good else None,
        void_pairs=len(pairs) - count,
        lost=sum(pair.head_lost for pair in pairs),
        raised=sum(pair.head_raised for pair in pairs),
        evaluated=sum(pair.head_evaluated for pair in pairs),
        scrapes=sum(pair.head_scrapes for pair in good) if comparison.head.scraped else None,
        bootstrap=Check(
            ratio_interval=interval_of(bootstrap_interval(logs, CONFIDENCE).exp()),
            cost_interval=interval_of(bootstrap_interval(differences, CONFIDENCE)),
        ),
        raw_pairs=list(pairs),
        raw_null=list(nulls),
    )


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _differing(comparison: Comparison) -> dict[str, bool | int | float | str]:
    head = comparison.head.factors
    return {key: value for key, value in comparison.base.factors.items() if head.get(key) != value}


def _conclusion(
    comparison: Comparison, ratio: Estimate, verdict: Verdict, effect: float, null: Null, pairs: Sequence[RawPair]
) -> str:
    base, head = comparison.base.name, comparison.head.name
    seen = f"an effect of {effect:.1%} would have been found four times in five"
    if verdict == "void":
        reasons = [pair.void for pair in pairs if pair.void]
        if reasons:
            return f"void: {len(reasons)} of {len(pairs)} pairs do not count ({reasons[0]})"
        low, high = null.ratio_interval
        return f"void: {base} against itself came out at {low:.4f} to {high:.4f} times its own cost"
    if verdict in {"slower", "faster"}:
        return f"{head} costs {ratio.value:.4g} times what {base} does ({ratio.low:.4g} to {ratio.high:.4g})"
    if verdict == "indistinguishable":
        return f"{head} and {base} differ by less than matters ({ratio.low:.4f} to {ratio.high:.4f}); {seen}"
    if ratio.count < _FEWEST_PAIRS:
        return f"{ratio.count} pairs allow no conclusion"
    if null.pairs < _FEWEST_PAIRS:
        return f"no conclusion without a control: {null.pairs} A/A pairs were measured"
    return f"undecided between {ratio.low:.4f} and {ratio.high:.4f} times the cost; {seen}"

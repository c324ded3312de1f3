"""Evaluation of the pairs of a comparison: intervals, detectable effect, control and verdict of its entry."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.measure.controls import Comparison
from harness.measure.result import (
    COUNTED,
    Attempt,
    Axis,
    BootstrapCheck,
    Control,
    Experiment,
    Interval,
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

__all__ = [
    "CONFIDENCE",
    "Assessment",
    "Comparison",
    "ControlPairs",
    "assess",
    "bounds_of",
    "counting",
    "entry_of",
    "experiment_of",
    "null_of",
    "repeated",
    "verdict_of",
]

CONFIDENCE = 0.95
_FEWEST_PAIRS = 2
# With a larger share of void pairs, the remaining pairs are a biased selection.
_MOST_VOID = 0.25


@dataclass(frozen=True, slots=True)
class ControlPairs:
    """A/A pairs and the terms of their test: `confidence` of the interval, `needed` pairs (0: not stated).

    `controls` is the number of controls of the call, `subjects` the names of the subjects of the pairs.
    """

    pairs: Sequence[RawPair] = ()
    confidence: float = 0.99
    needed: int = 0
    controls: int = 1
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assessment:
    """The assessment of the pairs of one comparison; `ratio` and `null_ratio` are logarithms.

    `critical` is the critical value of the interval, in standard normal units; None for Student's own quantile.
    """

    comparison: Comparison
    axis: Axis
    pairs: Sequence[RawPair]
    control: ControlPairs
    ratio: Estimate
    cost: Estimate
    null_ratio: Estimate
    verdict: Verdict
    critical: float | None = None
    looks: int = 1
    earlier: tuple[Attempt, ...] = ()


def counting(pairs: Sequence[RawPair]) -> list[RawPair]:
    """Return the pairs that are not void."""
    return [pair for pair in pairs if not pair.void]


def null_of(control: ControlPairs) -> tuple[Control, Estimate]:
    """Return the control's entry and its log-ratio with interval, from the A/A pairs that count."""
    logs = [pair.log_ratio for pair in counting(control.pairs)]
    ratio = t_interval(logs, control.confidence)
    effect = minimal_detectable_effect(standard_deviation(logs), ratio.count, 1 - control.confidence)
    null = Control(
        ratio=number_or_none(ratio.exp().value),
        ratio_interval=_ratio_interval(ratio),
        confidence=control.confidence,
        pairs=ratio.count,
        needed=control.needed,
        controls=control.controls,
        subjects=max(1, len(control.subjects)),
        detectable=number_or_none(_relative(effect)),
    )
    return null, ratio


def _ratio_interval(log_ratio: Estimate) -> Interval:
    """Return the interval of the ratio; both ends are None unless both are finite."""
    return interval_of(log_ratio.exp()) if log_ratio.bounded else (None, None)


def _relative(log: float) -> float:
    return math.expm1(log) if log < 700 else math.inf


def verdict_of(
    log_ratio: Estimate, null: Estimate | None, tolerance: float, void_share: float = 0.0, needed: int = 0
) -> Verdict:
    """Return the verdict on a comparison; `null` is None on a counted axis, which has no control.

    - ``void``: the control's interval excludes zero, or more than a quarter of the pairs are void;
    - ``slower``, ``faster``: the whole interval lies on one side of no change;
    - ``indistinguishable``: the whole interval lies within ±`tolerance`, so that no relevant difference remains;
    - ``undecided``: all other cases, including fewer than two pairs of either kind.

    A control of fewer than `needed` pairs may miss a bias as large as its interval is wide. The interval of the verdict
    is then widened by it: see `_clear_of`.
    """
    if null is not None and null.count and not null.covers(0.0):
        return "void"
    if void_share > _MOST_VOID:
        return "void"
    if log_ratio.count < _FEWEST_PAIRS or (null is not None and null.count < _FEWEST_PAIRS):
        return "undecided"
    low, high = log_ratio.low, log_ratio.high
    if null is not None and null.count < needed:
        low, high = _clear_of(low, high, null.low, null.high)
    if low > 0:
        return "slower"
    if high < 0:
        return "faster"
    bound = math.log1p(tolerance)
    return "indistinguishable" if low >= -bound and high <= bound else "undecided"


def _clear_of(low: float, high: float, bias_low: float, bias_high: float) -> tuple[float, float]:
    """Return the interval of the log-ratio, widened for a bias that may lie anywhere in `bias_low` to `bias_high`."""
    return low - bias_high, high - bias_low


def bounds_of(experiment: Experiment) -> tuple[float, float] | None:
    """Return the interval of the log-ratio on which a decision may be based; None where there is none.

    This is the ratio's own interval, widened by the control's where the control has fewer pairs than its power needs.
    There is none for a void experiment, for a timed one without a control, and for an unbounded interval.
    """
    low, high = experiment.ratio_interval
    if experiment.verdict == "void" or low is None or high is None or not 0 < low <= high:
        return None
    interval = math.log(low), math.log(high)
    if experiment.axis in COUNTED:
        return interval
    null = experiment.null
    if null.pairs < _FEWEST_PAIRS:
        return None
    if null.pairs >= null.needed:
        return interval
    ends = null.ratio_interval
    if ends[0] is None or ends[1] is None or not 0 < ends[0] <= ends[1]:
        return None
    return _clear_of(*interval, math.log(ends[0]), math.log(ends[1]))


def assess(
    comparison: Comparison,
    pairs: Sequence[RawPair],
    control: ControlPairs,
    *,
    tolerance: float,
    z: float | None = None,
    looks: int = 1,
    axis: Axis = "wall_ns",
) -> Assessment:
    """Return the assessment of one comparison from its pairs and its control.

    `z` is the critical value, in standard normal units, corrected for `looks` looks; None for a single look.
    """
    good = counting(pairs)
    critical = None if z is None else t_critical(z, len(good))
    log_ratio = t_interval([pair.log_ratio for pair in good], CONFIDENCE, critical=critical)
    cost = t_interval([pair.difference for pair in good], CONFIDENCE, critical=critical)
    null = t_interval([pair.log_ratio for pair in counting(control.pairs)], control.confidence)
    void_share = 1 - len(good) / len(pairs) if pairs else 0.0
    verdict = verdict_of(log_ratio, None if axis in COUNTED else null, tolerance, void_share, control.needed)
    return Assessment(comparison, axis, pairs, control, log_ratio, cost, null, verdict, z, looks)


def attempt_of(assessment: Assessment) -> Attempt:
    """Return the record of a void measurement that is repeated."""
    null, _ = null_of(assessment.control)
    return Attempt(
        conclusion=_conclusion(assessment, math.nan, null),
        pairs=assessment.ratio.count,
        null=null,
        raw_pairs=list(assessment.pairs),
        raw_null=list(assessment.control.pairs),
    )


def entry_of(assessment: Assessment, *, repeat_spread: float | None = None) -> Experiment:
    """Return the document's entry for one comparison; `repeat_spread` is that of its counts, on a counted axis."""
    comparison, pairs, log_ratio, cost = assessment.comparison, assessment.pairs, assessment.ratio, assessment.cost
    good, z = counting(pairs), assessment.critical
    count = len(good)
    logs, differences = [pair.log_ratio for pair in good], [pair.difference for pair in good]
    ratio = log_ratio.exp()
    null, _ = null_of(assessment.control)
    spread = standard_deviation(logs)
    # The corrected interval may be wider than Student's own, and its detectable effect is larger accordingly.
    alpha = 1 - CONFIDENCE if z is None else math.erfc(z / math.sqrt(2))
    detectable = _relative(minimal_detectable_effect(spread, count, max(alpha, 1e-12)))
    return Experiment(
        axis=assessment.axis,
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
        ratio_interval=_ratio_interval(log_ratio),
        minimal_detectable_effect=number_or_none(detectable),
        null=null,
        verdict=assessment.verdict,
        conclusion=_conclusion(assessment, detectable, null),
        confidence=CONFIDENCE,
        looks=assessment.looks,
        log_ratio_sd=number_or_none(spread),
        off_cpu=statistics.median(pair.off_cpu for pair in good) if good else None,
        void_pairs=len(pairs) - count,
        lost=sum(pair.head_lost for pair in pairs),
        raised=sum(pair.head_raised for pair in pairs),
        evaluated=sum(pair.head_evaluated for pair in pairs),
        repeat_spread=None if repeat_spread is None else number_or_none(repeat_spread),
        scrapes=sum(pair.head_scrapes for pair in good) if comparison.head.scraped else None,
        bootstrap=BootstrapCheck(
            ratio_interval=interval_of(bootstrap_interval(logs, CONFIDENCE).exp()),
            cost_interval=interval_of(bootstrap_interval(differences, CONFIDENCE)),
        ),
        raw_pairs=list(pairs),
        raw_null=list(assessment.control.pairs),
        attempts=1 + len(assessment.earlier),
        earlier=list(assessment.earlier),
    )


def experiment_of(
    comparison: Comparison,
    pairs: Sequence[RawPair],
    control: ControlPairs | Sequence[RawPair] = (),
    *,
    tolerance: float,
    z: float | None = None,
    looks: int = 1,
    axis: Axis = "wall_ns",
) -> Experiment:
    """Return the entry of one comparison; plain A/A pairs stand for a control at 99 % without a stated power."""
    control_pairs = control if isinstance(control, ControlPairs) else ControlPairs(control)
    return entry_of(assess(comparison, pairs, control_pairs, tolerance=tolerance, z=z, looks=looks, axis=axis))


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _differing(comparison: Comparison) -> dict[str, bool | int | float | str]:
    head = comparison.head.factors
    return {key: value for key, value in comparison.base.factors.items() if head.get(key) != value}


def _conclusion(assessment: Assessment, effect: float, null: Control) -> str:
    """Return the conclusion from the pairs, as a sentence."""
    if assessment.verdict == "void":
        sentence = _void_reason(assessment, null)
        return f"{sentence}; measured {len(assessment.earlier) + 1} times" if assessment.earlier else sentence
    sentence = _finding(assessment, effect, null)
    if assessment.axis in COUNTED:
        return sentence
    if _FEWEST_PAIRS <= null.pairs < null.needed:
        sentence += (
            f"; the control has {null.pairs} of the {null.needed} A/A pairs that it should have, so only what exceeds "
            "its interval too is decided"
        )
    times = len(assessment.earlier)
    return (
        f"{sentence}; void {'once' if times == 1 else f'{times} times'} before, and measured again"
        if times
        else sentence
    )


def _void_reason(assessment: Assessment, null: Control) -> str:
    pairs = assessment.pairs
    reasons = [pair.void for pair in pairs if pair.void]
    if len(reasons) > _MOST_VOID * len(pairs):
        return f"void: {len(reasons)} of {len(pairs)} pairs do not count ({reasons[0]})"
    low, high = ("unknown" if end is None else f"{end:.4f}" for end in null.ratio_interval)
    subjects = assessment.control.subjects or (assessment.comparison.base.name,)
    name = f"{subjects[0]} against itself" if len(set(subjects)) == 1 else f"each of {len(subjects)} against itself"
    return f"void: {name} came out at {low} to {high} times its own cost"


def _finding(assessment: Assessment, effect: float, null: Control) -> str:
    base, head = assessment.comparison.base.name, assessment.comparison.head.name
    ratio, verdict = assessment.ratio.exp(), assessment.verdict
    sensitivity = f"an effect of {effect:.1%} would have been found four times in five"
    if verdict in {"slower", "faster"}:
        return f"{head} costs {ratio.value:.4g} times what {base} does ({ratio.low:.4g} to {ratio.high:.4g})"
    if verdict == "indistinguishable":
        return f"{head} and {base} differ by less than matters ({ratio.low:.4f} to {ratio.high:.4f}); {sensitivity}"
    if ratio.count < _FEWEST_PAIRS:
        return f"{ratio.count} pairs allow no conclusion"
    if assessment.axis not in COUNTED and null.pairs < _FEWEST_PAIRS:
        return f"no conclusion without a control: {null.pairs} A/A pairs were measured"
    return f"undecided between {ratio.low:.4f} and {ratio.high:.4f} times the cost; {sensitivity}"


def repeated(assessment: Assessment, before: Assessment) -> Assessment:
    """Return a repetition of a void measurement, with the void attempts `before` it."""
    return replace(assessment, earlier=(*before.earlier, attempt_of(before)))

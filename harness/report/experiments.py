"""Experiments in words and figures: what tables, pictures and sentences say of one, and of a void one."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from harness.report.numbers import (
    UNKNOWN,
    MeasuredValue,
    Unit,
    finite,
    percent,
    plain,
    unit_for,
    with_interval,
)

if TYPE_CHECKING:
    from harness.measure.result import Experiment, Interval

__all__ = [
    "VERDICTS", "VOID", "attempt_words", "conditions", "control_pairs", "control_words", "cost_of",
    "experiment_name", "is_rung", "levels_of", "lost_words", "measured", "ratio_of", "ratio_of_lost", "remark_words",
    "repeat_words", "seen_words", "unit_of", "verdict_words",
]  # fmt: skip

# A sign and a word for each verdict: colour only ever repeats them.
VERDICTS: Mapping[str, tuple[str, str]] = {
    "slower": ("▲", "slower"),
    "faster": ("▼", "faster"),
    "indistinguishable": ("=", "no difference"),
    "undecided": ("?", "undecided"),
    "void": ("✗", "void"),
}
# What stands in the place of every figure of a void experiment.
VOID = "✗ void"
_NAMES = {name: name for name in ("series", "threads", "views", "tags", "buckets", "scrapers")} | {
    "heap": "objects beside"
}
_USUAL = {"threads": 1, "series": 1, "scrapers": 1}
# A user's function is named by its path already.
_IN_THE_NAME = frozenset({"target", "bare"})
_OF_SCRAPES = frozenset({"scraped", "scrape_interval_ms"})


def measured(value: float | None, interval: "Interval") -> MeasuredValue:
    """Return a document's value and interval; NaN and infinity count as not known."""
    return MeasuredValue(finite(value), finite(interval[0]), finite(interval[1]))


def cost_of(experiment: "Experiment | None") -> MeasuredValue:
    """Return what a line costs above the base; nothing for a void experiment."""
    if experiment is None or experiment.verdict == "void":
        return MeasuredValue()
    return measured(experiment.cost_per_line, experiment.cost_interval)


def levels_of(experiment: "Experiment") -> tuple[float | None, float | None]:
    """Return what a line takes on either side, at the speed of the machine at which the cost is given."""
    base, ratio = experiment.reference_per_line, experiment.ratio
    if base is None or ratio is None:
        return experiment.base_per_line, experiment.head_per_line
    return base, base * ratio


def ratio_of(experiment: "Experiment") -> MeasuredValue:
    """Return the head's cost over the base's; nothing for a void experiment."""
    return MeasuredValue() if experiment.verdict == "void" else measured(experiment.ratio, experiment.ratio_interval)


def seen_words(experiment: "Experiment") -> str:
    """Return the smallest effect that its pairs would have shown; nothing for a void experiment."""
    return "" if experiment.verdict == "void" else percent(experiment.minimal_detectable_effect)


def control_words(experiment: "Experiment") -> str:
    """Return the control's interval; for what is counted and has no control, how far its counts repeat."""
    null = experiment.null
    if experiment.axis == "wall_ns":
        return with_interval(measured(null.ratio, null.ratio_interval))[1] or UNKNOWN
    if experiment.repeat_spread is None:
        return "counted"
    return f"within {percent(experiment.repeat_spread)}" if experiment.repeat_spread else "the same"


def control_pairs(experiment: "Experiment") -> str:
    """Return the pairs of its control, and how many those should be where they are fewer; nothing without a control."""
    null = experiment.null
    if not null.pairs:
        return ""
    return f"{null.pairs} of {null.needed}" if null.pairs < null.needed else str(null.pairs)


def repeat_words(spread: float | None) -> str:
    """Return how far counts of one side repeat, which is all there is of a control."""
    if spread is None:
        return "counted once"
    return f"counted again it was the same within {percent(spread)}" if spread else "counted again it was the same"


def attempt_words(experiment: "Experiment") -> str:
    """Return how often it was measured where that was more than once; else nothing."""
    return f"measured {experiment.attempts} times" if experiment.attempts > 1 else ""


def conditions(factors: Mapping[str, object], *, scraped: bool = False) -> str:
    """Return factors in words, without what is as usual: ``100 series, 2 threads``."""
    words = []
    for name, value in factors.items():
        if name == "scraped":
            if scraped and value:
                words.append("scraped")
        elif name in _IN_THE_NAME or (_USUAL.get(name) == value and not isinstance(value, bool)):
            continue
        elif name == "scrape_interval_ms":
            words.append(f"every {value} ms")
        elif name in _NAMES and isinstance(value, int | float):
            words.append(f"{plain(value, 6)} {_NAMES[name]}")
        else:
            words.append(f"{name} {value}")
    return ", ".join(words)


def is_rung(experiment: "Experiment") -> bool:
    """Tell whether both sides are steps of the ladder, and no ways of recording."""
    from harness.measure.steps import RUNGS

    names = {rung.name for rung in RUNGS}
    return experiment.head in names and experiment.base in names


def unit_of(experiments: "Iterable[Experiment | None]", axis: str = "ns") -> Unit:
    """Return one unit for a column of costs."""
    return unit_for([cost_of(each).value for each in experiments], axis)


def lost_words(experiment: "Experiment") -> str:
    """Return what a head lost or raised, with the share of the lines evaluated; empty when nothing."""
    return ratio_of_lost(experiment.lost, experiment.raised, experiment.evaluated)


def ratio_of_lost(lost: int, raised: int, evaluated: int) -> str:
    """Return the same for counts."""
    words = []
    for name, count in (("lost", lost), ("raised", raised)):
        if count:
            share = f" ({percent(count / evaluated)})" if evaluated else ""
            words.append(f"{name} {plain(count, 15)} of {plain(evaluated, 15)} lines{share}")
    return ", ".join(words)


def verdict_words(verdict: str) -> str:
    """Return a verdict's sign and word; an unknown one, of a later version, as it is."""
    sign, word = VERDICTS.get(verdict, ("", verdict))
    return f"{sign} {word}".strip()


def experiment_name(experiment: "Experiment") -> str:
    """Return what is compared with what, and under which conditions."""
    words = conditions(experiment.factors, scraped=True)
    axis = "" if experiment.axis == "wall_ns" else f", {experiment.axis}"
    return f"{experiment.head} against {experiment.base}{f' ({words})' if words else ''}{axis}"


def remark_words(experiment: "Experiment") -> str:
    """Return what the verdict leaves to say: why, how often it was measured, what was lost; empty for nothing."""
    # For a clear verdict the ratio beside it says what the sentence would.
    reason = "" if experiment.verdict in {"slower", "faster"} else experiment.conclusion
    parts = (reason, "" if reason else attempt_words(experiment), lost_words(experiment))
    return "; ".join(part for part in parts if part)

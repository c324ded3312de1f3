"""The smallest difference that a measurement could decide, from how far identical code differed meanwhile."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.measure.result import Experiment, Experiments
from harness.measure.stats import minimal_detectable_effect
from harness.measure.verdict import counting

__all__ = ["Resolution", "advice", "advice_on", "document_notes", "resolution", "resolution_of"]

# Beyond this, advice follows: it is what an experiment's own verdict tolerates.
_WANTED = 0.02
# Nobody waits that many times as long; then only a quieter machine or another axis helps.
_LONGEST = 30


_EXPERIMENTS = TypeAdapter(list[Experiment])


@dataclass(frozen=True, slots=True)
class Resolution:
    """What could be told from noise: `effect` is a share of the whole line, found four times in five.

    `spread` is the standard deviation of identical code's ratio from pair to pair, of `controls` pairs; `pairs` is the
    number of pairs a comparison had.
    """

    effect: float
    spread: float
    pairs: int
    controls: int

    @property
    def longer(self) -> float:
        """How many times as long would tell differences of 2 %: pairs grow with the square of what they tell."""
        return (math.log1p(self.effect) / math.log1p(_WANTED)) ** 2


def resolution(controls: Sequence[Sequence[float]], pairs: Sequence[int], alpha: float = 0.05) -> Resolution | None:
    """Return what could be told, or None where fewer than two A/A pairs of one base say how noisy it was.

    `controls` are the log-ratios of each base's A/A pairs, whose variance is pooled within bases; `pairs` the pairs of
    each comparison, of which the median counts.
    """
    groups = [group for group in controls if len(group) >= 2]
    if not groups or not pairs:
        return None
    freedom = sum(len(group) - 1 for group in groups)
    spread = math.sqrt(sum(statistics.variance(group) * (len(group) - 1) for group in groups) / freedom)
    count = statistics.median_low(pairs)
    found = minimal_detectable_effect(spread, count, alpha)
    return Resolution(math.expm1(found) if found < 100 else math.inf, spread, count, freedom + len(groups))


def resolution_of(experiments: Sequence[Experiment]) -> Resolution | None:
    """Return what the timed ones of some experiments could tell; None where none was timed or controlled."""
    timed = [each for each in experiments if each.axis == "wall_ns"]
    # Comparisons with one base share its A/A pairs; a pair is known by its processes' hash seeds.
    controls = {
        tuple(pair.hash_seeds for pair in each.raw_null): [pair.log_ratio for pair in counting(each.raw_null)]
        for each in timed
    }
    alpha = 1 - timed[0].confidence if timed else 0.05
    return resolution(list(controls.values()), [each.pairs for each in timed], alpha)


def advice(found: Resolution) -> str:
    """Return in a sentence what could be decided, and where that is little, what to do about it."""
    if math.isinf(found.effect):
        return f"{found.pairs} pairs decide nothing: give it more time (--budget)."
    words = (
        f"This machine could decide differences of {_share(found.effect)} and more today "
        f"(identical code: {_share(found.spread)} from pair to pair, {found.pairs} pairs)."
    )
    if found.effect <= _WANTED:
        return words
    more = f", {found.longer:.2g} times as much for {_share(_WANTED)}" if found.longer <= _LONGEST else ""
    return (
        f"{words} For smaller ones: a quieter machine, more time (--budget{more}), or counting (--axis instructions)."
    )


def _share(value: float) -> str:
    return f"{100 * value:.2g} %" if value < 1 else f"{100 * value:.0f} %"


def advice_on(stored: Mapping[str, Any]) -> str:
    """Return the same for a stored document of experiments; empty where it holds none that were timed."""
    try:
        found = resolution_of(_EXPERIMENTS.validate_python(stored.get("experiments") or []))
    except ValidationError:
        return ""  # of an earlier version, or of another kind
    return "" if found is None else advice(found)


def document_notes(document: Experiments) -> Iterator[str]:
    """Yield what a reader has to know before the figures, each in a line: noise, processors, foreign libraries."""
    found = resolution_of(document.experiments)
    if found is not None:
        yield advice(found)
    if document.environment.cpu_note and any(each.axis == "wall_ns" for each in document.experiments):
        yield f"Note: {document.environment.cpu_note}."
    elsewhere = {
        each.library: each.file for loaded in document.loaded.values() for each in loaded
        if not each.version and document.environment.libraries.get(each.library, "").startswith("from ")
    }  # fmt: skip
    for library, file in elsewhere.items():
        yield f"Note: {library} was loaded from {file}, which is no installed version."

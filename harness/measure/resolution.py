"""Resolution: the smallest difference that a measurement can detect, from the spread of its A/A pairs."""

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

# A detectable effect above the default tolerance of a verdict comes with advice.
_TARGET = 0.02
# No factor beyond this one is suggested for the time: only a quieter machine or another axis helps then.
_LONGEST = 30

_EXPERIMENTS = TypeAdapter(list[Experiment])


@dataclass(frozen=True, slots=True)
class Resolution:
    """The detectable effect: `effect` is a relative change of the cost of a whole line, detected with power 0.8.

    `spread` is the standard deviation of the log-ratio of A/A pairs, of which there are `controls`; `pairs` is the
    number of pairs of a comparison.
    """

    effect: float
    spread: float
    pairs: int
    controls: int

    @property
    def longer(self) -> float:
        """Factor on the measuring time needed to detect 2 %: pairs grow with the inverse square of the effect."""
        return (math.log1p(self.effect) / math.log1p(_TARGET)) ** 2


def resolution(controls: Sequence[Sequence[float]], pairs: Sequence[int], alpha: float = 0.05) -> Resolution | None:
    """Return the resolution, or None where no base has the two A/A pairs needed to estimate the noise.

    `controls` are the log-ratios of each base's A/A pairs, whose variance is pooled within bases; `pairs` are the
    numbers of pairs of the comparisons, of which the median is used.
    """
    groups = [group for group in controls if len(group) >= 2]
    if not groups or not pairs:
        return None
    freedom = sum(len(group) - 1 for group in groups)
    spread = math.sqrt(sum(statistics.variance(group) * (len(group) - 1) for group in groups) / freedom)
    count = statistics.median_low(pairs)
    effect = minimal_detectable_effect(spread, count, alpha)
    return Resolution(math.expm1(effect) if effect < 100 else math.inf, spread, count, freedom + len(groups))


def resolution_of(experiments: Sequence[Experiment]) -> Resolution | None:
    """Return the resolution of the timed experiments; None where none is timed, or none of those has a control."""
    timed = [experiment for experiment in experiments if experiment.axis == "wall_ns"]
    # Comparisons with one base share its A/A pairs; a pair is identified by its processes' hash seeds.
    controls = {
        tuple(pair.hash_seeds for pair in experiment.raw_null): [
            pair.log_ratio for pair in counting(experiment.raw_null)
        ]
        for experiment in timed
    }
    alpha = 1 - timed[0].confidence if timed else 0.05
    return resolution(list(controls.values()), [experiment.pairs for experiment in timed], alpha)


def advice(limit: Resolution) -> str:
    """Return a sentence on the detectable difference and, where that is large, on how to reduce it."""
    if math.isinf(limit.effect):
        return f"{limit.pairs} pairs decide nothing: give it more time (--budget)."
    words = (
        f"This machine could decide differences of {_share(limit.effect)} and more today "
        f"(identical code: {_share(limit.spread)} from pair to pair, {limit.pairs} pairs)."
    )
    if limit.effect <= _TARGET:
        return words
    more = f", {limit.longer:.2g} times as much for {_share(_TARGET)}" if limit.longer <= _LONGEST else ""
    return (
        f"{words} For smaller ones: a quieter machine, more time (--budget{more}), or counting (--axis instructions)."
    )


def _share(value: float) -> str:
    return f"{100 * value:.2g} %" if value < 1 else f"{100 * value:.0f} %"


def advice_on(stored: Mapping[str, Any]) -> str:
    """Return the advice for a stored document of experiments; empty where it has no timed experiments."""
    try:
        limit = resolution_of(_EXPERIMENTS.validate_python(stored.get("experiments") or []))
    except ValidationError:
        return ""  # a document of an earlier version, or of another kind
    return "" if limit is None else advice(limit)


def document_notes(document: Experiments) -> Iterator[str]:
    """Yield the notes that belong to the figures, a line each: noise, processors, libraries from elsewhere."""
    limit = resolution_of(document.experiments)
    if limit is not None:
        yield advice(limit)
    if document.environment.cpu_note and any(experiment.axis == "wall_ns" for experiment in document.experiments):
        yield f"Note: {document.environment.cpu_note}."
    elsewhere = {
        module.library: module.file for loaded in document.loaded.values() for module in loaded
        if not module.version and document.environment.libraries.get(module.library, "").startswith("from ")
    }  # fmt: skip
    for library, file in elsewhere.items():
        yield f"Note: {library} was loaded from {file}, which is no installed version."

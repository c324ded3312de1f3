"""Measures the figures of a kept result again, on its own terms, or says why that cannot be done here."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import UsageError
from harness.history.envelope import Envelope
from harness.history.metrics import Metric, experiments_of, key_of, metrics_of
from harness.instruments.catalog import BUILT_IN
from harness.measure.controls import count_controls
from harness.measure.document import Document
from harness.measure.experiment import Progress, Terms
from harness.measure.instructions import run_instructions
from harness.measure.overhead import measure_overhead
from harness.measure.steps import RUNGS
from harness.measure.subjects import Subject
from harness.measure.verdicts import Comparison, experiment_of

__all__ = ["Asked", "Measurer", "asked_in", "measure", "measure_again", "why_not"]

# Which field of a subject a factor sets, where they are called differently.
_FIELDS = {"scrape_interval_ms": "interval_ms"}
# A base is described by what differs from its head, so these could be the head's alone or both sides'.
_AMBIGUOUS = ("delay_ns", "python", "path")
_AXES = ("wall_ns", "instructions")
_SHORTEST_S = 10.0
_RUNGS = frozenset(rung.name for rung in RUNGS)


@dataclass(frozen=True, slots=True)
class Asked:
    """One comparison on one axis (``wall_ns`` or ``instructions``)."""

    axis: str
    comparison: Comparison


Measurer = Callable[[Sequence[Comparison], Terms, Progress], Document]


def why_not(run: Envelope, fingerprint: Mapping[str, Any], git: Mapping[str, Any]) -> str:
    """Return why measuring here and now would not measure what `run` did; empty when it would."""
    if run.kind != "overhead":
        return f"a result of kind {run.kind} is not made of paired experiments"
    if fingerprint.get("epoch") != run.epoch:
        return "it was measured on another machine, or by another Python"
    if fingerprint.get("versions") != run.fingerprint.get("versions"):
        return "other versions are installed now"
    if any(git.get(name) != run.git.get(name) for name in ("revision", "dirty")):
        return "the project is at another revision now, or was changed"
    return ""


def asked_in(document: Mapping[str, Any], keys: Collection[str] | None = None) -> tuple[Asked, ...]:
    """Return the comparisons that a kept document holds, or those of the figures named.

    Raises `UsageError` when one of them cannot be told from its description.
    """
    experiments = {key_of(experiment): experiment for experiment in experiments_of(document)}
    wanted = [key for key in experiments if key and (keys is None or key in keys)]
    return tuple(_asked(key, experiments[key]) for key in wanted)


def _asked(key: str, experiment: Mapping[str, Any]) -> Asked:
    head_factors, changed = dict(experiment.get("factors", {})), dict(experiment.get("base_factors", {}))
    axis = experiment["axis"]
    try:
        if axis not in _AXES:
            raise UsageError(f"the axis {axis} is not measured again")  # noqa: TRY301 - told with its name
        if any(name in head_factors for name in _AMBIGUOUS):
            raise UsageError("its conditions do not say which side they are of")  # noqa: TRY301 - told with its name
        head = _subject(experiment["head"], head_factors)
        base = _subject(experiment["base"], {**head_factors, **changed})
        # What the description leaves out, such as which views, shows in a description that comes out different.
        again = experiment_of(Comparison(base, head), [], [], tolerance=0.0, axis=axis)
        if key_of(again.model_dump(mode="json")) != key:
            raise UsageError("its conditions are not told in full")  # noqa: TRY301 - as above
    except (UsageError, TypeError, ValueError) as error:
        raise UsageError(f"{key} cannot be measured again from its description: {error}") from error
    return Asked(axis, Comparison(base, head))


def _subject(name: str, factors: Mapping[str, Any]) -> Subject:
    known = {_FIELDS.get(factor, factor): value for factor, value in factors.items() if factor != "views"}
    if "target" in known:
        return Subject(instrument="own" if name.endswith(" (as it is)") else "none", **known)
    if name in _RUNGS and name not in BUILT_IN:
        return Subject(rung=name, **known)
    return Subject(instrument=name, **known)


def measure(asked: Iterable[Asked], terms: Terms, progress: Progress, paired: Measurer | None = None) -> list[Document]:
    """Measure the comparisons, those of one axis and one scrape interval side by side; a document for each group.

    `paired` takes the place of `measure_overhead` in tests. Raises what measuring raises.
    """
    groups: dict[tuple[str, int], list[Comparison]] = {}
    for each in asked:
        sides = (each.comparison.base, each.comparison.head)
        interval = max(side.interval_ms if side.scraped else 0 for side in sides)
        groups.setdefault((each.axis, interval), []).append(each.comparison)
    # What is not scraped can be measured beside anything.
    loose = groups.pop(("wall_ns", 0), [])
    if loose:
        beside = next((key for key in groups if key[0] == "wall_ns"), ("wall_ns", 0))
        groups[beside] = loose + groups.get(beside, [])
    total = sum(len(group) for group in groups.values())
    controls = count_controls(*(group for (axis, _), group in groups.items() if axis == "wall_ns")) or None
    found = []
    for (axis, _), group in groups.items():
        if axis == "instructions":
            document = run_instructions(group, progress)
        else:
            share = terms.budget_s and terms.budget_s * len(group) / total
            part = replace(terms, budget_s=share, controls=controls)
            document = (paired or measure_overhead)(group, part, progress)
        found.append(document)
        if document.interrupted:
            break
    return found


def measure_again(
    run: Envelope,
    keys: Collection[str],
    progress: Progress,
    *,
    terms: Terms | None = None,
    paired: Measurer | None = None,
) -> tuple[Metric, ...]:
    """Measure some figures of a kept run again and return them; without `terms`, on those it was measured on.

    Raises `KeyboardInterrupt` when it was interrupted, and the `HarnessError` that measuring met.
    """
    asked = asked_in(run.document, keys)
    terms = terms or _terms(run.document, len(asked))
    documents = measure(asked, terms, progress, paired)
    if any(document.interrupted for document in documents):
        raise KeyboardInterrupt
    return tuple(
        metric for document in documents for metric in metrics_of("overhead", document.model_dump(mode="json"))
    )


def _terms(document: Mapping[str, Any], wanted: int) -> Terms:
    """Return the precision it was measured to, and at least as much time for each comparison as it took then."""
    inner = document if "experiments" in document else document.get("document", {})
    used, elapsed = inner.get("terms") or {}, inner.get("elapsed_s")
    each = elapsed / max(len(experiments_of(document)), 1) if isinstance(elapsed, int | float) else 0.0
    budget = max(_SHORTEST_S, each * wanted if math.isfinite(each) else 0.0)
    # Another seed: the same one would draw the same orders and the same hash seeds, and repeat their luck.
    return Terms(precision=used.get("precision"), budget_s=budget, seed=int(used.get("seed") or 0) + 1)

"""Repeated measurement of a stored result's figures, on its own plan, or the reason why it is impossible here."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import UsageError
from harness.history.envelope import Envelope
from harness.history.figures import Figure, StoredExperiment, key_of, measured_in, metrics_of
from harness.history.fingerprint import epoch_in
from harness.instruments.catalog import BUILT_IN
from harness.measure.controls import count_controls
from harness.measure.counts.instructions import run_instructions
from harness.measure.pairs.measure import measure_overhead
from harness.measure.pairs.pair import BlockPlan
from harness.measure.pairs.schedule import Terms
from harness.measure.result import Experiments
from harness.measure.steps import RUNGS
from harness.measure.subject import Subject
from harness.measure.verdict import Comparison, experiment_of
from harness.progress import Progress

__all__ = ["FigureGroup", "Measurer", "groups_in", "measure", "measure_again", "shared", "why_not"]

# Which field of a subject a factor sets, where they are called differently.
_FIELDS = {"scrape_interval_ms": "interval_ms"}
# A base is described by what differs from its head, so these could be the head's alone or both sides'.
_AMBIGUOUS = ("delay_ns", "python", "path")
_AXES = ("wall_ns", "instructions")
_SHORTEST_S = 10.0
_RUNGS = frozenset(rung.name for rung in RUNGS)


@dataclass(frozen=True, slots=True)
class FigureGroup:
    """Comparisons measured side by side on one axis (``wall_ns`` or ``instructions``), and the terms for that.

    `keys` are the names of the requested figures; the others are measured because they were measured then.
    """

    axis: str
    comparisons: tuple[Comparison, ...]
    terms: Terms
    keys: tuple[str, ...] = ()


Measurer = Callable[[Sequence[Comparison], Terms, Progress], Experiments]


def why_not(run: Envelope, fingerprint: Mapping[str, Any], git: Mapping[str, Any]) -> str:
    """Return why a measurement here and now would not repeat that of `run`; empty when it would."""
    if run.kind != "overhead":
        return f"a result of kind {run.kind} is not made of paired experiments"
    if epoch_in(fingerprint) != run.epoch:
        return "it was measured on another machine, or by another Python"
    if fingerprint.get("versions") != run.fingerprint.get("versions"):
        return "other versions are installed now"
    if git.get("revision") != run.git.get("revision"):
        return "the project is at another revision now"
    if git.get("dirty") or run.git.get("dirty"):
        return "the project had changes that were not committed, then or now, so its code may be another"
    return ""


def groups_in(document: Mapping[str, Any], keys: Collection[str] | None = None) -> tuple[FigureGroup, ...]:
    """Return the comparisons of a stored document as they were measured, or those beside the figures named.

    Raises `UsageError` when a requested figure cannot be reconstructed from its description; one that was only measured
    beside it is left out then.
    """
    members: list[tuple[StoredExperiment, Comparison]] = []
    wanted: list[str] = []
    for measured in measured_in(document):
        key = measured.key
        named = bool(key) and (keys is None or key in keys)
        if not named and (not key or measured.experiment["axis"] != "wall_ns"):
            continue
        try:
            members.append((measured, _comparison(key, measured.experiment)))
        except UsageError:
            if named:
                raise
            continue
        wanted += [key] if named else []
    groups = (_group(each, wanted) for each in _side_by_side(members))
    return tuple(group for group in groups if group.keys)


_Members = Sequence[tuple[StoredExperiment, Comparison]]


def _side_by_side(members: _Members) -> list[_Members]:
    """Divide into parts and axes, and by scrape interval, of which one call has one; all in their order.

    A comparison without scrapes can be measured beside any other, and was.
    """
    intervals: dict[tuple[int, str], int] = {}
    for measured, comparison in members:
        if interval := _interval_ms(comparison):
            intervals.setdefault((measured.part, measured.experiment["axis"]), interval)
    result: dict[tuple[int, str, int], list[tuple[StoredExperiment, Comparison]]] = {}
    for measured, comparison in members:
        place = (measured.part, measured.experiment["axis"])
        interval = _interval_ms(comparison) or intervals.get(place, 0)
        result.setdefault((*place, interval), []).append((measured, comparison))
    return list(result.values())


def _interval_ms(comparison: Comparison) -> int:
    return max(side.interval_ms if side.scraped else 0 for side in (comparison.base, comparison.head))


def _group(members: _Members, wanted: Collection[str]) -> FigureGroup:
    # The same experiment twice in one document is one comparison.
    comparisons = {measured.key: comparison for measured, comparison in members}
    first = members[0][0]
    keys = tuple(key for key in comparisons if key in wanted)
    return FigureGroup(first.experiment["axis"], tuple(comparisons.values()), _terms(first), keys)


def _terms(measured: StoredExperiment) -> Terms:
    """Return the terms of the stored experiment, with the time that it took where no budget was set."""
    used = measured.terms
    precision, budget = _positive(used.get("precision")), _positive(used.get("budget_s"))
    rounds, block_ns = _positive(used.get("rounds")), _positive(used.get("block_ns"))
    plan = BlockPlan(int(rounds), int(block_ns)) if rounds and block_ns else BlockPlan()
    if budget is None:
        # A precision alone may not be reached in the state that the machine is in now.
        budget = max(_SHORTEST_S, 2 * (_positive(measured.elapsed_s) or 0.0))
    terms = Terms(
        precision=precision, budget_s=budget, plan=plan, lumpy=used.get("lumpy") is True,
        settled=used.get("settled") is True,
        # Another seed: the same one would draw the same orders and hash seeds, and repeat the same chance effects.
        seed=int(used.get("seed") or 0) + 1,
    )  # fmt: skip
    fewest, most = _positive(used.get("fewest")), _positive(used.get("most"))
    return replace(terms, fewest=int(fewest), most=int(most)) if fewest and most else terms


def _positive(value: object) -> float | None:
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
    return number if number > 0 and math.isfinite(number) else None


def _comparison(key: str, experiment: Mapping[str, Any]) -> Comparison:
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
        if key_of(again.model_dump(mode="json")) != key_of(experiment):
            raise UsageError("its conditions are not told in full")  # noqa: TRY301 - as above
    except (UsageError, TypeError, ValueError) as error:
        raise UsageError(f"{key} cannot be measured again from its description: {error}") from error
    return Comparison(base, head)


def _subject(name: str, factors: Mapping[str, Any]) -> Subject:
    known = {_FIELDS.get(factor, factor): value for factor, value in factors.items() if factor != "views"}
    if "target" in known:
        return Subject(instrument="own" if name.endswith(" (as it is)") else "none", **known)
    if name in _RUNGS and name not in BUILT_IN:
        return Subject(rung=name, **known)
    return Subject(instrument=name, **known)


def shared(groups: Sequence[FigureGroup], budget_s: float, seed: int) -> tuple[FigureGroup, ...]:
    """Return the groups with `budget_s` divided by their numbers of comparisons, to be spent in full."""
    total = sum(len(group.comparisons) for group in groups)
    return tuple(
        replace(
            group,
            terms=replace(
                group.terms,
                precision=None,
                budget_s=budget_s * len(group.comparisons) / total,
                seed=seed,
                settled=False,
            ),
        )
        for group in groups
    )


def measure(groups: Sequence[FigureGroup], progress: Progress, paired: Measurer | None = None) -> list[Experiments]:
    """Measure the groups one after the other; a document for each, fewer after Ctrl-C.

    `paired` replaces `measure_overhead` in tests. Raises the errors of measuring.
    """
    controls = count_controls(*(group.comparisons for group in groups if group.axis == "wall_ns")) or None
    result = []
    for group in groups:
        if group.axis == "instructions":
            document = run_instructions(group.comparisons, progress)
        else:
            terms = replace(group.terms, controls=controls)
            document = (paired or measure_overhead)(group.comparisons, terms, progress)
        result.append(document)
        if document.interrupted:
            break
    return result


def measure_again(
    run: Envelope,
    keys: Collection[str],
    progress: Progress,
    *,
    budget_s: float | None = None,
    paired: Measurer | None = None,
) -> tuple[Figure, ...]:
    """Measure some figures of a stored run again, on its plan and beside the same comparisons, and return them.

    `budget_s` limits the total time in place of the time spent then. Raises `KeyboardInterrupt` when it was
    interrupted, and any `HarnessError` of measuring.
    """
    groups = groups_in(run.document, keys)
    if budget_s is not None:
        groups = shared(groups, budget_s, groups[0].terms.seed if groups else 1)
    documents = measure(groups, progress, paired)
    if any(document.interrupted for document in documents):
        raise KeyboardInterrupt
    result = (metric for each in documents for metric in metrics_of("overhead", each.model_dump(mode="json")))
    return tuple(metric for metric in result if metric.key in keys)

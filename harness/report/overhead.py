"""Turns the experiments of one document into rows: a way of recording under one set of conditions, and its figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.report.model import AuditSummary, LadderSummary, RungCost, SustainedRate
from harness.report.numbers import UNKNOWN, MeasuredValue, Unit, finite, percent, plain, unit_for, with_interval

if TYPE_CHECKING:
    from harness.measure.result import Experiment, Experiments, Interval

__all__ = [
    "VERDICTS",
    "VOID",
    "CostCell",
    "OverheadRow",
    "attempt_words",
    "audit_words",
    "conditions",
    "control_pairs",
    "control_words",
    "cost_cell",
    "cost_of",
    "ladders_of",
    "lost_words",
    "measured",
    "ratio_of",
    "ratio_of_lost",
    "repeat_words",
    "rows_of",
    "scrapes_cell",
    "seen_words",
    "unit_of",
    "verdict_words",
]

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
_NAMES = {name: name for name in ("series", "threads", "views", "tags", "buckets", "scrapers")}
_NAMES = {name: name for name in ("series", "threads", "views", "tags", "buckets", "scrapers")} | {
    "heap": "objects beside"
}
_USUAL = {"threads": 1, "series": 1, "scrapers": 1}
# A user's function is named by its path already.
_IN_THE_NAME = frozenset({"target", "bare"})
_OF_SCRAPES = frozenset({"scraped", "scrape_interval_ms"})


@dataclass(frozen=True, slots=True)
class CostCell:
    """A figure for a table: value and interval as texts, and what is wrong with it, if anything is."""

    value: str
    interval: str = ""
    note: str = ""
    short: str = ""  # for a narrow table, in place of value and interval

    @property
    def text(self) -> str:
        """The whole cell in one line."""
        interval = f" ({self.interval})" if self.interval else ""
        return f"{self.value}{interval}{f' {self.note}' if self.note else ''}"


@dataclass(frozen=True, slots=True)
class OverheadRow:
    """One way of recording under one set of conditions; None where that figure was not measured."""

    name: str
    base: str
    resting: "Experiment | None" = None
    scraped: "Experiment | None" = None
    instructions: "Experiment | None" = None
    counted: float | None = None
    rate: SustainedRate | None = None
    audit: AuditSummary | None = None

    @property
    def experiments(self) -> "list[Experiment]":
        """The experiments there are."""
        return [each for each in (self.resting, self.scraped, self.instructions) if each is not None]


def measured(value: float | None, interval: "Interval") -> MeasuredValue:
    """Return a document's value and interval; NaN and infinity count as not known."""
    return MeasuredValue(finite(value), finite(interval[0]), finite(interval[1]))


def cost_of(experiment: "Experiment | None") -> MeasuredValue:
    """Return what a line costs above the base; nothing for a void experiment."""
    if experiment is None or experiment.verdict == "void":
        return MeasuredValue()
    return measured(experiment.cost_per_line, experiment.cost_interval)


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


def _is_rung(experiment: "Experiment") -> bool:
    from harness.measure.steps import RUNGS

    names = {rung.name for rung in RUNGS}
    return experiment.head in names and experiment.base in names


def rows_of(
    experiments: "Iterable[Experiment]",
    saturation: Sequence[SustainedRate] = (),
    audits: Mapping[str, AuditSummary] | None = None,
    counted: Mapping[str, float] | None = None,
) -> list[OverheadRow]:
    """Return the rows in the order of the experiments; rungs of a ladder are no ways of recording and left out.

    The same head under the same conditions is one row, with what was measured at rest, while scraped, and in
    instructions beside each other. A later experiment takes the place of an earlier one alike.
    """
    found: dict[tuple[str, str, str], dict[str, Experiment]] = {}
    for experiment in experiments:
        if _is_rung(experiment):
            continue
        # Whether the base of a scraped head is scraped too or not, it belongs beside the resting one.
        # How often it was scraped belongs to the figure, not to the name of the row.
        factors = {name: value for name, value in experiment.factors.items() if name not in _OF_SCRAPES}
        key = (experiment.head, conditions(factors), experiment.base)
        kind = "scraped" if experiment.factors.get("scraped") else "resting"
        found.setdefault(key, {})["instructions" if experiment.axis == "instructions" else kind] = experiment
    bases = {base for _, _, base in found}
    rates = {(each.subject, each.factors): each for each in saturation}
    rows = []
    for (head, words, base), parts in found.items():
        name = f"{head}, {words}" if words else head
        rows.append(
            OverheadRow(
                name if len(bases) < 2 else f"{name} against {base}",
                base,
                **parts,
                # Counted once, at one series and one thread.
                counted=None if words else (counted or {}).get(head),
                rate=rates.get((head, words)),
                audit=(audits or {}).get(head),
            )
        )
    return rows


def ladders_of(document: "Experiments") -> list[LadderSummary]:
    """Return the ladders among the experiments: one for each axis, each rung measured against the one below it."""
    from harness.measure.steps import RUNGS

    ladders = []
    for axis in ("wall_ns", "instructions"):
        known = {(each.base, each.head): each for each in document.experiments if each.axis == axis and _is_rung(each)}
        rungs = [
            _rung(known[below.name, rung.name], rung.title)
            for below, rung in pairwise(RUNGS)
            if (below.name, rung.name) in known
        ]
        if rungs:
            lowest = known.get((RUNGS[0].name, RUNGS[1].name))
            known_start = lowest is not None and lowest.verdict != "void"
            start = MeasuredValue(finite(lowest.base_per_line) if lowest is not None and known_start else None)
            if start.value is not None:
                rungs.insert(0, RungCost(RUNGS[0].name, RUNGS[0].title, start, start))
            ladders.append(LadderSummary(rungs, unit="ns" if axis == "wall_ns" else "instructions"))
    return ladders


def _rung(experiment: "Experiment", title: str) -> RungCost:
    if experiment.verdict == "void":
        return RungCost(experiment.head, title, MeasuredValue(), MeasuredValue(), experiment.verdict)
    below, total = (MeasuredValue(finite(side)) for side in (experiment.base_per_line, experiment.head_per_line))
    return RungCost(experiment.head, title, cost_of(experiment), total, experiment.verdict, below)


def unit_of(experiments: "Iterable[Experiment | None]", axis: str = "ns") -> Unit:
    """Return one unit for a column of costs."""
    return unit_for([cost_of(each).value for each in experiments], axis)


def cost_cell(experiment: "Experiment | None", unit: Unit) -> CostCell:
    """Return the cost per line above the base; a void experiment shows its word and no figure to be believed."""
    if experiment is None:
        return CostCell("")
    if experiment.verdict == "void":
        return CostCell(VOID)
    value, interval = with_interval(cost_of(experiment), unit)
    return CostCell(value, interval, "?" if experiment.verdict == "undecided" else "")


def scrapes_cell(experiment: "Experiment | None") -> CostCell:
    """Return how many scrapes of the head a figure rests on; empty where nobody counted."""
    return CostCell("" if experiment is None or experiment.scrapes is None else str(experiment.scrapes))


def audit_words(audit: AuditSummary | None) -> str:
    """Return what the audit says in a few words."""
    if audit is None or (audit.conserved is None and not audit.findings):
        return ""
    if audit.not_verified:
        return "✗ not verified"
    if audit.conserved is False:
        return "✗ differs"
    serious = sum(finding.severity != "info" for finding in audit.findings)
    return f"! {serious} found" if serious else "✓ none"


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

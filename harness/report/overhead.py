"""Turns the experiments of one document into rows: a way of recording under one set of conditions, and its figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.report.model import Audited, Ladder, Measured, RungCost, Saturation, finite
from harness.report.scales import Unit, percent, plain, unit_for, with_interval

if TYPE_CHECKING:
    from harness.measure.document import Document, Experiment, Interval

__all__ = [
    "VERDICTS",
    "Cell",
    "OverheadRow",
    "audit_words",
    "conditions",
    "cost_cell",
    "ladders_of",
    "lost_words",
    "measured",
    "rate_cell",
    "ratio_of_lost",
    "rows_of",
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
_NAMES = {name: name for name in ("series", "threads", "views", "tags", "buckets", "scrapers")}
_USUAL = {"threads": 1, "series": 1, "scrapers": 1}
# A user's function is named by its path already.
_IN_THE_NAME = frozenset({"target", "bare"})
_OF_SCRAPES = frozenset({"scraped", "scrape_interval_ms"})


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure for a table: value and interval as texts, and what is wrong with it, if anything is."""

    value: str
    interval: str = ""
    note: str = ""

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
    rate: Saturation | None = None
    audit: Audited | None = None

    @property
    def experiments(self) -> "list[Experiment]":
        """The experiments there are."""
        return [each for each in (self.resting, self.scraped, self.instructions) if each is not None]


def measured(value: float | None, interval: "Interval") -> Measured:
    """Return a document's value and interval; NaN and infinity count as not known."""
    return Measured(finite(value), finite(interval[0]), finite(interval[1]))


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
    saturation: Sequence[Saturation] = (),
    audits: Mapping[str, Audited] | None = None,
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


def ladders_of(document: "Document") -> list[Ladder]:
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
            start = Measured(None if lowest is None else finite(lowest.base_per_line))
            if start.value is not None:
                rungs.insert(0, RungCost(RUNGS[0].name, RUNGS[0].title, start, start))
            ladders.append(Ladder(rungs, unit="ns" if axis == "wall_ns" else "instructions"))
    return ladders


def _rung(experiment: "Experiment", title: str) -> RungCost:
    increment = measured(experiment.cost_per_line, experiment.cost_interval)
    total = Measured(finite(experiment.head_per_line))
    return RungCost(experiment.head, title, increment, total, experiment.verdict)


def unit_of(experiments: "Iterable[Experiment | None]", axis: str = "ns") -> Unit:
    """Return one unit for a column of costs."""
    return unit_for([each.cost_per_line for each in experiments if each is not None], axis)


def cost_cell(experiment: "Experiment | None", unit: Unit) -> Cell:
    """Return the cost per line above the base; a void experiment shows its word and no figure to be believed."""
    if experiment is None:
        return Cell("")
    if experiment.verdict == "void":
        return Cell("void")
    value, interval = with_interval(measured(experiment.cost_per_line, experiment.cost_interval), unit)
    return Cell(value, interval, "?" if experiment.verdict == "undecided" else "")


def rate_cell(rate: Saturation | None) -> Cell:
    """Return the highest sustained rate in lines/s."""
    return Cell("") if rate is None else Cell(*with_interval(rate.rate))


def audit_words(audit: Audited | None) -> str:
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

"""What each verdict rests on: ratios, smallest effects, controls, and every raw pair."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.report.experiments import (
    VOID,
    conditions,
    control_pairs,
    control_words,
    experiment_name,
    is_rung,
    ratio_of,
    remark_words,
    seen_words,
    verdict_words,
)
from harness.report.numbers import percent, plain, unit_for, with_interval
from harness.report.tables import Column, Details, Note, ReportTable, Section, TableCell, row_of

if TYPE_CHECKING:
    from harness.measure.result import Experiment, RawPair

__all__ = ["evidence_table", "raw_section"]

_MOST_PAIRS = 400  # shown of one experiment; a page is for reading, the document has them all


def evidence_table(experiments: "Sequence[Experiment]") -> ReportTable:
    """Return, for each experiment that is no step of a ladder, its verdict and what that rests on."""
    shown = [experiment for experiment in experiments if not is_rung(experiment)]
    several = len({experiment.base for experiment in shown}) > 1
    columns = (
        Column("Comparison", kind="text", narrow=""), Column("Verdict", kind="word", narrow="verdict"),
        Column("Ratio", "head / base", narrow="times"),
        Column("Smallest effect", "found 4 times in 5", narrow="could see"),
        Column("A/A control", "identical code", narrow="A/A"), Column("Pairs", narrow="pairs"), Column("A/A pairs"),
    )  # fmt: skip
    rows = tuple(_row(experiment, several=several) for experiment in shown)
    return ReportTable("What each verdict rests on", columns, rows, stacked=True)


def _row(experiment: "Experiment", *, several: bool) -> tuple[TableCell, ...]:
    remark = remark_words(experiment)
    null, control = experiment.null, control_words(experiment)
    ratio = plain(experiment.ratio, 4)
    pairs = str(experiment.pairs)
    base = f" against {experiment.base}" if several else ""
    return row_of(
        TableCell(
            f"{_name(experiment, experiment.factors)}{base}",
            short=f"{_name(experiment, _named(experiment.factors))}{base}",
            remarks=(remark,) if remark else (),
        ),
        TableCell(verdict_words(experiment.verdict), tone=experiment.verdict),
        "" if experiment.verdict == "void" else TableCell(ratio, with_interval(ratio_of(experiment))[1], short=ratio),
        seen_words(experiment),
        TableCell(f"{control} at {percent(null.confidence)}", short=control) if null.pairs else control,
        TableCell(f"{pairs} + {experiment.void_pairs} void", short=pairs) if experiment.void_pairs else pairs,
        control_pairs(experiment),
    )


def _name(experiment: "Experiment", factors: Mapping[str, object]) -> str:
    axis = "" if experiment.axis == "wall_ns" else experiment.axis.replace("_", " ")
    return ", ".join(part for part in (experiment.head, conditions(factors, scraped=True), axis) if part)


def _named(factors: Mapping[str, object]) -> dict[str, object]:
    """Return the factors that there is room for: how often it was scraped stands elsewhere."""
    return {name: value for name, value in factors.items() if name != "scrape_interval_ms"}


def raw_section(experiments: "Sequence[Experiment]") -> Section | None:
    """Return every pair of every experiment, on demand."""
    if not experiments:
        return None
    intro = "One row is one pair of fresh processes; the times of their blocks are in the document itself."
    return Section("raw", "Raw pairs", tuple(map(_raw, experiments)), intro)


def _raw(experiment: "Experiment") -> Details:
    pairs = [("pair", pair) for pair in experiment.raw_pairs] + [("A/A", pair) for pair in experiment.raw_null]
    unit = unit_for([pair.head_per_line for _, pair in pairs], experiment.axis)
    unit_name = unit.name or "instructions"
    name = experiment_name(experiment)
    columns = (
        Column("Pair", kind="text"), Column("Base", unit_name), Column("Head", unit_name),
        Column("Difference", unit_name), Column("Ratio"), Column("Blocks"), Column("Remarks", kind="text"),
    )  # fmt: skip
    more = len(pairs) - _MOST_PAIRS
    notes = (Note(f"{more} more are in the document."),) if more > 0 else ()
    table = ReportTable(f"Pairs of {name}", columns, tuple(_pairs(pairs[:_MOST_PAIRS], unit.scale)), notes, quiet=True)
    summary = f"{name}: {len(experiment.raw_pairs)} pairs, {len(experiment.raw_null)} A/A"
    return Details(summary, (table,), tone=VOID if experiment.verdict == "void" else "")


def _pairs(pairs: "Sequence[tuple[str, RawPair]]", scale: float) -> Iterator[tuple[TableCell, ...]]:
    counts: dict[str, int] = {}
    for kind, pair in pairs:
        counts[kind] = counts.get(kind, 0) + 1
        remarks = [pair.void] if pair.void else []
        losses = ((name, getattr(pair, name)) for name in ("head_lost", "head_raised", "base_lost", "base_raised"))
        remarks += [f"{name.replace('_', ' ')} {count}" for name, count in losses if count]
        yield row_of(
            f"{kind} {counts[kind]}",
            *(plain(value / scale, 4) for value in (pair.base_per_line, pair.head_per_line, pair.difference)),
            plain(math.exp(pair.log_ratio) if pair.log_ratio < 700 else None, 5),
            f"{len(pair.base_blocks)}",
            "; ".join(remarks),
        )

"""The page's sections on what recording costs: overhead, ladder, laws, saturation, and the raw pairs behind them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.report.markup import Child, Element, h, outside
from harness.report.model import LadderSummary, LawSummary, SustainedRate
from harness.report.numbers import MeasuredValue, Unit, percent, plain, unit_for, with_interval
from harness.report.overhead import (
    VOID,
    CostCell,
    OverheadRow,
    attempt_words,
    conditions,
    control_pairs,
    control_words,
    lost_words,
    ratio_of,
    repeat_words,
    rows_of,
    seen_words,
    unit_of,
    verdict_words,
)
from harness.report.overhead_table import columns
from harness.report.page.blocks import NUMBER, Head, details, figure, note, section, table, verdict
from harness.report.plots.forest import ForestRow, forest, forest_row
from harness.report.plots.laws import formula, law_unit, laws_picture, term_text
from harness.report.plots.waterfall import ladder_unit, waterfall
from harness.report.rates import condition_words, rate_cell

if TYPE_CHECKING:
    from harness.measure.result import Experiment, RawPair
    from harness.report.model import Report

__all__ = ["ladder_section", "laws_section", "overhead_section", "raw_section", "saturation_section"]

_MOST_PAIRS = 400  # shown of one experiment; a page is for reading, the document has them all


def _figure_cell(cell: CostCell) -> Child:
    if not cell.value:
        return ""
    parts: list[Child] = [h("span", f"{cell.value}{cell.note}", class_="figure")]
    if cell.interval:
        parts += [" ", h("span", cell.interval, class_="interval")]
    return parts


def interval_cell(value: MeasuredValue) -> Child:
    """Return a value and its interval for a cell."""
    return _figure_cell(CostCell(*with_interval(value)))


def overhead_section(report: "Report") -> Element | None:
    """Return the overhead table, its picture, and the evidence behind each figure."""
    document = report.overhead
    if document is None:
        return None
    rows = rows_of(document.experiments, report.saturation, report.audits, report.counted)
    if not rows:
        return None
    interrupted = note("Interrupted: the figures rest on the pairs measured until then.")
    return section(
        "overhead",
        "Overhead",
        note(
            "What a line costs above the base, from pairs of fresh processes, each figure with its 95\u202f% interval. "
            "A question mark says that the pairs do not decide whether there is a difference."
        ),
        interrupted if document.interrupted else None,
        _overhead_table(rows),
        note(f"Instructions: {repeat_words(report.counted_spread)}.") if report.counted else None,
        _forest_figure(rows),
        details("Verdicts, smallest effects and controls", _evidence_table(rows), open_=True),
    )


def _overhead_table(rows: Sequence[OverheadRow]) -> Element:
    shown = columns(rows)
    heads = [Head("Way of recording")]
    heads += [
        Head(column.heading.capitalize(), "text" if column.heading == "audit" else NUMBER, column.unit)
        for column in shown
    ]
    body = [
        [outside(row.name), *(_audited(row, column.cells[index]) for column in shown)] for index, row in enumerate(rows)
    ]
    bases = ", ".join(dict.fromkeys(row.base for row in rows))
    return table(f"Cost per line above {bases}", heads, body, stacked=True)


def _audited(row: OverheadRow, cell: CostCell) -> Child:
    """Return a cell; one that names findings links to them."""
    if row.audit is not None and row.audit.findings and cell.value.startswith(("!", "✗")):
        return h("a", cell.value, href="#findings")
    return _figure_cell(cell)


def _forest_figure(rows: Sequence[OverheadRow]) -> Element | None:
    drawn = [forest_row(row) for row in rows]
    drawn = [row for row in drawn if row.resting.value is not None or row.scraped.value is not None or any(row.void)]
    if not drawn:
        return None
    unit = unit_of(part for row in rows for part in (row.resting, row.scraped))
    picture = forest(drawn, unit)
    heads = [
        Head("Way of recording"),
        Head("Not scraped", NUMBER, unit.name),
        Head("While scraped", NUMBER, unit.name),
    ]
    body = [[outside(row.label), *(_forest_cell(row, kind, unit) for kind in range(2))] for row in drawn]
    return figure(picture, table(picture.title, heads, body, quiet=True))


def _forest_cell(row: ForestRow, kind: int, unit: Unit) -> Child:
    part = (row.resting, row.scraped)[kind]
    return VOID if row.void[kind] else _figure_cell(CostCell(*with_interval(part, unit)))


def _evidence_table(rows: Sequence[OverheadRow]) -> Element:
    heads = [
        Head("Comparison"),
        Head("Verdict"),
        Head("Ratio", NUMBER, "head / base"),
        Head("Smallest effect", NUMBER, "found 4 times in 5"),
        Head("Pairs", NUMBER),
        Head("A/A control", NUMBER, "identical code"),
        Head("A/A pairs", NUMBER),
    ]
    body = [_evidence(each) for row in rows for each in row.experiments]
    return table("What each verdict rests on", heads, body, stacked=True)


def _evidence(experiment: "Experiment") -> list[Child]:
    void = f" + {experiment.void_pairs} void" if experiment.void_pairs else ""
    lost = lost_words(experiment)
    # For a clear verdict the ratio beside it says what the sentence would.
    said = "" if experiment.verdict in {"slower", "faster"} else experiment.conclusion
    words = "; ".join(part for part in (said, "" if said else attempt_words(experiment), lost) if part)
    null = experiment.null
    return [
        [outside(_name(experiment)), h("div", outside(words), class_="note said") if words else None],
        verdict(experiment.verdict, verdict_words(experiment.verdict)),
        VOID if experiment.verdict == "void" else interval_cell(ratio_of(experiment)),
        seen_words(experiment),
        f"{experiment.pairs}{void}",
        f"{control_words(experiment)}{f' at {percent(null.confidence)}' if null.pairs else ''}",
        control_pairs(experiment),
    ]


def _name(experiment: "Experiment") -> str:
    words = conditions(experiment.factors, scraped=True)
    axis = "" if experiment.axis == "wall_ns" else f", {experiment.axis}"
    return f"{experiment.head} against {experiment.base}{f' ({words})' if words else ''}{axis}"


def saturation_section(rates: Sequence[SustainedRate]) -> Element | None:
    """Return the highest rates sustained."""
    if not rates:
        return None
    heads = [
        Head("Way of recording"),
        Head("Sustained", NUMBER, "lines/s"),
        Head("Condition on a try"),
        Head("Tries", NUMBER),
    ]
    body = [
        [
            outside(f"{rate.subject}{f', {rate.factors}' if rate.factors else ''}"),
            _figure_cell(rate_cell(rate)),
            condition_words(rate),
            str(rate.tries) if rate.tries else "",
        ]
        for rate in rates
    ]
    return section(
        "saturation",
        "Saturation",
        note(
            "The open-loop rate up to which half of the fresh processes keep the response time's p99 under the bound, "
            "with its 95\u202f% interval; ≥ is a bound, where the tries allow no interval. A single try is one of an "
            "earlier version, and may be far off."
        ),
        table("Highest rate sustained", heads, body, stacked=True),
    )


def ladder_section(ladders: Sequence[LadderSummary]) -> Element | None:
    """Return the ladders, each as waterfall and table."""
    if not ladders:
        return None
    return section(
        "ladder",
        "The ladder",
        note(
            "What recording is made of: each rung does all that the one above it in the list does, and one thing more. "
            "A hollow bar is a step whose interval covers zero; a void one has no bar, and no sum holds it."
        ),
        [
            figure(waterfall(each, f"waterfall-{index}"), _ladder_table(each))
            for index, each in enumerate(ladders)
            if each.rungs
        ],
    )


def _ladder_table(ladder: LadderSummary) -> Element:
    unit = ladder_unit(ladder)
    heads = [Head("Step"), Head("Adds", NUMBER, unit.name), Head("In all", NUMBER, unit.name), Head("Verdict")]
    body = [
        [
            rung.title,
            VOID if rung.void else _figure_cell(CostCell(*with_interval(rung.increment, unit))),
            "" if rung.void else with_interval(rung.total, unit)[0],
            verdict(rung.verdict, verdict_words(rung.verdict)) if rung.verdict else "",
        ]
        for rung in ladder.rungs
    ]
    return table(f"The ladder of {ladder.subject}", heads, body, quiet=True)


def laws_section(laws: Sequence[LawSummary]) -> Element | None:
    """Return the laws, one plot for each factor."""
    if not laws:
        return None
    by_factor: dict[str, list[LawSummary]] = {}
    for law in laws:
        by_factor.setdefault(law.factor, []).append(law)
    parts: list[Child] = []
    for index, (factor, group) in enumerate(by_factor.items()):
        picture = laws_picture(group, f"laws-{index}")
        parts += [h("h3", "Against ", outside(factor)), _law_table(group), figure(picture, _points_table(group))]
    return section(
        "laws",
        "Cost laws",
        note(
            "How the cost of a line grows with one factor, all else as it was. "
            "A misfit far above 1 says that the points do not lie on the law. "
            "Void points are marked as such and in no law."
        ),
        parts,
    )


def _law_table(laws: Sequence[LawSummary]) -> Element:
    heads = [
        Head("Way of recording"),
        Head("Law"),
        Head("Coefficients with 95\u202f% intervals"),
        Head("Misfit", NUMBER),
    ]
    body: list[list[Child]] = [
        [
            outside(law.subject),
            h("span", formula(law) or "no law fits", class_="formula"),
            h("div", [h("div", _coefficient(*term_text(term, law.factor))) for term in law.terms], law.note),
            plain(law.misfit, 2) if law.misfit is not None else "",
        ]
        for law in laws
    ]
    return table(f"Laws against {laws[0].factor}", heads, body, stacked=True, quiet=True)


def _coefficient(symbol: str, value: str, interval: str) -> list[Child]:
    shown = h("span", interval, class_="interval") if interval else None
    return [h("i", symbol), f": {value} ", shown]


def _points_table(laws: Sequence[LawSummary]) -> Element:
    heads = [
        Head("Way of recording"),
        Head(laws[0].factor, NUMBER),
        Head("Cost per line", NUMBER),
        Head("Law says", NUMBER),
    ]
    body: list[list[Child]] = []
    for law in laws:
        unit = law_unit(law)
        for point in law.points:
            fitted = law.at(point.x)
            cost = VOID if point.void else [_figure_cell(CostCell(*with_interval(point.cost, unit))), f" {unit.name}"]
            body.append(
                [
                    outside(law.subject),
                    plain(point.x, 6),
                    cost,
                    f"{plain(fitted / unit.scale)} {unit.name}" if fitted is not None else "",
                ]
            )
    return table(f"Points measured against {laws[0].factor}", heads, body, quiet=True)


def raw_section(report: "Report") -> Element | None:
    """Return every pair of every experiment, on demand."""
    document = report.overhead
    experiments = [*(() if document is None else document.experiments), *report.evidence]
    if not experiments:
        return None
    return section(
        "raw",
        "Raw pairs",
        note("One row is one pair of fresh processes; the times of their blocks are in the document itself."),
        h("div", [_raw(each) for each in experiments], class_="plain"),
    )


def _raw(experiment: "Experiment") -> Element:
    pairs = [("pair", pair) for pair in experiment.raw_pairs] + [("A/A", pair) for pair in experiment.raw_null]
    unit = unit_for([pair.head_per_line for _, pair in pairs], experiment.axis)
    name = unit.name or "instructions"
    heads = [
        Head("Pair"),
        Head("Base", NUMBER, name),
        Head("Head", NUMBER, name),
        Head("Difference", NUMBER, name),
        Head("Ratio", NUMBER),
        Head("Blocks", NUMBER),
        Head("Remarks"),
    ]
    body = list(_raw_rows(pairs[:_MOST_PAIRS], unit.scale))
    left = len(pairs) - _MOST_PAIRS
    return details(
        [
            f"{VOID}: " if experiment.verdict == "void" else None,
            outside(_name(experiment)),
            f": {len(experiment.raw_pairs)} pairs, {len(experiment.raw_null)} A/A",
        ],
        table(f"Pairs of {_name(experiment)}", heads, body, quiet=True),
        note(f"{left} more are in the document.") if left > 0 else None,
    )


def _raw_rows(pairs: "Sequence[tuple[str, RawPair]]", scale: float) -> Iterator[list[Child]]:
    counts: dict[str, int] = {}
    for kind, pair in pairs:
        counts[kind] = counts.get(kind, 0) + 1
        remarks = [pair.void] if pair.void else []
        for name in ("head_lost", "head_raised", "base_lost", "base_raised"):
            count = getattr(pair, name)
            if count:
                remarks.append(f"{name.replace('_', ' ')} {count}")
        yield [
            f"{kind} {counts[kind]}",
            plain(pair.base_per_line / scale, 4),
            plain(pair.head_per_line / scale, 4),
            plain(pair.difference / scale, 4),
            _ratio(pair.log_ratio),
            f"{len(pair.base_blocks)}",
            outside("; ".join(remarks)) if remarks else "",
        ]


def _ratio(log_ratio: float) -> str:
    import math

    return plain(math.exp(log_ratio), 5) if log_ratio < 700 else plain(None)

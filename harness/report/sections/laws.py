"""The cost laws: what a line costs by one factor, and the law fitted to it."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.report.experiments import VOID, ratio_of_lost
from harness.report.numbers import UNKNOWN, Unit, plain, plus_minus
from harness.report.plots.laws import cost_at, formula, law_unit, laws_picture, predicted, terms_of
from harness.report.tables import (
    Column,
    Details,
    Illustration,
    Note,
    Part,
    ReportTable,
    Section,
    TableCell,
    figure,
    row_of,
)

if TYPE_CHECKING:
    from harness.measure.questions.laws import CostLaw, Point

__all__ = ["law_note", "law_sentence", "laws_section", "points_table"]

_NAME = Column("Way of recording", kind="text")


def laws_section(laws: "Sequence[CostLaw]") -> Section | None:
    """Return the laws, factor by factor."""
    if not laws:
        return None
    by_factor: dict[str, list[CostLaw]] = {}
    for law in laws:
        by_factor.setdefault(law.factor, []).append(law)
    intro = (
        "How the cost of a line grows with one factor, all else as it was. A misfit far above 1 says that the points "
        "do not lie on the law. Void points are marked as such and in no law."
    )
    parts = tuple(_factor(group, f"laws-{index}") for index, group in enumerate(by_factor.values()))
    brief = tuple(Note(f"  {law_sentence(law)}") for law in laws)
    return Section("laws", "Cost laws", parts, intro, brief)


def _factor(laws: "Sequence[CostLaw]", ident: str) -> Section:
    factor = laws[0].factor
    table = points_table(laws)
    fits = Details("Laws and their coefficients", (_law_table(laws), _fitted_table(laws)), table.notes, opened=True)
    quiet = ReportTable(table.caption, table.columns, table.rows, quiet=True)
    parts: tuple[Part, ...] = (Illustration(laws_picture(laws, ident), quiet), fits)
    return Section(ident, f"Against {factor}", parts)


def points_table(laws: "Sequence[CostLaw]") -> ReportTable:
    """Return the cost at each value of the factor that the laws share, with each law in words below."""
    factor = laws[0].factor
    values = sorted({point.x for law in laws for point in law.points})
    columns = (Column(f"Cost by {factor}", kind="text", narrow=""), *(Column(plain(value, 6)) for value in values))
    rows = []
    for law in laws:
        unit = law_unit(law)
        at = {point.x: point for point in law.points}
        rows.append(row_of(f"{law.instrument}, {unit.name}", *(_point(at.get(value), unit) for value in values)))
    notes = tuple(
        Note(words, tone="" if law.fit is not None else "warning") for law in laws if (words := law_sentence(law))
    )
    return ReportTable(f"What a line costs by {factor}, ± 95\u202f%", columns, tuple(rows), notes)


def _point(point: "Point | None", unit: Unit) -> str:
    if point is None:
        return UNKNOWN
    return VOID if point.void else plus_minus(cost_at(point), unit)


def law_sentence(law: "CostLaw") -> str:
    """Return the law with its intervals, or why there is none, and what qualifies it; empty where there is nothing."""
    words = "; ".join(part for part in (_statement(law), *_qualifications(law)) if part)
    return f"{law.instrument}: {words}" if words else ""


def _statement(law: "CostLaw") -> str:
    fit, factor = law.fit, law.factor
    if fit is None:
        return "" if factor == "threads" else f"no law against {factor}: a line takes three points"
    xs = [point.x for point in law.points if point.fit_for_a_line] or [0.0]
    if fit.flat:
        unit, mean = law_unit(law), predicted(law, _centre(law))
        cost = plain(None if mean is None else mean / unit.scale)
        return f"{cost} {unit.name}, flat in {factor} from {min(xs):g} to {max(xs):g}"
    if fit.b_interval[0] <= 0 <= fit.b_interval[1]:
        slope = terms_of(law)[1]
        return f"whether it grows with {factor} is undecided ({slope.value}, {slope.interval}, for each)"
    return formula(law, intervals=True)


def _centre(law: "CostLaw") -> float:
    """Return where a weighted fit passes through the weighted mean cost."""
    weights = [(point.x, (point.error or math.inf) ** -2) for point in law.points if point.fit_for_a_line]
    total = math.fsum(weight for _, weight in weights)
    return math.fsum(x * weight for x, weight in weights) / total if total else 0.0


def law_note(law: "CostLaw") -> str:
    """Return what qualifies a law: whether it is flat, points left out, and lines lost or raised at a point."""
    flat = ["flat within the range measured"] if law.fit is not None and law.fit.flat else []
    return "; ".join([*flat, *_qualifications(law)])


def _qualifications(law: "CostLaw") -> Iterator[str]:
    void = [f"{point.x:g}" for point in law.points if point.void]
    if void:
        yield f"void at {', '.join(void)}, and left out"
    if law.left_out > len(void):
        yield f"{law.left_out - len(void)} more points of too few pairs left out"
    for point in law.points:
        if words := ratio_of_lost(point.lost, point.raised, point.evaluated):
            yield f"{law.factor} {point.x:g}: {words}"


def _law_table(laws: "Sequence[CostLaw]") -> ReportTable:
    columns = (
        _NAME, Column("Law", kind="text"), Column("Coefficients with 95\u202f% intervals", kind="text"),
        Column("Misfit"),
    )  # fmt: skip
    rows = tuple(_law_row(law) for law in laws)
    return ReportTable(f"Laws against {laws[0].factor}", columns, rows, stacked=True, quiet=True)


def _law_row(law: "CostLaw") -> tuple[TableCell, ...]:
    coefficients = "; ".join(
        f"{term.name}: {term.value}{f' ({term.interval})' if term.interval else ''}" for term in terms_of(law)
    )
    note = law_note(law)
    return row_of(
        law.instrument,
        TableCell(formula(law) or "no law fits", code=True),
        TableCell(coefficients, remarks=(note,) if note else ()),
        "" if law.fit is None else plain(law.fit.misfit, 2),
    )


def _fitted_table(laws: "Sequence[CostLaw]") -> ReportTable:
    factor = laws[0].factor
    columns = (_NAME, Column(factor), Column("Unit", kind="text"), Column("Cost per line"), Column("Law says"))
    rows = tuple(_fitted_row(law, point) for law in laws for point in law.points)
    return ReportTable(f"Points measured against {factor}", columns, rows, quiet=True)


def _fitted_row(law: "CostLaw", point: "Point") -> tuple[TableCell, ...]:
    unit, value = law_unit(law), predicted(law, point.x)
    return row_of(
        law.instrument,
        plain(point.x, 6),
        unit.name,
        VOID if point.void else figure(cost_at(point), unit),
        "" if value is None else plain(value / unit.scale),
    )

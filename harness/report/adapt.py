"""Turns what `harness.measure` returns besides documents into what a report shows: ladders, laws, scrapes, pages."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.report.model import (
    AuditSummary,
    ExpositionRow,
    FindingWords,
    LadderSummary,
    LawPoint,
    LawSummary,
    LawTerm,
    PageDifference,
    RungCost,
)
from harness.report.numbers import MeasuredValue, finite
from harness.report.overhead import measured, ratio_of_lost

if TYPE_CHECKING:
    from harness.measure.questions import answer as outcome
    from harness.measure.questions import ladder, laws, table
    from harness.measure.questions import pages as exposition_diff

__all__ = ["audit_of", "exposition_of", "ladder_of", "law_of", "spread_of_outcome"]


def audit_of(found: "table.Audited") -> AuditSummary:
    """Return the audit of a row of the default table, its findings with the severity, cause and remedy of their name.

    A finding of a later version, whose name is not known here, is a warning.
    """
    return AuditSummary(found.conserved, [_finding(name) for name in found.findings], found.outcome)


def _finding(name: str) -> FindingWords:
    from harness.audit import findings

    try:
        known = findings.Name(name)
    except ValueError:
        return FindingWords(name, "warning", math.nan, "")
    severity = findings.Finding(name=known, size=math.nan).severity
    return FindingWords(name, severity.value, math.nan, "", findings.cause(known), findings.remedy(known))


def ladder_of(found: "ladder.Ladder") -> LadderSummary:
    """Return a measured ladder; its lowest rung's step is its own cost."""
    rungs: list[RungCost] = []
    for rung in found.rungs:
        total = MeasuredValue(finite(rung.per_line))
        first = not rungs
        increment = total if first else measured(rung.increment, rung.increment_interval)
        below = MeasuredValue(rungs[-1].total.value if rungs else None)
        rungs.append(RungCost(rung.rung, rung.title, increment, total, rung.verdict, below))
    subject = "opencensus" if found.series == 1 else f"opencensus, {found.series} series"
    return LadderSummary(rungs, subject)


def law_of(found: "laws.CostLaw") -> LawSummary:
    """Return a fitted law; lines lost or raised at a point become its note, and so do points that it leaves out."""
    points = [LawPoint(point.x, measured(point.cost, point.interval), void=bool(point.void)) for point in found.points]
    fit = found.fit
    terms = (
        ()
        if fit is None
        else (
            LawTerm("a", 0, MeasuredValue(fit.a, *fit.a_interval)),
            LawTerm("b", 1, MeasuredValue(fit.b, *fit.b_interval)),
        )
    )
    said = [
        f"{found.factor} {point.x:g}: {words}"
        for point in found.points
        if (words := ratio_of_lost(point.lost, point.raised, point.evaluated))
    ]
    void = [f"{point.x:g}" for point in found.points if point.void]
    if void:
        said.insert(0, f"void at {', '.join(void)}, and left out")
    if found.left_out > len(void):
        said.append(f"{found.left_out - len(void)} more points of too few pairs left out")
    if fit is not None and fit.flat:
        said.insert(0, "flat within the range measured")
    return LawSummary(
        found.instrument, found.factor, points, terms, None if fit is None else fit.misfit, "; ".join(said)
    )


def spread_of_outcome(found: "outcome.Answer") -> float | None:
    """Return the largest difference between counts of one side in the default table; None where each was made once."""
    return max((row.instructions_spread for row in found.table if row.instructions_spread is not None), default=None)


def exposition_of(found: "exposition_diff.ExpositionDiff") -> PageDifference:
    """Return two pages side by side, aspect by aspect within each view."""
    return PageDifference(found.left.instrument, found.right.instrument, list(_aspects(found)))


def _aspects(found: "exposition_diff.ExpositionDiff") -> Iterator[ExpositionRow]:
    # Here, since only a report with such a document needs the pages' reader.
    from harness.measure.questions.pages import ASPECTS

    for view in dict.fromkeys([*found.left.views, *found.right.views]):
        one, two = found.left.views.get(view), found.right.views.get(view)
        if one is None or two is None:
            left, right = ("not shown" if each is None else "shown" for each in (one, two))
            yield ExpositionRow(view, left, right, same=one is two)
            continue
        for field, what in ASPECTS:
            first, second = getattr(one, field), getattr(two, field)
            yield ExpositionRow(f"{view}: {what}", _told(first), _told(second), same=first == second)
    left, right = (", ".join(each.other_families) or "none" for each in (found.left, found.right))
    yield ExpositionRow("other families", left, right, same=left == right)


def _told(value: object) -> str:
    if isinstance(value, list):
        return " ".join(str(each) for each in value) or "none"
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)

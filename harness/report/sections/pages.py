"""The metrics pages of two libraries after the same lines, aspect by aspect."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.report.tables import Column, Details, Note, Part, ReportTable, Section, TableCell, row_of

if TYPE_CHECKING:
    from harness.measure.questions.pages import ExpositionDiff

__all__ = ["pages_section"]

_Aspect = tuple[str, str, str]


def pages_section(diffs: "Sequence[ExpositionDiff]") -> Section | None:
    """Return what differs between two pages and, on demand, what is the same."""
    if not diffs:
        return None
    parts = tuple(part for diff in diffs for part in _parts(diff))
    brief = tuple(_summary(diff) for diff in diffs)
    return Section("exposition", "Exposition compared", parts, brief=brief)


def _parts(diff: "ExpositionDiff") -> Iterator[Part]:
    rows = list(_aspects(diff))
    differing = [row for row in rows if row[1] != row[2]]
    same = [row for row in rows if row[1] == row[2]]
    names = f"{diff.left.instrument} and {diff.right.instrument}"
    if differing:
        yield _table(f"The same lines, the pages of {names}: what differs", diff, differing)
    else:
        yield Note(f"The pages of {names} after the same lines do not differ.")
    words = f"{len(same)} of {len(rows)} aspects are the same"
    if same:
        table = _table(f"The same lines, the pages of {names}: what is the same", diff, same)
        yield Details(words, (table,), instead=(Note(f"{words}.", tone="quiet"),))


def _table(caption: str, diff: "ExpositionDiff", rows: Sequence[_Aspect]) -> ReportTable:
    columns = tuple(Column(heading, kind="text") for heading in ("Aspect", diff.left.instrument, diff.right.instrument))
    cells = tuple(
        row_of(aspect, TableCell(left, code=True), TableCell(right, code=True)) for aspect, left, right in rows
    )
    return ReportTable(caption, columns, cells, stacked=True)


def _summary(diff: "ExpositionDiff") -> Note:
    rows = list(_aspects(diff))
    differing = sum(left != right for _, left, right in rows)
    return Note(f"  {diff.left.instrument}, {diff.right.instrument}: {differing} of {len(rows)} aspects differ")


def _aspects(diff: "ExpositionDiff") -> Iterator[_Aspect]:
    """Yield each aspect of each view, and how either page shows it."""
    # Here, since only a report with such a document needs the pages' reader.
    from harness.measure.questions.pages import ASPECTS

    for view in dict.fromkeys([*diff.left.views, *diff.right.views]):
        one, two = diff.left.views.get(view), diff.right.views.get(view)
        if one is None or two is None:
            yield view, "not shown" if one is None else "shown", "not shown" if two is None else "shown"
            continue
        for field, what in ASPECTS:
            yield f"{view}: {what}", _words(getattr(one, field)), _words(getattr(two, field))
    left, right = (", ".join(side.other_families) or "none" for side in (diff.left, diff.right))
    yield "other families", left, right


def _words(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)

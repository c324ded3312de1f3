"""Sections as elements of a page: tables that can be read aloud, pictures with a table that says the same."""

from collections.abc import Sequence

from harness.report.markup import Child, Element, h, outside
from harness.report.plots.canvas import NARROW, WIDE
from harness.report.tables import (
    Bullets,
    Column,
    Details,
    Facts,
    Illustration,
    Note,
    Part,
    ReportTable,
    Section,
    TableCell,
)

__all__ = ["section_element"]

_SEVERITIES = frozenset({"error", "warning", "info"})


def section_element(section: Section) -> Element:
    """Return a section that the contents link to."""
    heading = f"{section.ident}-heading"
    intro = h("p", section.intro, class_="note") if section.intro else None
    return h(
        "section",
        h("h2", section.title, id=heading),
        intro,
        [_part(part) for part in section.parts],
        id=section.ident,
        aria_labelledby=heading,
    )


def _part(part: Part) -> Child:
    if isinstance(part, Note):
        return h("p", _toned(part.text, part.tone), class_=None if part.tone in {"valid", "invalid"} else "note")
    if isinstance(part, ReportTable):
        return _table(part)
    if isinstance(part, Illustration):
        return _figure(part)
    if isinstance(part, Details):
        built = [_part(each) for each in part.parts]
        mark = f"{part.tone}: " if part.tone else None
        return h("details", h("summary", mark, outside(part.summary)), built, open=part.opened)
    if isinstance(part, Section):
        return h("article", h("h3", outside(part.title)), [_part(each) for each in part.parts])
    if isinstance(part, Facts):
        return h("dl", [h("div", h("dt", name), h("dd", _content(cell))) for name, cell in part.rows])
    return _bullets(part)


def _bullets(part: Bullets) -> Element:
    return h("ul", [h("li", [outside(name), ": "] if name else None, _content(cell)) for name, cell in part.rows])


def _toned(text: str, tone: str) -> Child:
    shown = outside(text)
    if not tone or tone == "quiet":
        return shown
    # A class that is not known to the style sheet has no effect, so it need only be a single word.
    word = tone if tone.isalpha() and tone.isascii() else "unknown"
    return h("span", shown, class_=f"{'severity' if tone in _SEVERITIES else 'verdict'} {word}")


def _content(cell: TableCell) -> Child:
    parts: list[Child]
    if not cell.value:
        parts = []
    elif cell.link:
        parts = [h("a", cell.value, href=f"#{cell.link}")]
    elif cell.code:
        parts = [h("code", outside(cell.value))]
    elif cell.tone:
        parts = [_toned(cell.value, cell.tone)]
    else:
        parts = [outside(f"{cell.value}{_mark(cell)}")]
    if cell.interval:
        parts += [" ", h("span", cell.interval, class_="interval")]
    parts += [h("div", outside(remark), class_="note said") for remark in cell.remarks]
    return parts or ""


def _mark(cell: TableCell) -> str:
    return f" {cell.mark}" if cell.mark else ""


def _number(cell: TableCell) -> Child:
    if not cell.value or cell.link or cell.tone:
        return _content(cell)
    interval: list[Child] = [" ", h("span", cell.interval, class_="interval")] if cell.interval else []
    return [h("span", f"{cell.value}{_mark(cell)}", class_="figure"), interval]


def _table(table: ReportTable) -> Element:
    """Return a table whose first column heads its rows, in a region that scrolls by keyboard where it is too wide."""
    head = h("tr", [_heading(column) for column in table.columns])
    body = [_row(table.columns, row, stacked=table.stacked) for row in table.rows]
    # The roles survive the change of display on a phone; without them a browser may drop the table's meaning.
    built = h(
        "table",
        h("caption", table.caption, class_="aside" if table.quiet else None),
        h("thead", head, role="rowgroup" if table.stacked else None),
        h("tbody", body, role="rowgroup" if table.stacked else None),
        class_="stacked" if table.stacked else None,
        role="table" if table.stacked else None,
    )
    notes = [h("p", outside(note.text), class_="note") for note in table.notes]
    region = h("div", built, class_="scroll", tabindex="0", role="region", aria_label=table.caption)
    return h("div", region, notes) if notes else region


def _kind(column: Column) -> str:
    return "number" if column.kind == "number" else "text"


def _heading(column: Column) -> Element:
    unit: list[Child] = [" ", h("span", column.unit, class_="unit")] if column.unit else []
    return h("th", column.heading, unit, scope="col", class_=_kind(column))


def _row(columns: Sequence[Column], cells: Sequence[TableCell], *, stacked: bool) -> Element:
    built = []
    for index, (column, cell) in enumerate(zip(columns, cells, strict=True)):
        content = _number(cell) if column.kind == "number" and index else _content(cell)
        if index == 0:
            role = "rowheader" if stacked else None
            built.append(h("th", content, scope="row", class_=_kind(column), role=role))
            continue
        kind = _kind(column) if cell.value or cell.remarks else f"{_kind(column)} blank"
        label, role = (column.label, "cell") if stacked else (None, None)
        built.append(h("td", content, class_=kind, data_label=label, role=role))
    return h("tr", built, role="row" if stacked else None)


def _figure(part: Illustration) -> Element:
    """Return a picture in its two widths, its title, and the table that says the same."""
    picture = part.picture
    wide, narrow = picture.draw(WIDE, ""), picture.draw(NARROW, "-narrow")
    wide.set("class", "wide")
    narrow.set("class", "narrow")
    replacement = h("details", h("summary", "The picture as a table"), _table(part.table))
    return h("figure", h("figcaption", picture.title), wide, narrow, replacement)

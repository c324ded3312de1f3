"""The building blocks of the page: sections, tables that can be read aloud, figures with a table that replaces them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.report.markup import Child, Element, h
from harness.report.plots.canvas import NARROW, WIDE, Picture

__all__ = ["NUMBER", "TEXT", "Head", "details", "facts", "figure", "note", "section", "severity", "table", "verdict"]

TEXT = "text"
NUMBER = "number"

_SEVERITIES = {"error": "✗", "warning": "!", "info": "·"}


@dataclass(frozen=True, slots=True)
class Head:
    """The heading of a column; `kind` is `TEXT` or `NUMBER`, `unit` stands below the name."""

    name: str
    kind: str = TEXT
    unit: str = ""


def section(ident: str, title: str, *children: Child) -> Element:
    """Return a section that the contents link to."""
    return h("section", h("h2", title, id=f"{ident}-heading"), children, id=ident, aria_labelledby=f"{ident}-heading")


def note(*children: Child) -> Element:
    """Return a paragraph of explanation."""
    return h("p", children, class_="note")


def table(
    caption: str,
    heads: Sequence[Head],
    rows: Sequence[Sequence[Child]],
    *,
    stacked: bool = False,
    quiet: bool = False,
) -> Element:
    """Return a table whose first column heads its rows, in a region that scrolls by keyboard where it is too wide.

    `stacked` turns rows into cards on a phone, where each cell then carries its heading. `quiet` leaves the caption to
    screen readers, where the text beside the table says the same.
    """
    head = h("tr", [_heading(each) for each in heads])
    body = [_row(heads, row, stacked=stacked) for row in rows]
    # The roles survive the change of display on a phone; without them a browser may drop the table's meaning.
    built = h(
        "table",
        h("caption", caption, class_="aside" if quiet else None),
        h("thead", head, role="rowgroup" if stacked else None),
        h("tbody", body, role="rowgroup" if stacked else None),
        class_="stacked" if stacked else None,
        role="table" if stacked else None,
    )
    return h("div", built, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _heading(head: Head) -> Element:
    unit = h("span", head.unit, class_="unit") if head.unit else None
    return h("th", head.name, " " if unit is not None else None, unit, scope="col", class_=head.kind)


def _row(heads: Sequence[Head], cells: Sequence[Child], *, stacked: bool) -> Element:
    built = []
    for index, (head, cell) in enumerate(zip(heads, cells, strict=True)):
        if index == 0:
            built.append(h("th", cell, scope="row", class_=head.kind, role="rowheader" if stacked else None))
            continue
        label = f"{head.name}{f', {head.unit}' if head.unit else ''}" if stacked else None
        empty = "blank" if cell in ("", None) else ""
        kind = f"{head.kind} {empty}".rstrip()
        built.append(h("td", cell, class_=kind, data_label=label, role="cell" if stacked else None))
    return h("tr", built, role="row" if stacked else None)


def details(summary: Child, *children: Child, open_: bool = False) -> Element:
    """Return what is shown on demand."""
    return h("details", h("summary", summary), children, open=open_)


def figure(picture: Picture, replacement: Element, *, caption: Child = None) -> Element:
    """Return a picture in its two widths, its caption, and the table that says the same."""
    draw: Callable[[int, str], Element] = picture.draw
    wide, narrow = draw(WIDE, ""), draw(NARROW, "-narrow")
    wide.set("class", "wide")
    narrow.set("class", "narrow")
    return h(
        "figure",
        h("figcaption", caption if caption is not None else picture.title),
        wide,
        narrow,
        details("The picture as a table", replacement),
    )


def facts(rows: Sequence[tuple[str, Child]]) -> Element:
    """Return a list of names and values."""
    return h("dl", [h("div", h("dt", name), h("dd", value)) for name, value in rows])


def severity(kind: str) -> Element:
    """Return a finding's severity as sign and word."""
    return h("span", f"{_SEVERITIES.get(kind, '')} {kind}".strip(), class_=f"severity {_word(kind)}")


def verdict(kind: str, words: str) -> Element:
    """Return a verdict as sign and word."""
    return h("span", words, class_=f"verdict {_word(kind)}")


def _word(kind: str) -> str:
    """Return a class name; one that is not known to the style sheet has no effect, so it need only be a single word."""
    return kind if kind.isalpha() and kind.isascii() else "unknown"

"""Sections as Markdown, for pasting into a page or an issue."""

import re
from collections.abc import Iterable, Iterator

from harness.report.tables import Details, Illustration, Note, Part, ReportTable, Section, TableCell
from harness.report.text import markdown

__all__ = ["table_markdown", "write_markdown"]

# What makes a line a list, a heading or a rule: https://spec.commonmark.org/0.31.2/#block-structure
_BEGINNING = re.compile(r"^(?:([-+=])|(\d+)([.)])(?=\s|$))")


def write_markdown(parts: Iterable[Part]) -> str:
    """Return the parts one below the other, each table under its caption."""
    return "\n".join(text for part in parts for text in _part(part))


def table_markdown(table: ReportTable) -> str:
    """Return a table with its remarks and notes, without its caption."""
    headings = [markdown(column.label) for column in table.columns]
    rules = ["---:" if column.kind == "number" else "---" for column in table.columns]
    rows = [[markdown(text) for text in row] for row in table.texts()]
    lines = "".join(f"| {' | '.join(line)} |\n" for line in (headings, rules, *rows))
    remarks = [
        f"- {markdown(' '.join((sign, name)).strip())}: {markdown(words)}" for sign, name, words in table.remarks()
    ]
    notes = [f"- {markdown(note.text)}" for note in table.notes]
    return "\n".join([lines, *remarks, *notes]) + "\n" if remarks or notes else lines


def _part(part: Part) -> Iterator[str]:
    if isinstance(part, Note):
        yield f"{_line(part.text)}\n"
    elif isinstance(part, ReportTable):
        if part.caption:
            yield f"{markdown(part.caption)}:\n"
        yield table_markdown(part)
    elif isinstance(part, Illustration):
        yield from () if part.only_on_page else _part(part.table)
    elif isinstance(part, Details):
        yield from (text for each in part.instead for text in _part(each))
    elif isinstance(part, Section):
        yield from (text for each in part.parts for text in _part(each))
    else:
        yield "".join(f"- {_entry(name, cell)}\n" for name, cell in part.rows)


def _entry(name: str, cell: TableCell) -> str:
    return _line(f"{name}: {cell.text}" if name else cell.text)


def _line(text: str) -> str:
    """Return text for a line of its own, whose beginning makes no list, heading or rule of it."""
    return _BEGINNING.sub(r"\2\\\1\3", markdown(text).strip())

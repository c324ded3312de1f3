"""Sections as plain lines, alike on a terminal, in a pipe and in a log file."""

from collections.abc import Iterable, Iterator

from harness.report.tables import Details, Illustration, Note, Part, ReportTable, Section
from harness.report.text import inert

__all__ = ["write_plain"]


def write_plain(parts: Iterable[Part]) -> Iterator[str]:
    """Yield the lines of each part; columns are as wide as their widest cell."""
    for part in parts:
        if isinstance(part, Note):
            yield inert(part.text)
        elif isinstance(part, ReportTable):
            yield from _table(part)
        elif isinstance(part, Illustration):
            yield from write_plain([part.table])
        elif isinstance(part, Details):
            yield from write_plain(part.instead)
        elif isinstance(part, Section):
            yield from write_plain(part.parts)
        else:
            width = max((len(name) for name, _ in part.rows), default=0)
            yield from (f"{inert(name):{width}}  {inert(cell.text)}".rstrip() for name, cell in part.rows)


def _table(table: ReportTable) -> Iterator[str]:
    rows = [[inert(column.label) for column in table.columns]]
    rows += [[inert(text) for text in row] for row in table.texts()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if column.kind == "number" else cell.ljust(width)
            for column, cell, width in zip(table.columns, row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()
    for sign, name, words in table.remarks():
        yield inert(f"{sign} {name}: {words}".strip())
    yield from write_plain(table.notes)

"""Sections for a terminal."""

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

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
from harness.report.text import clean

__all__ = ["STYLES", "write_terminal"]

# Colour repeats what a sign and a word say.
STYLES = {
    "slower": "red", "faster": "green", "void": "bold red", "undecided": "yellow", "pass": "bold green",
    "improved": "bold green", "regressed": "bold red", "valid": "green", "invalid": "bold red", "error": "bold red",
    "warning": "yellow", "info": "dim", "quiet": "dim", "strong": "bold",
}  # fmt: skip
_BAR = 12
_PADDING = (0, 2, 0, 0)


def write_terminal(parts: Iterable[Part]) -> RenderableType:
    """Return the parts one below the other."""
    shown: list[RenderableType] = []
    for part in parts:
        views = list(_part(part))
        # A table begins after a blank line; what is said of it follows at once.
        if shown and isinstance(part, ReportTable | Illustration | Section) and views:
            shown.append(Text())
        shown += views
    return Group(*shown)


def _part(part: Part) -> Iterator[RenderableType]:
    if isinstance(part, Note):
        yield Text(clean(part.text), style=STYLES.get(part.tone, ""))
    elif isinstance(part, ReportTable):
        yield from _table(part)
    elif isinstance(part, Illustration):
        yield from () if part.only_on_page else _part(part.table)
    elif isinstance(part, Details):
        yield from (view for each in part.instead for view in _part(each))
    elif isinstance(part, Section):
        yield write_terminal(part.parts)
    elif isinstance(part, Facts):
        yield _facts(part)
    elif part.rows:
        yield _bullets(part)


def _facts(facts: Facts) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=_PADDING)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, cell in facts.rows:
        table.add_row(Text(clean(name)), Text(clean(cell.text)))
    return table


def _bullets(part: Bullets) -> Table:
    """Return a grid of names, or signs, and what there is to say of each, with its remarks below."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    for name, cell in part.rows:
        style = STYLES.get(cell.tone, "")
        # A sign speaks for itself; a name is followed by what it is the name of.
        sign = len(name) < 2
        remarks = [Text(f"\n{clean(remark)}", style="dim") for remark in cell.remarks]
        label = Text(clean(name), style=style) if sign else Text(f"{clean(name)}:")
        grid.add_row(label, Text.assemble(Text(clean(cell.text), style="" if name and sign else style), *remarks))
    return grid


def _table(table: ReportTable) -> Iterator[RenderableType]:
    shown = [index for index, column in enumerate(table.columns) if not column.below]
    caption = clean(table.caption)
    # No narrower than its title, which would be broken for the sake of a narrow table otherwise.
    built = Table(
        title=Text(caption) if caption else None, title_justify="left", box=None, pad_edge=False, padding=_PADDING,
        min_width=len(caption) or None, show_header=any(column.label or column.narrow for column in table.columns),
    )  # fmt: skip
    bars = {index for index in shown if any(row[index].bar is not None for row in table.rows)}
    for index in shown:
        _add_column(built, table.columns[index], first=index == 0)
        if index in bars:
            built.add_column("", no_wrap=True, min_width=_BAR)
    for row in table.rows:
        cells = [view for index in shown for view in _cells(row[index], bar=index in bars)]
        if table.remarks_in_cells:
            cells = [Text.assemble(view, *(f"\n{clean(r)}" for r in row[i].remarks)) for i, view in enumerate(cells)]
        built.add_row(*cells)
        if table.remarks_in_cells:
            built.add_row()
    yield built
    for sign, name, words in table.remarks():
        tone = next((cell.tone for row in table.rows for cell in row if cell.tone and cell.value.startswith(sign)), "")
        yield Text.assemble((sign, STYLES.get(tone, "")), " ", clean(f"{name}: {words}"))
    yield from _below(table)
    yield from (view for note in table.notes for view in _part(note))


def _add_column(table: Table, column: Column, *, first: bool) -> None:
    heading = "\n".join(part for part in (column.heading, column.unit) if part)
    heading = heading if column.narrow is None else column.narrow
    if column.kind == "text":
        table.add_column(Text(clean(heading)), overflow="fold", min_width=16 if first else None)
    elif column.kind == "name":
        table.add_column(Text(clean(heading)), no_wrap=True, overflow="ellipsis", ratio=1)
    else:
        table.add_column(Text(clean(heading)), justify="right" if column.kind == "number" else "left", no_wrap=True)


def _cells(cell: TableCell, *, bar: bool) -> Iterator[Text]:
    text = clean(cell.brief)
    style = STYLES.get(cell.tone, "") or ("bold red" if text.startswith("✗") else "")
    yield Text(text, style=style)
    if bar:
        length = "" if cell.bar is None else "█" * round(_BAR * cell.bar) or "▏"
        yield Text(length, style=style)


def _below(table: ReportTable) -> Iterator[Text]:
    """Yield a sentence for each column that there is no room for."""
    for index, column in enumerate(table.columns):
        words = [f"{row[0].value} {row[index].text}" for row in table.rows if row[index].value]
        if column.below and words:
            yield Text(clean(f"{column.below}: {', '.join(words)}."), style="dim")

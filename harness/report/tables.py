"""Tables and sections of a report as values: what is shown, in no format; `harness.report.writers` writes them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from harness.report.numbers import COUNT, MeasuredValue, Unit, plus_minus, with_interval

if TYPE_CHECKING:
    from harness.report.plots.canvas import Picture

__all__ = [
    "Bullets",
    "Column",
    "Details",
    "Facts",
    "Illustration",
    "Note",
    "Part",
    "ReportTable",
    "Section",
    "TableCell",
    "figure",
    "row_of",
]


@dataclass(frozen=True, slots=True)
class TableCell:
    """What stands in a cell: a text, or a figure with its interval.

    `mark` qualifies it (`?`, `single try`), `short` stands for value and interval where there is little room, `tone` is
    a verdict or a severity, which a writer may colour, `remarks` are sentences on the row, `link` is the id of a
    section, and `bar` the share of a bar's length.
    """

    value: str = ""
    interval: str = ""
    mark: str = ""
    short: str = ""
    tone: str = ""
    remarks: tuple[str, ...] = ()
    link: str = ""
    code: bool = False
    bar: float | None = None

    @property
    def text(self) -> str:
        """The whole cell in one line."""
        return " ".join(part for part in (self.value, f"({self.interval})" if self.interval else "", self.mark) if part)

    @property
    def brief(self) -> str:
        """The cell where there is little room."""
        if not self.short:
            return f"{self.value}{self.mark}"
        return f"{self.short}{' ' if len(self.mark) > 1 else ''}{self.mark}"


def figure(measured: MeasuredValue, unit: Unit = COUNT, mark: str = "") -> TableCell:
    """Return the cell of a value and its interval."""
    return TableCell(*with_interval(measured, unit), mark=mark, short=plus_minus(measured, unit))


def row_of(*cells: TableCell | str) -> tuple[TableCell, ...]:
    """Return a row of cells, each given as itself or as its text."""
    return tuple(cell if isinstance(cell, TableCell) else TableCell(cell) for cell in cells)


@dataclass(frozen=True, slots=True)
class Column:
    """The heading of a column: of texts, of numbers, of words that are never broken, or of names cut to what fits.

    `narrow` is the heading where there is little room, None for the same; with `below` the column stands there in a
    sentence of its own that begins like that.
    """

    heading: str
    unit: str = ""
    kind: Literal["text", "number", "word", "name"] = "number"
    narrow: str | None = None
    below: str = ""

    @property
    def label(self) -> str:
        """Heading and unit in one line."""
        return f"{self.heading}, {self.unit}" if self.unit else self.heading


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence or two; `tone` is a verdict, a severity, `quiet`, or nothing."""

    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class ReportTable:
    """Rows under columns, the first of which names the row, and the notes below.

    For a page, `stacked` makes cards of the rows on a phone, and `quiet` leaves the caption to screen readers, where
    the text beside the table says the same. Remarks stand below the table but for a page, or with `remarks_in_cells`
    in their cells everywhere.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    notes: tuple[Note, ...] = ()
    stacked: bool = False
    quiet: bool = False
    remarks_in_cells: bool = False

    def texts(self) -> list[list[str]]:
        """Return each cell in one line, with its remarks where they stand in the cells."""
        return [
            [" ".join((cell.text, *(cell.remarks if self.remarks_in_cells else ()))) for cell in row]
            for row in self.rows
        ]

    def remarks(self) -> Iterator[tuple[str, str, str]]:
        """Yield each remark as the sign of its rows' verdict, the rows' names, and its words."""
        rows: dict[tuple[str, str], list[str]] = {}
        for row in () if self.remarks_in_cells else self.rows:
            sign = next((cell.value.partition(" ")[0] for cell in row if cell.tone), "")
            for remark in (remark for cell in row for remark in cell.remarks):
                rows.setdefault((sign, remark), []).append(row[0].value)
        yield from ((sign, ", ".join(names), remark) for (sign, remark), names in rows.items())


@dataclass(frozen=True, slots=True)
class Illustration:
    """A picture, and the table that says the same to whoever cannot see it.

    Formats without pictures write the table, but for one `only_on_page`, whose figures another table has as well.
    """

    picture: "Picture"
    table: ReportTable
    only_on_page: bool = False


@dataclass(frozen=True, slots=True)
class Details:
    """What a page shows on demand (`opened`: from the start); other formats write `instead` in its place."""

    summary: str
    parts: "tuple[Part, ...]"
    instead: "tuple[Part, ...]" = ()
    opened: bool = False
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values."""

    rows: tuple[tuple[str, TableCell], ...]


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list; each entry is a name, which may be empty, and what there is to say of it."""

    rows: tuple[tuple[str, TableCell], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Parts under a title; `intro` explains them on a page, `brief` are what the essentials show in their place."""

    ident: str
    title: str
    parts: "tuple[Part, ...]"
    intro: str = ""
    brief: "tuple[Part, ...]" = ()

    def tables(self) -> Iterator[ReportTable]:
        """Yield every table, those beside pictures and those shown on demand included."""
        yield from _tables(self.parts)


Part: TypeAlias = Note | ReportTable | Illustration | Details | Facts | Bullets | Section


def _tables(parts: Sequence[Part]) -> Iterator[ReportTable]:
    for part in parts:
        if isinstance(part, ReportTable):
            yield part
        elif isinstance(part, Illustration):
            yield part.table
        elif isinstance(part, Details | Section):
            yield from _tables(part.parts)

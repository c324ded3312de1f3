"""The overhead table: what each way of recording costs under each set of conditions, and the picture of it."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.report.experiments import VOID, conditions, cost_of, is_rung, measured, repeat_words, unit_of
from harness.report.numbers import UNKNOWN, Unit, finite, plain, unit_for
from harness.report.plots.forest import ForestPicture, ForestRow, forest
from harness.report.sections.audits import Audit, audit_cell
from harness.report.sections.evidence import evidence_table
from harness.report.sections.saturation import rate_cell
from harness.report.tables import Column, Illustration, Note, Part, ReportTable, Section, TableCell, figure, row_of

if TYPE_CHECKING:
    from harness.measure.questions.columns.figures import ColumnFigure
    from harness.measure.questions.saturation import Saturation
    from harness.measure.result import Experiment, Experiments

__all__ = ["OverheadRow", "asked_tables", "cost_table", "costs_picture", "overhead_section", "rows_of"]

INTERRUPTED = Note("Interrupted: the figures rest on the pairs measured until then.", tone="warning")
_OF_SCRAPES = frozenset({"scraped", "scrape_interval_ms"})
_NAME = Column("Way of recording", kind="text", narrow="")
_PERCENT = Unit("% of a core", 0.01)
_ASKED_WORDS = {"memory": "memory", "cpu": "CPU", "import": "import", "page": "page"}
# With intervals, beside the names in eighty columns.
_MOST_ASKED = 4


@dataclass(frozen=True, slots=True)
class OverheadRow:
    """One way of recording under one set of conditions; None where that figure was not measured."""

    name: str
    base: str
    resting: "Experiment | None" = None
    scraped: "Experiment | None" = None
    instructions: "Experiment | None" = None
    counted: float | None = None
    rate: "Saturation | None" = None
    audit: "Audit | None" = None

    @property
    def experiments(self) -> "list[Experiment]":
        """The experiments there are."""
        return [each for each in (self.resting, self.scraped, self.instructions) if each is not None]


def rows_of(
    experiments: "Iterable[Experiment]",
    rates: "Sequence[Saturation]" = (),
    audits: Mapping[str, Audit] | None = None,
    counted: Mapping[str, float] | None = None,
) -> list[OverheadRow]:
    """Return the rows in the order of the experiments; rungs of a ladder are no ways of recording and left out.

    The same head under the same conditions is one row, with what was measured at rest, while scraped, and in
    instructions beside each other. A later experiment takes the place of an earlier one alike.
    """
    parts: dict[tuple[str, str, str], dict[str, Experiment]] = {}
    for experiment in experiments:
        if is_rung(experiment):
            continue
        # Whether the base of a scraped head is scraped too or not, it belongs beside the resting one.
        # How often it was scraped belongs to the figure, not to the name of the row.
        factors = {name: value for name, value in experiment.factors.items() if name not in _OF_SCRAPES}
        key = (experiment.head, conditions(factors), experiment.base)
        kind = "scraped" if experiment.factors.get("scraped") else "resting"
        parts.setdefault(key, {})["instructions" if experiment.axis == "instructions" else kind] = experiment
    several = len({base for _, _, base in parts}) > 1
    by_name = {(rate.instrument, conditions({"series": rate.series})): rate for rate in rates}
    return [
        OverheadRow(
            f"{head}{f', {words}' if words else ''}{f' against {base}' if several else ''}",
            base,
            **measured,
            # Counted once, at one series and one thread.
            counted=None if words else (counted or {}).get(head),
            rate=by_name.get((head, words)),
            audit=(audits or {}).get(head),
        )
        for (head, words, base), measured in parts.items()
    ]


def cost_table(rows: Sequence[OverheadRow]) -> ReportTable:
    """Return the figures of all rows, one unit for each column; columns without any figure are left out."""
    wall = _wall_unit(rows)
    counted = unit_for(
        [row.counted if row.instructions is None else cost_of(row.instructions).value for row in rows], "instructions"
    )
    columns = [
        (_NAME, [TableCell(row.name) for row in rows]),
        (Column("Cost per line", wall.name, narrow=f"cost\n{wall.name}"), [_cost(row.resting, wall) for row in rows]),
        (
            Column("While scraped", wall.name, narrow=f"while\nscraped\n{wall.name}"),
            [_cost(row.scraped, wall) for row in rows],
        ),
        (Column("Scrapes", below="Scrapes behind the figures while scraped"), [_scrapes(row.scraped) for row in rows]),
        (
            Column("Sustained unscraped", "lines/s", narrow="sustained\nunscraped\nlines/s"),
            [rate_cell(row.rate) for row in rows],
        ),
        (
            Column("Instructions", counted.name, narrow=f"instructions\n{counted.name}".rstrip()),
            [_counted(row, counted) for row in rows],
        ),
        (Column("Audit", kind="word", narrow="audit"), [audit_cell(row.audit) for row in rows]),
    ]
    shown = [(column, cells) for column, cells in columns if any(cell.value for cell in cells)]
    bases = ", ".join(dict.fromkeys(row.base for row in rows))
    return ReportTable(
        f"What a line costs above {bases}, ± 95\u202f% intervals",
        tuple(column for column, _ in shown),
        tuple(zip(*(cells for _, cells in shown), strict=True)),
        stacked=True,
    )


def _wall_unit(rows: Sequence[OverheadRow]) -> Unit:
    return unit_of(part for row in rows for part in (row.resting, row.scraped))


def _cost(experiment: "Experiment | None", unit: Unit) -> TableCell:
    """Return the cost per line above the base; a void experiment shows its word and no figure to be believed."""
    if experiment is None:
        return TableCell()
    if experiment.verdict == "void":
        return TableCell(VOID)
    return figure(cost_of(experiment), unit, "?" if experiment.verdict == "undecided" else "")


def _scrapes(experiment: "Experiment | None") -> TableCell:
    """Return how many scrapes of the head a figure rests on; empty where nobody counted."""
    return TableCell("" if experiment is None or experiment.scrapes is None else str(experiment.scrapes))


def _counted(row: OverheadRow, unit: Unit) -> TableCell:
    if row.instructions is None and row.counted is not None:
        return TableCell(plain(row.counted / unit.scale, 5))
    cell = _cost(row.instructions, unit)
    # A count is narrower than its interval is wide.
    return TableCell(cell.value, cell.interval, cell.mark, cell.value, cell.tone)


def asked_tables(figures: "Sequence[ColumnFigure]") -> list[ReportTable]:
    """Return the columns that were asked for, with a row for each way of recording.

    Why a cell has no figure is said below them. A terminal has room for four columns, so that more of them are several
    tables of about the same width.
    """
    keys = list(dict.fromkeys((each.column, each.at) for each in figures))
    size = math.ceil(len(keys) / math.ceil(len(keys) / _MOST_ASKED)) if keys else 1
    parts = [keys[i : i + size] for i in range(0, len(keys), size)]
    tables = [_asked_table([each for each in figures if (each.column, each.at) in part]) for part in parts]
    return [*tables[:-1], *(replace(table, notes=tuple(_reasons(figures))) for table in tables[-1:])]


def _asked_table(figures: "Sequence[ColumnFigure]") -> ReportTable:
    cells = {(each.instrument, each.column, each.at): each for each in figures}
    names = list(dict.fromkeys(each.instrument for each in figures))
    columns = [_NAME]
    rows = [[TableCell(name)] for name in names]
    for name, at in dict.fromkeys((each.column, each.at) for each in figures):
        found = [cells.get((instrument, name, at)) for instrument in names]
        column, unit = _asked_column(name, at, [each.value for each in found if each is not None])
        columns.append(column)
        for row, each in zip(rows, found, strict=True):
            row.append(_asked_cell(each, unit))
    words = ", ".join(dict.fromkeys(_ASKED_WORDS[each.column] for each in figures))
    caption = f"What else it takes: {words}, ± 95\u202f% intervals"
    return ReportTable(caption, tuple(columns), tuple(map(tuple, rows)), stacked=True)


def _asked_column(name: str, at: int | None, values: Sequence[float | None]) -> tuple[Column, Unit]:
    """Return the heading of a column on request and the unit of its figures, from one byte, core or ns."""
    place = plain(at, 5)
    if name == "cpu":
        return Column(f"CPU at {place} lines/s", _PERCENT.name, narrow=f"CPU at\n{place}/s\n%"), _PERCENT
    if name == "memory":
        unit = unit_for(values, "bytes")
        return Column("Memory per series", unit.name, narrow=f"memory\n/series\n{unit.name}"), unit
    unit = unit_for(values)
    if name == "import":
        return Column("Import", unit.name, narrow=f"import\n{unit.name}"), unit
    return Column(f"Page of {place} series", unit.name, narrow=f"page of\n{place}\n{unit.name}"), unit


def _asked_cell(each: "ColumnFigure | None", unit: Unit) -> TableCell:
    if each is None or (each.value is None and not each.void):
        return TableCell(UNKNOWN)
    return TableCell(VOID) if each.value is None else figure(measured(each.value, each.interval), unit)


def _reasons(figures: "Sequence[ColumnFigure]") -> Iterator[Note]:
    """Yield a note for each reason why figures are missing."""
    lacking: dict[tuple[str, str], list[str]] = {}
    for each in figures:
        if each.reason:
            lacking.setdefault((each.column, each.reason), []).append(each.instrument)
    for (column, reason), names in lacking.items():
        yield Note(f"{UNKNOWN} {', '.join(dict.fromkeys(names))}: no {column}: {reason}", tone="quiet")


def costs_picture(rows: Sequence[OverheadRow]) -> ForestPicture | None:
    """Return the costs as dots with their intervals; None without any."""
    drawn = [_dots(row) for row in rows]
    shown = [row for row in drawn if any(map(_known, (row.resting, row.scraped))) or any(row.void)]
    return forest(shown, _wall_unit(rows)) if shown else None


def _known(value: object) -> bool:
    return finite(getattr(value, "value", None)) is not None


def _dots(row: OverheadRow) -> ForestRow:
    void = tuple(each is not None and each.verdict == "void" for each in (row.resting, row.scraped))
    return ForestRow(row.name, cost_of(row.resting), cost_of(row.scraped), (void[0], void[1]))


def _illustration(picture: ForestPicture) -> Illustration:
    columns = (_NAME, Column("Not scraped", picture.unit.name), Column("While scraped", picture.unit.name))
    rows = tuple(
        row_of(
            row.label,
            *(
                VOID if void else figure(value, picture.unit)
                for value, void in zip((row.resting, row.scraped), row.void, strict=True)
            ),
        )
        for row in picture.rows
    )
    return Illustration(picture, ReportTable(picture.title, columns, rows, quiet=True), only_on_page=True)


def overhead_section(
    document: "Experiments | None",
    rates: "Sequence[Saturation]" = (),
    audits: Mapping[str, Audit] | None = None,
    counted: Mapping[str, float] | None = None,
    counted_spread: float | None = None,
    columns: "Sequence[ColumnFigure]" = (),
) -> Section | None:
    """Return the overhead table, its picture, and what each verdict rests on."""
    if document is None:
        return None
    rows = rows_of(document.experiments, rates, audits, counted)
    if not rows:
        return None
    picture = costs_picture(rows)
    parts: list[Part] = [INTERRUPTED] if document.interrupted else []
    parts.append(cost_table(rows))
    parts += asked_tables(columns)
    parts += [Note(f"Instructions: {repeat_words(counted_spread)}.", tone="quiet")] if counted else []
    parts += [_illustration(picture)] if picture is not None else []
    parts.append(evidence_table([experiment for row in rows for experiment in row.experiments]))
    intro = (
        "What a line costs above the base, from pairs of fresh processes, each figure with its 95\u202f% interval. A "
        "question mark says that the pairs do not decide whether there is a difference."
    )
    return Section("overhead", "Overhead", tuple(parts), intro)

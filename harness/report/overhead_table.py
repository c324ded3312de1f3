"""The table of an overhead document for the terminal (rich) and for pasting (Markdown), with its ladder and laws."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.report.markup import clean
from harness.report.model import AuditSummary, LadderSummary, LawSummary, LawTerm, SustainedRate
from harness.report.numbers import Unit, plain, plus_minus, unit_for, with_interval
from harness.report.overhead import (
    VOID,
    CostCell,
    OverheadRow,
    attempt_words,
    audit_words,
    control_pairs,
    control_words,
    cost_cell,
    cost_of,
    lost_words,
    rows_of,
    scrapes_cell,
    seen_words,
    unit_of,
    verdict_words,
)
from harness.report.plots.laws import formula, term_text
from harness.report.plots.waterfall import ladder_unit, within_noise
from harness.report.rates import rate_cell

if TYPE_CHECKING:
    from harness.measure.result import Experiment, Experiments

__all__ = [
    "Column",
    "columns",
    "evidence_table",
    "ladder_table",
    "law_lines",
    "overhead_markdown",
    "overhead_view",
    "remarks",
]

_STYLES = {"slower": "red", "faster": "green", "void": "bold red", "undecided": "yellow", "indistinguishable": ""}
_BAR = 12
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~!$&@])")


class Column:
    """A column of the overhead table: its heading, its unit line, and its cells."""

    def __init__(self, heading: str, unit: str, cells: Sequence[CostCell]) -> None:
        self.heading = heading
        self.unit = unit
        self.cells = cells

    @property
    def empty(self) -> bool:
        """Whether no row has anything here."""
        return not any(cell.value for cell in self.cells)


def columns(rows: Sequence[OverheadRow]) -> list[Column]:
    """Return the figures of all rows by column, one unit for each; columns without any figure are left out."""
    wall = _wall_unit(rows)
    counted = unit_for(
        [row.counted if row.instructions is None else cost_of(row.instructions).value for row in rows], "instructions"
    )
    found = [
        Column("cost per line", wall.name, [cost_cell(row.resting, wall) for row in rows]),
        Column("while scraped", wall.name, [cost_cell(row.scraped, wall) for row in rows]),
        Column("scrapes", "", [scrapes_cell(row.scraped) for row in rows]),
        Column("sustained unscraped", "lines/s", [rate_cell(row.rate) for row in rows]),
        Column("instructions", counted.name, [_counted(row, counted) for row in rows]),
        Column("audit", "", [CostCell(audit_words(row.audit)) for row in rows]),
    ]
    return [column for column in found if not column.empty]


def _wall_unit(rows: Sequence[OverheadRow]) -> Unit:
    return unit_of(part for row in rows for part in (row.resting, row.scraped))


def _counted(row: OverheadRow, unit: Unit) -> CostCell:
    if row.instructions is None and row.counted is not None:
        return CostCell(plain(row.counted / unit.scale, 5))
    return cost_cell(row.instructions, unit)


def overhead_view(
    document: "Experiments",
    saturation: Sequence[SustainedRate] = (),
    audits: Mapping[str, AuditSummary] | None = None,
    counted: Mapping[str, float] | None = None,
    ladders: Sequence[LadderSummary] = (),
    laws: Sequence[LawSummary] = (),
) -> RenderableType:
    """Return everything one overhead document says, for a terminal."""
    rows = rows_of(document.experiments, saturation, audits, counted)
    parts: list[RenderableType] = []
    if rows:
        parts += [_overhead_rich(rows), *_scrapes(rows), Text(), evidence_table(rows), *remarks(rows)]
    for ladder in ladders:
        parts += [Text(), ladder_table(ladder)]
    for line in law_lines(laws):
        parts.append(Text(line))
    if document.interrupted:
        parts.append(Text("Interrupted: the figures rest on the pairs measured until then.", style="yellow"))
    if not parts:
        parts.append(Text("No experiment was measured."))
    return Group(*parts)


def _scrapes(rows: Sequence[OverheadRow]) -> list[Text]:
    """Return a line that says how many scrapes the figures while scraped rest on; none where nobody counted."""
    counted = [(row, cell.value) for row in rows if (cell := scrapes_cell(row.scraped)).value]
    words = ", ".join(f"{row.name} {count}" for row, count in counted)
    return [Text(clean(f"Scrapes behind the figures while scraped: {words}."), style="dim")] if counted else []


def _overhead_rich(rows: Sequence[OverheadRow]) -> Table:
    bases = ", ".join(dict.fromkeys(clean(row.base) for row in rows))
    table = _table(f"What a line costs above {bases}, ± 95 % intervals")
    table.add_column("", overflow="fold", min_width=16)
    wall = _wall_unit(rows)
    # The number of scrapes stands below, in a line of its own: there is no room for one more column.
    shown = [column for column in columns(rows) if column.heading != "scrapes"]
    for column in shown:
        # One word a line, or the headings would take the room of the names.
        heading = "\n".join(part for part in (*column.heading.replace("per line", "").split(), column.unit) if part)
        justify: Literal["left", "right"] = "left" if column.heading == "audit" else "right"
        table.add_column(Text(heading), justify=justify, no_wrap=True)
    for index, row in enumerate(rows):
        cells = [Text(clean(row.name))]
        for column in shown:
            cell = column.cells[index]
            part = {"cost per line": row.resting, "while scraped": row.scraped}.get(column.heading)
            text = f"{cell.short}{f' {cell.note}' if cell.note else ''}" if cell.short else cell.value
            if part is not None and part.verdict != "void":
                text = f"{_short(part, wall)}{cell.note}"
            cells.append(Text(text, style="bold red" if text.startswith("✗") else ""))
        table.add_row(*cells)
    return table


def _short(experiment: "Experiment", unit: Unit) -> str:
    return plus_minus(cost_of(experiment), unit)


def _table(title: str) -> Table:
    # No narrower than its title, which would be broken for the sake of a narrow table otherwise.
    return Table(
        title=Text(title), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0), min_width=len(title)
    )


def evidence_table(rows: Sequence[OverheadRow]) -> Table:
    """Return, for each experiment, its verdict and what that rests on."""
    table = _table("What each verdict rests on")
    table.add_column("", overflow="fold", min_width=16)
    for heading in ("verdict", "times", "could see", "A/A", "pairs", "A/A pairs"):
        table.add_column(heading, justify="left" if heading == "verdict" else "right", no_wrap=True)
    for row in rows:
        for experiment in row.experiments:
            void = experiment.verdict == "void"
            table.add_row(
                Text(clean(_about(row, experiment))),
                Text(clean(verdict_words(experiment.verdict)), style=_STYLES.get(experiment.verdict, "")),
                "" if void else plain(experiment.ratio, 4),
                seen_words(experiment),
                control_words(experiment),
                f"{experiment.pairs}",
                control_pairs(experiment),
            )
    return table


def _about(row: OverheadRow, experiment: "Experiment") -> str:
    if experiment is row.scraped:
        return f"{row.name}, scraped"
    return f"{row.name}, instructions" if experiment.axis == "instructions" else row.name


def remarks(rows: Sequence[OverheadRow]) -> list[Text]:
    """Return a line for each experiment whose verdict needs words, and for each that lost or raised lines."""
    lines = []
    for row in rows:
        for experiment in row.experiments:
            said = "" if experiment.verdict in {"slower", "faster"} else experiment.conclusion
            again = "" if said else attempt_words(experiment)
            words = "; ".join(part for part in (said, again, lost_words(experiment)) if part)
            if words:
                style = _STYLES.get(experiment.verdict, "")
                sign = verdict_words(experiment.verdict).partition(" ")[0]
                lines.append(Text.assemble((sign, style), " ", clean(f"{_about(row, experiment)}: {words}")))
    return lines


def ladder_table(ladder: LadderSummary) -> Table:
    """Return a ladder for a terminal: what each rung adds, with interval and a bar, and the whole."""
    unit = ladder_unit(ladder)
    table = _table(f"The ladder of {clean(ladder.subject)}, {unit.name} a line")
    table.add_column("step", overflow="fold")
    table.add_column("adds", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=_BAR)
    table.add_column("in all", justify="right", no_wrap=True)
    most = max([abs(rung.increment.value or 0) for rung in ladder.rungs], default=0.0) or 1.0
    for rung in ladder.rungs:
        if rung.void:
            table.add_row(Text(clean(rung.title)), Text(VOID, style="bold red"), "", "")
            continue
        bar = "█" * round(_BAR * abs(rung.increment.value or 0) / most) or "▏"
        total = with_interval(rung.total, unit)[0]
        style = "dim" if within_noise(rung.increment) else ""
        adds = plus_minus(rung.increment, unit)
        table.add_row(Text(clean(rung.title)), Text(adds, style=style), Text(bar, style=style), total)
    return table


def law_lines(laws: Sequence[LawSummary]) -> list[str]:
    """Return each law as a line: the formula, then the coefficients' intervals."""
    lines = []
    for law in laws:
        written = formula(law)
        if not written:
            said = f" ({law.note})" if law.note else ""
            lines.append(clean(f"{law.subject} against {law.factor}: no law fits{said}"))
            continue
        ends = [f"{symbol.split(' ')[0]} {interval}" for symbol, _, interval in map(_term(law.factor), law.terms)]
        said = f"; {law.note}" if any(point.void for point in law.points) else ""
        lines.append(clean(f"{law.subject}: {written}  [{'; '.join(ends)}]{said}"))
    return lines


def _term(factor: str) -> Callable[[LawTerm], tuple[str, str, str]]:
    return lambda term: term_text(term, factor)


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is, within one table cell."""
    return _MARKDOWN.sub(r"\\\1", clean(text).replace("\n", " "))


def overhead_markdown(
    document: "Experiments",
    saturation: Sequence[SustainedRate] = (),
    audits: Mapping[str, AuditSummary] | None = None,
    counted: Mapping[str, float] | None = None,
) -> str:
    """Return the overhead table as Markdown for pasting, with the environment that produced it below."""
    rows = rows_of(document.experiments, saturation, audits, counted)
    if not rows:
        return "No experiment was measured.\n"
    shown = columns(rows)
    headings = [
        "way of recording",
        *(f"{column.heading}{f', {column.unit}' if column.unit else ''}" for column in shown),
        "verdict",
    ]
    lines = [
        f"Cost per line above {_escaped(', '.join(dict.fromkeys(row.base for row in rows)))}, with 95 % intervals.",
        "",
        f"| {' | '.join(headings)} |",
        f"|---|{''.join('---|' if column.heading == 'audit' else '---:|' for column in shown)}---|",
    ]
    for index, row in enumerate(rows):
        first = row.experiments[0]
        cells = [_escaped(row.name), *(column.cells[index].text for column in shown), verdict_words(first.verdict)]
        lines.append(f"| {' | '.join(cells)} |")
    place = document.environment
    libraries = ", ".join(f"{name} {version}" for name, version in place.libraries.items())
    lines += ["", f"{_escaped(f'{place.cpu}, {place.cpu_count} CPUs, {place.kernel}, {place.python}; {libraries}.')}"]
    if document.interrupted:
        lines += ["", "Interrupted: the figures rest on the pairs measured until then."]
    return "\n".join(lines) + "\n"

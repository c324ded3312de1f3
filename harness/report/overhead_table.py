"""The table of an overhead document for the terminal (rich) and for pasting (Markdown), with its ladder and laws."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.report.laws import formula, term_text
from harness.report.model import Audited, Ladder, Law, LawTerm, Measured, Saturation
from harness.report.overhead import (
    Cell,
    OverheadRow,
    audit_words,
    cost_cell,
    lost_words,
    measured,
    rate_cell,
    rows_of,
    unit_of,
    verdict_words,
)
from harness.report.scales import percent, with_interval
from harness.report.tree import clean
from harness.report.waterfall import ladder_unit, within_noise

if TYPE_CHECKING:
    from harness.measure.document import Document, Experiment

__all__ = ["Column", "columns", "ladder_table", "law_lines", "overhead_markdown", "overhead_view", "verdict_lines"]

_STYLES = {"slower": "red", "faster": "green", "void": "bold red", "undecided": "yellow", "indistinguishable": ""}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~!$&@])")


class Column:
    """A column of the overhead table: its heading, its unit line, and its cells."""

    def __init__(self, heading: str, unit: str, cells: Sequence[Cell]) -> None:
        self.heading = heading
        self.unit = unit
        self.cells = cells

    @property
    def empty(self) -> bool:
        """Whether no row has anything here."""
        return not any(cell.value for cell in self.cells)


def columns(rows: Sequence[OverheadRow]) -> list[Column]:
    """Return the figures of all rows by column, one unit for each; columns without any figure are left out."""
    wall = unit_of(part for row in rows for part in (row.resting, row.scraped))
    counted = unit_of((row.instructions for row in rows), "instructions")
    found = [
        Column("cost per line", wall.name, [cost_cell(row.resting, wall) for row in rows]),
        Column("while scraped", wall.name, [cost_cell(row.scraped, wall) for row in rows]),
        Column("sustained", "lines/s", [rate_cell(row.rate) for row in rows]),
        Column("instructions", counted.name, [cost_cell(row.instructions, counted) for row in rows]),
        Column("audit", "", [Cell(audit_words(row.audit)) for row in rows]),
    ]
    return [column for column in found if not column.empty]


def overhead_view(
    document: "Document",
    saturation: Sequence[Saturation] = (),
    audits: dict[str, Audited] | None = None,
    ladders: Sequence[Ladder] = (),
    laws: Sequence[Law] = (),
) -> RenderableType:
    """Return everything one overhead document says, for a terminal."""
    rows = rows_of(document.experiments, saturation, audits)
    parts: list[RenderableType] = []
    if rows:
        parts += [_overhead_rich(rows), *verdict_lines(rows)]
    for ladder in ladders:
        parts += [Text(), ladder_table(ladder)]
    for line in law_lines(laws):
        parts.append(Text(line))
    if document.interrupted:
        parts.append(Text("Interrupted: the figures rest on the pairs measured until then.", style="yellow"))
    if not parts:
        parts.append(Text("No experiment was measured."))
    return Group(*parts)


def _overhead_rich(rows: Sequence[OverheadRow]) -> Table:
    bases = ", ".join(dict.fromkeys(clean(row.base) for row in rows))
    table = Table(
        title=Text(f"What a line costs above {bases}, with 95 % intervals"),
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    table.add_column("", no_wrap=True, overflow="ellipsis", min_width=14)
    shown = columns(rows)
    for column in shown:
        # Value and interval stand in columns of their own, so that the points line up; a note stays with its value.
        unit = f"\n{column.unit}" if column.unit else ""
        justify: Literal["left", "right"] = "left" if column.heading == "audit" else "right"
        table.add_column(Text(f"{column.heading}{unit}"), justify=justify, no_wrap=True)
        if any(cell.interval for cell in column.cells):
            table.add_column("", no_wrap=True, style="dim")
    for index, row in enumerate(rows):
        cells = [Text(clean(row.name))]
        for column in shown:
            cell = column.cells[index]
            style = "bold red" if cell.value == "void" or cell.value.startswith("✗") else ""
            cells.append(Text(f"{cell.value}{cell.note}", style=style))
            if any(each.interval for each in column.cells):
                cells.append(Text(cell.interval))
        table.add_row(*cells)
    return table


def verdict_lines(rows: Sequence[OverheadRow]) -> list[Text]:
    """Return a line for each experiment: its verdict, what it could have seen, and what was lost."""
    lines = []
    for row in rows:
        for experiment in row.experiments:
            words = verdict_words(experiment.verdict)
            about = f"{row.name}{' while scraped' if experiment is row.scraped else ''}"
            if experiment.axis == "instructions":
                about += ", instructions"
            lines.append(
                Text.assemble(
                    (words, _STYLES.get(experiment.verdict, "")), ("  ", ""), clean(f"{about}: {_evidence(experiment)}")
                )
            )
    return lines


def _evidence(experiment: "Experiment") -> str:
    ratio, interval = with_interval(_ratio(experiment))
    parts = [f"×{ratio} ({interval})"] if experiment.verdict != "void" and interval else []
    if experiment.verdict == "void":
        parts.append(experiment.conclusion)
    parts.append(f"{experiment.pairs} pairs")
    parts.append(f"smallest effect seen {percent(experiment.minimal_detectable_effect)}")
    null, null_interval = with_interval(_null(experiment))
    parts.append(f"A/A {null}{f' ({null_interval})' if null_interval else ''}")
    lost = lost_words(experiment)
    return ", ".join([*parts, lost] if lost else parts)


def _ratio(experiment: "Experiment") -> Measured:
    return measured(experiment.ratio, experiment.ratio_interval)


def _null(experiment: "Experiment") -> Measured:
    return measured(experiment.null.ratio, experiment.null.ratio_interval)


def ladder_table(ladder: Ladder) -> Table:
    """Return a ladder for a terminal: what each rung adds, with interval and a bar, and the whole."""
    unit = ladder_unit(ladder)
    table = Table(
        title=Text(f"The ladder of {clean(ladder.subject)}, {unit.name} a line"),
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    table.add_column("step", no_wrap=True, overflow="ellipsis")
    table.add_column("adds", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, style="dim")
    table.add_column("", no_wrap=True)
    table.add_column("in all", justify="right", no_wrap=True)
    most = max([abs(rung.increment.value or 0) for rung in ladder.rungs], default=0.0) or 1.0
    for rung in ladder.rungs:
        value, interval = with_interval(rung.increment, unit)
        bar = "█" * round(10 * abs(rung.increment.value or 0) / most) or "▏"
        total = with_interval(rung.total, unit)[0]
        style = "dim" if within_noise(rung.increment) else ""
        table.add_row(Text(clean(rung.title)), Text(value, style=style), Text(interval), Text(bar, style=style), total)
    return table


def law_lines(laws: Sequence[Law]) -> list[str]:
    """Return each law as a line: the formula, then the coefficients' intervals."""
    lines = []
    for law in laws:
        written = formula(law)
        if not written:
            lines.append(clean(f"{law.subject} against {law.factor}: no law fits"))
            continue
        ends = [f"{symbol.split(' ')[0]} {interval}" for symbol, _, interval in map(_term(law.factor), law.terms)]
        lines.append(clean(f"{law.subject}: {written}  [{'; '.join(ends)}]"))
    return lines


def _term(factor: str) -> Callable[[LawTerm], tuple[str, str, str]]:
    return lambda term: term_text(term, factor)


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is, within one table cell."""
    return _MARKDOWN.sub(r"\\\1", clean(text).replace("\n", " "))


def overhead_markdown(
    document: "Document", saturation: Sequence[Saturation] = (), audits: dict[str, Audited] | None = None
) -> str:
    """Return the overhead table as Markdown for pasting, with the environment that produced it below."""
    rows = rows_of(document.experiments, saturation, audits)
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
        f"|---|{'---:|' * (len(headings) - 2)}---|",
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

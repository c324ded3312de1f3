"""Terminal, plain lines, Markdown, HTML and GitHub write the same figures: one sample of every section, each format."""

import io
import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from rich.console import Console

from harness.history.checking.check import Basis, CheckResult, Decision, FigureDecision
from harness.history.envelope import Envelope
from harness.history.figures import Figure
from harness.history.index import RunRow
from harness.history.queries import Listing, ShownRun
from harness.measure.compare.compare import Compared, ComparedSide, Judged
from harness.measure.questions.answer import ResultRow, outcome_of
from harness.measure.questions.validation import read_records, summarise
from harness.probe.catalog import Probe, ProbeResult
from harness.report.answer import answer_markdown, answer_sections, answer_view
from harness.report.collect import Report, StoredDocument, assembled
from harness.report.commands.check import check_section
from harness.report.commands.compare import compared_section
from harness.report.commands.history import runs_table, stored_run_parts
from harness.report.commands.probes import probes_section
from harness.report.commands.validation import validation_table
from harness.report.contents import sections_of
from harness.report.markup import page_text
from harness.report.page import render
from harness.report.tables import Note, ReportTable, Section, TableCell, row_of
from harness.report.writers.github import annotation, write_summary
from harness.report.writers.html import section_element
from harness.report.writers.markdown import write_markdown
from harness.report.writers.plain import write_plain
from harness.report.writers.terminal import write_terminal
from tests.harness.report.checks import Node, parse
from tests.harness.report.run_samples import run_result
from tests.harness.report.samples import (
    columns,
    document,
    effect,
    experiment,
    full_report,
    ladder,
    law,
    pages,
    rate,
    scraped,
    self_test,
    trend,
)

WIDE = 2000
RECORDS = Path(__file__).resolve().parents[3] / "docs" / "data" / "validation.jsonl.gz"
# A number as any format writes it: thin spaces between thousands, a true minus, an exponent, thousands as k.
NUMBER = re.compile(r"(?<![\w.])[-−+]?\d[\d\u202f,]*(?:\.\d+)?(?:e[-−+]?\d+)?k?")
SPAN = re.compile(rf"({NUMBER.pattern})(?:–| to )({NUMBER.pattern})")
HALF = re.compile(rf"±({NUMBER.pattern})")
Rows = list[list[str]]


def sections() -> list[Section]:
    """Every section there is, with void and undecided experiments, counted and timed, bounded and not."""
    costs = document().experiments
    costs[1] = costs[1].model_copy(update={"scrapes": 31})
    costs[-1] = costs[-1].model_copy(update={"repeat_spread": 0.0002})
    report = Report(
        overhead=document(costs), ladder=ladder("2-views"),
        laws=[law("a", 21_400, 71_900), law("b", 8_100, 0.9, void=3)],
        saturation=[rate("opencensus", 8_900, 8_600, 9_100), rate("b", None, at_least=7_123.0), rate("c", None)],
        counted={"opencensus": 981_590.0}, counted_spread=0.0002, columns=columns(), audits=full_report().audits,
        scrapes=[effect(), effect("old", rate=None)], self_test=self_test(), expositions=[pages()],
        trends=[trend(), trend(12)], runs=[run_result()], evidence=costs[:2],
    )  # fmt: skip
    return [
        *sections_of(report), compared_section(compared()), check_section(checked()), probes(),
        Section("history", "History", (runs_table(listing()), *stored_run_parts(stored()))),
        Section("validation", "Validation", (validation_table(summarise(read_records(RECORDS)[0][:12])),)),
    ]  # fmt: skip


def compared() -> Compared:
    side = ComparedSide(role="BASE", given="a", kind="instrument", drives="a", python="3", libraries={})
    made = [
        experiment("b", 5_000.0),
        experiment("b", 51_000.0, axis="instructions"),
        experiment("b", 5.0, verdict="void"),
    ]
    judged = [Judged(axis=each.axis, outcome="undecided", reason="between") for each in made]
    documents = [document([each]) for each in made]
    return Compared(base=side, head=side, tolerance=0.03, outcome="undecided", judged=judged, documents=documents)


def checked() -> CheckResult:
    slower = FigureDecision(
        "wall_ns a/none", Decision.REGRESSED, "above 3 %", 0.051, (0.042, 0.0613), 0.0123, 0.95, "run-7", 9, Basis.NONE
    )
    return CheckResult("run-9", (slower, FigureDecision("b", Decision.UNDECIDED, "too few runs")), 0.01, 0.03)


def listing() -> Listing:
    row = RunRow("id", "overhead", "2026", "label", "epoch", "{}", "{}", "abcdef", True, None, 17)
    return Listing((row,), (), frozenset({"id"}))


def stored() -> ShownRun:
    figures = (Figure("wall_ns a", "ns", 95_300.0, 93_400.0, 97_200.0, pairs=12), Figure("b", "ns", None, void="void"))
    return ShownRun(Envelope("id", "overhead", "2026", "", {}, {}, {}), figures)


def probes() -> Section:
    results = [ProbeResult("p", name, state, f"lost {n} of 400") for n, name, state in ((3, "a", True), (0, "b", None))]
    return probes_section([Probe("p", "lines are lost")], results, ["a", "b"], {"python": "3.11"})


@cache
def tables() -> dict[str, ReportTable]:
    found = [(section.ident, table) for section in sections() for table in section.tables()]
    return {f"{ident} {index}: {table.caption[:40]}": table for index, (ident, table) in enumerate(found)}


def printed(table: ReportTable) -> list[str]:
    console = Console(file=io.StringIO(), width=WIDE, color_system=None)
    console.print(write_terminal([table]))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def cut(lines: list[str]) -> Rows:
    """Cut the lines of a table where two columns of characters beside each other are blank in all of them."""
    width = max(map(len, lines))
    padded = [line.ljust(width) for line in lines]
    blank = [all(line[at] == " " for line in padded) for at in range(width)]
    edges = [0, *(at for at in range(2, width) if blank[at - 2] and blank[at - 1] and not blank[at])]
    spans = list(zip(edges, [*edges[1:], width], strict=True))
    return [[line[start:end].strip() for start, end in spans] for line in padded]


def of_terminal(table: ReportTable) -> Rows:
    lines = printed(table)[bool(table.caption) :]
    heading = 1 + max(
        (column.heading if column.narrow is None else column.narrow).count("\n")
        + bool(column.narrow is None and column.heading and column.unit)
        for column in table.columns
        if not column.below
    )
    height = heading if any(column.label or column.narrow for column in table.columns) else 0
    return cut(lines[: height + len(table.rows)])[height:]


def of_plain(table: ReportTable) -> Rows:
    return cut(list(write_plain([table]))[: 1 + len(table.rows)])[1:]


def of_markdown(table: ReportTable) -> Rows:
    lines = [line for line in write_markdown([table]).splitlines() if line.startswith("| ")][2:]
    cells = [re.split(r"(?<!\\) \| ", f" {line.strip('|')} ".replace("|  |", "| | |")) for line in lines]
    return [[re.sub(r"\\(.)", r"\1", cell).strip() for cell in row] for row in cells]


def of_html(table: ReportTable) -> Rows:
    root = parse(page_text(section_element(Section("x", "x", (table,)))))
    rows = root.all("tbody")[0].all("tr")
    return [[" ".join(words(cell, remarks=table.remarks_in_cells)) for cell in row.children] for row in rows]


def words(node: Node, *, remarks: bool) -> Iterator[str]:
    if remarks or "note" not in (node.attributes.get("class") or ""):
        yield node.text
        for child in node.children:
            yield from words(child, remarks=remarks)


def number(text: str) -> float:
    plain = text.replace("\u202f", "").replace(",", "").replace("−", "-")
    return float(plain[:-1]) * 1000 if plain.endswith("k") else float(plain)


def interval(text: str) -> tuple[float, float] | None:
    """Return the interval that a cell tells, by its ends or by its half-width."""
    if half := HALF.search(text):
        value = number(NUMBER.findall(text)[0])
        return value - number(half[1]), value + number(half[1])
    ends = SPAN.search(text)
    return None if ends is None else (number(ends[1]), number(ends[2]))


def numbers(rows: Rows) -> list[list[list[float]]]:
    """Return all numbers of all cells behind the name of each row, without cells that have none."""
    cells = [[[number(each) for each in NUMBER.findall(cell)] for cell in row[1:]] for row in rows]
    return [[found for found in row if found] for row in cells]


def shown(table: ReportTable) -> ReportTable:
    """Return the table without the columns that a terminal tells in a sentence."""
    kept = [index for index, column in enumerate(table.columns) if not column.below]
    rows = tuple(tuple(row[index] for index in kept) for row in table.rows)
    columns = tuple(table.columns[index] for index in kept)
    return ReportTable(table.caption, columns, rows, table.notes, remarks_in_cells=table.remarks_in_cells)


@pytest.mark.parametrize("name", list(tables()))
def test_every_format_writes_the_figures_of_every_section(name: str) -> None:
    """Formats with room for all of a cell have all of its numbers, to the last digit, in the same rows."""
    table = shown(tables()[name])
    figures = [numbers(of(table)) for of in (of_plain, of_markdown, of_html)]
    assert figures[0] == figures[1] == figures[2]


@pytest.mark.parametrize("name", list(tables()))
def test_a_terminal_writes_the_same_values_in_less_room(name: str) -> None:
    """Each cell has the same value; its interval, where there is room for one, is the same to its last digit."""
    table = shown(tables()[name])
    if table.remarks_in_cells:
        text = " ".join(" ".join(printed(table)).split())
        assert all(remark in text for row in table.rows for cell in row for remark in (cell.value, *cell.remarks))
        return
    whole, narrow = of_html(table), of_terminal(table)
    assert len(whole) == len(narrow) == len(table.rows)
    for row, brief in zip(whole, narrow, strict=True):
        cells, briefs = ([cell for cell in part[1:] if NUMBER.search(cell)] for part in (row, brief))
        assert len(cells) == len(briefs), (row, brief)
        for cell, short in zip(cells, briefs, strict=True):
            assert math.isclose(number(NUMBER.findall(cell)[0]), number(NUMBER.findall(short)[0]), rel_tol=1e-9)
            ends, told = interval(cell), interval(short)
            if ends is not None and told is not None:
                # An interval that is even within a twentieth is told by its half-width, of as many decimals.
                decimals = len(short.partition("±")[2].rstrip("k").partition(".")[2])
                room = 0.06 * (ends[1] - ends[0]) + 10**-decimals * (1000 if short.endswith("k") else 1)
                assert math.isclose(ends[0], told[0], abs_tol=room), (cell, short)
                assert math.isclose(ends[1], told[1], abs_tol=room), (cell, short)


def test_the_sample_has_every_kind_of_experiment() -> None:
    """The checks above see what is void, undecided, bounded, counted and not known."""
    texts = [cell.text for table in tables().values() for row in table.rows for cell in row]
    for word in ("✗ void", "? undecided", "≥ 7\u202f100", "–", "within", "counted", "▲ slower"):
        assert any(word in text for text in texts), word
    assert len(tables()) > 30
    assert {name.partition(" ")[0] for name in tables()} >= {
        "overhead", "ladder", "laws", "saturation", "latency", "self-test", "trend", "findings", "exposition", "runs",
        "raw", "environment", "compare", "check", "probes", "history", "validation",
    }  # fmt: skip


def test_the_checks_themselves_find_a_figure_that_differs() -> None:
    """A value, an interval and a row told apart by one format only would be seen."""
    table = ReportTable("", tables()[next(iter(tables()))].columns[:2], (row_of("a", TableCell("95.3", "93.4–97.2")),))
    assert numbers(of_markdown(table)) == [[[95.3, 93.4, 97.2]]]
    other = ReportTable("", table.columns, (row_of("a", TableCell("95.4", "93.4–97.2")),))
    assert numbers(of_markdown(table)) != numbers(of_html(other))
    assert interval("95.3 ±1.9") == pytest.approx((93.4, 97.2))
    assert interval("−0.3 (−0.9 to 0.2)") == (-0.9, 0.2)


@pytest.mark.parametrize("name", list(tables()))
def test_every_format_writes_the_remarks_and_what_there_is_no_column_for(name: str) -> None:
    """Why something is void or undecided, and how often a way was scraped, stands in each format."""
    table = tables()[name]
    html = " ".join(words(parse(page_text(section_element(Section("x", "x", (table,))))), remarks=True))
    markdown = re.sub(r"\\(.)", r"\1", write_markdown([table]))
    texts = [" ".join(printed(table)), " ".join(write_plain([table])), html, markdown]
    for text in texts:
        for _, _, remark in table.remarks():
            assert remark in text
        for row in table.rows:
            assert all(cell.value in text for cell, column in zip(row, table.columns, strict=True) if column.below)


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.ident)
def test_every_format_writes_what_is_said(section: Section) -> None:
    """Sentences stand in every format as they are, with every number in them."""
    notes = [part for part in section.parts if isinstance(part, Note)]
    notes += [note for table in section.tables() for note in table.notes]
    texts = {
        "html": " ".join(node.text for node in parse(page_text(section_element(section))).all()),
        "github": re.sub(r"\\(.)", r"\1", write_summary(section)),
    }
    for note in notes:
        for name, text in texts.items():
            if name == "html" or note in section.parts:
                assert note.text.strip() in text, name


def test_one_answer_is_the_same_on_terminal_page_and_in_markdown() -> None:
    """From the stored document on: every figure of the overhead table stands in all three."""
    table = document([experiment("oc", 95_300.0), scraped("oc", 101_971.0), experiment("lean", 8_140.0)])
    row = ResultRow(instrument="oc", instructions_per_line=981_590.0, audit=None, missing={})
    answer = outcome_of(
        "table", {"table": table, "ladder": ladder()}, table=[row], saturation=[rate("oc", 8_900, 8_600, 9_100)]
    )
    console = Console(file=io.StringIO(), width=WIDE, color_system=None)
    console.print(answer_view(answer))
    assert isinstance(console.file, io.StringIO)
    texts = {
        "terminal": console.file.getvalue(),
        "markdown": answer_markdown(answer),
        "page": " ".join(n.text for n in parse(render(assembled([StoredDocument("x", answer, "table")]))).all()),
    }
    for section in answer_sections(answer):
        for shown_table in (part for part in section.parts if isinstance(part, ReportTable)):
            for each in (cell for cells in shown_table.rows for cell in cells if cell.value):
                assert each.brief in texts["terminal"]
                assert each.text.replace("|", "\\|") in texts["markdown"]
                assert each.value in texts["page"]
                assert each.interval in texts["page"]


def test_an_annotation_holds_no_other_command() -> None:
    """Neither one that begins in the message, nor one of the older form, which the runner seeks anywhere in a line."""
    text = annotation("error", "a title", "100 %\n::warning::b ##[add-mask]c")
    assert text.startswith("::error title=a title::100 %25")
    assert len(text.splitlines()) == 1
    assert "##[" not in text

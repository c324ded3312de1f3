"""The tables of columns on request: one unit for each column, reasons in words, and the newest of each cell."""

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from harness.measure.questions.answer import Answer, joined, outcome_of
from harness.measure.questions.columns.figures import ColumnFigure
from harness.report.answer import answer_markdown, answer_view
from harness.report.collect import StoredDocument, assembled
from harness.report.experiments import VOID
from harness.report.page import render
from harness.report.sections.overhead import asked_tables
from harness.report.tables import ReportTable
from harness.report.writers.markdown import table_markdown
from tests.harness.report.samples import column, columns, document, experiment

WORDS = ("memory", "CPU", "import", "page")


def answer(figures: Sequence[ColumnFigure]) -> Answer:
    heads = [experiment(name, 5_000.0) for name in ("opencensus", "statsd")]
    return outcome_of("comparison", {"comparison": document(heads)}, columns=list(figures))


def only(*figures: ColumnFigure) -> ReportTable:
    (table,) = asked_tables(figures)
    return table


def printed(made: Answer) -> str:
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(answer_view(made))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def explained(text: str) -> list[str]:
    """The columns that the text says how to read."""
    lines = text.splitlines()
    return [word for word in WORDS if any(line.startswith(f"{word}  ") for line in lines)]


def test_each_column_has_its_place_and_its_unit() -> None:
    """Rates and numbers of series are in the headings; the unit fits the middle one of the figures."""
    first, second = asked_tables(columns())
    assert [each.label for each in first.columns] == [
        "Way of recording",
        "Memory per series, KiB",
        "CPU at 1\u202f000 lines/s, % of a core",
        "CPU at 10\u202f000 lines/s, % of a core",
    ]
    assert [each.label for each in second.columns] == [
        "Way of recording",
        "Import, ms",
        "Page of 100 series, ms",
        "Page of 1\u202f000 series, ms",
    ]
    assert [row[0].value for row in first.rows] == ["opencensus", "statsd", "broken"]
    assert [row[0].value for row in second.rows] == ["opencensus", "statsd"]
    assert first.caption == "What else it takes: memory, CPU, ± 95\u202f% intervals"


def test_up_to_four_columns_are_one_table() -> None:
    """More would not fit a terminal, fewer are not torn apart."""
    some = [each for each in columns() if each.column in {"import", "page"} or each.at == 10_000]
    assert len(only(*some).columns) == 1 + 4
    assert [len(table.columns) for table in asked_tables([x for x in columns() if x.column != "memory"])] == [4, 3]
    assert asked_tables([]) == []


def test_a_figure_has_its_interval() -> None:
    """Repeats of 1.0, 1.1 and 1.2 % of a core: 1.1, and Student's interval of three."""
    table = only(column("a", "cpu", 1_000, 0.010, 0.011, 0.012))
    assert table.rows[0][1].text == "1.10 (0.85–1.35)"
    assert only(column("a", "memory", 1_000, 200.0, 210.0)).columns[1].unit == "bytes"


def test_void_has_no_figure_and_a_reason_in_every_format() -> None:
    """A cross for what is void, a dash for what there is nothing of, and the reason once for all of its cells."""
    first, second = asked_tables(columns())
    assert [cell.value for cell in first.rows[-1]] == ["broken", "–", VOID, VOID]
    assert [cell.value for cell in second.rows[-1]][2:] == ["–", "–"]
    reasons = [
        "– broken: no cpu: void: 2 of 3 processes do not count (2 of 11 lines are not on the page)",
        "– statsd: no page: it pushes, so that nobody asks for a page",
    ]
    assert [note.text for note in (*first.notes, *second.notes)] == reasons
    made = answer(columns())
    text = " ".join(printed(made).split())
    markdown = answer_markdown(made)
    page = render(assembled([StoredDocument("f.json", made, "comparison")]))
    for reason in reasons:
        assert reason in text
        assert reason in markdown
        assert reason in page


def test_a_terminal_of_eighty_columns_shows_all_of_them() -> None:
    """No heading or figure is cut, and each word is explained below."""
    text = printed(answer(columns()))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    rows = [line for line in text.splitlines() if line.startswith("opencensus ") and line.count("±") == 3]
    assert len(rows) == 2
    assert explained(text) == list(WORDS)


def test_what_was_not_asked_for_is_not_explained() -> None:
    """One column, one explanation; without any, the output is that of before."""
    assert explained(printed(answer([column("opencensus", "import", None, 1e8, 1.1e8)]))) == ["import"]
    assert explained(printed(answer([]))) == []
    assert "What else" not in printed(answer([])) + answer_markdown(answer([]))


def test_a_document_of_before_opens_without_columns() -> None:
    """The key is new; what was stored without it means none."""
    stored = answer([]).document()
    del stored["columns"]
    assert Answer.model_validate(stored).columns == []


def test_parts_measured_one_after_the_other_keep_their_columns() -> None:
    """As `harness overhead full` joins its stages."""
    assert joined("full", [answer([]), answer(columns())]).columns == columns()


def test_a_report_shows_the_newest_figure_of_each_cell() -> None:
    """A later measurement of one column takes its place and leaves the others."""
    older = answer(columns())
    newer = answer([column("opencensus", "import", None, 80e6, 82e6, 81e6)])
    found = assembled([StoredDocument("1", older, ""), StoredDocument("2", newer, "")]).columns
    assert len(found) == len(columns())
    (replaced,) = [each.value for each in found if (each.instrument, each.column) == ("opencensus", "import")]
    assert replaced == pytest.approx(81e6)


def test_markdown_has_one_row_for_each_way_of_recording() -> None:
    """Pasted, it is one table."""
    first, _ = asked_tables(columns())
    rows = [line for line in table_markdown(first).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 3
    assert len({row.count("|") for row in rows}) == 1

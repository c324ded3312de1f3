import io
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.report.collect import Report
from harness.report.essentials import essentials
from harness.report.sections.overhead import overhead_section
from harness.report.sections.trend import sparkline
from harness.report.writers.markdown import write_markdown
from tests.harness.report.run_samples import run_result
from tests.harness.report.samples import HOSTILE, document, experiment, full_report, trend
from tests.harness.report.test_page import hostile_report


def shown(report: Report, width: int = 80, *, color: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=color, color_system="truecolor" if color else None)
    console.print(essentials(report))
    return out.getvalue()


def test_the_essentials_fit_a_terminal() -> None:
    """In 80 columns nothing is cut: names fold, figures, verdicts and findings stand whole."""
    text = shown(full_report())
    assert max(map(len, text.splitlines())) <= 80
    head = text.partition("Trend, oldest")[0]
    assert "…" not in head
    for word in ("95.3 ±1.9", "8.9k ±0.3k", "981.59", "✗ differs", "▲ slower", "? undecided", "✗ void", "58.40 ±0.90"):
        assert word in text
    for word in ("cost = 21.4 µs (", "step at", "✓ valid", "sum_decreased", "60 runs", "p99.9"):
        assert word in text


def test_colour_carries_nothing_alone() -> None:
    """Without colour the text is the same, and without a terminal it has no escape sequence."""
    import re

    coloured = shown(full_report(), color=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == shown(full_report())
    assert "\x1b" not in shown(full_report())


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:24])
def test_a_terminal_is_not_steered_from_outside(text: str) -> None:
    """Escape sequences, controls and rich's own markup in names and findings are shown, never obeyed."""
    steering = f"{text}\x1b]0;title\x07\x1b[31m[red]"
    out = shown(hostile_report(steering), 200)
    assert not any(ord(c) < 32 and c != "\n" for c in out)
    assert not set("\u202e\u2066") & set(out)


def test_an_empty_report_says_how_to_begin() -> None:
    """Someone who has measured nothing learns which command to start with."""
    assert "harness overhead" in shown(Report())


def test_what_only_a_page_shows_has_no_heading() -> None:
    """The distribution of a load run is a picture: a terminal shows the run's line and nothing empty."""
    text = shown(Report(runs=[run_result()]))
    assert "Load runs" in text
    assert "Latency" not in text


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([1.0], "▄"),
        ([1.0, 2.0], "▁█"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([1.0, None, math.nan, 2.0], "▁  █"),
        ([5.0, 5.0], "▄▄"),
    ],
)
def test_sparklines(values: list[float | None], line: str) -> None:
    """From lowest to highest, gaps where nothing is known, half-way where all are alike."""
    assert sparkline(values) == line


@given(st.lists(st.one_of(st.none(), st.floats())))
def test_a_sparkline_has_a_place_for_each_value(values: list[float | None]) -> None:
    """Any values, also not finite ones, make one character each."""
    assert len(sparkline(values)) == len(values)


def costs(report: Report) -> str:
    """The overhead table of a report as Markdown, without what its verdicts rest on."""
    section = overhead_section(report.overhead, report.saturation, report.audits)
    return write_markdown(section.parts[:-1] if section is not None else ())


def test_markdown_has_one_row_for_each_way_of_recording() -> None:
    """Pasted, the table has a cell for each column in each row, intervals included."""
    text = costs(full_report())
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 9
    assert {row.count("|") for row in rows} == {rows[0].count("|")}
    assert "| opencensus | 95.3 (93.4–97.2) | 102.0 (97.9–106.0) | 8\u202f900 (8\u202f600–9\u202f100) |" in text


def test_markdown_of_outside_names_stays_one_table() -> None:
    """Bars, line breaks and markup in a name neither add a cell nor become markup."""
    name = "a|b\n<b>*x*</b> [l](u)"
    text = costs(Report(overhead=document([experiment(name, 5.0)], interrupted=True)))
    (row,) = [line for line in text.splitlines() if line.startswith("| a")]
    assert r"a\|b \<b\>\*x\*\</b\> \[l\](u)" in row
    assert "Interrupted" in text


def test_long_histories_fit_too() -> None:
    """Ten thousand runs are a sparkline of the same length."""
    report = Report(trends=[trend(10_000), replace(trend(3), metric="m" * 200)])
    assert max(map(len, shown(report).splitlines())) <= 80

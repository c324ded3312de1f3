"""No renderer shows a figure of a void experiment as if it were a result; each says in words that it is void."""

import io
import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from rich.console import Console, RenderableType

from harness.history.envelope import Envelope
from harness.history.exchange.exports import ExportedFigure, export_figures, export_pytest_benchmark
from harness.history.figures import Figure, metrics_of
from harness.history.index import FigurePoint
from harness.measure.compare.compare import Compared, ComparedSide, Judged
from harness.measure.questions.answer import Answer, ResultRow, outcome_of
from harness.measure.questions.laws import FACTORS, laws_of
from harness.measure.questions.selftest import SelfTest, recovered
from harness.measure.result import Control, Experiment, Experiments
from harness.measure.steps import RUNGS
from harness.report.answer import answer_markdown, answer_view
from harness.report.collect import assembled, read_document, report_of
from harness.report.commands.compare import compared_section
from harness.report.essentials import essentials
from harness.report.experiments import VOID, control_pairs, control_words
from harness.report.page import render
from harness.report.plots.canvas import standalone
from harness.report.plots.trend import trend_picture
from harness.report.plots.waterfall import waterfall
from harness.report.sections.ladder import ladders_of
from harness.report.sections.overhead import rows_of
from harness.report.trends import trend_of
from harness.report.writers.terminal import write_terminal
from tests.harness.report.samples import document, experiment

REASON = "void: none against itself came out at 1.0123 to 1.0456 times its own cost"
# Figures of a void experiment, in every unit that a table might choose, and nothing else is like them.
FIGURES: dict[str, Any] = {
    "base_per_line": 54_321.0,
    "head_per_line": 76_543.0,
    "cost_per_line": 22_222.0,
    "cost_interval": (21_212.0, 23_232.0),
    "ratio": 5.6789,
    "ratio_interval": (5.4545, 5.9898),
    "minimal_detectable_effect": 0.0778,
}
FORBIDDEN = re.compile(
    r"54[.,\u202f]?3|76[.,\u202f]?5|22[.,\u202f]?2|21[.,\u202f]?2|23[.,\u202f]?2|5\.6[78]|5\.45|7\.8.%|7\.78"
)


def void(head: str, **more: Any) -> Experiment:
    return experiment(head, 22_222.0, **{**FIGURES, "verdict": "void", "conclusion": REASON, **more})


def part(*experiments: Experiment) -> Experiments:
    return document(list(experiments))


def table(**more: Any) -> Experiments:
    scraped = {"series": 1, "scraped": True, "threads": 1, "scrape_interval_ms": 200}
    return part(
        void("opencensus", **more), void("opencensus", factors=scraped, **more),
        void("opencensus", axis="instructions", **more),
    )  # fmt: skip


def ladder() -> Experiments:
    return part(*(void(high.name, base=low.name) for low, high in pairwise(RUNGS)))


def law(factor: str) -> Experiments:
    return part(
        *(void("opencensus", factors={"series": 1, "scraped": False, "threads": 1, factor: x}) for x in FACTORS[factor])
    )


def everything() -> Answer:
    """Return an outcome of every part, all of it void."""
    parts = {"table": table(), "ladder": ladder(), **{f"laws:{factor}": law(factor) for factor in FACTORS}}
    tested = part(*(void("prometheus-client") for _ in range(2)))
    delays = [recovered(1111.0, 0.01, i, [tested]) for i in range(2)]
    return outcome_of(
        "full", {**parts, "self-test": tested},
        laws=[each for factor in FACTORS for each in laws_of(parts[f"laws:{factor}"], factor)],
        table=[ResultRow(instrument="opencensus", instructions_per_line=None, audit=None, missing={})],
        self_test=SelfTest(subject="prometheus-client", subject_ns=9999.0, delays=delays, documents=[]),
    )  # fmt: skip


def printed(view: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def page_text(html: str) -> str:
    """Return what a reader of the page sees, without the raw pairs, which are the evidence and marked as void."""
    html = re.sub(r"<(style|script)\b.*?</\1>", "", html, flags=re.DOTALL)
    raw = re.search(r'<section id="raw".*?</section>', html, flags=re.DOTALL)
    assert raw is not None
    assert f"<summary>{VOID}: " in raw[0]
    text = html.replace(raw[0], "")
    # Geometry is no figure; what a pointer would be told is.
    told = " ".join(re.findall(r'data-points="(.*?)"', text))
    return re.sub(r"<[^>]*>", " ", text) + re.sub(r"\[-?[\d.]+, -?[\d.]+,", "[", told)


def compared() -> Compared:
    side = ComparedSide(role="BASE", given="a", kind="instrument", drives="a", python="3", libraries={})
    documents = [part(void("b", base="a", axis=axis)) for axis in ("wall_ns", "instructions")]
    judged = [Judged(axis=each.experiments[0].axis, outcome="undecided", reason=REASON) for each in documents]
    return Compared(base=side, head=side, tolerance=0.03, outcome="undecided", judged=judged, documents=documents)


def points(*voided: bool) -> list[FigurePoint]:
    """Return one figure over time."""
    kinds: Sequence[Experiment] = [void("oc") if each else experiment("oc", 1_000.0) for each in voided]
    metrics = [metrics_of("overhead", part(each).model_dump(mode="json"))[0] for each in kinds]
    return [FigurePoint(f"run{i}", f"2026-01-{i + 1:02d}T10:00:00Z", "m", metric) for i, metric in enumerate(metrics)]


def pictures() -> str:
    """Return all pictures of the outcome, as the page's writer draws them, without their geometry."""
    from benchmarks.cost.what_a_metric_costs import pictures as drawn

    files = [standalone(picture) for picture in drawn(everything()).values()]
    assert len(files) == 2 + len(FACTORS)
    return "\n".join(re.sub(r"<style>.*?</style>|<[^>]*>", " ", text, flags=re.DOTALL) for text in files)


RENDERED = {
    "terminal": lambda: printed(answer_view(everything())),
    "Markdown": lambda: answer_markdown(everything()),
    "HTML": lambda: page_text(render(assembled(read_document(everything().document(), "x")))),
    "terminal report": lambda: printed(essentials(assembled(read_document(everything().document(), "x")))),
    "pictures": pictures,
    "compare": lambda: printed(write_terminal(compared_section(compared()).parts)),
    "trend picture": lambda: re.sub(
        r"<style>.*?</style>|<[^>]*>", " ", standalone(trend_picture(trend_of("k", points(False, True, True)), "t")),
        flags=re.DOTALL,
    ),
    "trend on the terminal": lambda: printed(
        essentials(report_of(trends=[trend_of("k", points(False, False, True))]))
    ),
}  # fmt: skip


@pytest.mark.parametrize("where", list(RENDERED))
def test_a_void_experiment_shows_no_figure_and_says_so(where: str) -> None:
    """Neither cost, ratio, interval, total nor smallest effect; the sign and the word stand in their place."""
    text = RENDERED[where]()
    found = FORBIDDEN.search(text)
    assert found is None, text[max(0, found.start() - 200) : found.end() + 50]
    assert "void" in text.lower()
    assert "✗" in text


@pytest.mark.parametrize("where", ["terminal", "Markdown", "HTML"])
def test_the_reason_is_told(where: str) -> None:
    """Whoever reads that it is void also reads why."""
    assert "came out at 1.0123 to 1.0456 times its own cost" in RENDERED[where]()


def test_the_same_figures_are_shown_where_they_count() -> None:
    """The check above sees figures where there are some: the same outcome with another verdict is full of them."""
    shown = table(verdict="slower")
    outcome = outcome_of("table", {"table": shown})
    for text in (printed(answer_view(outcome)), answer_markdown(outcome)):
        assert FORBIDDEN.search(text)


def test_a_waterfall_with_a_void_rung_goes_on_from_what_was_measured() -> None:
    """The sum up to there lacks a step, so the next bar starts at what a line was measured to cost without its own."""
    rungs = [
        experiment(high.name, 100.0, base=low.name, base_per_line=100.0 * (i + 1), head_per_line=100.0 * (i + 2),
                   verdict="void" if i == 3 else "slower")
        for i, (low, high) in enumerate(pairwise(RUNGS))
    ]  # fmt: skip
    from harness.report.plots.waterfall import _steps

    (drawn,) = ladders_of(part(*rungs))
    steps = _steps(drawn)
    assert (steps[4].start, steps[4].end) == (None, None)
    assert (steps[5].start, steps[5].end) == (500.0, 600.0)
    assert RUNGS[4].title in waterfall(drawn).description
    assert "Void, and without a bar" in waterfall(drawn).description
    (last,) = ladders_of(part(*rungs[:3], rungs[3]))
    assert "not known: the last step is void" in standalone(waterfall(last))


def test_the_newest_word_of_a_trend_is_that_it_is_void() -> None:
    """An earlier run's figure is not shown as the newest, and the gap is named."""
    trend = trend_of("k", points(False, False, True))
    assert list(trend.void) == [2]
    assert trend.values[2] is None
    text = printed(essentials(report_of(trends=[trend])))
    assert VOID in text
    assert "3 runs, 1 void" in text


def test_what_other_tools_are_given_has_no_void_figure() -> None:
    """Exports leave the figure out; one whose newest run is void is not sent with an older value."""
    metrics: list[Figure] = [point.metric for point in points(False, True)]
    figures = [
        ExportedFigure(f"run{i}", "2026-01-01T00:00:00Z", "overhead", "", "m", None, m) for i, m in enumerate(metrics)
    ]
    assert export_figures(figures, "customSmallerIsBetter").strip() == "[]"
    assert not FORBIDDEN.search(export_figures(figures[1:], "openmetrics"))
    assert not FORBIDDEN.search(export_figures(figures[1:], "csv"))
    document = part(void("oc"), experiment("lean", 1_000.0)).model_dump(mode="json")
    kept = Envelope("run", "overhead", "2026-01-01T00:00:00Z", "", {}, {}, document)
    exported = json.loads(export_pytest_benchmark(kept))["benchmarks"]
    assert [each["name"] for each in exported] == ["wall_ns lean/none scraped=false series=1 threads=1 plan=40x10ms"]


@pytest.mark.parametrize(
    ("axis", "spread", "words"),
    [
        ("instructions", 0.0002, "within 0.020\u202f%"),
        ("instructions", 0.0, "the same"),
        ("instructions", None, "counted"),
        ("allocated_bytes", 0.01, "within 1\u202f%"),
        ("wall_ns", None, "0.9940–1.0085"),
    ],
)
def test_counts_show_how_far_they_repeat_in_place_of_a_control(axis: str, spread: float | None, words: str) -> None:
    """No A/A interval is claimed of what is counted; its spread stands there."""
    assert control_words(experiment("oc", 100.0, axis=axis, repeat_spread=spread)) == words


def test_a_control_of_too_few_pairs_says_how_many_it_should_have() -> None:
    """On the terminal, in Markdown and on the page; a whole one shows its number alone."""
    weak = Control(ratio=1.0, ratio_interval=(0.97, 1.03), confidence=0.99, pairs=7, needed=20)
    outcome = outcome_of("comparison", {"comparison": part(experiment("oc", 1_000.0, null=weak))})
    for text in (
        printed(answer_view(outcome)), answer_markdown(outcome),
        page_text_without_raw(render(report_of(outcome.part("comparison")))),
    ):  # fmt: skip
        assert "7 of 20" in text
    assert control_pairs(experiment("oc", 1_000.0)) == "6"


def test_a_row_measured_again_says_so() -> None:
    """A result that was void before is a result, and says how often it was measured."""
    again = part(experiment("oc", 1_000.0, attempts=2))
    outcome = outcome_of("comparison", {"comparison": again})
    assert "measured 2 times" in printed(answer_view(outcome))
    assert "measured 2 times" in answer_markdown(outcome)
    assert "measured 2 times" in page_text_without_raw(render(report_of(again)))
    assert rows_of(again.experiments)[0].resting is again.experiments[0]


def page_text_without_raw(html: str) -> str:
    return re.sub(r"<[^>]*>", " ", html)

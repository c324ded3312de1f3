import random
from dataclasses import replace
from itertools import pairwise

from harness.history.figures import Figure
from harness.history.index import FigurePoint, Index
from harness.history.queries import keep
from harness.history.store import Store
from harness.measure.questions import laws, saturation
from harness.measure.questions import pages as exposition_diff
from harness.measure.questions.scraping import effect as scrape_effect
from harness.measure.steps import RUNGS
from harness.report.collect import Report, report_of
from harness.report.numbers import NOT_KNOWN, MeasuredValue
from harness.report.page import render
from harness.report.plots.laws import cost_at, formula
from harness.report.sections.ladder import ladders_of
from harness.report.sections.latency import effect_table
from harness.report.sections.laws import law_note
from harness.report.sections.overhead import rows_of
from harness.report.sections.pages import pages_section
from harness.report.sections.saturation import rate_cell
from harness.report.trends import title_of, trend_of, trends_of
from tests.harness.report.checks import problems
from tests.harness.report.samples import document, experiment, scraped


def points(values: list[float], epochs: str = "") -> list[FigurePoint]:
    metric = [Figure("k", "ns", value, value - 9, value + 9) for value in values]
    names = epochs or "a" * len(values)
    return [FigurePoint(f"r{i}", f"2026-01-{i:04d}", e, m) for i, (m, e) in enumerate(zip(metric, names, strict=True))]


def test_a_step_is_found_and_told_in_percent() -> None:
    """A lasting change in one epoch stands at its run, with its size and interval."""
    rng = random.Random(3)  # noqa: S311 - a fixed seed for data made up
    found = trend_of("k", points([rng.gauss(1000 if i < 30 else 1100, 8) for i in range(60)]))
    (change,) = found.changes
    assert abs(change.index - 30) <= 1
    assert change.kind == "step"
    assert change.text.startswith(("+9.", "+10"))


def test_a_new_machine_is_an_epoch_and_no_change() -> None:
    """Another machine's level is not reported as a change: nothing is looked for across epochs."""
    rng = random.Random(4)  # noqa: S311 - a fixed seed for data made up
    values = [rng.gauss(1000 if i < 30 else 2000, 8) for i in range(60)]
    found = trend_of("k", points(values, "a" * 30 + "b" * 30), {"a": "old CPU"})
    assert [(epoch.index, epoch.label) for epoch in found.epochs] == [(0, "old CPU"), (30, "b")]
    assert found.changes == []


def test_a_busy_machine_is_no_change() -> None:
    """Where each run has a control, both slow down together: nanoseconds double, and no change is reported."""
    rng = random.Random(5)  # noqa: S311 - a fixed seed for data made up
    made = []
    for i, point in enumerate(points([1000.0 * (1 + (i >= 30)) for i in range(60)])):
        ratio = rng.gauss(5, 0.02) * (1.2 if i >= 45 else 1)
        made.append(
            replace(point, metric=replace(point.metric, ratio=ratio, ratio_low=ratio - 0.1, ratio_high=ratio + 0.1))
        )
    found = trend_of("k", made)
    assert found.unit == "ratio"
    assert [change.index for change in found.changes] == [45]


def test_history_is_read_into_trends(tmp_path: object) -> None:
    """Runs kept in a store become one trend for each figure, and a figure seen once none."""
    store = Store(f"{tmp_path}/runs")
    for cost in (95_000.0, 96_000.0):
        keep(store, "overhead", document([experiment("opencensus", cost)]).model_dump(mode="json"))
    keep(store, "overhead", document([experiment("once", 5.0)]).model_dump(mode="json"))
    with Index(store) as index:
        (found,) = trends_of(index)
    assert found.metric == "opencensus against none"
    assert found.unit == "ratio"
    assert len(found.values) == 2
    assert None not in found.values
    assert problems(render(Report(trends=[found]))) == []


def test_one_row_for_one_way_under_one_condition() -> None:
    """At rest, while scraped and in instructions stand beside each other; other conditions are other rows."""
    rows = rows_of([
        experiment("a", 5.0), scraped("a", 6.0), experiment("a", 50.0, axis="instructions"),
        experiment("a", 7.0, series=100), experiment("b", 8.0),
    ])  # fmt: skip
    assert [row.name for row in rows] == ["a", "a, 100 series", "b"]
    assert [len(row.experiments) for row in rows] == [3, 1, 1]


def test_two_bases_are_told_apart() -> None:
    """Where a document compares with several bases, each row names its own."""
    rows = rows_of([experiment("a", 5.0), experiment("a", 2.0, base="c")])
    assert [row.name for row in rows] == ["a against none", "a against c"]


def test_a_ladder_is_found_among_the_experiments() -> None:
    """Rungs are no ways of recording: they leave the table and become the ladder, in the ladder's order."""
    rungs = [experiment(high.name, 10.0, base=low.name) for low, high in pairwise(RUNGS)]
    found = report_of(document([experiment("opencensus", 5.0), *reversed(rungs)]))
    assert found.ladder is not None
    assert [rung.name for rung in ladders_of(found.ladder)[0].rungs] == [rung.name for rung in RUNGS]
    assert found.overhead is not None
    assert [row.name for row in rows_of(found.overhead.experiments)] == ["opencensus"]


def test_what_measuring_returns_is_shown_with_its_intervals() -> None:
    """Law, saturation and scrape effect keep every figure on their way into the report."""
    fit = laws.Fit(a=1e3, b=2e3, a_interval=(9e2, 1.1e3), b_interval=(1.9e3, 2.1e3), flat=False, misfit=1.2)
    spots = [
        laws.Point(x=1, cost=3e3, error=10, interval=(2975, 3025), pairs=7, lost=5, evaluated=100),
        laws.Point(x=3, cost=None, error=None, pairs=7, void="void: none against itself came out at 1.01 to 1.04"),
    ]
    law = laws.CostLaw(instrument="oc", factor="series", points=spots, fit=fit, formula="")
    assert formula(law) == "cost = 1 µs + 2 µs × series"
    assert cost_at(law.points[0]) == MeasuredValue(3e3, 2975, 3025)
    assert cost_at(law.points[1]) == NOT_KNOWN
    assert law_note(law) == "void at 3, and left out; series 1: lost 5 of 100 lines (5\u202f%)"
    rate = saturation.Saturation(
        instrument="oc", series=1, bound_ns=5_000_000, closed_loop=1e4, rate=8e3, above=9e3, trials=[]
    )
    assert rate_cell(rate).text == "8\u202f000 single try"
    shift = scrape_effect.Shift(percentile=99.9, unscraped=1e5, scraped=3e5, difference=2e5, interval=(1e5, 3e5))
    effect = scrape_effect.ScrapeEffect(
        instrument="oc", factors={"series": 10}, scraper="builtin", processes=3, scrapes=30, lines=60_000,
        served_share=0.1, by_window=[shift], by_moment=[],
    )  # fmt: skip
    (row,) = effect_table(effect).rows
    assert [cell.text for cell in row] == ["p99.9", "100", "300", "200 ±100"]
    page = render(Report(laws=[law], saturation=[rate], scrapes=[effect]))
    assert problems(page) == []
    assert "oc, 10 series" in page


def test_pages_stand_side_by_side() -> None:
    """Each aspect of each view is a row, marked where the two sides differ."""
    shown = exposition_diff.FamilyShown(
        names=["a_count"], type="histogram", help="h", descriptions=2, labels=["method"], label_sets=['method="repl"'],
        le=["5.0"], inclusive=False, count=3, sum=1.5, sum_error=0.0,
    )  # fmt: skip
    left = exposition_diff.ShownPages(instrument="oc", views={"v": shown, "w": None}, other_families=[])
    other = shown.model_copy(update={"inclusive": True})
    right = exposition_diff.ShownPages(instrument="lean", views={"v": other, "w": shown}, other_families=["x"])
    section = pages_section([exposition_diff.ExpositionDiff(left=left, right=right, differences={})])
    assert section is not None
    differing, _same = section.tables()
    assert [tuple(cell.text for cell in row) for row in differing.rows] == [
        ("v: a value at its bound counts in that bucket", "no", "yes"),
        ("w", "not shown", "shown"),
        ("other families", "none", "x"),
    ]


def test_a_figure_is_named_for_readers() -> None:
    """Conditions are told in words, a load by its digest, and what is not known as it is."""
    told = [
        Figure("wall_ns a/none …", "ns", 1.0, axis="wall_ns", base="none", head="a", factors='{"series": 100}'),
        Figure("instructions a/b …", "instructions", 1.0, axis="instructions", base="b", head="a"),
        Figure("service p99 a load=12ab", "ns", 1.0, axis="service_ns p99", head="a"),
        Figure("suite tests/x.py::y", "ns", 1.0, axis="mean", head="y"),
    ]
    assert [title_of(metric) for metric in told] == [
        "a against none, 100 series", "a against b, instructions", "a: service p99 of a line, load 12ab",
        "suite tests/x.py::y",
    ]  # fmt: skip

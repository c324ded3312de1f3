import math
import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.questions.laws import CostLaw, Fit
from harness.report.plots.canvas import NARROW, WIDE, Picture, standalone
from harness.report.plots.laws import formula, laws_picture, predicted
from harness.report.plots.percentiles import decoded, percentiles_picture
from harness.report.plots.timeline import timeline_picture
from harness.report.plots.trend import binned, trend_picture
from harness.report.plots.waterfall import LadderSteps, waterfall
from harness.report.sections.ladder import ladders_of
from harness.report.timelines import TimedEvent, over_time
from harness.report.trends import Epoch, Trend
from tests.harness.report.run_samples import encoded, run_result
from tests.harness.report.samples import ladder as ladder_document
from tests.harness.report.samples import law, trend

VALUES = st.lists(st.one_of(st.none(), st.floats(1, 1e9)), min_size=1, max_size=300)


def ladder() -> LadderSteps:
    (found,) = ladders_of(ladder_document())
    return found


def curves() -> Picture:
    found = [decoded("a", encoded(1e5, count=20_000)), decoded("b", encoded(2e5, count=500))]
    return percentiles_picture([curve for curve in found if curve], "Latency", "latency")


def over() -> Picture:
    time = over_time(run_result())
    assert time is not None
    return timeline_picture(replace(time, incidents=[TimedEvent("stall", 29.0, 40.0)]), "Over time", "over")


@pytest.mark.parametrize(
    "picture",
    [waterfall(ladder()), laws_picture([law("a", 1e4, 5e4)]), trend_picture(trend(), "t"), curves(), over()],
)
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_pictures_keep_within_their_frame(picture: Picture, width: int) -> None:
    """Nothing is drawn outside, on a page or on a phone: text is cut or moved, never lost over the edge."""
    svg = picture.draw(width)
    height = float(str(svg.get("height")))
    for node in svg.iter():
        x, y = node.get("x") or node.get("cx") or "1", node.get("y") or node.get("cy") or "1"
        assert -0.01 <= float(x) <= width + 0.01
        assert -0.01 <= float(y) <= height + 0.01
        if node.tag == "text":
            # A generous share of the font size for each letter.
            reach = 5.2 * len(node.text or "")
            left = float(x) - {"start": 0, "middle": reach / 2, "end": reach}[str(node.get("text-anchor"))]
            assert left > -8
            assert left + reach < width + 12


def test_a_file_stands_alone_in_light_and_dark() -> None:
    """A picture saved for the docs is valid XML with its own ground, style and description, and no script."""
    text = standalone(waterfall(ladder()))
    root = ET.fromstring(text.encode())  # noqa: S314 - our own file
    names = [node.tag.rpartition("}")[2] for node in root.iter()]
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert names[:5] == ["svg", "title", "desc", "style", "rect"]
    assert "script" not in names
    assert "prefers-color-scheme: dark" in text
    assert "exporter attached" in text


def test_the_waterfall_adds_up() -> None:
    """Each bar starts where the one before it ended, and the last one spans them all."""
    svg = waterfall(ladder()).draw(WIDE)
    bars = [node for node in svg.iter("rect") if (node.get("class") or "").startswith("bar")]
    assert len(bars) == 13
    for before, after in pairwise(bars[:-1]):
        end = float(str(before.get("x"))) + float(str(before.get("width")))
        # Bars thinner than two pixels are drawn two wide, and one step goes down.
        assert abs(float(str(after.get("x"))) - end) <= 2.1
    # The lowest, of which no interval is known, and the two whose intervals hold nothing.
    assert sum("hollow" in (bar.get("class") or "") for bar in bars) == 3


def fitted(a: float, b: float) -> CostLaw:
    fit = Fit(a=a, b=b, a_interval=(a - 1, a + 1), b_interval=(b - 1, b + 1), flat=False, misfit=1.0)
    return CostLaw(instrument="oc", factor="series", points=[], fit=fit, formula="")


@pytest.mark.parametrize(
    ("law", "text"),
    [
        (CostLaw(instrument="oc", factor="series", points=[], fit=None, formula=""), ""),
        (fitted(21_400, 71_900), "cost = 21.4 µs + 71.9 µs × series"),
        (fitted(21_400, -3), "cost = 21.4 µs − 3 ns × series"),
        (fitted(-5, 1e6), "cost = −5 ns + 1 ms × series"),
        (fitted(math.nan, 1.0), ""),
    ],
)
def test_formulae(law: CostLaw, text: str) -> None:
    """A law reads as people write it, each coefficient in a unit that suits it."""
    assert formula(law) == text


def test_a_law_is_drawn_through_its_points() -> None:
    """The curve passes where the formula says: its value at 10 is a + 10 b."""
    assert predicted(law("oc", 100.0, 7.0), 10) == pytest.approx(170)
    assert predicted(CostLaw(instrument="oc", factor="series", points=[], fit=None, formula=""), 10) is None


@given(VALUES, st.integers(1, 400), st.sets(st.integers(0, 300), max_size=3))
def test_bins_lose_nothing(values: list[float | None], most: int, starts: set[int]) -> None:
    """However many runs, each is in one bin: extremes survive, no bin spans two epochs, none is invented."""
    columns = [""] * len(values)
    epochs = [Epoch(index, "") for index in sorted({0, *starts}) if index < len(values)]
    series = Trend("m", "ns", columns, columns, values, values, values, epochs)
    bins = binned(series, most)
    known = [value for value in values if value is not None]
    assert bool(bins) == bool(known)
    assert len(bins) <= most + len(epochs)
    if known:
        assert max(one.highest for one in bins) == max(known)
        assert min(one.lowest for one in bins) == min(known)
    for before, after in pairwise(bins):
        assert before.end <= after.first
    assert not any(one.first < epoch.index < one.end for one in bins for epoch in epochs)


def test_an_outlier_stays_visible_among_ten_thousand() -> None:
    """One bad run in ten thousand reaches its height in the picture."""
    long = trend(10_000, steps=False)
    values = [*long.values]
    values[1234] = 500_000.0
    bins = binned(replace(long, values=values), 200)
    assert max(one.highest for one in bins) == 500_000.0
    assert len(bins) <= 202


def test_few_runs_are_drawn_one_by_one() -> None:
    """A short history shows each run with its interval."""
    svg = trend_picture(trend(20), "t").draw(WIDE)
    assert sum("mark s0" in (node.get("class") or "") for node in svg.iter("circle")) == 20


def test_no_line_joins_two_epochs() -> None:
    """A machine is never joined to another by a line."""
    curves = [
        node for node in trend_picture(trend(60), "t").draw(WIDE).iter("path") if "curve" in (node.get("class") or "")
    ]
    assert len(curves) == 2


def test_percentiles_rise_to_the_right() -> None:
    """A distribution's curve never falls, and its axis is one in one, one in two, one in ten, and so on."""
    svg = curves().draw(WIDE)
    for path in [node for node in svg.iter("path") if "curve" in (node.get("class") or "")]:
        points = [tuple(map(float, pair.split())) for pair in re.findall(r"[-\d.]+ [-\d.]+", str(path.get("d")))]
        assert len(points) > 5
        assert [x for x, _ in points] == sorted(x for x, _ in points)
        assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    labels = [node.text for node in svg.iter("text")]
    assert labels.index("50") < labels.index("90") < labels.index("99") < labels.index("99.9")


@pytest.mark.parametrize("text", ["", "not a histogram", "HISTFAAAA", encoded(1.0, count=10)[:30]])
def test_a_damaged_histogram_is_left_out(text: str) -> None:
    """A histogram cut short or made up is no picture, and no reason for the report to fail."""
    assert decoded("x", text) is None


def test_an_interval_many_times_wider_ends_at_the_axis() -> None:
    """A run of two pairs, with an interval hundreds of times wider than the others, neither flattens nor leaves it."""
    values, halves = [100.0, 101.0, 102.0, 101.0], [1.0, 1.0, 400.0, 1.0]
    lows, highs = (
        [v - w for v, w in zip(values, halves, strict=True)],
        [v + w for v, w in zip(values, halves, strict=True)],
    )
    columns = ["r"] * 4
    svg = trend_picture(Trend("m", "ns", columns, columns, values, lows, highs), "t").draw(WIDE)
    lines = [node for node in svg.iter("line") if "whisker" in (node.get("class") or "")]
    ends = [float(str(node.get(name))) for node in lines for name in ("y1", "y2")]
    ends += [float(each) for node in svg.iter("path") if "whisker" in (node.get("class") or "")
             for each in re.findall(r"[-\d.]+ ([-\d.]+)", str(node.get("d")))]  # fmt: skip
    assert ends
    assert min(ends) >= 36
    assert max(ends) <= 262
    places = [float(str(node.get("cy"))) for node in svg.iter("circle") if "mark s0" in (node.get("class") or "")]
    assert max(places) - min(places) > 40

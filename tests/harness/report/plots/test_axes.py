import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.numbers import Unit
from harness.report.plots.axes import LabelRows, PlotArea, axis, draw_legend, draw_x, draw_y, legend_height, logarithmic
from harness.report.plots.canvas import NARROW, WIDE, Canvas

VALUES = st.floats(1e-3, 1e9)


def canvas(width: int = WIDE) -> Canvas:
    return Canvas(width, 300, "x", "title", "description")


def texts(drawn: Canvas) -> list[tuple[str, float]]:
    """Return the words written, and where."""
    return [(node.text or "", float(str(node.get("x")))) for node in drawn.svg().iter("text")]


@given(VALUES, VALUES, st.booleans())
def test_ticks_lie_on_the_axis(one: float, other: float, log: bool) -> None:
    """Whatever is shown, no label stands beyond either end, and places rise with what they stand for."""
    low, high = min(one, other), max(one, other) * 1.5
    places = [place for place, _ in axis((50.0, 700.0), low, high, log=log, unit=Unit("µs", 1e3)).ticks(6)]
    assert all(49.9 <= place <= 700.1 for place in places)
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("values", "log"),
    [([], False), ([1.0, 19.0], False), ([1.0, 21.0], True), ([0.0, 21.0], False), ([-1.0, 100.0], False)],
)
def test_an_axis_is_logarithmic_where_values_span_much_and_are_above_zero(values: list[float], log: bool) -> None:
    """A factor of twenty decides; what is zero or below has no place on a logarithmic axis."""
    assert logarithmic(values) is log


def test_labels_that_would_touch_are_left_out_and_grid_lines_stay() -> None:
    """A crowded axis has every line and as many labels as fit; at the edge a label is moved in."""
    drawn = canvas()
    area = PlotArea(50, WIDE, 20, 200)
    draw_x(
        drawn, area, [(50.0 + 4 * index, f"{index:,}") for index in range(150)] + [(float(WIDE), "1,000,000")], "runs"
    )
    svg = drawn.svg()
    assert len(list(svg.iter("line"))) == 151
    written = texts(drawn)
    assert 10 < len(written) < 100
    assert written[-1][0] == "runs"
    assert all(0 < place < WIDE for _, place in written)


def test_titles_and_labels_of_an_upright_axis_stand_on_its_left() -> None:
    """Labels end before the area, and the title begins at the edge of the picture."""
    drawn = canvas()
    draw_y(drawn, PlotArea(58, 700, 40, 200), [(100.0, "5"), (150.0, "1")], "cost, µs")
    assert texts(drawn) == [("5", 52.0), ("1", 52.0), ("cost, µs", 2.0)]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_legend_is_as_high_as_it_says(width: int) -> None:
    """What is drawn below it does not run into it, however many series there are."""
    labels = [f"a way of recording, {index} series" for index in range(7)]
    drawn = canvas(width)
    draw_legend(drawn, labels)
    lowest = max(float(str(node.get("y"))) for node in drawn.svg().iter("text"))
    assert lowest < legend_height(labels, width) <= lowest + 22
    assert [words for words, _ in texts(drawn)] == labels


def test_rows_have_their_labels_beside_or_above() -> None:
    """On a page a label ends before the area, level with the marks; on a phone it has a line of its own above them."""
    for width, beside in ((WIDE, True), (NARROW, False)):
        drawn = canvas(width)
        rows = LabelRows(drawn, 0.0, 40.0, 300.0)
        rows.label(1, "a label that is cut where it is too long for the room there is on any page")
        (node,) = drawn.svg().iter("text")
        assert (node.get("text-anchor") == "end") is beside
        assert (abs(float(str(node.get("y"))) - rows.middle(1)) < 5) is beside
        assert (node.text or "").endswith("…")

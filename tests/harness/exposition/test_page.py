import math

import pytest
from hypothesis import given
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from harness.expected import Expected
from harness.exposition.page import OPENMETRICS, ExpositionError, Sample, SeriesShown, fold, parse_page, tags_of
from harness.views import LINE_LENGTHS, LINES_IN, Tags, View
from tests.harness.scrape.conforming import VIEWS, Exposed, registry_of, truths


@given(truths())
def test_both_formats_show_the_same(expected: Expected) -> None:
    """The text format and OpenMetrics give the same series, escapes in label values included."""
    registry = registry_of(Exposed(expected))
    text = parse_page(generate_latest(registry).decode())
    openmetrics = parse_page(generate_openmetrics(registry).decode(), OPENMETRICS)
    assert fold(text.samples, VIEWS) == fold(openmetrics.samples, VIEWS)
    assert set(fold(text.samples, VIEWS)[LINES_IN.name]) == set(expected[LINES_IN.name])


@given(truths(minimum=2))
def test_one_family_for_each_series_is_read_as_one_family_for_all(expected: Expected) -> None:
    """The page of an exporter that repeats HELP and TYPE for each series shows the same as a proper one."""
    parts = [
        Exposed({view: {tags: truth}}, [each])
        for each in VIEWS
        for view, series in expected.items()
        if view == each.name
        for tags, truth in series.items()
    ]
    for generate, kind in ((generate_latest, "text/plain"), (generate_openmetrics, OPENMETRICS)):
        split = parse_page(generate(registry_of(*parts)).decode(), kind)
        whole = parse_page(generate(registry_of(Exposed(expected))).decode(), kind)
        assert fold(split.samples, VIEWS) == fold(whole.samples, VIEWS)
        assert not whole.repeated
        surplus = sum(2 * max(0, len(expected[view.name]) - 1) for view in VIEWS)
        assert sum(split.repeated.values()) == surplus


@pytest.mark.parametrize(
    ("what", "name", "view"),
    [
        ("a counter with the suffix", "oc_python_demo_lines_in_total", LINES_IN),
        ("a counter without the suffix", "oc_python_demo_lines_in", LINES_IN),
        ("a histogram's count", "oc_python_demo_line_lengths_count", LINE_LENGTHS),
    ],
)
def test_names_are_recognised(what: str, name: str, view: View) -> None:
    """A series is found whether or not its library adds the counter's suffix; a missing label counts as empty."""
    shown = fold([Sample(name, {"method": "repl", "status": "OK", "otel_scope_name": "x"}, 3.0)], VIEWS)
    assert shown[view.name] == {Tags("repl", "OK", ""): SeriesShown(count=3.0)}, what


@pytest.mark.parametrize(("written", "bound"), [("5", 5), ("5.0", 5), ("5e0", 5), ("+Inf", math.inf), ("0.001", 0.001)])
def test_bounds_are_numbers_however_they_are_written(written: str, bound: float) -> None:
    """`le` values that mean the same number are the same bucket."""
    shown = fold([Sample(f"{LINE_LENGTHS.family}_bucket", {"le": written}, 1.0)], [LINE_LENGTHS])
    assert shown[LINE_LENGTHS.name][Tags("", "", "")].cumulative == {bound: 1.0}


def test_what_is_not_ours_is_left_out() -> None:
    """Creation times, other families and other labels are no part of our series."""
    others = [
        Sample(f"{LINE_LENGTHS.family}_created", {}, 1.7e9),
        Sample("python_info", {"version": "3"}, 1.0),
        Sample("oc_python_demo_lines_in_total_created", {}, 1.7e9),
    ]
    assert all(not series for series in fold(others, VIEWS).values())
    assert tags_of({"le": "5", "method": "m"}) == Tags("m", "", "")


def test_the_description_of_a_family_is_kept() -> None:
    """Type and help of each family are those of its first description."""
    page = parse_page('# HELP a_total one\n# TYPE a_total counter\na_total 1\n# HELP a_total two\na_total{b="c"} 1\n')
    assert page.families["a_total"] == ("a_total", "counter", "one")
    assert page.repeated == {"a_total": 1}


@pytest.mark.parametrize("text", ["<html>no metrics</html>", "a{b=", "a b c d e", 'a{b="c"} x', "# TYPE a\n"])
def test_what_is_no_page_is_one_clear_line(text: str) -> None:
    """Anything else than metrics raises an error of one line that shows how it begins."""
    with pytest.raises(ExpositionError, match="not a page of metrics") as raised:
        parse_page(text, OPENMETRICS)
    assert "\n" not in str(raised.value)


def test_an_empty_page_is_a_page() -> None:
    """A registry without metrics answers with nothing, which is no error."""
    assert parse_page("").samples == ()
    assert parse_page("# EOF\n", OPENMETRICS).samples == ()

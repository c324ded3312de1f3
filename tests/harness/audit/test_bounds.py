import math
from collections.abc import Mapping

import pytest

from harness.audit.bounds import BoundsChecker, sum_tolerance
from harness.audit.findings import Name
from harness.expected import Range
from harness.exposition.page import FOLDED, SeriesShown
from harness.views import LINE_LENGTHS, LINES_IN, Tags

VIEWS = (LINES_IN, LINE_LENGTHS)
A, B = Tags("a"), Tags("b")
SIZE = len(LINE_LENGTHS.bounds)


class Known:
    """Says the same of every page, or nothing."""

    def __init__(self, ranges: Mapping[str, Mapping[Tags, Range]] | None) -> None:
        self.ranges = ranges

    def between(self, begin_ns: int, end_ns: int) -> Mapping[str, Mapping[Tags, Range]] | None:
        return self.ranges


def lengths(count: float, total: float | None, at_20: float | None = None) -> SeriesShown:
    """Return a series of values of 20, of which `at_20` (all by default) are counted in the bucket up to 20."""
    counted = {bound: 0.0 if bound < 20 else count for bound in LINE_LENGTHS.bounds}
    if at_20 is not None:
        counted[20] = at_20
    return SeriesShown(count, total, {**counted, math.inf: count})


def allowed(least: int, most: int) -> Range:
    """Return the range of a series of values of 20, the last bound that some of them may be counted above of."""
    low = [0 if bound <= 20 else least for bound in LINE_LENGTHS.bounds]
    high = [most if bound >= 20 else 0 for bound in LINE_LENGTHS.bounds]
    return Range([least, 20.0 * least, *low, least], [most, 20.0 * most, *high, most])


def checked(ranges: Mapping[str, Mapping[Tags, Range]], shown: Mapping[str, Mapping[Tags, SeriesShown]]) -> set[Name]:
    checker = BoundsChecker(VIEWS, Known(ranges))
    checker.observe(0, 1, {LINES_IN.name: {}, LINE_LENGTHS.name: {}, **shown})
    assert checker.compared == 1
    return {finding.name for finding in checker.findings()}


BEHIND, AHEAD = {Name.SCRAPE_BEHIND}, {Name.SCRAPE_AHEAD}


@pytest.mark.parametrize(
    ("what", "series", "found"),
    [
        ("the least there may be", lengths(5, 100.0), set()),
        ("the most there may be", lengths(8, 160.0), set()),
        ("something in between", lengths(6, 130.0), set()),
        ("the exclusive rule, a bucket higher", lengths(6, 130.0, at_20=0), set()),
        ("one count too few", lengths(4, 100.0), BEHIND),
        ("one count too many", lengths(9, 160.0), AHEAD),
        ("a sum below", lengths(6, 99.9), BEHIND),
        ("a sum above", lengths(6, 160.1), AHEAD),
        ("a sum below by rounding", lengths(6, 100.0 * (1 - 1e-12)), set()),
        ("a sum above by rounding", lengths(6, 160.0 * (1 + 1e-12)), set()),
        ("no sum", lengths(6, None), BEHIND),
        ("no number, which others tell", lengths(6, math.nan), set()),
        ("a bucket above", lengths(6, 130.0, at_20=9), AHEAD),
        ("no series", None, BEHIND),
    ],
)
def test_a_scrape_lies_between_what_it_must_and_what_it_may_show(
    what: str, series: SeriesShown | None, found: set[Name]
) -> None:
    """Counts, sums and buckets are each held against both ends; a sum has room for rounding."""
    shown = {} if series is None else {A: series}
    ranges: dict[str, dict[Tags, Range]] = {LINE_LENGTHS.name: {A: allowed(5, 8)}, LINES_IN.name: {}}
    assert checked(ranges, {LINE_LENGTHS.name: shown}) == found, what


def test_a_series_that_no_line_has_shows_nothing() -> None:
    """A child made beforehand may be there with zeros; a value in it is ahead of every line."""
    ranges: dict[str, dict[Tags, Range]] = {LINES_IN.name: {A: Range([1], [1])}, LINE_LENGTHS.name: {}}
    right = {A: SeriesShown(1.0)}
    assert checked(ranges, {LINES_IN.name: {**right, B: SeriesShown(0.0)}}) == set()
    assert checked(ranges, {LINES_IN.name: {**right, B: SeriesShown(1.0)}}) == AHEAD
    assert checked(ranges, {LINES_IN.name: right, LINE_LENGTHS.name: {B: lengths(1, 20.0)}}) == AHEAD


def test_scrapes_are_counted_with_their_samples_and_a_few_examples() -> None:
    """The size is the number of scrapes; how many samples they had wrong stands beside it."""
    checker = BoundsChecker([LINES_IN], Known({LINES_IN.name: {A: Range([5], [5]), B: Range([5], [5])}}))
    for count in (5.0, 4.0, 3.0):
        checker.observe(0, 1, {LINES_IN.name: {A: SeriesShown(count), B: SeriesShown(count)}})
    (finding,) = checker.findings()
    assert (finding.name, finding.size) == (Name.SCRAPE_BEHIND, 2)
    assert (finding.detail["samples"], finding.detail["compared"]) == (4, 3)
    assert 'oc_python_demo_lines_in{method="a",status="OK"} count: 4.0, at least 5' in finding.detail["examples"]


def test_a_page_of_which_nothing_is_known_is_not_compared() -> None:
    """It is counted apart, and found neither right nor wrong."""
    checker = BoundsChecker(VIEWS, Known(None))
    checker.observe(0, 1, {LINES_IN.name: {}, LINE_LENGTHS.name: {}})
    assert (checker.compared, checker.unknown, checker.findings()) == (0, 1, [])


def test_the_tolerance_of_a_sum_is_a_billionth_until_adding_explains_more() -> None:
    """Ten million roundings may add up to more than a billionth."""
    assert sum_tolerance(1) == sum_tolerance(9_000_000) == 1e-9
    assert sum_tolerance(10_000_000) == pytest.approx(1.11e-9, rel=0.01)


def test_series_that_were_folded_into_one_are_left_to_the_last_page() -> None:
    """What is missing is in the overflow series; the series that are there are compared as always."""
    ranges = {LINES_IN.name: {A: Range([5], [8]), B: Range([5], [8])}, LINE_LENGTHS.name: {}}
    folded = SeriesShown(5.0)
    assert checked(ranges, {LINES_IN.name: {A: SeriesShown(6.0), FOLDED: folded}}) == set()
    assert checked(ranges, {LINES_IN.name: {A: SeriesShown(4.0), FOLDED: folded}}) == BEHIND
    assert checked(ranges, {LINES_IN.name: {A: SeriesShown(6.0)}}) == BEHIND

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.latency.tail import FEWEST_BEYOND, beyond, statistic_supported, supported


@pytest.mark.parametrize(
    ("percent", "count", "left", "shown", "says"),
    [
        (50, 20, 10, True, "half of twenty are ten"),
        (50, 19, 9, False, "of nineteen, nine"),
        (90, 100, 10, True, "a tenth of a hundred"),
        (99, 999, 9, False, "one line short"),
        (99, 1000, 10, True, "a hundredth of a thousand"),
        (99.9, 9_999, 9, False, "one line short"),
        (99.9, 10_000, 10, True, "exactly ten, whatever the last bit of 99.9 is"),
        (99.99, 100_000, 10, True, "and of 99.99"),
        (99.9, 235, 0, False, "the maximum of a few hundred lines is no p99.9"),
        (0, 10, 10, True, "all lie beyond the lowest"),
        (100, 10**9, 0, False, "none lies beyond the highest"),
        (50, 0, 0, False, "nothing tells nothing"),
    ],
)
def test_a_percentile_needs_ten_values_beyond_it(percent, count, left, shown, says):
    """The rule is exact at its edge."""
    assert beyond(percent, count) == left, says
    assert supported(percent, count) is shown, says


@given(st.floats(0, 100), st.integers(0, 10**7))
def test_more_values_never_support_less(percent, count):
    """What some values tell, more values tell as well; a lower percentile needs no more of them."""
    if supported(percent, count):
        assert supported(percent, count + 1000)
        assert supported(percent / 2, count)
    assert beyond(percent, count) <= count


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, []),
        (5, ["max", "mean"]),
        (99, ["p50", "max", "mean"]),
        (5_058, ["p50", "p90", "p99", "max", "mean"]),
        (10_000, ["p50", "p90", "p99", "p999", "max", "mean"]),
    ],
)
def test_figures_of_a_result_follow_the_same_rule(count, shown):
    """Highest and mean are no percentiles: one line has them."""
    names = ("p50", "p90", "p99", "p999", "max", "mean")
    assert [name for name in names if statistic_supported(name, count)] == shown


def test_there_is_no_percentile_above_100():
    """A percentile that does not exist is refused."""
    with pytest.raises(ValueError, match="101"):
        beyond(101, 5)
    assert FEWEST_BEYOND == 10

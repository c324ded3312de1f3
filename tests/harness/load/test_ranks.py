import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.latency.histogram import rank
from harness.load.latency.tail import FEWEST_BEYOND, beyond, supported


@pytest.mark.parametrize(
    ("count", "percent", "expected"),
    [
        (160, 99, 159),  # 158.4 values are no values: the 159th is the first that 99 % do not exceed
        (1000, 99.9, 999),  # exactly, although 99.9 / 100 * 1000 is 999.0000000000001 in floating point
        (100, 99.9, 100),
        (100, 99, 99),
        (3, 50, 2),
        (4, 50, 2),
        (7, 0, 1),
        (7, 100, 7),
        (1, 50, 1),
    ],
)
def test_the_rank_is_the_nearest_one_that_covers_the_share(count, percent, expected):
    """The rank is the share of the count rounded up, and never below the first."""
    assert rank(count, percent) == expected


@given(st.integers(1, 10**9), st.integers(0, 10_000))
def test_at_least_the_share_of_values_does_not_exceed_it_and_no_lower_rank_does(count, hundredths):
    """What the word percentile means, counted in whole numbers."""
    percent = hundredths / 100
    found = rank(count, percent)
    assert 1 <= found <= count
    assert found * 10_000 >= hundredths * count
    assert found == 1 or (found - 1) * 10_000 < hundredths * count
    assert beyond(percent, count) == count - found or found == 1


@pytest.mark.parametrize(
    ("percent", "fewest"), [(50, 20), (90, 100), (99, 1000), (99.9, 10_000)], ids=["p50", "p90", "p99", "p99.9"]
)
def test_a_percentile_needs_ten_values_beyond_it(percent, fewest):
    """From so many values on there are ten beyond it, and with one fewer there are not."""
    assert supported(percent, fewest)
    assert not supported(percent, fewest - 1)
    assert beyond(percent, fewest) == FEWEST_BEYOND

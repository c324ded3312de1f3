from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.truth.sums import ExactSums

values = st.lists(st.tuples(st.integers(0, 2), st.floats(allow_nan=False, allow_infinity=False)), max_size=30)


def of(pairs):
    sums = ExactSums(3)
    sums.add(np.array([key for key, _ in pairs], dtype=np.int64), np.array([value for _, value in pairs]))
    return sums


@given(values)
def test_sums_are_exact_for_every_finite_number(pairs):
    """Tiny, huge and negative numbers add up without any rounding."""
    sums = of(pairs)
    for key in range(3):
        assert sums.total(key) == sum((Fraction(value) for k, value in pairs if k == key), Fraction(0))


@given(st.lists(st.integers(1, 10**15), max_size=30))
def test_durations_in_milliseconds_never_need_the_slow_way(durations_ns):
    """Whole nanoseconds up to two hours, divided to milliseconds, are summed in integers alone."""
    sums = of([(0, ns / 1e6) for ns in durations_ns if ns < 8_000 * 10**9])
    assert not sums._others


@given(values, values)
def test_merging_equals_adding_all(a, b):
    """Two sums merge into that of all their values."""
    merged = of(a)
    merged.merge(of(b))
    assert [merged.total(key) for key in range(3)] == [of([*a, *b]).total(key) for key in range(3)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value):
    """A value that would poison the sum is an error."""
    with pytest.raises(ValueError, match="finite"):
        of([(0, value)])

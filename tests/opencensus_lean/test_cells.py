import math
import sys
from bisect import bisect_left
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencensus_lean.cell import FOLD_AT, Cell, expansion

BOUNDS = (5, 10)
values = st.floats(0, 1e300, allow_nan=False) | st.integers(0, 2**70)


@given(st.lists(values))
def test_an_expansion_is_exact(xs: list[float]) -> None:
    """The parts add up to the very sum of the values, and the first is that sum rounded once."""
    parts = expansion(xs)
    floats = [float(x) for x in xs]
    if math.inf in parts:
        assert sum(map(Fraction, floats)) > sys.float_info.max * Fraction(1, 2)
        return
    assert sum(map(Fraction, parts)) == sum(map(Fraction, floats))
    assert (parts or [0.0])[0] == float(sum(map(Fraction, floats)))


@given(st.lists(st.floats(0, 1e12) | st.integers(0, 2**53), max_size=3 * FOLD_AT), st.data())
def test_a_cell_rounds_the_true_sum_once_however_often_it_is_read(xs: list[float], data: st.DataObject) -> None:
    """Folding at any moment changes nothing, the sum is the correctly rounded one, and it never falls."""
    cell, sums = Cell([BOUNDS]), [0.0]
    for x in xs:
        cell.pending.append(x)
        if data.draw(st.booleans()):
            cell.fold()
            sums.append(cell.total())
    cell.fold()
    assert float(cell.total()) == float(sum(map(Fraction, xs), Fraction(0)))
    assert sums == sorted(sums)
    assert cell.count == len(xs)
    indexes = [bisect_left(BOUNDS, x) for x in xs]
    assert cell.buckets(BOUNDS) == [indexes.count(i) for i in range(3)]


@pytest.mark.parametrize("bounds", [(), (5,), (5, 10), (0.5, 5.0, 7.25, 10.0), (1, 2**53 + 1)])
@given(xs=st.lists(st.sampled_from([0, 1, 4, 5, 6, 7.25, 9, 10, 10.0, 11, 5.0, 0.5, 2**53 + 1]), max_size=2 * FOLD_AT))
def test_every_value_is_counted_in_the_bucket_whose_bound_it_does_not_exceed(
    bounds: tuple[float, ...], xs: list[float]
) -> None:
    """Values on bounds, whole numbers among fractions, bounds of either kind and those that no float holds."""
    cell = Cell([bounds])
    for x in xs:
        cell.pending.append(x)
        if len(cell.pending) >= FOLD_AT:
            cell.fold()
    cell.fold()
    indexes = [bisect_left(bounds, x) for x in xs]
    assert cell.buckets(bounds) == [indexes.count(i) for i in range(len(bounds) + 1)]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_a_cell_keeps_mean_and_squared_deviations(xs: list[float]) -> None:
    """What OpenCensus' own view data offers is still there."""
    cell = Cell([])
    for x in xs:
        cell.pending.append(x)
        if len(cell.pending) >= FOLD_AT:
            cell.fold()
    cell.fold()
    mean = math.fsum(xs) / len(xs)
    assert cell.mean == pytest.approx(mean, abs=1e-6)
    assert cell.squared_deviations == pytest.approx(sum((x - mean) ** 2 for x in xs), rel=1e-6, abs=1e-3)

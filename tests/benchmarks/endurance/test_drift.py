"""What the slopes of a soak promise: leaks are found, and flat series with autocorrelation are not blamed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.endurance.drift import Slope, Verdict, constant, judge, relative_slope, rises, slope

HOURS = np.linspace(0, 2 / 3, 480)  # forty minutes, a sample each five seconds


def correlated(rng: np.random.Generator, phi: float, spread: float = 0.2) -> NDArray[np.float64]:
    """Return an autoregressive series with that correlation of neighbours, and a standard deviation in MB."""
    steps = rng.normal(0, spread * math.sqrt(1 - phi**2), HOURS.size)
    values = np.empty(HOURS.size)
    values[0] = rng.normal(0, spread)
    for place in range(1, HOURS.size):
        values[place] = phi * values[place - 1] + steps[place]
    return values


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, 0.97])
def test_a_flat_series_is_blamed_in_less_than_one_case_of_twenty(phi: float) -> None:
    """However alike its neighbours are."""
    rng = np.random.default_rng(1)
    blamed = sum(
        judge(slope(HOURS.tolist(), (100 + correlated(rng, phi)).tolist()), 1.0) is Verdict.GROWS for _ in range(600)
    )
    assert blamed <= 30


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_a_leak_of_a_megabyte_an_hour_is_found(phi: float) -> None:
    """And never called flat."""
    rng = np.random.default_rng(2)
    verdicts = [judge(slope(HOURS.tolist(), (100 + HOURS + correlated(rng, phi)).tolist()), 1.0) for _ in range(100)]
    assert verdicts.count(Verdict.GROWS) >= 80
    assert verdicts.count(Verdict.FLAT) <= 5


@given(st.floats(-5, 5), st.floats(0, 1000))
def test_a_straight_line_has_its_own_slope(per_hour: float, start: float) -> None:
    """Without noise the interval has next to no width."""
    drift = slope(HOURS.tolist(), (start + per_hour * HOURS).tolist())
    assert drift.value == pytest.approx(per_hour, abs=1e-6)
    assert drift.high - drift.low < 1e-3


def test_too_few_samples_decide_nothing() -> None:
    """Neither for growth nor against it."""
    for values in ([], [1.0], [1.0, 2.0, 3.0]):
        drift = slope(list(range(len(values))), values)
        assert judge(drift, 1.0) is Verdict.UNDECIDED
        assert Slope.of(drift.document()).high == math.inf


def test_a_rise_is_relative_to_the_values() -> None:
    """A tenth an hour is a tenth, whatever the unit."""
    drift = relative_slope(HOURS.tolist(), (5e6 * 1.1**HOURS).tolist())
    assert drift.value == pytest.approx(0.1, abs=1e-6)
    assert not rises(drift, 0.11)
    assert rises(drift, 0.05)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([7] * 30, True),
        ([7, 8, 7] * 10, True),
        ([7] * 20 + [8] * 10, False),
        (list(range(30)), False),
        ([], True),
    ],
)
def test_counts_are_constant_but_for_moments(values: list[int], expected: bool) -> None:
    """A connection that is open for a moment is no growth, one that stays is."""
    assert constant(values) is expected

"""What the estimate of a shift promises: intervals that cover as often as they say, and none where noise is unknown."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.history.checking.level import ENOUGH, Level, Value, across, mean_of, shift, since
from tests.harness.history.makers import ar1


def values(logs: "list[float] | np.ndarray", error: float | None = None) -> list[Value]:
    return [Value(float(log), error, 30) for log in logs]


def _misses(before: int, now: int, phi: float, within: float, trials: int) -> float:
    """Return the share of intervals of level 5 % that miss an unchanged level; noise between runs has deviation 1."""
    rng = np.random.default_rng([before, now, int(phi * 10)])
    series = ar1(rng, trials, before + now, phi) + within * rng.standard_normal((trials, before + now))
    missed = 0
    for row in series:
        known = values(row, within or None)
        low, high = shift(known[:before], known[before:]).interval(0.05)
        missed += not low <= 0 <= high
    return missed / trials


@pytest.mark.parametrize("within", [0.0, 0.5])
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_a_single_run_misses_an_unchanged_level_as_often_as_stated(phi: float, within: float) -> None:
    """With 30 runs before, 4 to 6 % of the 95 % intervals of one new run miss, however autocorrelated runs are."""
    assert 0.04 <= _misses(30, 1, phi, within, 4000) <= 0.06


@pytest.mark.parametrize("wild", [1.0, 10.0])
def test_a_run_that_states_a_large_error_makes_no_interval_narrower(wild: float) -> None:
    """Of twelve runs one was measured badly, and says so: new runs miss in at most 6 % of cases all the same."""
    rng = np.random.default_rng(11)
    missed = 0
    for _ in range(2000):
        errors = np.full(13, 0.5)
        errors[rng.integers(12)] *= wild
        logs = rng.standard_normal(13) + 0.5 * rng.standard_normal(13)
        known = [Value(float(log), float(error), 30) for log, error in zip(logs, errors, strict=True)]
        low, high = shift(known[:12], known[12:]).interval(0.05)
        missed += not low <= 0 <= high
    assert missed / 2000 <= 0.06


def test_measuring_again_halves_the_noise_of_the_pairs_and_no_more() -> None:
    """Runs that differ by their pairs alone: the second measurement takes away half of the variance."""
    rng = np.random.default_rng(12)
    before = values(rng.standard_normal(400), 1.0)
    once, twice, often = (
        shift(before, [Value(0.0, 1 / math.sqrt(times), 30)]).error or 0.0 for times in (1, 2, 100)
    )  # fmt: skip
    assert (twice / once) ** 2 == pytest.approx(0.5, abs=0.05)
    assert (often / once) ** 2 == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("phi", "most"), [(0.0, 0.06), (0.5, 0.07), (0.8, 0.07)])
def test_the_mean_of_some_runs_misses_hardly_more_often(phi: float, most: float) -> None:
    """With 100 runs before, means of three new runs miss in 3 to 7 % of cases."""
    assert 0.03 <= _misses(100, 3, phi, 0.0, 2000) <= most


def test_a_single_run_is_not_charged_for_autocorrelation() -> None:
    """The interval of one new run is no wider than the scatter of runs about what is predicted for them."""
    rng = np.random.default_rng(3)
    runs = ar1(rng, 200, 31, 0.8)
    widths = [np.ptp(shift(values(row[:30]), values(row[30:])).interval(0.05)) for row in runs]
    # Twice Student's quantile times the deviation 0.6 of what is new in each run.
    assert np.median(widths) == pytest.approx(2.5, rel=0.2)


@pytest.mark.parametrize("before", range(1, ENOUGH))
def test_fewer_than_eight_runs_give_no_interval(before: int) -> None:
    """How much runs differ is not known: the shift has no error, and no p-value is small."""
    level = shift(values([0.0] * before, 0.001), values([1.0], 0.001))
    assert level == Level(1.0)
    assert level.interval(0.05) == (-math.inf, math.inf)
    assert (level.beyond(0.0), level.below(2.0), level.detectable(0.05)) == (1.0, 1.0, math.inf)


def test_a_shift_needs_runs_on_both_sides() -> None:
    """Nothing compared with nothing is a mistake of the caller."""
    with pytest.raises(ValueError, match="at least one run"):
        shift([], values([1.0]))
    with pytest.raises(ValueError, match="at least one run"):
        across([], Value(1.0, None))


def test_exactly_equal_runs_have_an_interval_of_no_width() -> None:
    """Figures that repeat exactly decide exactly."""
    level = shift(values([0.0] * 10), values([0.1]))
    assert level.interval(0.05) == pytest.approx((0.1, 0.1))
    assert (level.beyond(0.05), level.beyond(0.2)) == (0.0, 1.0)


def test_a_prediction_is_that_of_the_regression_on_the_run_before() -> None:
    """By hand: pairs (0, 1), (1, 1), (2, 3), ... of the alternating series give the textbook's line and error."""
    logs = [0.0, 1.0, 0.5, 1.5, 1.0, 2.0, 1.5, 2.5, 2.0]
    past, following = np.array(logs[:-1]), np.array(logs[1:])
    slope, intercept = np.polyfit(past, following, 1)
    left = following - intercept - slope * past
    n = len(past)
    spread = ((past - past.mean()) ** 2).sum()
    error = math.sqrt(left @ left / (n - 2) * (1 + 1 / n + (logs[-1] - past.mean()) ** 2 / spread))
    level = shift(values(logs), values([3.0]))
    assert level.shift == pytest.approx(3.0 - intercept - slope * logs[-1])
    assert (level.error, level.freedom) == (pytest.approx(error), n - 2)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6), runs=st.integers(ENOUGH, 40), now=st.integers(1, 6), offset=st.floats(-3, 3),
    scale=st.floats(0.1, 10),
)  # fmt: skip
def test_units_and_levels_do_not_matter(seed: int, runs: int, now: int, offset: float, scale: float) -> None:
    """A constant added to all runs changes nothing, a factor on all noise is a factor on shift and error."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(runs + now)
    plain = shift(values(noise[:runs]), values(noise[runs:]))
    other = shift(values(offset + scale * noise[:runs]), values(offset + scale * noise[runs:]))
    assert other.shift == pytest.approx(scale * plain.shift, abs=1e-9)
    assert other.error == pytest.approx(scale * (plain.error or 0.0), rel=1e-6, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), within=st.floats(0, 5), again=st.integers(0, 5))
def test_no_interval_is_narrower_than_what_the_new_run_states(seed: int, within: float, again: int) -> None:
    """Measuring again makes it narrower, and never narrower than the pairs of all measurements allow."""
    rng = np.random.default_rng(seed)
    before = values(rng.standard_normal(12), 0.3)
    once = shift(before, [Value(0.0, within, 30)])
    more = shift(before, [mean_of([Value(0.0, within, 30)] * (again + 1))])
    assert (once.error or 0.0) >= within * (1 - 1e-9)
    assert (more.error or 0.0) >= within / math.sqrt(again + 1) * (1 - 1e-9)
    assert (more.error or 0.0) <= (once.error or 0.0) * (1 + 1e-9)


def test_two_runs_are_compared_with_the_scatter_of_the_others() -> None:
    """A baseline far back and the newest run differ by the noise of two independent runs."""
    scatter = values(np.random.default_rng(5).normal(0, 0.01, 400))
    level = since(Value(0.0, None), Value(0.05, None), scatter)
    assert (level.shift, level.freedom) == (0.05, 399)
    assert level.error == pytest.approx(0.01 * math.sqrt(2), rel=0.1)
    assert since(Value(0.0, None), Value(0.05, None), scatter[:7]).error is None


def test_other_machines_tell_how_much_machines_differ() -> None:
    """By hand: means 0, 0.1 and 0.2 scatter by 0.1, so a fourth machine is uncertain by 0.1 times the root of 4/3."""
    machines = [values([0.0] * 5), values([0.1] * 5), values([0.2] * 5)]
    level = across(machines, Value(0.4, None))
    assert (level.shift, level.freedom) == (pytest.approx(0.3), 2)
    assert level.error == pytest.approx(0.1 * math.sqrt(4 / 3))
    # The runs of one machine scatter as well, and the new machine has one run.
    scattered = across([values([log - 0.02, log, log + 0.02]) for log in (0.0, 0.1, 0.2)], Value(0.4, None))
    assert scattered.error == pytest.approx(math.hypot(0.1 * math.sqrt(4 / 3), 0.02))


@pytest.mark.parametrize("machines", [1, 2])
def test_two_machines_do_not_tell_how_much_machines_differ(machines: int) -> None:
    """However clear the change looks, it may be the machine's."""
    assert across([values([0.1 * i] * 20) for i in range(machines)], Value(9.0, None)).error is None


@pytest.mark.parametrize("low", [None, 0.0, -1.0, 2.0])
def test_an_interval_that_says_nothing_is_no_error(low: float | None) -> None:
    """Missing, non-positive or empty intervals leave a run's own error unknown."""
    assert Value.of(2.0, low, 2.0, 9).error is None

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from harness.measure.stats import (
    binomial_interval,
    bootstrap_interval,
    minimal_detectable_effect,
    power_of,
    standard_deviation,
    t_interval,
    trimmed_mean,
)

FINITE = st.floats(-1e6, 1e6)


@pytest.mark.parametrize("interval", [t_interval, bootstrap_interval])
class TestDegenerate:
    """Every interval answers for samples that bound nothing."""

    def test_no_value_bounds_nothing(self, interval):
        """No pair: no estimate, and an interval from minus to plus infinity."""
        found = interval([])
        assert math.isnan(found.value)
        assert (found.low, found.high, found.count, found.bounded) == (-math.inf, math.inf, 0, False)

    def test_one_value_bounds_nothing(self, interval):
        """One pair gives an estimate and no interval."""
        found = interval([3.0])
        assert (found.value, found.low, found.high) == (3.0, -math.inf, math.inf)

    def test_equal_values_have_no_width(self, interval):
        """Pairs that agree exactly give that value, without the rounding a mean would add."""
        found = interval([0.1] * 7)
        assert (found.low, found.value, found.high) == (0.1, 0.1, 0.1)

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_non_finite_values_are_refused(self, interval, bad):
        """A void pair must be left out and counted, never averaged."""
        with pytest.raises(ValueError, match="not finite"):
            interval([1.0, bad, 2.0])

    @pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
    def test_confidence_is_a_share(self, interval, confidence):
        """95 instead of 0.95 is a mistake and says so."""
        with pytest.raises(ValueError, match="confidence"):
            interval([1.0, 2.0], confidence)


def test_student_interval_of_students_data():
    """The interval of the paper's sleep data, mean 1.58 h, as R's t.test prints it."""
    found = t_interval([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    assert found.value == pytest.approx(0.75)
    assert (found.low, found.high) == (pytest.approx(-0.5297804), pytest.approx(2.02978, rel=1e-5))
    paired = [
        round(a - b, 1)
        for a, b in zip(
            [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
            [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
            strict=True,
        )
    ]
    found = t_interval(paired)
    assert found.value == pytest.approx(1.58)
    assert (found.low, found.high) == (pytest.approx(0.7001142), pytest.approx(2.4598858))


@given(st.lists(FINITE, min_size=2, max_size=40), st.floats(0.5, 0.999))
def test_student_interval_agrees_with_scipy(values, confidence):
    """For every sample the interval is the one scipy's test reports, within rounding."""
    found = t_interval(values, confidence)
    spread = standard_deviation(values)
    assert found.low <= found.value + 1e-9 <= found.high + 2e-9
    if spread > 1e-6:
        low, high = reference.ttest_1samp(values, 0.0).confidence_interval(confidence)
        assert (found.low, found.high) == (
            pytest.approx(low, abs=1e-6 * spread),
            pytest.approx(high, abs=1e-6 * spread),
        )


def test_bootstrap_checks_student_and_repeats():
    """On a well-behaved sample both intervals agree within a tenth, and the same seed gives the same one."""
    values = list(np.random.default_rng(7).normal(0.01, 0.02, 40))
    student, boot = t_interval(values), bootstrap_interval(values)
    assert boot.half_width == pytest.approx(student.half_width, rel=0.1)
    assert boot == bootstrap_interval(values)


def test_exp_turns_log_ratios_into_ratios():
    """The ratio's interval is the exponential of the logarithm's, and an unbounded one stays unbounded."""
    found = t_interval([math.log(2), math.log(2)]).exp()
    assert (found.value, found.low, found.high) == (pytest.approx(2), pytest.approx(2), pytest.approx(2))
    unbounded = t_interval([0.0]).exp()
    assert (unbounded.low, unbounded.high) == (0.0, math.inf)
    assert t_interval([0.0, 2000.0]).exp().high == math.inf


@pytest.mark.parametrize(
    ("spread", "count", "expected", "says"),
    [
        (0.02, 0, math.inf, "no pair sees nothing"),
        (0.02, 1, math.inf, "one pair sees nothing"),
        (math.nan, 5, math.inf, "an unknown spread promises nothing"),
        (0.0, 5, 0.0, "without spread everything is seen"),
        (1.0, 34, 0.4953, "Cohen's d = 0.5 needs 34 pairs for a power of 0.8"),
    ],
)
def test_minimal_detectable_effect(spread, count, expected, says):
    """The effect found with a power of 0.8 at two-sided 0.05, degenerate samples included."""
    assert minimal_detectable_effect(spread, count) == pytest.approx(expected, rel=1e-3), says


@given(st.integers(2, 500), st.floats(1e-4, 10), st.floats(0.001, 0.2), st.floats(0.5, 0.99))
def test_effect_and_power_invert_each_other(count, spread, alpha, power):
    """The minimal detectable effect is found with exactly the power asked for."""
    effect = minimal_detectable_effect(spread, count, alpha, power)
    assert power_of(effect, spread, count, alpha) == pytest.approx(power, abs=1e-6)


def test_power_matches_simulation():
    """The noncentral t's power is the share of simulated t tests that find the effect."""
    rng = np.random.default_rng(11)
    samples = rng.normal(0.015, 0.02, (4000, 12))
    found = np.mean(reference.ttest_1samp(samples, 0.0, axis=1).pvalue < 0.05)
    assert power_of(0.015, 0.02, 12) == pytest.approx(found, abs=0.025)


@pytest.mark.parametrize(("effect", "spread", "expected"), [(0.0, 0.0, 0.05), (0.1, 0.0, 1.0), (0.1, math.nan, 0.0)])
def test_power_without_spread(effect, spread, expected):
    """Without spread any effect is certain to be seen; with an unknown one nothing is promised."""
    assert power_of(effect, spread, 5) == expected


def test_power_below_the_level_is_refused():
    """A power that chance alone gives has no smallest effect."""
    with pytest.raises(ValueError, match="must exceed the level"):
        minimal_detectable_effect(1.0, 5, alpha=0.05, power=0.05)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.3084971), (10, 10, 0.6915029, 1.0), (10, 200, 0.0242342, 0.0900275)],
)
def test_clopper_pearson(successes, trials, low, high):
    """The exact interval as R's binom.test prints it; no trials bound nothing."""
    assert binomial_interval(successes, trials) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_more_successes_than_trials_is_refused():
    """Counts that cannot be are a mistake of the caller's."""
    with pytest.raises(ValueError, match="11 successes of 10"):
        binomial_interval(11, 10)


@pytest.mark.parametrize(
    ("values", "share", "expected", "says"),
    [
        ([5.0], 0.4, 5.0, "one value stays"),
        ([1.0, 2.0, 3.0, 4.0, 1000.0], 0.2, 3.0, "a wild value leaves, with its counterpart"),
        ([1.0, 2.0, 6.0], 0.0, 3.0, "nothing trimmed is the mean"),
    ],
)
def test_trimmed_mean(values, share, expected, says):
    """The mean of what is left when the same share leaves at both ends."""
    assert trimmed_mean(values, share) == expected, says


def test_trimmed_mean_degenerate():
    """No values have no mean; half the values or more cannot leave at each end."""
    assert math.isnan(trimmed_mean([]))
    with pytest.raises(ValueError, match="share"):
        trimmed_mean([1.0], 0.5)


@given(st.lists(FINITE, min_size=5, max_size=30), st.floats(1e3, 1e9))
def test_trimmed_mean_bounds_one_wild_block(values, wild):
    """However wild a single block is, the pair's figure stays within the range of the others."""
    found = trimmed_mean([*values, wild * 1e6], 0.2)
    assert min(values) - 1e-6 <= found <= max(values) + 1e-6

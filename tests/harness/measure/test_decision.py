"""One rule turns an interval and a tolerance into a decision, for `harness compare` and `harness check` alike."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.history.checking import check as history
from harness.history.checking.cases import Basis, Case
from harness.history.checking.level import Value
from harness.measure.compare.compare import judge
from harness.measure.decision import bounds, decide
from harness.measure.result import Experiment
from harness.measure.verdict import ControlPairs, experiment_of
from tests.harness.measure.simulated import PAIR, pair

UP, DOWN = math.log(1.25), math.log(0.8)  # the bounds of 25 %, and each other's reciprocal


@pytest.mark.parametrize(
    ("low", "high", "decision", "says"),
    [
        (UP + 0.01, UP + 0.1, "regressed", "wholly above 1 + t"),
        (UP, UP + 0.1, "undecided", "touching the bound is not above it"),
        (0.1, UP, "pass", "slower, by no more than the bound"),
        (DOWN, 0.1, "pass", "both, within the bounds"),
        (DOWN - 0.1, DOWN, "pass", "touching the lower bound is not below it"),
        (DOWN - 0.2, DOWN - 0.01, "improved", "wholly below 1 / (1 + t)"),
        (math.log(0.74), math.log(0.76), "improved", "between 1 - t and 1 / (1 + t) both are improved"),
        (math.log(0.77), math.log(0.79), "improved", "above 1 - t, and improved: 1 / 1.25 is 0.8"),
        (DOWN - 1, UP + 1, "undecided", "it could be anything"),
        (-math.inf, math.inf, "undecided", "unbounded"),
    ],
)
def test_the_place_of_the_interval_decides(low, high, decision, says):
    """The bounds are 1 + t and 1 / (1 + t) times the cost; an interval that touches one has not passed it."""
    assert decide(low, high, 0.25) == decision, says


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 0.9))
def test_exchanging_the_sides_exchanges_regressed_and_improved_and_nothing_else(low, width, tolerance):
    """The same ratio the other way round is as far from no change."""
    below, above = bounds(tolerance)
    assert below == -above
    one, other = decide(low, low + width, tolerance), decide(-low - width, -low, tolerance)
    assert (one == "regressed") == (other == "improved")
    assert (one == "improved") == (other == "regressed")


def found(low: float, high: float) -> Experiment:
    """Return an experiment whose ratio has this interval of logarithms, as near as rounding allows."""
    made = experiment_of(PAIR, [pair(0.1), pair(0.2)] * 3, ControlPairs([pair(0.0)] * 4), tolerance=0.03)
    return made.model_copy(update={"ratio_interval": (math.exp(low), math.exp(high)), "verdict": "undecided"})


class _Level:
    """A shift with an interval that is given."""

    error, shift, within_only, freedom = 0.1, 0.0, False, 20.0

    def __init__(self, low: float, high: float) -> None:
        self.ends = (low, high)

    def interval(self, _alpha: float) -> tuple[float, float]:
        return self.ends

    def detectable(self, _alpha: float) -> float:
        return 0.1


@given(st.floats(-0.5, 0.5), st.floats(0.0001, 0.5), st.floats(0.0, 0.4))
@example(math.log(0.962), 0.005, 0.04)
def test_compare_and_check_say_the_same_of_the_same_interval(low, width, tolerance):
    """Whatever interval and tolerance: both commands place it by the same bounds."""
    case = Case("key", "run", Basis.RATIO, before=[Value(0.0, 0.1)] * 9, now=[Value(0.0, 0.1)] * 3)
    question = history.Question(tolerance=tolerance)
    checked = history._finding(case, _Level(low, low + width), 0.05, question).outcome.value
    compared = judge(found(low, low + width), tolerance)[0]
    nearest = min(abs(end - bound) for end in (low, low + width) for bound in bounds(tolerance))
    # Between logarithm and ratio a last digit may go; nothing hangs on the bound itself.
    assert checked == compared or nearest < 1e-12

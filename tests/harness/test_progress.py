"""Progress of parts adds up to that of the whole."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.progress import Step, part_of

shares = st.floats(0.01, 10)


@given(st.lists(shares, min_size=1, max_size=6), st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_parts_follow_one_another_up_to_the_whole(weights: list[float], inner: list[float]) -> None:
    """Whatever the shares: progress never falls, begins at what went before and ends with the whole."""
    steps: list[Step] = []
    total, before = sum(weights), 0.0
    for weight in weights:
        report = part_of(steps.append, before / total, weight / total, whole_s=100.0)
        for done in [0.0, *sorted(inner), 1.0]:
            report(Step(done, None, "x"))
        before += weight
    done = [step.done for step in steps]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(done))
    assert (done[0], done[-1]) == (0.0, pytest.approx(1.0))
    assert steps[-1].left_s == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("options", "left", "expected", "why"),
    [
        ({}, 5.0, None, "nothing is known of what follows"),
        ({"then_s": 3.0}, 5.0, 8.0, "the part's own time and what follows"),
        ({"then_s": 3.0}, None, None, "the part does not know its own"),
        ({"whole_s": 40.0}, None, 30.0, "three quarters of the whole"),
    ],
)
def test_the_time_left(options: dict[str, float], left: float | None, expected: float | None, why: str) -> None:
    """As far as it can be told."""
    steps: list[Step] = []
    part_of(steps.append, 0.0, 0.5, **options)(Step(0.5, left, "note"))
    assert steps[0].left_s == expected, why


def test_a_name_goes_in_front_of_each_note() -> None:
    """So that a reader knows which part it is."""
    steps: list[Step] = []
    part_of(steps.append, 0.0, 1.0, name="the ladder")(Step(0.0, None, "a against b"))
    assert steps[0].note == "the ladder: a against b"

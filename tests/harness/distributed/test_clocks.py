"""Offsets between clocks are known to within half of the quickest round trip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.distributed.clocks import ClockProbe, Clocks, ShiftedTruth, compare_clocks

HOUR_NS = 3_600 * 10**9
delays = st.integers(0, 10**9)


@given(st.integers(-(10**15), 10**15), st.lists(st.tuples(delays, delays), min_size=1, max_size=20))
def test_the_true_offset_lies_within_the_uncertainty(offset, trips):
    """However long question and answer take, and however differently."""
    probes, now = [], 10**9
    for there, back in trips:
        probes.append(ClockProbe(now, now + there + back, 0, now + there + offset, 0))
        now += there + back + 1
    found = compare_clocks(probes)
    assert abs(found.offset_ns - offset) <= found.uncertainty_ns + 1
    assert found.uncertainty_ns <= min(there + back for there, back in trips) // 2 + 1


@pytest.mark.parametrize("wrong_ns", [HOUR_NS, -HOUR_NS, 0])
def test_a_wrong_time_of_day_changes_no_due_time(wrong_ns):
    """It is told, and nothing is scheduled by it."""
    probes = [ClockProbe(100, 140, 7_000, 5_120, 7_000 + wrong_ns)]
    found = compare_clocks(probes)
    assert (found.offset_ns, found.uncertainty_ns) == (5_000, 20)
    assert found.wall_offset_ns == wrong_ns


def test_processes_of_one_system_share_a_clock():
    """Then nothing is estimated."""
    assert compare_clocks([ClockProbe(0, 1000, 0, 400, 0)], same_clock=True) == Clocks(0, 0, 0)


def test_a_workers_truth_is_asked_for_on_its_own_clock_and_as_widely_as_that_is_uncertain():
    """So that no scrape is accused because of a clock."""
    asked = []

    class Truth:
        def between(self, begin_ns, end_ns):
            asked.append((begin_ns, end_ns))

    ShiftedTruth(Truth(), Clocks(1_000, 30, 0)).between(500, 600)
    assert asked == [(1_470, 1_630)]

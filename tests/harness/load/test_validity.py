from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.validity import DEFAULT_MAX_LAG_NS, Evidence, Missed, Resource, judge, words

SECOND = 10**9
GOOD = Evidence(
    sent=10_000,
    elapsed_ns=10 * SECOND,
    target_rate=1000.0,
    achieved_rate=1000.0,
    lag_p99_ns=50_000,
    service_ns=SECOND,
    generator_ns=SECOND // 10,
    lost_ns=0,
    longest_service_ns=1_000_000,
    longest_pause_ns=1_000_000,
)


def test_a_run_on_schedule_is_valid():
    """Target met and lag within bounds: there is nothing to say."""
    assert judge(GOOD) == ()


@pytest.mark.parametrize(
    ("achieved", "valid"), [(990.0, True), (989.9, False), (1010.0, True), (1010.1, False), (None, True)]
)
def test_one_percent_off_the_target_is_the_limit(achieved, valid):
    """Exactly 1 % is allowed, on either side; more is not."""
    assert (judge(replace(GOOD, achieved_rate=achieved)) == ()) is valid


@pytest.mark.parametrize(("lag", "valid"), [(DEFAULT_MAX_LAG_NS, True), (DEFAULT_MAX_LAG_NS + 1, False)])
def test_p99_lag_may_reach_its_bound(lag, valid):
    """Lag equal to the bound is allowed, more is not."""
    assert (judge(replace(GOOD, lag_p99_ns=lag)) == ()) is valid


LATE = replace(GOOD, achieved_rate=800.0, lag_p99_ns=2 * SECOND)


@pytest.mark.parametrize(
    ("what", "evidence", "resource"),
    [
        ("lines took all the time", replace(LATE, service_ns=98 * SECOND // 10), Resource.SUBJECT),
        ("making blocks took all the time", replace(LATE, generator_ns=9 * SECOND), Resource.GENERATOR),
        ("others had the processor", replace(LATE, lost_ns=3 * SECOND), Resource.MACHINE),
        (
            "lines seemed slow because they were preempted",
            replace(LATE, service_ns=9 * SECOND, lost_ns=5 * SECOND),
            Resource.MACHINE,
        ),
        (
            "lines took all the time and the machine lost a little",
            replace(LATE, service_ns=99 * SECOND // 10, lost_ns=SECOND // 100),
            Resource.SUBJECT,
        ),
        ("one line stalled", replace(LATE, longest_service_ns=SECOND), Resource.SUBJECT),
        ("one block took long", replace(LATE, longest_pause_ns=SECOND), Resource.GENERATOR),
        ("queues at the schedule's peaks", replace(LATE, service_ns=6 * SECOND), Resource.SUBJECT),
        ("late without being busy", LATE, Resource.MACHINE),
    ],
)
def test_the_resource_that_ran_out_is_named(what, evidence, resource):
    """Both shortfalls are reported, each with the resource that explains it."""
    reasons = judge(evidence)
    assert [reason.missed for reason in reasons] == [Missed.RATE, Missed.LAG], what
    assert {reason.resource for reason in reasons} == {resource}, what
    for line in words(reasons):
        assert resource.value in line
        assert "\n" not in line


def test_a_run_without_lines_is_invalid():
    """Nothing sent proves nothing."""
    reasons = judge(replace(GOOD, sent=0, elapsed_ns=0, target_rate=None, achieved_rate=None, lag_p99_ns=None))
    assert [reason.missed for reason in reasons] == [Missed.NOTHING_SENT]
    assert words(reasons) == ["no line was sent"]


def test_a_closed_loop_cannot_be_late():
    """Without a schedule there is neither a target nor a lag to miss."""
    assert judge(replace(GOOD, target_rate=None, lag_p99_ns=0, service_ns=10 * SECOND)) == ()


def test_the_words_carry_the_figures():
    """A reader sees what was asked, what was got and what is allowed."""
    rate, lag = words(judge(replace(LATE, service_ns=98 * SECOND // 10)))
    assert "800" in rate
    assert "1000" in rate
    assert "-20.0%" in rate
    assert "98%" in rate
    assert "2 s" in lag
    assert "100 ms" in lag


times = st.integers(0, 20 * SECOND)


@given(
    st.builds(
        Evidence, st.integers(0, 9), times, *[st.none() | st.floats(0.001, 1e9)] * 2, st.none() | times, *[times] * 5
    )
)
def test_any_evidence_gets_a_verdict(evidence):
    """No combination of figures, however odd, raises; every reason has its words."""
    reasons = judge(evidence)
    assert len(words(reasons)) == len(reasons)

"""When a run is VALID: schedules and stalls with the verdict that a reader expects, and properties of the rules."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.cpu_time import Machine
from harness.load.drive_result import DriveResult
from harness.load.driver import CLOSED, drop
from harness.load.lateness import Slice
from harness.load.recorder import Recorder
from harness.load.truth.ledger import Ledger
from harness.load.validity import (
    DEFAULT_MAX_LAG_NS,
    Evidence,
    Missed,
    Resource,
    Tail,
    evidence_of,
    judge,
    max_lateness_ns,
    words,
)
from harness.views import QUICKSTART_VIEWS
from tests.harness.load.schedules import MS, SECOND, Run, every

SUBJECT, GENERATOR, MACHINE = Resource.SUBJECT, Resource.GENERATOR, Resource.MACHINE
VALID: set[Resource] = set()


def always(ns):
    return lambda _line: ns


def at(lines, ns):
    """Return a stall of the given lines."""
    chosen = {lines} if isinstance(lines, int) else set(lines)
    return lambda line: ns if line in chosen else 0


def with_burst(background, burst, lines):
    """Return a schedule with so many lines due at one moment among the others, and the first of them."""
    due = sorted([*background, *[burst] * lines])
    return due, due.index(burst)


BURST_DUE, BURST_LINE = with_burst(every(10 * MS, 3000), 15 * SECOND + MS, 300)
AN_EIGHTH = every(MS, 8000)


@pytest.mark.parametrize(
    ("what", "run", "who"),
    [
        ("lines of a tenth of the gap, none late", Run(AN_EIGHTH, always(MS // 10)), VALID),
        ("pairs of lines, the second waits for the first", Run(sorted(every(20 * MS, 400) * 2), always(5 * MS)), VALID),
        ("the subject pauses for 80 ms once and catches up", Run(AN_EIGHTH, at(4000, 80 * MS)), VALID),
        ("one line of 8000 is woken 20 ms late", Run(AN_EIGHTH, woken_late=at(4000, 20 * MS)), VALID),
        ("one of five lines is woken 4 ms late", Run(every(MS * 100, 5), woken_late=at(2, 4 * MS)), VALID),
        (
            "each second the page takes 50 ms, and lines wait for it",
            Run(AN_EIGHTH, always(MS // 10), pages=[(i * SECOND, i * SECOND + 50 * MS) for i in range(1, 8)]),
            VALID,
        ),
        (
            "each second somebody else takes 50 ms, and lines wait for it",
            Run(AN_EIGHTH, always(MS // 10), woken_late=at(range(1000, 8000, 1000), 50 * MS)),
            {MACHINE},
        ),
        ("each line 99 ms late, five a second", Run(every(200 * MS, 300), woken_late=always(99 * MS)), {MACHINE}),
        (
            "each line 99 ms late, one in two seconds, and evaluating takes a second",
            Run(every(2 * SECOND, 200), always(SECOND), woken_late=always(99 * MS)),
            {MACHINE},
        ),
        ("each line 3 ms late, and evaluating takes 0.1 ms",
         Run(every(10 * MS, 500), always(MS // 10), woken_late=always(3 * MS)), {MACHINE}),
        ("each line 3 ms late, and evaluating takes 30 ms",
         Run(every(100 * MS, 500), always(30 * MS), woken_late=always(3 * MS)), VALID),
        ("each line 3 ms late, evaluating takes 30 ms, but lines are due each 2 ms on average",
         Run(sorted(every(400 * MS, 50) * 20), always(MS), woken_late=always(3 * MS)), {MACHINE}),
        ("a burst of a tenth of the lines is sent 50 ms late, and caught up",
         Run(BURST_DUE, woken_late=at(BURST_LINE, 50 * MS)), {MACHINE}),
        ("a second is sent two seconds late, and caught up",
         Run(AN_EIGHTH, woken_late=at(3000, 2 * SECOND)), {MACHINE}),
        ("0.9 % of the lines are up to 10 s late, for the machine",
         Run(every(SECOND, 1100), woken_late=at(500, 9_500 * MS)), {MACHINE}),
        ("0.9 % of the lines are up to 10 s late, for the subject",
         Run(every(SECOND, 1100), at(500, 10 * SECOND)), {SUBJECT}),
        ("making a block takes two seconds, once", Run(AN_EIGHTH, making=at(64 * 30, 2 * SECOND)), {GENERATOR}),
        ("the machine takes two seconds from making a block",
         Run(AN_EIGHTH, making=at(64 * 30, MS), descheduled=at(64 * 30, 2 * SECOND)), {MACHINE}),
        ("the subject needs 1.2 gaps", Run(AN_EIGHTH, always(1_200_000)), {SUBJECT}),
        ("the subject needs 2.5 gaps, as 5 ms at 500/s does", Run(every(2 * MS, 300), always(5 * MS)), {SUBJECT}),
        ("the generator needs 1.2 gaps", Run(AN_EIGHTH, making=always(64 * 1_200_000)), {GENERATOR}),
        ("subject and generator need 0.7 gaps each",
         Run(AN_EIGHTH, always(700_000), making=always(64 * 700_000)), {SUBJECT, GENERATOR}),
        ("the subject needs 1.2 gaps, and the machine takes as much again",
         Run(AN_EIGHTH, always(1_200_000), preempted=always(1_200_000)), {SUBJECT, MACHINE}),
        ("the subject needs 0.5 gaps, and the machine takes 1.5 from it",
         Run(AN_EIGHTH, always(500_000), preempted=always(1_500_000)), {SUBJECT, MACHINE}),
        ("the subject needs 0.1 gaps, and the machine takes 1.5 from it",
         Run(AN_EIGHTH, always(100_000), preempted=always(1_500_000)), {MACHINE}),
        ("the subject needs 2.5 gaps, on a machine that takes 20 times as much",
         Run(every(2 * MS, 300), always(5 * MS), preempted=always(100 * MS)), {SUBJECT, MACHINE}),
        ("the page takes four seconds, and lines wait for it",
         Run(AN_EIGHTH, always(MS // 10), pages=[(2 * SECOND, 6 * SECOND)]), {SUBJECT}),
        ("under drop the subject needs two gaps", Run(AN_EIGHTH, always(2 * MS), policy=drop()), {SUBJECT}),
        ("under drop somebody else takes a second",
         Run(AN_EIGHTH, woken_late=at(3000, SECOND), policy=drop()), {MACHINE}),
        ("in a closed loop nothing is due", Run([0] * 500, always(MS), policy=CLOSED), VALID),
    ],
    ids=lambda value: value.replace(" ", "-").replace(",", "") if isinstance(value, str) else "",
)  # fmt: skip
def test_a_run_is_valid_when_a_reader_would_say_so(what, run, who):
    """Each schedule with its stalls: valid, or invalid with everyone who ran out and nobody else."""
    reasons = judge(run.evidence(), DEFAULT_MAX_LAG_NS)
    assert {resource for reason in reasons for resource, _ in reason.ran_out} == who, (what, words(reasons))
    assert bool(reasons) == bool(who)
    for line, reason in zip(words(reasons), reasons, strict=True):
        assert "\n" not in line
        if reason is reasons[0]:
            assert all(f"the {resource.value} ran out" in line for resource, _ in reason.ran_out)


def test_shares_of_the_lost_time_are_what_was_lost():
    """Subject and machine each take 1.2 ms of every line, so half of the lost time is each one's."""
    shares = Run(AN_EIGHTH, always(1_200_000), preempted=always(1_200_000)).evidence().shares
    assert shares[SUBJECT] == pytest.approx(0.5, abs=0.01)
    assert shares[MACHINE] == pytest.approx(0.5, abs=0.01)
    assert sum(shares.values()) == pytest.approx(1)


def test_the_loop_s_own_cost_is_the_generator_s():
    """Lines that begin late by no more than what the loop costs are late by the generator's doing."""
    run = Run([0] * 3000, always(100), woken_late=at(0, 0))
    driven = replace(run.driven())
    behind = replace(driven.behind, idle_ns=3000 * 250, held_up=3000, lateness_ns=3000 * 1500 * 250)
    driven = replace(driven, behind=behind)
    assert evidence_of(driven, 250.0).lost[GENERATOR] == pytest.approx(behind.lateness_ns)
    assert evidence_of(driven, 125.0).lost[GENERATOR] == pytest.approx(behind.lateness_ns / 2)
    assert evidence_of(driven, 0.0).lost[GENERATOR] == 0


def test_time_the_hypervisor_took_counts_while_the_thread_ran():
    """A subject that sleeps through a quarter of stolen time is not the machine's victim; one that computes is."""
    run = Run(every(MS, 2000), always(2 * MS))
    driven = run.driven()
    stolen = replace(driven, machine=Machine(steal_ns=driven.elapsed_ns // 4))
    asleep = replace(stolen, behind=replace(stolen.behind, service_running_ns=0))
    assert evidence_of(stolen, 0.0).shares[MACHINE] == pytest.approx(0.25, abs=0.01)
    assert evidence_of(asleep, 0.0).shares[MACHINE] == 0


@pytest.mark.parametrize(
    ("what", "gap", "service", "allowed"),
    [
        ("a fast subject: a hundredth of the lag allowed", MS, MS // 10, MS),
        ("no gaps to speak of: the same", 5000, 30 * MS, MS),
        ("the service time, where it is smaller than the gap", 100 * MS, 4 * MS, 4 * MS),
        ("the gap, where it is smaller than the service time", 3 * MS, 4 * MS, 3 * MS),
        ("never more than a tenth of the lag allowed", 10 * SECOND, SECOND, 10 * MS),
    ],
)
def test_the_lateness_allowed_follows_gap_and_service_time(what, gap, service, allowed):
    """Between a hundredth and a tenth of `--max-lag`, which scales it."""
    assert max_lateness_ns(gap, service) == allowed, what
    assert max_lateness_ns(gap * 10, service * 10, DEFAULT_MAX_LAG_NS * 10) == allowed * 10, what


GOOD = Evidence(
    sent=10_000,
    target_rate=1000.0,
    achieved_rate=1000.0,
    lag=Tail(MS // 10, MS // 5, MS, 2 * MS, 10_000),
    lateness=Tail(MS // 100, MS // 50, MS // 10, MS, 10_000),
    gap_ns=MS,
    service_ns=MS / 10,
    lost={SUBJECT: 90.0, GENERATOR: 1.0, MACHINE: 9.0},
    late={GENERATOR: 1.0, MACHINE: 9.0},
)


def test_a_run_on_schedule_is_valid():
    """Target met, lag and lateness within bounds: there is nothing to say."""
    assert judge(GOOD) == ()


@pytest.mark.parametrize(
    ("achieved", "valid"), [(990.0, True), (989.9, False), (1010.0, True), (1010.1, False), (None, True)]
)
def test_one_percent_off_the_target_is_the_limit(achieved, valid):
    """Exactly 1 % is allowed, on either side; more is not."""
    assert (judge(replace(GOOD, achieved_rate=achieved)) == ()) is valid


@pytest.mark.parametrize(
    ("which", "field", "bound"),
    [
        ("lag", "p99_ns", DEFAULT_MAX_LAG_NS),
        ("lag", "worst_stretch_ns", DEFAULT_MAX_LAG_NS),
        ("lag", "max_ns", 10 * DEFAULT_MAX_LAG_NS),
        ("lateness", "typical_ns", MS),
        ("lateness", "p99_ns", 10 * MS),
        ("lateness", "worst_stretch_ns", 10 * MS),
    ],
)
def test_each_bound_may_be_reached_and_not_exceeded(which, field, bound):
    """A figure equal to its bound is allowed; a nanosecond more is a reason that names it."""
    for ns, missed in ((bound, []), (bound + 1, [Missed(which)])):
        evidence = replace(GOOD, **{which: replace(getattr(GOOD, which), **{field: ns})})
        assert [reason.missed for reason in judge(evidence)] == missed


def test_a_run_without_lines_is_invalid():
    """Nothing sent proves nothing."""
    reasons = judge(Evidence(sent=0))
    assert [reason.missed for reason in reasons] == [Missed.NOTHING_SENT]
    assert words(reasons) == ["no line was sent"]


def test_the_words_carry_the_figures():
    """A reader sees what was asked, what was got, what is allowed, and who took which share; the cause once."""
    late = replace(GOOD, achieved_rate=800.0, lag=replace(GOOD.lag, p99_ns=2 * SECOND))
    assert words(judge(late)) == [
        (
            "achieved 800 lines/s of 1000 (-20.0%, allowed 1 %): the subject ran out (evaluating lines and making its "
            "page took 90% of the lost time); ask for a lower rate"
        ),
        "p99 lag 2 s, allowed 100 ms",
    ]
    both = replace(late, lost={SUBJECT: 60.0, GENERATOR: 0.0, MACHINE: 40.0})
    assert "the subject ran out" in words(judge(both))[0]
    assert (
        "and the machine ran out (others had processor or interpreter for 40% of the lost time)"
        in words(judge(both))[0]
    )


times = st.integers(0, 20 * SECOND)
tails = st.none() | st.builds(Tail, times, times, times, times, st.integers(0, 10**6))
shares = st.dictionaries(st.sampled_from(list(Resource)), st.floats(0, 1e18))


@given(
    st.builds(
        Evidence,
        sent=st.integers(0, 9),
        target_rate=st.none() | st.floats(0.001, 1e9),
        achieved_rate=st.none() | st.floats(0.001, 1e9),
        lag=tails,
        lateness=tails,
        gap_ns=st.floats(0, 1e12),
        service_ns=st.floats(0, 1e12),
        lost=shares,
        late=shares,
        demand=shares,
    )
)
def test_any_evidence_gets_a_verdict(evidence):
    """No combination of figures, however odd, raises; every reason has its words."""
    reasons = judge(evidence)
    assert len(words(reasons)) == len(reasons)
    for reason in reasons:
        assert sum(share for _, share in reason.ran_out) <= 1 + 1e-9


def outcome(gaps, services, kept, size=50):
    """Return the evidence on a run of those gaps, service times and delays, all in ns."""
    due = np.cumsum(gaps)
    starts, ends, free = [], [], 0
    for at_ns, service, wait in zip(due.tolist(), services, kept, strict=True):
        starts.append(max(at_ns, free) + wait)
        ends.append(free := starts[-1] + service)
    recorder = Recorder()
    for a in range(0, len(starts), size):
        recorder.starts, recorder.ends = starts[a : a + size], ends[a : a + size]
        recorder.fold(due[a : a + size], recorder.outcomes(), Slice(starts[a]))
    recorder.stretches.close()
    span, took = int(due[-1] - due[0]), starts[-1] - int(due[0])
    driven = DriveResult(
        timings=recorder.timings,
        ledger=Ledger(QUICKSTART_VIEWS, ("repl",)),
        start_ns=0,
        elapsed_ns=ends[-1] - starts[0],
        target_rate=(len(due) - 1) * 1e9 / span if span else None,
        achieved_rate=(len(due) - 1) * 1e9 / took if took else None,
        span_ns=span,
        behind=recorder.lateness.behind,
        worst_stretch_lag_ns=recorder.stretches.worst_lag_ns,
        worst_stretch_lateness_ns=recorder.stretches.worst_lateness_ns,
        outside_ns=0,
        longest_outside_ns=0,
        starved=0,
        machine=Machine(),
        interrupted=False,
    )
    return evidence_of(driven, 0.0)


gaps = st.lists(st.integers(0, 40 * MS), min_size=2, max_size=400)


@given(gaps, st.integers(0, 20 * MS), st.data())
def test_more_lateness_never_makes_an_invalid_run_valid(gaps, service, data):
    """Whatever a run is judged by, keeping any of its lines longer cannot improve it."""
    delays = st.lists(st.integers(0, 30 * MS), min_size=len(gaps), max_size=len(gaps))
    kept, more = data.draw(delays), data.draw(delays)
    services = [service] * len(gaps)
    before = outcome(gaps, services, kept)
    after = outcome(gaps, services, [a + b for a, b in zip(kept, more, strict=True)])
    assert {reason.missed for reason in judge(before)} <= {reason.missed for reason in judge(after)}


@given(gaps, st.integers(0, 20 * MS))
def test_a_generator_that_is_never_late_is_never_blamed(gaps, service):
    """Whatever the subject does, without delays there is no lateness to judge and nobody else to name."""
    evidence = outcome(gaps, [service] * len(gaps), [0] * len(gaps))
    assert Missed.LATENESS not in {reason.missed for reason in judge(evidence)}
    assert {resource for reason in judge(evidence) for resource, _ in reason.ran_out} <= {SUBJECT}


@given(st.integers(MS // 10, 20 * MS), st.floats(1.05, 4), st.integers(400, 1500))
def test_a_subject_that_cannot_keep_up_is_named(gap, factor, lines):
    """From 5 % more than its schedule has, a run is invalid whatever its length and rate, and it is the subject."""
    evidence = outcome([gap] * lines, [round(gap * factor)] * lines, [0] * lines)
    assert {resource for reason in judge(evidence) for resource, _ in reason.ran_out} == {SUBJECT}


@given(gaps, st.integers(0, 20 * MS), st.data())
def test_a_laxer_bound_never_makes_a_valid_run_invalid(gaps, service, data):
    """A larger `--max-lag` widens every bound that depends on it."""
    kept = data.draw(st.lists(st.integers(0, 30 * MS), min_size=len(gaps), max_size=len(gaps)))
    strict, lax = sorted((data.draw(st.integers(1, SECOND)), data.draw(st.integers(1, SECOND))))
    evidence = outcome(gaps, [service] * len(gaps), kept)
    assert {reason.missed for reason in judge(evidence, lax)} <= {reason.missed for reason in judge(evidence, strict)}

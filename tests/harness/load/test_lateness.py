"""What the split of the lag promises, whatever the schedule, the subject and the generator do."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.latency.histogram import Histogram
from harness.load.lateness import Lateness, Slice, Stretches

MS = 1_000_000
SECOND = 1_000 * MS

short = st.integers(0, 50)
# Each line: the gap before it, its service time, how long it was kept although it could have begun.
runs = st.lists(st.tuples(short, short, short), min_size=1, max_size=60)


def played(lines):
    """Return due times, starts and ends of lines that one server works through, each kept a while."""
    due = list(itertools.accumulate(gap for gap, _, _ in lines))
    starts, ends, free = [], [], 0
    for at, (_, service, kept) in zip(due, lines, strict=True):
        starts.append(max(at, free) + kept)
        ends.append(free := starts[-1] + service)
    return tuple(np.array(each, dtype=np.int64) for each in (due, starts, ends))


def split(due, starts, ends, cuts=(), pages=()):
    """Return the lateness of every line, and what it adds up to, with the run cut into slices at some lines."""
    lateness, edges = Lateness(), [0, *sorted(cuts), len(due)]
    parts = [
        lateness.split(due[a:b], starts[a:b], ends[a:b], Slice(int(starts[a]), pages=pages))
        for a, b in itertools.pairwise(edges)
        if a < b
    ]
    return np.concatenate(parts), lateness.behind


@given(runs)
def test_a_generator_that_is_never_late_leaves_only_the_queue(lines):
    """Where every line begins as soon as it is due and the one before it has ended, all lag is the subject's."""
    due, starts, ends = played([(gap, service, 0) for gap, service, _ in lines])
    lateness, behind = split(due, starts, ends)
    assert not lateness.any()
    assert behind.queue_ns == int((starts - due).sum())
    assert behind.idle_ns == behind.lateness_ns == 0


@given(runs)
def test_a_subject_that_takes_no_time_has_no_queue(lines):
    """Where lines take no time, all lag is lateness."""
    due, starts, ends = played([(gap, 0, kept) for gap, _, kept in lines])
    lateness, behind = split(due, starts, ends)
    assert lateness.tolist() == (starts - due).tolist()
    assert behind.queue_ns == 0


@given(runs)
def test_the_queue_is_that_of_the_same_service_times_without_delays(lines):
    """Lag less lateness is the lag that the same lines have in a run in which nothing kept them."""
    due, starts, ends = played(lines)
    _, punctual, _ = played([(gap, service, 0) for gap, service, _ in lines])
    lateness, behind = split(due, starts, ends)
    assert (starts - lateness).tolist() == punctual.tolist()
    assert (lateness >= 0).all()
    assert (lateness <= starts - due).all()
    assert behind.queue_ns + behind.lateness_ns == int((starts - due).sum())
    assert behind.idle_ns == sum(kept for _, _, kept in lines)


@given(runs, st.sets(st.integers(0, 60), max_size=6))
def test_the_split_does_not_depend_on_the_slices(lines, cuts):
    """However the run is cut, each line's lateness is the same."""
    due, starts, ends = played(lines)
    whole, behind = split(due, starts, ends)
    parts, sums = split(due, starts, ends, [cut for cut in cuts if cut < len(due)])
    assert parts.tolist() == whole.tolist()
    assert (sums.queue_ns, sums.idle_ns) == (behind.queue_ns, behind.idle_ns)


@given(runs, st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 200)), max_size=4))
def test_what_a_page_takes_is_no_lateness(lines, pages):
    """Pages turn lateness into queue, by no more than the time lines were kept; overlapping ones count once."""
    due, starts, ends = played(lines)
    bare, without = split(due, starts, ends)
    lateness, behind = split(due, starts, ends, pages=[(begin, begin + took) for begin, took in pages])
    assert (lateness >= 0).all()
    assert (lateness <= bare).all()
    assert behind.queue_ns + behind.lateness_ns == without.queue_ns + without.lateness_ns
    covered = {moment for begin, took in pages for moment in range(begin, begin + took)}
    kept = sum(
        moment not in covered
        for start, (_, _, wait) in zip(starts.tolist(), lines, strict=True)
        for moment in range(start - wait, start)
    )
    assert behind.idle_ns == kept


def stretched(lines):
    """Return the stretches of (due, lag, lateness), one slice a line."""
    lag, lateness = Histogram(), Histogram()
    stretches = Stretches(lag, lateness)
    for due, waited, late in lines:
        lag.record(np.array([waited]))
        lateness.record(np.array([late]))
        stretches.add(due, due)
    stretches.close()
    return stretches


@pytest.mark.slow
def test_the_worst_second_is_found_wherever_it_lies():
    """One bad second among ten shows with its own p90, however good the rest is, the last one included."""
    for bad in range(10):
        lines = [(i * MS, 5 * MS if i // 1000 == bad else 0, 2 * MS if i // 1000 == bad else 0) for i in range(10_000)]
        found = stretched(lines)
        assert found.worst_lag_ns == pytest.approx(5 * MS, rel=1e-3)
        assert found.worst_lateness_ns == pytest.approx(2 * MS, rel=1e-3)


def test_a_stretch_has_a_hundred_lines():
    """At one line a second a stretch takes a hundred seconds, so that a few late lines are not its p90."""
    few = [(i * SECOND, 80 * MS if i % 100 < 9 else 0, 0) for i in range(1000)]
    many = [(i * SECOND, 80 * MS if i % 100 < 12 else 0, 0) for i in range(1000)]
    assert stretched(few).worst_lag_ns == 0
    assert stretched(many).worst_lag_ns == pytest.approx(80 * MS, rel=1e-3)


def test_a_short_end_is_joined_to_the_stretch_before():
    """Three late lines at the end are no stretch of their own; thirty in a hundred and thirty are seen."""
    few = [(i * 10 * MS, 9 * MS if i >= 200 else 0, 0) for i in range(203)]
    many = [(i * 10 * MS, 9 * MS if i >= 202 else 0, 0) for i in range(232)]
    assert stretched(few).worst_lag_ns == 0
    assert stretched(many).worst_lag_ns == pytest.approx(9 * MS, rel=1e-3)


def test_a_run_of_a_few_lines_is_judged_by_its_median():
    """With fewer than a hundred lines the p90 would be one of the last few."""
    assert stretched([(i * MS, 9 * MS if i == 3 else 0, 0) for i in range(5)]).worst_lag_ns == 0
    assert stretched([(i * MS, 9 * MS, 0) for i in range(5)]).worst_lag_ns == pytest.approx(9 * MS, rel=1e-3)

import dataclasses
import itertools
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load.recorder import DROPPED, EVALUATED, RAISED
from harness.load.truth.ledger import Ledger
from harness.views import ERRORS, LATENCY, LENGTH_BOUNDS_BYTES, LINE_LENGTHS, LINES_IN, QUICKSTART_VIEWS, Tags
from workloads.refusals import ERROR_KINDS
from workloads.workload import Truth

METHODS = ("repl", "other")

lines = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 2_000), st.sampled_from([int(bound) for bound in LENGTH_BOUNDS_BYTES])),
        st.integers(0, len(METHODS) - 1),
        st.sampled_from([0, 0, 0, 1, 2, 3]),
        st.sampled_from([EVALUATED, EVALUATED, RAISED, DROPPED]),
        st.one_of(st.floats(0, 7_000, allow_subnormal=False), st.sampled_from(LATENCY.bounds), st.just(1e-6)),
        st.sampled_from(["ValueError", "KeyError"]),
    ),
    max_size=40,
)


def add(ledger, rows):
    columns = list(zip(*rows, strict=True)) or [[]] * 6
    truth = Truth(
        np.array(columns[0], dtype=np.int64), np.array(columns[1], dtype=np.int32), np.array(columns[2], dtype=np.int8)
    )
    ledger.add(
        truth,
        np.array(columns[3], dtype=np.int8),
        [row[4] for row in rows if row[3] == EVALUATED],
        [row[5] for row in rows if row[3] == RAISED],
    )
    return ledger


def kept(rows):
    return add(Ledger(QUICKSTART_VIEWS, METHODS), rows)


def state(ledger):
    return (
        ledger.offered,
        ledger.processed,
        ledger.failed,
        ledger.dropped,
        ledger.refused,
        ledger.raised,
        ledger.expected(),
    )


@given(lines)
def test_every_line_is_accounted_for_once(rows):
    """The parts add up to what was offered, each counted independently from the lines themselves."""
    ledger = kept(rows)
    by = Counter((row[3], row[2] != 0) for row in rows)
    assert ledger.offered == len(rows) == ledger.processed + ledger.failed + ledger.dropped
    assert ledger.processed == by[EVALUATED, False]
    assert sum(ledger.refused.values()) == by[EVALUATED, True]
    assert ledger.raised == Counter(row[5] for row in rows if row[3] == RAISED)
    assert ledger.dropped == by[DROPPED, False] + by[DROPPED, True]


def naive(view, rows):
    """Return the view's truth, line by line, in exact arithmetic."""
    truth = {}
    for length, method, error, outcome, latency, _ in rows:
        if outcome != EVALUATED or (view is ERRORS and not error):
            continue
        tags = Tags(METHODS[method]).refused(ERROR_KINDS[error]) if error else Tags(METHODS[method])
        value = Fraction(latency if view is LATENCY else 1 if view is ERRORS else length)
        buckets = [0] * (len(view.bounds) + 1) if view.bounds else []
        entry = truth.setdefault(tags, [0, Fraction(0), buckets, [0] * len(view.bounds)])
        entry[0] += 1
        entry[1] += value
        if view.bounds:
            entry[2][next((i for i, bound in enumerate(view.bounds) if value <= bound), len(view.bounds))] += 1
            for i, bound in enumerate(view.bounds):
                entry[3][i] += value == bound
    return {
        tags: (count, float(total), tuple(buckets), tuple(at)) for tags, (count, total, buckets, at) in truth.items()
    }


@settings(max_examples=60)
@given(lines)
def test_what_a_page_must_show_equals_a_line_by_line_count(rows):
    """Counts, buckets, values at a bound and sums of each series equal those of the obvious slow way, exactly."""
    expected = kept(rows).expected()
    assert set(expected) == {view.name for view in QUICKSTART_VIEWS}
    for view in QUICKSTART_VIEWS:
        assert {tags: dataclasses.astuple(truth) for tags, truth in expected[view.name].items()} == naive(view, rows)


@given(lines, st.lists(st.integers(0, 40), max_size=5))
def test_blocks_may_be_cut_anywhere(rows, cuts):
    """The ledger does not depend on how the lines were divided into blocks, sums to the last bit included."""
    ledger = Ledger(QUICKSTART_VIEWS, METHODS)
    edges = [0, *sorted(cuts), len(rows)]
    for low, high in itertools.pairwise(edges):
        add(ledger, rows[low:high])
    assert state(ledger) == state(kept(rows))


@given(lines, lines, lines)
def test_merging_is_associative_and_loses_nothing(a, b, c):
    """Ledgers of several workers add up to the ledger of all their lines, in any grouping."""
    left, right, tail = kept(a), kept(a), kept(b)
    left.merge(kept(b))
    left.merge(kept(c))
    tail.merge(kept(c))
    right.merge(tail)
    assert state(left) == state(right) == state(kept([*a, *b, *c]))


def test_a_length_on_a_bound_is_in_that_bound_s_bucket():
    """A line of exactly 5 bytes is in le="5" and is told apart as lying on the bound."""
    truth = kept([(5, 0, 0, EVALUATED, 1.0, "")]).expected()[LINE_LENGTHS.name][Tags()]
    assert truth.buckets[0] == truth.at_bound[0] == 1
    assert truth.total == 5


def test_only_refused_lines_count_as_errors():
    """The errors view counts refusals by kind; every evaluated line counts in the lines view."""
    expected = kept([(1, 0, 0, EVALUATED, 1.0, ""), (1, 0, 2, EVALUATED, 1.0, "")]).expected()
    assert list(expected[ERRORS.name]) == [Tags().refused("nul")]
    assert set(expected[LINES_IN.name]) == {Tags(), Tags().refused("nul")}


def test_a_view_with_fewer_tags_adds_its_series_up():
    """Lines that differ only in a tag the view does not keep are one series."""
    view = dataclasses.replace(LINE_LENGTHS, tag_keys=("status",))
    ledger = add(Ledger((view,), METHODS), [(5, 0, 0, EVALUATED, 1.0, ""), (7, 1, 0, EVALUATED, 1.0, "")])
    [(tags, truth)] = ledger.expected()[view.name].items()
    assert tags == Tags("", "OK", "")
    assert (truth.count, truth.total, sum(truth.buckets), truth.at_bound[0]) == (2, 12, 2, 1)


def test_lines_beyond_the_outcomes_were_never_offered():
    """After an interruption the ledger takes the lines that were dealt with and no more."""
    ledger = Ledger(QUICKSTART_VIEWS, METHODS)
    truth = Truth(np.full(9, 3, np.int64), np.zeros(9, np.int32), np.zeros(9, np.int8))
    ledger.add(truth, np.array([EVALUATED, DROPPED], np.int8), [0.5])
    assert (ledger.offered, ledger.processed, ledger.dropped) == (2, 1, 1)


@pytest.mark.parametrize(
    ("outcomes", "latencies", "raised", "why"),
    [
        ([EVALUATED], [], [], "a latency is missing"),
        ([EVALUATED], [1.0, 2.0], [], "a latency too many"),
        ([RAISED], [], [], "an exception without a name"),
        ([7], [], [], "no such outcome"),
        ([DROPPED] * 4, [], [], "more outcomes than lines"),
        ([EVALUATED], [float("nan")], [], "not a number"),
    ],
)
def test_what_does_not_fit_is_refused_whole(outcomes, latencies, raised, why):
    """Columns that contradict each other raise, and leave the ledger as it was."""
    ledger = Ledger(QUICKSTART_VIEWS, METHODS)
    truth = Truth(np.full(3, 3, np.int64), np.zeros(3, np.int32), np.zeros(3, np.int8))
    with pytest.raises(ValueError, match=r"\w"):
        ledger.add(truth, np.array(outcomes, np.int8), latencies, raised)
    assert state(ledger) == state(Ledger(QUICKSTART_VIEWS, METHODS))


def test_ledgers_of_different_runs_do_not_merge():
    """Only ledgers of the same views and methods add up."""
    with pytest.raises(ValueError, match="same views and methods"):
        Ledger(QUICKSTART_VIEWS, METHODS).merge(Ledger(QUICKSTART_VIEWS, ("repl",)))


def test_a_view_it_cannot_know_is_refused():
    """A measure that the ledger has no truth for is an error when it is built, not a wrong count later."""
    with pytest.raises(ValueError, match="demo_errors"):
        Ledger((dataclasses.replace(ERRORS, aggregation=LATENCY.aggregation),), METHODS)

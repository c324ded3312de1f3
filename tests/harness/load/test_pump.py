import itertools
import os
import subprocess
import sys

import pytest

from harness.load.driver import BURST, CLOSED, drop
from harness.load.pump import drive_workload
from harness.load.stop import Stop
from harness.load.truth.ledger import Ledger
from harness.load.validity import Resource, evidence_of
from harness.views import LINES_IN, QUICKSTART_VIEWS, Tags
from tests.fakes import FakeClock, FakeRunQueue

MS = 1_000_000
SECOND = 1_000 * MS


class Subject:
    """Takes a fixed time per line and records it, as the REPL does."""

    def __init__(self, clock, cost_ns=0, broken=()):
        self.clock, self.cost_ns, self.broken = clock, cost_ns, set(broken)
        self.latencies_ms = []
        self.begun = []

    def evaluate(self, line, tags):
        self.begun.append(self.clock.now_ns())
        self.clock.advance(self.cost_ns)
        if len(self.begun) - 1 in self.broken:
            raise OSError(line)
        self.latencies_ms.append(self.cost_ns / 1e6)


def go(blocks, clock, subject, policy=BURST, **options):
    ledger = Ledger(QUICKSTART_VIEWS, ("repl",))
    options = {"queue": FakeRunQueue(), **options}
    return drive_workload(
        iter(blocks), subject.evaluate, ledger, clock, policy, latencies_ms=subject.latencies_ms, **options
    )


def cut(make_block, due_ns, size):
    return [make_block(due_ns[at : at + size], first=at) for at in range(0, len(due_ns), size)]


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
@pytest.mark.parametrize("policy", [BURST, drop(2 * MS)], ids=["burst", "drop"])
def test_the_result_does_not_depend_on_the_blocks(make_block, size, policy):
    """How the schedule is cut into blocks changes no figure of the result."""
    due = [i * i * MS // 10 for i in range(100)]
    results = []
    for blocks in (cut(make_block, due, size), cut(make_block, due, 13)):
        clock = FakeClock()
        subject = Subject(clock, 3 * MS, broken=[5])
        driven = go(blocks, clock, subject, policy)
        timings = driven.timings
        results.append(
            (
                subject.begun,
                timings.lag.summary(),
                timings.service.summary(),
                timings.response.summary(),
                driven.ledger.expected(),
                driven.ledger.offered,
                driven.ledger.dropped,
                driven.target_rate,
                driven.achieved_rate,
            )
        )
    assert results[0] == results[1]


def test_every_line_starts_when_it_is_due(make_block):
    """On schedule, achieved and target rate are the same and lag is zero."""
    clock = FakeClock()
    driven = go(cut(make_block, [i * 10 * MS for i in range(500)], 64), clock, Subject(clock, MS))
    assert driven.target_rate == driven.achieved_rate == 100
    assert driven.timings.lag.max == 0
    assert driven.timings.service.count == driven.ledger.processed == 500
    assert not driven.interrupted


def test_a_subject_that_is_too_slow_misses_the_target(make_block):
    """Twice the time per line that the schedule has: half the rate, and lag that grows to the end."""
    clock = FakeClock()
    driven = go(cut(make_block, [i * MS for i in range(1001)], 64), clock, Subject(clock, 2 * MS))
    assert driven.target_rate == pytest.approx(1000)
    assert driven.achieved_rate == pytest.approx(500)
    assert driven.timings.lag.max == 1000 * MS
    assert driven.timings.service.max == 2 * MS


def test_a_late_start_does_not_look_like_speed(make_block):
    """A stall before the first line shortens the time between first and last start, but not the achieved rate."""
    clock = FakeClock()

    class Stalling(Subject):
        def evaluate(self, line, tags):
            self.cost_ns = 50 * MS if not self.begun else 0
            super().evaluate(line, tags)

    driven = go([make_block([0, 10 * MS, 20 * MS, 100 * MS])], clock, Stalling(clock))
    assert driven.achieved_rate == driven.target_rate == 30

    late = FakeClock()
    waits = late.wait_until
    late.wait_until = lambda ns: waits(ns + 40 * MS if not late.waits else ns)
    driven = go([make_block([0, 10 * MS, 20 * MS, 100 * MS])], late, Subject(late))
    assert driven.timings.lag.max == 40 * MS
    assert driven.achieved_rate == driven.target_rate == 30


def test_dropped_lines_lower_the_achieved_rate(make_block):
    """Under `drop` the schedule is kept by giving lines up, and the achieved rate counts only what was sent."""
    clock = FakeClock()
    driven = go(cut(make_block, [i * MS for i in range(1001)], 64), clock, Subject(clock, 2 * MS), drop(5 * MS))
    ledger = driven.ledger
    assert ledger.offered == 1001 == ledger.processed + ledger.dropped
    assert driven.achieved_rate == pytest.approx(1000 * ledger.processed / 1001, rel=0.01)
    assert driven.timings.lag.max <= 5 * MS


def test_a_closed_loop_has_a_rate_and_no_target(make_block):
    """Without due times the rate is lines over time, and there is no target to miss."""
    clock = FakeClock()
    driven = go(cut(make_block, [0] * 300, 64), clock, Subject(clock, MS), CLOSED)
    assert driven.target_rate is None
    assert driven.achieved_rate == pytest.approx(1000)
    assert driven.timings.lag.max == 0
    assert driven.timings.response.sum == driven.timings.service.sum == 300 * MS


@pytest.mark.parametrize("policy", [BURST, drop(), CLOSED], ids=["burst", "drop", "closed"])
@pytest.mark.parametrize("at", [0, 1, 6, 7, 8, 20])
def test_a_stop_at_any_line_leaves_the_books_balanced(make_block, policy, at):
    """Wherever a stop strikes, offered is what was dealt with and the ledger matches what the subject recorded."""
    clock = FakeClock()
    stop = Stop()
    subject = Subject(clock, MS)

    def evaluate(line, tags):
        if len(subject.begun) == at:
            stop.request()
        subject.evaluate(line, tags)

    ledger = Ledger(QUICKSTART_VIEWS, ("repl",))
    blocks = iter(cut(make_block, [0 if policy is CLOSED else i * MS for i in range(30)], 7))
    driven = drive_workload(blocks, evaluate, ledger, clock, policy, latencies_ms=subject.latencies_ms, stop=stop)
    assert driven.interrupted
    assert ledger.offered == ledger.processed == len(subject.begun) == at + 1
    assert ledger.expected()[LINES_IN.name][Tags()].count == at + 1
    assert driven.timings.service.count == at + 1


def test_nothing_to_send_is_no_error(make_block):
    """A workload without lines gives a result without figures."""
    clock = FakeClock()
    driven = go([], clock, Subject(clock))
    assert driven.ledger.offered == driven.timings.lag.count == driven.elapsed_ns == 0
    assert driven.target_rate is driven.achieved_rate is None


def test_progress_is_shown_through_long_gaps_and_slow_lines(make_block):
    """Lines minutes apart or a subject that takes 30 ms a line: a snapshot comes every 0.2 to 1 s, never more often."""
    for due, cost in (([0, 60 * SECOND, 120 * SECOND], MS), ([0] * 600, 30 * MS)):
        clock = FakeClock()
        seen = []
        go([make_block(due)], clock, Subject(clock, cost), progress=seen.append)
        apart = [b.elapsed_ns - a.elapsed_ns for a, b in itertools.pairwise(seen)]
        assert len(seen) > 10
        assert min(apart) >= 200 * MS
        assert max(apart) <= 1_200 * MS
        assert all(one.offered == one.processed + one.failed + one.dropped for one in seen)


@pytest.mark.parametrize(("costs_us", "most_ms"), [(200, 450), (3_000, 1_150)])
def test_progress_waits_for_a_gap_twice_as_long_as_it_takes(make_block, costs_us, most_ms):
    """With lines 1 ms apart there is one for what takes 0.2 ms; what takes 3 ms comes once a second, without one."""
    clock = FakeClock()
    seen = []

    def show(snapshot):
        seen.append(snapshot.elapsed_ns)
        clock.advance(costs_us * 1000)

    go(cut(make_block, [i * MS for i in range(6000)], 50), clock, Subject(clock, MS // 10), progress=show)
    apart = [after - before for before, after in itertools.pairwise(seen[1:])]
    assert len(apart) > 2
    assert max(apart) <= most_ms * MS
    assert min(apart) >= (200 if most_ms < 1_000 else 1_000) * MS


def test_progress_tells_the_rate_of_late(make_block):
    """A steady load shows its rate, against the schedule's over the same lines."""
    clock = FakeClock()
    seen = []
    go(cut(make_block, [i * 10 * MS for i in range(1000)], 50), clock, Subject(clock, MS), progress=seen.append)
    assert seen[5].rate == pytest.approx(100, rel=0.1)
    assert seen[5].target_rate == pytest.approx(100, rel=0.1)
    assert seen[5].service_p50_ns == MS


def test_progress_tells_failures_by_kind_the_last_second_and_the_pages(make_block):
    """Each snapshot has the failures until then, figures of its last second, and the pages since the one before."""
    clock = FakeClock()
    seen = []
    start = clock.now_ns() + 2 * MS
    made = [(start + at * SECOND, start + at * SECOND + 5 * MS) for at in range(10)]
    due = [i * 10 * MS for i in range(1000)]
    blocks = [make_block(due[at : at + 50], first=at, error=[1] + [0] * 49) for at in range(0, 1000, 50)]
    go(
        blocks,
        clock,
        Subject(clock, MS, broken=[7]),
        progress=seen.append,
        pages=lambda since_ns: [each for each in made if since_ns < each[1] <= clock.now_ns()],
    )
    last = seen[-1]
    assert sum(last.errors.values()) == last.failed
    assert last.errors["OSError"] == 1
    assert len(last.errors) == 2
    assert seen[0].recent is None
    assert last.recent["service_p99_ns"] == pytest.approx(MS, rel=0.001)
    assert last.elapsed_ns - SECOND - 300 * MS < last.recent["until_ns"] <= last.elapsed_ns
    pages = [each for one in seen for each in one.pages]
    assert pages == [(at * SECOND, at * SECOND + 5 * MS) for at in range(len(pages))]
    assert len(pages) >= 9


def test_blocks_are_made_in_the_gaps(make_block):
    """Making a block takes 3 ms and each is followed by a gap of 5 ms: no line is late, the store is never empty."""
    clock = FakeClock()

    def blocks():
        for at in range(100):
            clock.advance(3 * MS)
            yield make_block([at * 5 * MS])

    driven = go(blocks(), clock, Subject(clock))
    assert driven.starved == 0
    assert driven.timings.lag.max == 0
    assert driven.outside_ns >= 80 * 3 * MS
    assert driven.longest_outside_ns == 3 * MS


def test_a_generator_that_is_too_slow_is_seen(make_block):
    """Making takes longer than the schedule has: lines are late, and the time is put down to the generator."""
    clock = FakeClock()

    def blocks():
        for at in range(100):
            clock.advance(10 * MS)
            yield make_block([at * 5 * MS])

    driven = go(blocks(), clock, Subject(clock))
    evidence = evidence_of(driven, 0.0)
    assert driven.starved > 50
    assert evidence.shares[Resource.GENERATOR] > 0.99
    assert evidence.demand[Resource.GENERATOR] > 1.5
    assert evidence.demand[Resource.SUBJECT] == 0


_RUN = """
import sys
import numpy as np
from harness.load.clock import MonotonicClock
from harness.load.driver import CLOSED
from harness.load.truth.ledger import Ledger
from harness.load.pump import BLOCK_LINES, drive_workload
from harness.views import QUICKSTART_VIEWS, Tags
from workloads.workload import Block, Truth
import resource

lines, latencies = int(sys.argv[1]), []
def blocks():
    tags = [Tags()] * BLOCK_LINES
    for first in range(0, lines, BLOCK_LINES):
        n = min(BLOCK_LINES, lines - first)
        truth = Truth(np.full(n, 40), np.zeros(n, np.int32), np.zeros(n, np.int8))
        yield Block(first, [f"{i:040}" for i in range(first, first + n)], np.zeros(n, np.int64), tags[:n], truth)
def evaluate(line, tags):
    latencies.append(0.001)
ledger = Ledger(QUICKSTART_VIEWS, ("repl",))
drive_workload(blocks(), evaluate, ledger, MonotonicClock(), CLOSED, latencies_ms=latencies)
assert ledger.offered == ledger.processed == lines
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_run():
    """Ten million lines take no more than 20 MB over one million."""
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", _RUN, str(lines)],
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            ).stdout
        )
        for lines in (10**6, 10**7)
    ]
    assert (peaks[1] - peaks[0]) / 1024 < 20, peaks

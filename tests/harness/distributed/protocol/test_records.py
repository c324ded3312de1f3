"""What workers did arrives whole, and merges into what one worker would have had."""

import socket
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.distributed.protocol.records import record_from, state_of
from harness.distributed.protocol.wire import receive, send
from harness.load.drive_result import merge_results
from harness.load.driver import BURST
from harness.load.latency.histogram import Histogram
from harness.load.pump import drive_workload
from harness.load.truth.ledger import Ledger
from harness.load.truth.log import TruthLog
from harness.load.truth.sums import ExactSums
from harness.push.sink import PushOutcome
from harness.run.shard import ShardRecord
from harness.views import QUICKSTART_VIEWS, Tags
from tests.fakes import FakeClock, FakeRunQueue
from workloads.workload import Workload, WorkloadSpec

START_NS = 5_000_000_000


class Pages:
    """A page begun and made at each of some moments."""

    def __init__(self, moments: list[int]) -> None:
        self._moments = moments

    def take(self) -> tuple[list[int], list[int]]:
        moments, self._moments = self._moments, []
        return moments, [moment + 1_000 for moment in moments]


def whole(lines: int = 700, rate: float = 1000) -> Workload:
    arrivals = f"constant:rate={rate}"
    return Workload(WorkloadSpec(arrivals=arrivals, lengths="edges", errors="10%", series="3", count=lines))


def drive(workload: Workload) -> ShardRecord:
    """Send a workload on a fake clock; a line takes as long as its text says, whoever sends it."""
    clock, latencies_ms = FakeClock(), list[float]()
    ledger = Ledger(QUICKSTART_VIEWS, workload.methods)
    log = TruthLog(ledger, Pages([START_NS + 100_000_000, START_NS + 300_000_000]))

    def evaluate(line: str, tags: Tags) -> None:
        took_ns = 10_000 + 997 * len(line) % 50_000
        clock.advance(took_ns)
        latencies_ms.append(took_ns / 1e6)

    driven = drive_workload(
        workload.blocks(64), evaluate, ledger, clock, BURST, latencies_ms=latencies_ms, queue=FakeRunQueue(), log=log,
        start_ns=START_NS,
    )  # fmt: skip
    return ShardRecord(driven, log, 250.0, workload.digest, workload.made)


def through_the_wire(record: ShardRecord, methods: tuple[str, ...]) -> ShardRecord:
    one, other = socket.socketpair()
    with one, other:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        send(one, {"record": state_of(record)})
        message = receive(other)
    assert message is not None
    return record_from(message["record"], QUICKSTART_VIEWS, methods)


def same(left: object, right: object) -> bool:
    """Compare states, which hold arrays."""
    if isinstance(left, np.ndarray):
        return np.array_equal(left, right)
    if isinstance(left, dict):
        return isinstance(right, dict) and left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))  # type: ignore[arg-type]
    return left == right


def test_a_record_arrives_whole():
    """Every figure, and the truth at each page."""
    load = whole()
    record = drive(load)
    arrived = through_the_wire(record, load.methods)
    assert same(state_of(arrived), state_of(record))
    assert arrived.driven.ledger.expected() == record.driven.ledger.expected()
    for begin in (START_NS + 100_000_000, START_NS + 300_000_000, START_NS + 10**10):
        told = [each.truth.between(begin, begin + 1_000) for each in (record, arrived)]
        assert told[0] is not None
        assert told[0] == told[1]


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_shards_merge_into_what_one_worker_has(n):
    """Bit for bit: every histogram, count, bucket and exact sum, the rates and the moments."""
    load = whole()
    alone = drive(load)
    shards = [through_the_wire(drive(load.shard(k, n)), load.methods) for k in range(n)]
    merged = merge_results([each.driven for each in shards], closed=False)
    assert same(merged.ledger.state(), alone.driven.ledger.state())
    assert merged.ledger.expected() == alone.driven.ledger.expected()
    for name in ("lag", "service", "response", "lateness"):
        one, other = (getattr(result.timings, name) for result in (merged, alone.driven))
        assert same(one.state(), other.state()), name
    for name in ("start_ns", "elapsed_ns", "target_rate", "achieved_rate", "span_ns", "moments", "interrupted"):
        assert getattr(merged, name) == getattr(alone.driven, name), name


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("rate", [1000, 20, 0.25])
def test_the_timelines_of_workers_merge_into_that_of_one(n, rate):
    """In every point, also where points had to be joined; together they hold what the ledger holds."""
    load = whole(rate=rate)
    alone = drive(load).driven
    merged = merge_results(
        [through_the_wire(drive(load.shard(k, n)), load.methods).driven for k in range(n)], closed=False
    )
    assert same(merged.timeline.state(), alone.timeline.state())
    points = merged.timeline.points(merged.moments.last_end_ns)
    ledger = merged.ledger
    assert (sum(point.due for point in points), sum(point.failed for point in points)) == (
        ledger.offered,
        ledger.failed,
    )
    assert ledger.failed


def test_nothing_is_not_merged():
    """It has no start."""
    with pytest.raises(ValueError, match="nothing to merge"):
        merge_results([], closed=False)


@given(st.lists(st.integers(0, 10**13), max_size=50))
@settings(max_examples=50)
def test_a_histogram_survives_its_state(values):
    """Exact sum, smallest and largest included, which the encoded form does not carry."""
    histogram = Histogram()
    histogram.record(np.array(values, dtype=np.int64))
    restored = Histogram.from_state(histogram.state())
    assert (restored.summary(), restored.sum) == (histogram.summary(), histogram.sum)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-1e300, 1e300)), max_size=20))
@settings(max_examples=50)
def test_exact_sums_survive_their_state(values):
    """What is too large or too fine for the limbs as well."""
    sums = ExactSums(4)
    sums.add(np.array([key for key, _ in values], dtype=np.int64), np.array([value for _, value in values]))
    restored = ExactSums.from_state(sums.state())
    assert [restored.total(key) for key in range(4)] == [sums.total(key) for key in range(4)]


@pytest.mark.parametrize("spoil", ["places", "limbs"])
def test_what_is_no_state_is_refused(spoil):
    """A worker of another version is turned away before; this is for what nobody has thought of."""
    if spoil == "places":
        state = {"sum": 0, "min": 0, "max": 0, "packed": np.array([1, 2], np.uint8), "width": 1}
        with pytest.raises(ValueError, match="no histogram"):
            Histogram.from_state(state)
    else:
        with pytest.raises(ValueError, match="no exact sums"):
            ExactSums.from_state({"limbs": np.zeros(3, dtype=np.int64), "others": {}})


def test_what_became_of_pushed_values_arrives_with_the_record():
    """Packets, losses and moments; nothing for an instrument that is scraped."""
    load = whole()
    record = drive(load)
    assert through_the_wire(record, load.methods).pushed is None
    pushed = PushOutcome("udp", 700, 1, 2, 3, ((START_NS, START_NS + 5), (START_NS + 9, START_NS + 11)))
    assert through_the_wire(replace(record, pushed=pushed), load.methods).pushed == pushed

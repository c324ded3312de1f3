"""What is shown while several workers drive is of all of them together."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.distributed.display import Increments, WholeDisplay, joined, progress_every_ns
from harness.load.latency.histogram import Histogram
from harness.load.pump import Snapshot
from harness.load.recorder import Timings
from harness.report.live import live_table, plain_line
from tests.harness.live import feeding

VALUES = st.lists(st.integers(0, 10**11), max_size=20)


def snapshot(lag_p99_ns: int | None = None, **more: Any) -> Snapshot:
    plain = {
        "elapsed_ns": 10**9, "offered": 10, "processed": 9, "failed": 1, "dropped": 0, "rate": 10.0,
        "target_rate": 11.0,
        "lag_p50_ns": 1, "lag_p99_ns": lag_p99_ns, "service_p50_ns": 1, "service_p99_ns": 1, "response_p50_ns": 1,
        "response_p99_ns": 1,
    }  # fmt: skip
    return Snapshot(**{**plain, **more})


class Shown:
    """Keeps what a display shows, all of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("harness.distributed.display._PROGRESS_S", 0.0)
        self.last: Snapshot | None = None
        self.scrapes = (0, 0)
        self.display = WholeDisplay(self.take)

    def take(self, progress: Snapshot, scrapes: int, failed: int) -> None:
        self.last, self.scrapes = progress, (scrapes, failed)


def record(timings: Timings, values: list[int]) -> None:
    for name in ("lag", "service", "response"):
        getattr(timings, name).record(np.array(values, dtype=np.int64))


@given(st.lists(st.tuples(st.integers(0, 2), VALUES, st.booleans()), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_percentiles_are_those_of_all_lines_of_all_workers(reports):
    """Whoever recorded them and whenever; a message that was not sent is made up for by the next one."""
    with pytest.MonkeyPatch.context() as patch:
        shown, together = Shown(patch), Histogram()
        workers = [Timings() for _ in range(3)]
        increments = [Increments(timings) for timings in workers]
        waiting: list[list[int]] = [[], [], []]
        for number, values, sent in reports:
            record(workers[number], values)
            waiting[number] += values
            message = increments[number].message(snapshot(1))
            if sent:
                increments[number].told(message)
                shown.display.take(number, {**message, "scrapes": 1, "failed_scrapes": 0})
                shown.display.show()
                together.record(np.array(waiting[number], dtype=np.int64))
                waiting[number] = []
                at = together.percentiles((50, 99))
                assert shown.last is not None
                assert (shown.last.lag_p50_ns, shown.last.lag_p99_ns) == (at[50], at[99])
                assert (shown.last.response_p50_ns, shown.last.response_p99_ns) == (at[50], at[99])


def test_counts_are_added_up_and_the_worst_worker_is_named(monkeypatch):
    """With its own lag, beside the percentiles of all."""
    shown = Shown(monkeypatch)
    for number, lag_ns in ((0, 5_000), (2, 70_000_000), (1, None)):
        timings = Timings()
        record(timings, [lag_ns or 0] * 1_000)
        message = Increments(timings).message(snapshot(lag_ns, offered=1_000))
        shown.display.take(number, {**message, "scrapes": 2, "failed_scrapes": 1})
        shown.display.show()
    assert shown.last is not None
    assert (shown.last.offered, shown.last.rate, shown.last.target_rate) == (3_000, 30.0, 33.0)
    assert (shown.last.worst_worker, shown.last.worst_lag_p99_ns) == (2, 70_000_000)
    assert shown.last.lag_p50_ns == 5_000 + 3  # the upper end of the bucket
    assert shown.scrapes == (6, 3)
    assert "(worker 2 70 ms)" in plain_line(shown.last, 6, 3)
    table = live_table(shown.last, 6, 3, None)
    assert [str(cell) for cell in table.columns[1].cells][-1] == "2, lag p99 70 ms"


def test_the_worst_worker_of_few_lines_is_named_without_a_percentile(monkeypatch):
    """A p99 of ten lines is none."""
    shown = Shown(monkeypatch)
    for number in range(2):
        timings = Timings()
        record(timings, [5_000 + number] * 10)
        message = Increments(timings).message(snapshot(5_000 + number))
        shown.display.take(number, {**message, "scrapes": 0, "failed_scrapes": 0})
        shown.display.show()
    assert shown.last is not None
    assert (shown.last.worst_worker, shown.last.worst_lag_p99_ns) == (1, None)
    assert "lag p99 – (worker 1)  response" in plain_line(shown.last, 0, 0)


def test_one_worker_is_no_worst_one(monkeypatch):
    """There is nobody else."""
    shown = Shown(monkeypatch)
    shown.display.take(0, {**Increments(Timings()).message(snapshot()), "scrapes": 0, "failed_scrapes": 0})
    shown.display.show()
    assert shown.last is not None
    assert (shown.last.worst_worker, shown.last.lag_p99_ns) == (None, None)


@pytest.mark.parametrize("spoil", ["recorded", "snapshot", "scrapes"])
def test_a_message_that_cannot_be_read_costs_no_run(monkeypatch, spoil):
    """It is left out."""
    shown = Shown(monkeypatch)
    message = {**Increments(Timings()).message(snapshot()), "scrapes": 0, "failed_scrapes": 0}
    shown.display.take(0, {**message, spoil: {"none": "of ours"}})
    shown.display.show()
    assert shown.last is None


def test_many_workers_report_less_often():
    """So that the coordinator is idle most of the time; few are heard five times a second."""
    assert progress_every_ns(2) == progress_every_ns(100) == 200_000_000
    assert progress_every_ns(1_000) == 2_000_000_000


def test_what_a_live_page_shows_is_that_of_all_workers():
    """Failures by kind, pages, and incidents are those of all; each worker's own snapshot stays beside them."""
    calm = feeding.snapshot(3, errors={"nul": 2}, pages=[(1, 2)], incidents=("slow",))
    busy = feeding.snapshot(2, lag_p99_ns=9_000_000, errors={"nul": 1, "OSError": 4}, pages=[(3, 4)])
    whole = joined({0: calm, 1: busy}, {})
    assert whole.errors == {"nul": 3, "OSError": 4}
    assert whole.pages == [(1, 2), (3, 4)]
    assert whole.incidents == ("slow",)
    assert (whole.worst_worker, whole.recent) == (1, busy.recent)
    assert whole.workers == {0: calm, 1: busy}
    assert joined({0: calm}, {}).workers == {}

"""A run over time holds every line once, in the second it belongs to, and never more than 600 points."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.load.latency.histogram import Histogram, rank
from harness.load.latency.tail import supported
from harness.load.latency.timeline import DURATIONS, FIRST_WIDTH_NS, MOST_POINTS, Timeline
from harness.load.recorder import DROPPED, EVALUATED, RAISED, Recorder
from tests.harness.load.schedules import MS, SECOND, Run, every

ORIGIN_NS = 7 * SECOND + 123


@dataclass
class Line:
    """A line of a run, in ns since its start."""

    due: int
    start: int
    end: int
    fate: str = "good"

    def duration(self, name: str) -> int:
        return {"service": self.end - self.start, "lag": self.start - self.due, "response": self.end - self.due}[name]


def lines_of(steps: Sequence[tuple[int, int, int, str]]) -> list[Line]:
    """Return the lines of a run from gap, delay, service time and fate of each."""
    lines, due, free = [], 0, 0
    for gap, delay, service, fate in steps:
        due += gap
        start = max(due, free) + delay
        free = start if fate == "dropped" else start + service
        lines.append(Line(due, start, free, fate))
    return lines


def recorded(lines: Sequence[Line], size: int = 7, *, closed: bool = False) -> Timeline:
    """Return the timeline of some lines that a recorder was given in blocks."""
    recorder = Recorder()
    recorder.start_ns = ORIGIN_NS
    for first in range(0, len(lines), size):
        block = lines[first : first + size]
        recorder.starts = [line.start + ORIGIN_NS for line in block]
        recorder.ends = [line.end + ORIGIN_NS for line in block]
        names = {"dropped": None, "raised": "KeyError"}
        recorder.exceptions = {i: names[line.fate] for i, line in enumerate(block) if line.fate in names}
        due = np.array([line.due for line in block], dtype=np.int64) + ORIGIN_NS
        errors = np.array([line.fate == "refused" for line in block], dtype=np.int8)
        outcomes = recorder.outcomes()
        assert set(outcomes.tolist()) <= {DROPPED, EVALUATED, RAISED}
        recorder.fold(None if closed else due, outcomes, None, errors)
    return recorder.timeline


def computed(lines: Sequence[Line], width_ns: int) -> dict[int, dict[str, object]]:
    """Return what each point must hold, from the lines themselves."""
    points: dict[int, dict[str, object]] = {}
    began = Counter(line.start // width_ns for line in lines if line.fate != "dropped")
    by_point = defaultdict(list)
    for line in lines:
        by_point[line.due // width_ns].append(line)
    for point in range(max(max(line.due, line.start) for line in lines) // width_ns + 1):
        due = by_point[point]
        sent = [line for line in due if line.fate != "dropped"]
        points[point] = {
            "due": len(due),
            "sent": began[point],
            "failed": sum(line.fate in {"refused", "raised"} for line in due),
            "dropped": len(due) - len(sent),
            **{name: cells([line.duration(name) for line in sent]) for name in DURATIONS},
            "longest": [max((line.duration(name) for line in sent), default=0) for name in DURATIONS],
        }
    return points


def cells(values: Sequence[int]) -> dict[int, int]:
    """Return how many values fall into each 16 neighbouring positions of a histogram."""
    histogram = Histogram()
    histogram.record(np.array(values, dtype=np.int64))
    counts = histogram.counts.reshape(-1, 16).sum(axis=1)
    return {int(cell): int(counts[cell]) for cell in np.flatnonzero(counts)}


def held(timeline: Timeline) -> dict[int, dict[str, object]]:
    """Return what each point of a timeline holds."""
    state = timeline.state()
    edges, per_kind = np.concatenate([[0], np.cumsum(state["sizes"])]), cells_each()
    places = {int(point): slice(edges[i], edges[i + 1]) for i, point in enumerate(state["points"])}
    points: dict[int, dict[str, object]] = {}
    for point in range(timeline.length):
        among = places.get(point, slice(0, 0))
        counts = dict(zip(state["cells"][among].tolist(), state["values"][among].tolist(), strict=True))
        points[point] = {
            **dict(zip(("due", "sent", "failed", "dropped"), state["counts"][:, point].tolist(), strict=True)),
            **{
                name: {cell - kind * per_kind: n for cell, n in counts.items() if cell // per_kind == kind}
                for kind, name in enumerate(DURATIONS)
            },
            "longest": state["longest"][:, point].tolist(),
        }
    return points


def cells_each() -> int:
    return Histogram().counts.size // 16


def same(left: Timeline, right: Timeline) -> bool:
    return (left.width_ns, left.length, held(left)) == (right.width_ns, right.length, held(right))


gaps = st.one_of(st.integers(0, 300 * MS), st.integers(0, 300 * SECOND))
fates = st.sampled_from(["good", "good", "good", "refused", "raised", "dropped"])
steps = st.tuples(gaps, st.integers(0, 3 * SECOND), st.integers(0, 3 * SECOND), fates)
runs = st.lists(steps, min_size=1, max_size=40).map(lines_of)


@settings(max_examples=60, deadline=None)
@given(runs, st.integers(1, 50))
def test_every_point_holds_the_lines_of_its_time(lines, size):
    """However lines come in blocks and however often points are joined, each point equals a direct computation."""
    timeline = recorded(lines, size)
    assert held(timeline) == computed(lines, timeline.width_ns)


@settings(max_examples=60, deadline=None)
@given(runs)
def test_no_line_is_lost_and_points_stay_few(lines):
    """The points add up to the whole, and their width is the first of 1, 2, 4 … s that needs at most 600 of them."""
    timeline = recorded(lines)
    points = timeline.points(lines[-1].end)
    last = max(max(line.due, line.start) for line in lines)
    assert sum(point.due for point in points) == len(lines)
    assert sum(point.sent for point in points) == sum(line.fate != "dropped" for line in lines)
    assert sum(point.failed for point in points) == sum(line.fate in {"refused", "raised"} for line in lines)
    assert sum(point.dropped for point in points) == sum(line.fate == "dropped" for line in lines)
    assert len(points) <= MOST_POINTS
    assert timeline.width_ns == FIRST_WIDTH_NS or last >= MOST_POINTS * timeline.width_ns / 2
    assert last < MOST_POINTS * timeline.width_ns


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(steps, st.integers(0, 2)), min_size=1, max_size=40))
def test_parts_merge_into_the_whole(tagged):
    """Whichever lines each part had, and however wide its points had become, together they are the one timeline."""
    lines = lines_of([step for step, _ in tagged])
    merged = Timeline()
    for part in range(3):
        own = [line for line, (_, owner) in zip(lines, tagged, strict=True) if owner == part]
        timeline = recorded(own)
        before = timeline.state()
        merged.merge(timeline)
        assert same(timeline, Timeline.from_state(before))
    assert same(merged, recorded(lines))


@pytest.mark.parametrize("seconds", [598, 599, 600, 1199, 1200, 3000])
def test_long_runs_are_joined_exactly(seconds):
    """A line in every second, second by second: what was joined ahead equals what is computed at once."""
    lines = lines_of([(SECOND, 0, (i * 977) % MS, "refused" if i % 7 == 0 else "good") for i in range(seconds)])
    timeline = recorded(lines, 1)
    assert held(timeline) == computed(lines, timeline.width_ns)


def test_its_size_does_not_grow_with_the_run():
    """Ten days of a thousand different durations a second take no more points and cells than ten minutes may."""
    recorder = Recorder()
    for second in range(0, 864_000, 1_000):
        starts = second * SECOND + np.arange(0, SECOND, MS)
        recorder.starts, recorder.ends = starts.tolist(), (starts + np.arange(1_000) * 997).tolist()
        recorder.fold(starts, recorder.outcomes())
    state = recorder.timeline.state()
    assert state["length"] <= MOST_POINTS
    assert state["cells"].size <= MOST_POINTS * len(DURATIONS) * cells_each()
    assert state["counts"][0].sum() == 864_000


def counted(timeline: Timeline, lines: Sequence[Line]) -> None:
    due, starts = (np.array([getattr(line, name) for line in lines], dtype=np.int64) for name in ("due", "start"))
    rows = np.array([[line.duration(name) for line in lines] for name in DURATIONS], dtype=np.int64)
    timeline.add(due, starts, None, None, rows, Histogram.record_rows([Histogram() for _ in DURATIONS], rows))


def test_lines_may_be_counted_out_of_order():
    """Going back changes no point, although neighbours have been joined ahead."""
    lines = lines_of([(SECOND, 0, i * 31, "good") for i in range(900)])
    timeline = Timeline()
    for line in [*lines, *lines[::-1]]:
        counted(timeline, [line])
    assert held(timeline) == computed([*lines, *lines], timeline.width_ns)


def test_a_stall_is_found_in_the_second_in_which_it_was():
    """Lines that were due while the subject stalled show it there; only the lines sent pile up after it."""
    due = every(10 * MS, 3_000)
    driven = Run(due, service=lambda line: 3 * SECOND if line == 1_230 else MS).driven()
    points = driven.timeline.points(driven.moments.last_end_ns)
    assert [point.due for point in points] == [100] * 30
    slow = [i for i, point in enumerate(points) if (point.durations["service"].max or 0) >= 3 * SECOND]
    assert slow == [12]
    kept = [i for i, point in enumerate(points) if (point.durations["response"].max or 0) >= SECOND]
    assert kept[0] == 12
    assert points[11].durations["response"].max == MS
    assert points[12].durations["response"].max == 3 * SECOND
    assert points[13].durations["lag"].p50 > SECOND
    assert [point.sent for point in points[12:16]] == [31, 0, 0, 369]
    assert points[-1].durations["response"].max == MS


def test_a_closed_loop_has_its_lines_where_they_began():
    """There is no due time, and no lag."""
    lines = lines_of([(0, 0, 400 * MS, "good")] * 10)
    points = recorded(lines, closed=True).points(4 * SECOND)
    assert [point.due for point in points] == [point.sent for point in points] == [3, 2, 3, 2]
    assert {point.durations["lag"].max for point in points} == {0}
    assert {point.durations["response"] for point in points} == {point.durations["service"] for point in points}


@pytest.mark.parametrize(
    ("end_s", "widths"),
    [(3.0, [1, 1, 1]), (2.75, [1, 1, 0.75]), (2.5, [1, 1, 0.5]), (2.25, [1, 1.25]), (9.0, [1, 1, 1])],
)
def test_the_last_point_ends_with_the_run(end_s, widths):
    """What lasted less than half a width is part of the point before, so that no rate is over next to no time."""
    timeline = recorded(lines_of([(100 * MS, 0, MS, "good")] * 22))
    points = timeline.points(round(end_s * SECOND))
    assert [point.width_ns / SECOND for point in points] == widths
    assert sum(point.due for point in points) == sum(point.sent for point in points) == 22
    assert sum(a.width_ns for a in points[:-1]) == points[-1].start_ns


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 4_000), st.integers(0, 10**11)), min_size=1, max_size=2_000))
def test_a_percentile_is_that_of_the_nearest_rank(values):
    """At most 16 ns or 1.6 % above it, and None with fewer than ten lines beyond; the longest is exact."""
    timeline, row = Timeline(), np.array(values, dtype=np.int64)
    moments, histograms = np.zeros_like(row), [Histogram() for _ in DURATIONS]
    rows = np.stack([row] * len(DURATIONS))
    timeline.add(moments, moments, None, None, rows, Histogram.record_rows(histograms, rows))
    [point] = timeline.points(SECOND)
    for spread in point.durations.values():
        assert spread.max == max(values)
        for percent, value in ((50, spread.p50), (99, spread.p99)):
            if not supported(percent, len(values)):
                assert value is None
                continue
            exact = sorted(values)[rank(len(values), percent) - 1]
            assert exact <= value <= max(exact + 16, exact * (1 + 1 / 64))


def test_a_run_without_lines_has_no_points():
    """Neither has what it is merged with."""
    empty = Timeline()
    empty.merge(Timeline())
    assert empty.points(0) == empty.points(SECOND) == []
    assert same(Timeline.from_state(empty.state()), empty)


@pytest.mark.parametrize("spoil", [{"length": 601}, {"length": -1}, {"width_ns": 5}, {"cells": np.array([10**6])}])
def test_what_is_no_state_is_refused(spoil):
    """A point too many, a width that is none, a cell that is none."""
    state = recorded(lines_of([(MS, 0, MS, "good")])).state()
    with pytest.raises(ValueError, match="no timeline"):
        Timeline.from_state({**state, **spoil})

"""What a result says of a run over time: rates, durations and scrapes, in bounded size."""

import random
from dataclasses import replace

import numpy as np
import pytest

from harness.load.drive_result import DriveResult, Moments
from harness.load.latency.histogram import Histogram
from harness.load.latency.timeline import Timeline
from harness.run.timeline import MOST_SCRAPES, TimelineResult, timeline_of
from tests.harness.load.schedules import MS, SECOND, Run, every


def driven(seconds: int = 10, gap_ns: int = 10 * MS) -> DriveResult:
    return Run(every(gap_ns, seconds * SECOND // gap_ns), service=lambda _line: MS).driven()


def test_rates_and_durations_of_each_second() -> None:
    """A steady run has the same rate in each of its seconds; a p99 of a hundred lines is not known."""
    result = timeline_of(driven(), [], closed=False)
    assert result.width_s == 1.0
    assert [point.start_s for point in result.points] == list(range(10))
    assert {(p.width_s, p.lines, p.target, p.achieved, p.failed, p.dropped) for p in result.points} == {
        (1.0, 100, 100.0, 100.0, 0, 0)
    }
    assert {(p.service_ns.p50, p.service_ns.p99, p.service_ns.max) for p in result.points} == {(MS, None, MS)}
    assert result.points[0].lag_ns.max == 0


@pytest.mark.parametrize("gap_ns", [10 * MS, 400 * MS, 700 * MS])
def test_a_slow_steady_schedule_has_no_dip_at_its_end(gap_ns: int) -> None:
    """The last point lasts until the line after the last would have been due, so its rate is that of the schedule."""
    last = timeline_of(driven(7, gap_ns), [], closed=False).points[-1]
    assert last.target == pytest.approx(SECOND / gap_ns, rel=0.35)
    assert last.target == pytest.approx(last.lines / last.width_s, abs=0.001)


def test_a_backlog_after_the_schedule_lowers_no_target() -> None:
    """Lines that are still sent when none is due any more belong to the points in which they were due."""
    run = Run(every(10 * MS, 300), service=lambda line: 2 * SECOND if line == 250 else MS)
    points = timeline_of(run.driven(), [], closed=False).points
    assert [point.target for point in points] == [100.0, 100.0, 100.0, 0.0, 0.0]
    assert [point.lines for point in points] == [100, 100, 100, 0, 0]
    assert [point.achieved for point in points[:4]] == [100.0, 100.0, 51.0, 0.0]
    assert points[4].achieved == pytest.approx(49 / points[4].width_s, abs=0.001)


def test_a_closed_loop_has_no_target() -> None:
    """Nobody asked for a rate."""
    points = timeline_of(driven(), [], closed=True).points
    assert {point.target for point in points} == {None}


def test_the_longest_scrapes_are_kept_in_their_order() -> None:
    """At most 600 of those that were served while lines were sent; the number of the others is told."""
    rng = random.Random(1)  # noqa: S311 - a fixed seed for data made up
    windows = [(i * 10 * MS, i * 10 * MS + 1 + rng.randrange(MS)) for i in range(900)]
    outside = [(-2 * SECOND, -SECOND), (10 * SECOND + MS, 20 * SECOND)]
    result = timeline_of(driven(), [*outside, *windows], closed=False)
    assert len(result.scrapes) == MOST_SCRAPES
    assert result.scrapes_left_out == 900 - MOST_SCRAPES
    starts = [span.start_s for span in result.scrapes]
    assert starts == sorted(starts)
    shortest = sorted(end - start for start, end in windows)[-MOST_SCRAPES]
    assert min(span.duration_s for span in result.scrapes) == pytest.approx(shortest / 1e9)


def test_its_size_is_modest() -> None:
    """Some kilobytes for ten seconds, and for any longer run at most what 600 points take."""
    ten = timeline_of(driven(), [(i * SECOND, i * SECOND + 3 * MS) for i in range(10)], closed=False)
    assert len(ten.model_dump_json()) < 5_000
    seconds = np.arange(7_000) * SECOND
    rows, long = np.full((3, seconds.size), 123 * MS), Timeline()
    long.add(seconds, seconds, None, None, rows, Histogram.record_rows([Histogram() for _ in rows], rows))
    hours = timeline_of(
        replace(driven(), timeline=long, moments=Moments(last_end_ns=7_000 * SECOND)),
        [(i * SECOND, i * SECOND + 3 * MS) for i in range(7_000)],
        closed=False,
    )
    assert (hours.width_s, len(hours.points)) == (16.0, 438)
    assert len(hours.model_dump_json()) < 250_000


def test_a_run_without_lines_has_no_points() -> None:
    """Nor scrapes, since no time passed."""
    result = timeline_of(Run([]).driven(), [(0, 5)], closed=False)
    assert (result.points, result.scrapes) == ([], [])
    assert TimelineResult.model_validate_json(result.model_dump_json()) == result

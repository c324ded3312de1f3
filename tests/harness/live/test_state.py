"""What the live page's process keeps, and that it stays small."""

import json

import pytest

from harness.live.state import MOST_POINTS, MOST_WATCHERS, LiveState, Points
from tests.harness.live.feeding import ABOUT, SECOND_NS


def point(second: int, lag: int | None = 1000) -> dict[str, float | int | None]:
    return {"t_ns": second * SECOND_NS, "rate": float(second), "lag_p50_ns": 10, "lag_p99_ns": lag}


@pytest.mark.parametrize("seconds", [1, 599, 600, 601, 1201, 5000, 100_000])
def test_a_run_of_any_length_has_at_most_600_points_from_its_start_on(seconds: int) -> None:
    """Points are merged as a run goes on: the first tenth of the run and its end stay visible."""
    points = Points()
    for second in range(1, seconds + 1):
        points.add(point(second))
    times = [each["t_ns"] / SECOND_NS for each in points.points]
    assert len(times) <= MOST_POINTS
    assert times == sorted(set(times))
    assert times[0] <= max(1, seconds / 10)
    assert times[-1] >= seconds * 0.99


def test_merging_keeps_the_peaks_and_the_mean_rate() -> None:
    """One slow second in a long run is seen however many seconds one point stands for."""
    points = Points()
    for second in range(1, 10_001):
        points.add(point(second, lag=77_000_000 if second == 1234 else 1000))
    assert max(each["lag_p99_ns"] for each in points.points) == 77_000_000
    rates = [each["rate"] for each in points.points]
    assert sum(rates) / len(rates) == pytest.approx(5000, rel=0.01)


def test_seconds_without_lines_stay_gaps() -> None:
    """A merged point has a figure where one of its seconds has one, and none where none has."""
    points = Points(most=2)
    for second, lag in ((1, None), (2, None), (3, 5), (4, None)):
        points.add(point(second, lag))
    assert [each["lag_p99_ns"] for each in points.points] == [None, 5]


def test_what_goes_on_for_ever_keeps_its_newest_points() -> None:
    """Of a demo the last ten minutes are kept, second by second."""
    points = Points(rolling=True)
    for second in range(1, 2001):
        complete, merged = points.add(point(second))
        assert complete is not None
        assert not merged
    assert [each["t_ns"] // SECOND_NS for each in points.points] == list(range(1401, 2001))


def test_whoever_comes_late_gets_everything_first() -> None:
    """The first event is the history: what the run is, its points, notes, phase and where it stands."""
    state = LiveState(ABOUT)
    state.take({"phase": "waiting"})
    state.take({"note": "serving"})
    state.take({"now": {"elapsed_ns": 5, "pages": [[1, 2], [1, 3]], "point": point(1)}})
    state.take({"incident": {"kind": "stall", "begin_ns": 1, "end_ns": 2}})
    watcher = state.watch()
    assert watcher is not None
    number, name, data = watcher.get_nowait()
    history = json.loads(data)
    assert name == "history"
    assert number == 6
    assert history["about"] == ABOUT
    assert history["notes"] == ["waiting", "serving"]
    assert [each["t_ns"] for each in history["points"]] == [SECOND_NS]
    # A page that was not finished is told of again, and shown once.
    assert history["pages"] == [[1, 3]]
    assert history["now"]["elapsed_ns"] == 5
    assert history["incidents"][0]["kind"] == "stall"
    # Once lines are being sent, nothing is waited for any more.
    assert history["phase"] == ""


def test_a_browser_that_does_not_read_is_left_and_holds_nobody_up() -> None:
    """Its queue is bounded; others go on, and it may come back for the history."""
    state = LiveState(ABOUT)
    lazy, eager = state.watch(), state.watch()
    assert lazy is not None
    assert eager is not None
    for second in range(500):
        state.take({"note": str(second)})
        while not eager.empty():
            last = eager.get_nowait()
    assert json.loads(last[2]) == "499"
    assert not state.is_watching(lazy)
    assert state.is_watching(eager)
    assert lazy.qsize() <= 256


def test_the_number_of_browsers_is_bounded() -> None:
    """One too many is refused, and admitted when another has left."""
    state = LiveState(ABOUT)
    watchers = [state.watch() for _ in range(MOST_WATCHERS)]
    assert state.watch() is None
    assert watchers[0] is not None
    state.leave(watchers[0])
    assert state.watch() is not None


def test_the_history_stays_bounded() -> None:
    """However long the run, and whatever it says."""
    state = LiveState(ABOUT)
    for second in range(5000):
        state.take({"note": str(second), "incident": {"kind": "x", "begin_ns": second, "end_ns": second}})
        state.take({"now": {"elapsed_ns": second, "pages": [[second, second + 1]], "point": point(second)}})
    watcher = state.watch()
    assert watcher is not None
    assert len(watcher.get_nowait()[2]) < 200_000

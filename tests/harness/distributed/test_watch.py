"""Who is given up, and when: silence after the schedule's end, not slowness."""

import time

import pytest

from harness.distributed import silence
from harness.distributed.silence import SilenceWatch
from harness.load.stop import Stop

PATIENCE_S = silence._RESULT_S


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The moment in seconds, as its only item."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def watch(span_s: float, stop: Stop | None = None, sent: list[str] | None = None) -> SilenceWatch:
    told = [] if sent is None else sent
    return SilenceWatch(stop or Stop(), lambda: told.append("stop"), int((1000 + span_s) * 1e9), 2)


def test_whoever_is_silent_after_the_schedule_is_lost(clock: list[float]) -> None:
    """Not before, and the others are not."""
    watched = watch(60)
    clock[0] = 1060 + PATIENCE_S - 1
    watched.heard(0)
    assert watched.overdue() == []
    clock[0] += 2
    assert watched.overdue() == [1]


@pytest.mark.parametrize("span_s", [10.0, 0.0])
def test_whoever_is_behind_or_has_no_schedule_is_given_time(clock: list[float], span_s: float) -> None:
    """An overloaded worker, and a closed loop that only a number of lines ends, take as long as they take."""
    watched = watch(span_s)
    for _ in range(600):
        clock[0] += 1
        watched.heard(0)
        watched.heard(1)
        assert watched.overdue() == []


def test_after_an_interruption_it_is_soon(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """The order to stop is sent once, and whoever does not answer in a part of the grace is lost."""
    monkeypatch.setenv("HARNESS_GRACE", "5")
    stop, sent = Stop(), list[str]()
    watched = watch(1000, stop, sent)
    stop.request()
    assert watched.overdue() == []
    clock[0] += 0.9
    watched.heard(0)
    clock[0] += 0.2
    assert (watched.overdue(), sent) == ([1], ["stop"])

"""What a sink keeps: series by tags, and arrivals in bounded memory."""

import time

from harness.push import arrived
from harness.push.arrived import RESOLUTION_NS, ArrivalTimes, ArrivedViews
from harness.views import Tags


class Now:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.ns = 10_000_000_000

    def __call__(self) -> int:
        return self.ns


def test_values_are_in_the_bucket_of_the_bound_that_they_do_not_exceed() -> None:
    """Prometheus' rule: a value equal to a bound is in its bucket; one above all is in the last."""
    views = ArrivedViews({"lengths": (5, 10)})
    series = views.series("lengths", Tags())
    for value in (0, 5, 6, 10, 11):
        series.add(value)
    assert views.rows() == {"lengths": [["repl", "OK", "", 5, 32, [5, 10], [2, 2, 1]]]}


def test_arrivals_that_follow_closely_are_one() -> None:
    """So that a thousand datagrams in a millisecond take no more room than one."""
    now = Now()
    arrivals = ArrivalTimes(now)
    for _ in range(1000):
        arrivals.note(time.time_ns())
        now.ns += RESOLUTION_NS // 1000
    arrivals.note(time.time_ns())
    assert [read for _, read in arrivals.pairs()] == [10_000_000_000, 10_000_000_000 + RESOLUTION_NS]


def test_when_it_was_sent_is_told_on_the_monotonic_clock() -> None:
    """From the time of day, which is all that a datagram or a request says; never later than it was read."""
    arrivals = ArrivalTimes()
    wall, monotonic = time.time_ns(), time.monotonic_ns()
    arrivals.note(wall - 3_000_000_000)
    ((sent, read),) = arrivals.pairs()
    assert abs(sent - (monotonic - 3_000_000_000)) < 1_000_000_000
    later = ArrivalTimes()
    later.note(time.time_ns() + 10**12)
    ((sent, read),) = later.pairs()
    assert sent == read


def test_memory_does_not_grow_with_the_run(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Beyond the most there may be, every other one is left out, and from then on they are further apart."""
    monkeypatch.setattr(arrived, "MOST_ARRIVALS", 100)
    now = Now()
    arrivals = ArrivalTimes(now)
    for _ in range(1000):
        arrivals.note(time.time_ns())
        now.ns += RESOLUTION_NS
    pairs = arrivals.pairs()
    assert 30 <= len(pairs) <= 100
    assert arrivals.resolution_ns >= 8 * RESOLUTION_NS
    assert pairs == sorted(pairs)
    assert pairs[-1][1] > now.ns - 3 * arrivals.resolution_ns

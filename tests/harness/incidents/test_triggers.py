"""Switches for incidents: what they take, and when."""

import threading

import pytest

from harness.errors import UsageError
from harness.incidents.triggers import Triggers
from workloads.incidents import KINDS, Incident


def test_nothing_can_be_switched_on_before_and_after_a_run() -> None:
    """The kinds are those of the moment, and the refusal says why."""
    triggers = Triggers()
    assert triggers.kinds == ()
    with pytest.raises(UsageError, match="stall cannot be switched on: the run has not begun yet"):
        triggers.trigger("stall", 10)
    triggers.allow()
    assert triggers.kinds == tuple(KINDS)
    triggers.refuse("the run is over")
    with pytest.raises(UsageError, match="the run is over"):
        triggers.trigger("stall", 10)
    assert not triggers.waiting


@pytest.mark.parametrize(
    ("kind", "duration_ns", "fragment"),
    [("stal", 1, "did you mean 'stall'"), ("stall", 0, "needs a duration"), ("slow", -1, "needs a duration")],
)
def test_what_is_no_incident_is_refused_at_once(kind: str, duration_ns: int, fragment: str) -> None:
    """In the thread that asks, and not in the one that drives."""
    triggers = Triggers()
    triggers.allow()
    with pytest.raises(UsageError, match=fragment) as caught:
        triggers.trigger(kind, duration_ns)
    assert caught.value.field == "incident"
    assert not triggers.waiting


def test_a_kind_that_is_not_possible_is_none_of_the_kinds() -> None:
    """A restart of an instrument that cannot be built twice."""
    triggers = Triggers()
    triggers.allow()
    triggers.exclude("restart", "one is enough")
    assert "restart" not in triggers.kinds
    with pytest.raises(UsageError, match="one is enough"):
        triggers.trigger("restart", 0)


def test_each_is_taken_once_whoever_switched_it_on() -> None:
    """From several threads at once."""
    triggers = Triggers()
    triggers.allow()
    threads = [
        threading.Thread(target=lambda: [triggers.trigger("errors", number + 1) for number in range(100)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    taken: list[Incident] = []
    while any(thread.is_alive() for thread in threads) or triggers.waiting:
        taken += triggers.take(0)
    assert sorted(each.duration_ns for each in taken) == sorted(number + 1 for number in range(100) for _ in range(4))


def test_an_incident_begins_when_it_is_taken_or_at_its_own_later_time() -> None:
    """The time of its own is the same for all workers."""
    triggers = Triggers()
    triggers.allow()
    triggers.trigger("stall", 5)
    triggers.put(Incident("flood", 200, 5))
    triggers.put(Incident("silence", 50, 5))
    assert triggers.waiting
    assert triggers.take(100) == [Incident("stall", 100, 5), Incident("flood", 200, 5), Incident("silence", 100, 5)]
    assert not triggers.waiting

"""Switches for incidents: what they take, and when."""

import threading

import pytest

from harness.errors import UsageError
from harness.incidents.triggers import Triggers
from workloads.incidents import KINDS


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
    taken = []
    while any(thread.is_alive() for thread in threads) or triggers.waiting:
        taken += triggers.take()
    assert sorted(taken) == sorted(("errors", number + 1) for number in range(100) for _ in range(4))

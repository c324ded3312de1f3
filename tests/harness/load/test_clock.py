import threading
import time
from pathlib import Path

import pytest

from harness.load import clock as clock_module
from harness.load.clock import MonotonicClock, fine_timers
from harness.load.cpu_time import ThreadRunQueue, Turns, watch_machine
from harness.load.selfcost import measure_self_cost
from tests.fakes import FakeClock


def test_waiting_never_ends_early():
    """When a wait returns, its moment has come; one that has passed does not wait at all."""
    clock = MonotonicClock()
    for gap in (-1_000_000, 0, 1_000, 200_000, 2_000_000):
        due = clock.now_ns() + gap
        clock.wait_until(due)
        assert clock.now_ns() >= due


def test_waiting_lets_other_threads_run():
    """A thread that has nothing to do with the wait makes progress during it, in both of its phases."""
    clock = MonotonicClock()
    turns = 0
    done = threading.Event()

    def work():
        nonlocal turns
        while not done.is_set():
            turns += 1
            time.sleep(0)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        # Waiting goes on until the other thread had its turns; a wait that kept the lock would make this last for ever.
        deadline = clock.now_ns() + 20_000_000_000
        while turns < 50 and clock.now_ns() < deadline:
            clock.wait_until(clock.now_ns() + 100_000)
    finally:
        done.set()
        thread.join()
    assert turns >= 50


def test_fine_timers_are_restored():
    """The calling thread's timer slack is what it was, also after an exception."""
    before = clock_module._timer_slack()
    inside = []

    def fail():
        with fine_timers():
            inside.append(clock_module._timer_slack())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert inside == [None if before is None else 1]
    assert clock_module._timer_slack() == before


def test_without_timer_slack_nothing_is_changed(monkeypatch):
    """Where the system forbids this setting, waiting works as it does there."""
    monkeypatch.setattr(clock_module, "_prctl", lambda _option, _value: -1)
    assert clock_module._timer_slack() is None
    with fine_timers():
        pass


def test_the_machine_is_watched_without_ever_failing(monkeypatch, tmp_path):
    """Lost time is never negative, and zero where the system does not tell."""
    with watch_machine() as machine:
        sum(range(10_000))
    assert min(machine.waited_ns, machine.steal_ns) >= 0
    assert machine.lost_ns == machine.waited_ns + machine.steal_ns
    monkeypatch.setattr("harness.load.cpu_time._SCHEDSTAT", tmp_path / "none")
    monkeypatch.setattr("harness.load.cpu_time._STAT", tmp_path / "none")
    with watch_machine() as machine:
        pass
    assert machine.lost_ns == 0


def test_the_run_queue_tells_of_the_thread_that_made_it():
    """A thread that computed has run; reading it again never gives less, and without the system's help it is zero."""
    with ThreadRunQueue() as queue:
        first = queue.read()
        sum(range(1_000_000))
        second = queue.read()
    if Path("/proc/thread-self/schedstat").exists():
        assert second.running_ns > first.running_ns > 0
    assert second.waited_ns >= first.waited_ns >= 0
    assert queue.read() == Turns()


def test_self_cost_is_the_difference_to_a_direct_call():
    """On a clock that moves by 1 ns at each reading, the loop costs its two readings a line and the bare loop none."""

    class Ticking(FakeClock):
        def now_ns(self):
            self.now += 1
            return self.now

    cost = measure_self_cost(Ticking(), lines=1000, repeats=3)
    assert cost.paced_ns == cost.closed_ns == 2.0

"""The same call for many at the same time."""

import threading

import pytest

from harness.run.together import together


def test_results_come_in_the_order_of_the_items() -> None:
    """Whoever is done first."""
    second = threading.Event()

    def call(number: int) -> int:
        if number == 0:
            assert second.wait(60)
        second.set()
        return number * 10

    assert together(call, [0, 1, 2], 3) == [0, 10, 20]
    assert together(call, [7], 3) == [70]
    assert together(call, [], 3) == []


def test_no_more_run_at_the_same_time_than_asked_for() -> None:
    """One at a time is one after the other."""
    running, most = 0, 0
    guard = threading.Lock()

    def call(_number: int) -> None:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        with guard:
            running -= 1

    together(call, range(50), 1)
    assert most == 1


def test_the_first_item_s_error_is_raised_and_nobody_is_waited_for() -> None:
    """A worker that cannot start does not leave the others' starting to be waited for."""
    go_on = threading.Event()

    def call(number: int) -> None:
        if number == 1:
            raise ValueError("worker 1")
        if number == 2:
            assert go_on.wait(60)

    with pytest.raises(ValueError, match="worker 1"):
        together(call, [0, 1, 2], 3)
    go_on.set()

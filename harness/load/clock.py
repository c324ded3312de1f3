"""Monotonic clock and precise waiting that releases the interpreter lock."""

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Clock", "MonotonicClock", "fine_timers"]


class Clock(Protocol):
    """The clock behind everything that is timed; tests use a fake one."""

    def now_ns(self) -> int:
        """Return nanoseconds that never step back, from an arbitrary zero."""

    def wait_until(self, ns: int, /) -> None:
        """Wait until `now_ns` has reached `ns`; return at once if it has already."""


# Even with fine timers a sleep comes back up to this late: an idle core has to be woken.
_WAKE_UP_NS = 150_000


class MonotonicClock:
    """The system's monotonic clock.

    Waiting sleeps until shortly before the moment, then yields the processor repeatedly. Both release the interpreter
    lock, so that a thread that serves a scrape can run; docs/driving.md has the figures.
    """

    __slots__ = ()

    # The C function itself: a Python method around it would double what reading the clock costs.
    now_ns = staticmethod(time.monotonic_ns)

    def wait_until(self, ns: int, /) -> None:
        """Wait until `now_ns` has reached `ns`; return at once if it has already."""
        now, give_way = time.monotonic_ns, os.sched_yield
        ahead = ns - now() - _WAKE_UP_NS
        if ahead > 0:
            time.sleep(ahead / 1e9)
        while now() < ns:
            give_way()


_PR_SET_TIMERSLACK = 29
_PR_GET_TIMERSLACK = 30


@contextmanager
def fine_timers() -> Iterator[None]:
    """Make the calling thread's sleeps end on time rather than up to 50 µs late; restore its setting afterwards.

    Linux groups the wake-ups of a thread within its timer slack; this sets it to the minimum, 1 ns. The setting belongs
    to the thread, not to the process. Where the call is forbidden nothing is changed.
    """
    slack = _timer_slack()
    if slack is None:
        yield
        return
    _prctl(_PR_SET_TIMERSLACK, 1)
    try:
        yield
    finally:
        _prctl(_PR_SET_TIMERSLACK, slack)


def _timer_slack() -> int | None:
    """Return the calling thread's timer slack in nanoseconds, or None where it cannot be read."""
    slack = _prctl(_PR_GET_TIMERSLACK, 0)
    return slack if slack > 0 else None


def _prctl(option: int, value: int) -> int:
    prctl = ctypes.CDLL(None).prctl
    long = ctypes.c_ulong
    return int(prctl(ctypes.c_int(option), long(value), long(0), long(0), long(0)))

"""The heartbeat of an event loop: callbacks due at fixed moments, and how late each of them ran."""

import asyncio
import time
from array import array

from harness.measure.service.timer import Timer

__all__ = ["Heartbeat", "note_beats"]


def note_beats(lags: "array[int]", start_ns: int, interval_ns: int, now_ns: int, most: int) -> None:
    """Append the lag of every beat that is due by `now_ns` and not in `lags` yet, ns; `most` beats in all.

    Beats that were due while the loop stood still ran together, so each of them gets its own lag. With one entry for
    the whole stall, percentiles would miss most of it (coordinated omission).
    """
    due = start_ns + len(lags) * interval_ns
    while due <= now_ns and len(lags) < most:
        lags.append(now_ns - due)
        due += interval_ns


class Heartbeat:
    """`count` beats on an event loop, one every `interval_ns` from `start_ns` (``time.monotonic_ns``).

    `lags` has the lag of each beat so far, ns.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, start_ns: int, interval_ns: int, count: int) -> None:
        self.lags: array[int] = array("q")
        self._loop, self._timer = loop, Timer()
        self._start_ns, self._interval_ns, self._count = start_ns, interval_ns, count
        self._timer.set(start_ns, interval_ns)
        loop.add_reader(self._timer.fileno(), self._beat)

    def _beat(self) -> None:
        now = time.monotonic_ns()
        self._timer.clear()
        note_beats(self.lags, self._start_ns, self._interval_ns, now, self._count)

    def stop(self) -> None:
        """End it."""
        self._loop.remove_reader(self._timer.fileno())
        self._timer.close()

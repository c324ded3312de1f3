"""Workers that give no sign any more: connections to a machine that is gone or cut off, and silence after the end."""

import socket
import time
from collections.abc import Callable

from harness.interrupts import grace_s
from harness.load.stop import Stop

__all__ = ["SilenceWatch", "end_when_silent"]

# Once its schedule has ended, a worker may be silent for so long: what a subject may hold up one line.
_RESULT_S = 30.0
# After an interruption, of the time until the command has to end.
_STOP_SHARE = 0.2
# Seconds of silence until the first question, between two, and their number.
_KEEPALIVE = (("TCP_KEEPIDLE", 1), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 3))


def end_when_silent(connection: socket.socket, silence_s: float) -> None:
    """Let the system end a connection whose other machine has given no sign for `silence_s` seconds.

    The system asks and answers by itself, so a process that is busy or stopped is not taken for one that is gone. One
    that does not read what it is sent for so long is.
    Of a process of this machine the system tells at once.
    """
    if connection.family == socket.AF_UNIX:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (*_KEEPALIVE, ("TCP_USER_TIMEOUT", round(1000 * silence_s))):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class SilenceWatch:
    """Hands on an interruption, and tells which workers are silent although the schedule is over.

    A worker that is behind its schedule, or has none, says about once a second how it stands: it is given its time.
    """

    def __init__(self, stop: Stop, tell_stop: Callable[[], object], end_ns: int, count: int) -> None:
        self._stop, self._tell_stop = stop, tell_stop
        # Nobody is heard before the end of the schedule has to be: that long a line may take.
        self._heard_s = [end_ns / 1e9] * count
        self._patience_s = _RESULT_S
        self._stop_sent = False

    def heard(self, number: int) -> None:
        """Note that a worker has said something."""
        self._heard_s[number] = max(self._heard_s[number], time.monotonic())

    def overdue(self) -> list[int]:
        """Return the workers that have been silent for too long; after an interruption that is soon."""
        now_s = time.monotonic()
        if self._stop.requested and not self._stop_sent:
            self._stop_sent = True
            self._tell_stop()
            self._patience_s = _STOP_SHARE * grace_s()
            self._heard_s = [now_s] * len(self._heard_s)
        return [number for number, heard_s in enumerate(self._heard_s) if now_s - heard_s > self._patience_s]

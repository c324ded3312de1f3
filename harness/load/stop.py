"""Asking a run to end between two lines, so that no line is ever half accounted for."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Stop"]


class Stop:
    """A flag that the driver reads before each line.

    An exception thrown by Ctrl-C can strike between the instrument's recording and the ledger's; then nobody knows
    whether that line was counted. So the signal only raises this flag, and the run ends at the next line: what was
    sent is accounted for in full, what was not sent was never offered.
    """

    __slots__ = ("requested", "signal")

    def __init__(self) -> None:
        self.requested = False
        self.signal: int | None = None

    def request(self) -> None:
        """Ask the run to end; safe from any thread and from a signal handler."""
        self.requested = True

    @contextmanager
    def on_signals(self, *numbers: int) -> Iterator["Stop"]:
        """Raise the flag on these signals (SIGINT and SIGTERM by default) instead of what they did, until the end.

        A second signal of the same kind does what it did before, so that a subject that hangs can be interrupted.
        Must be entered in the main thread, as any change of a signal handler.
        """
        before = {number: signal.getsignal(number) for number in numbers or (signal.SIGINT, signal.SIGTERM)}

        def handle(number: int, _frame: FrameType | None) -> None:
            self.requested = True
            self.signal = number
            signal.signal(number, before[number])

        for number in before:
            signal.signal(number, handle)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

"""A request to end a run between two lines, so that every line is accounted for completely."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from harness import interrupts

__all__ = ["Stop"]


class Stop:
    """A flag that the driver reads before each line.

    An exception raised by Ctrl-C can occur between the instrument's recording and the ledger's; then it is unknown
    whether that line was counted. So the signal only sets this flag, and the run ends at the next line: what was sent
    is accounted for in full, what was not sent was never offered.
    """

    __slots__ = ("requested", "signal")

    def __init__(self) -> None:
        self.requested = False
        self.signal: int | None = None

    def request(self) -> None:
        """Request the end of the run; safe from any thread and from a signal handler."""
        self.requested = True

    @contextmanager
    def on_signals(self, *numbers: int) -> Iterator["Stop"]:
        """Set the flag on these signals (those of `harness.interrupts`) in place of their handlers, until the end.

        After the first signal all of them have their previous handlers again, so that a subject that hangs can be
        interrupted; in a command the timer of `harness.interrupts` does so by itself. Ignored signals stay ignored.
        Must be entered in the main thread, as any change of a signal handler.
        """
        wanted = numbers or interrupts.SIGNALS
        before = {number: signal.getsignal(number) for number in wanted}
        before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}

        def handle(number: int, _frame: FrameType | None) -> None:
            self.requested = True
            self.signal = number
            interrupts.note(number)
            for each, handler in before.items():
                signal.signal(each, handler)

        for number in before:
            signal.signal(number, handle)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

"""A deadline for waits, brought forward by an interruption so that an audit ends soon after Ctrl-C."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from harness.errors import RunError

__all__ = ["INTERRUPTED_S", "Deadline", "DeadlineError", "call_within"]

# What may still be taken after an interruption.
INTERRUPTED_S = 2.4
# How long a wait goes on before an interruption is looked for again.
_GLANCE_S = 0.1


_Result = TypeVar("_Result")


class DeadlineError(RunError):
    """What was waited for did not come in time, or the wait was interrupted; the text says which."""


def _never() -> None:
    return None


class Deadline:
    """The end of `limit_s` seconds from now, or of `grace_s` seconds from an interruption if that is earlier.

    `interrupted_s` returns the moment of the interruption on the clock `now_s` (seconds), None while there is none. A
    signal cannot shorten a wait that is under way, so every wait goes on in short pieces.
    """

    def __init__(
        self,
        limit_s: float,
        interrupted_s: Callable[[], float | None] = _never,
        grace_s: float = INTERRUPTED_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit_s = limit_s
        self._interrupted_s = interrupted_s
        self._grace_s = grace_s
        self._now_s = now_s
        self._end_s = now_s() + limit_s

    @property
    def interrupted(self) -> bool:
        """Whether there was an interruption."""
        return self._interrupted_s() is not None

    def left_s(self) -> float:
        """Return the seconds left, 0 when there are none."""
        moment_s = self._interrupted_s()
        end_s = self._end_s if moment_s is None else min(self._end_s, moment_s + self._grace_s)
        return max(0.0, end_s - self._now_s())

    def check(self, what: str) -> float:
        """Return the seconds left; raises `DeadlineError` when there are none, naming `what` was not done."""
        left_s = self.left_s()
        if left_s <= 0:
            why = "interrupted" if self.interrupted else f"it took longer than {self.limit_s:.3g} s"
            raise DeadlineError(f"{what} ({why})")
        return left_s

    def glance_s(self, what: str) -> float:
        """Return how long a wait may go on before it has to look up; raises `DeadlineError` as `check` does."""
        return min(_GLANCE_S, self.check(what))

    def wait(self, changed: threading.Condition, condition: Callable[[], bool], what: str) -> None:
        """Return once `condition` holds; it is tested whenever `changed`, held by the caller, is notified.

        Raises `DeadlineError`, naming `what` did not come about, when the time is over first.
        """
        while not condition():
            changed.wait(self.glance_s(what))


def call_within(deadline: Deadline, what: str, function: Callable[[], _Result]) -> _Result:
    """Return what `function` returns, or raise what it raises; another thread calls it.

    A read from a socket goes on through a signal, so whoever reads cannot be interrupted; whoever waits for the reader
    can. Raises `DeadlineError`, naming `what` was not done, when the time is over; the thread is then left to itself.
    """
    changed = threading.Condition()
    results: list[_Result] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)
        with changed:
            changed.notify_all()

    threading.Thread(target=call, name="harness-call", daemon=True).start()
    with changed:
        deadline.wait(changed, lambda: bool(results or errors), what)
    if errors:
        raise errors[0]
    return results[0]

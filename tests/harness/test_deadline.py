import threading

import pytest

from harness.deadline import INTERRUPTED_S, Deadline, DeadlineError, call_within


class Times:
    """A clock and an interruption that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.interrupted: float | None = None

    def deadline(self, limit_s: float, **more: float) -> Deadline:
        return Deadline(limit_s, lambda: self.interrupted, now_s=lambda: self.now, **more)


@pytest.mark.parametrize(
    ("what", "limit_s", "interrupted", "now", "left_s"),
    [
        ("at the start", 30.0, None, 100.0, 30.0),
        ("later", 30.0, None, 125.0, 5.0),
        ("over", 30.0, None, 140.0, 0.0),
        ("just interrupted", 600.0, 150.0, 150.0, INTERRUPTED_S),
        ("interrupted a second ago", 600.0, 150.0, 151.0, INTERRUPTED_S - 1),
        ("interrupted long ago", 600.0, 110.0, 150.0, 0.0),
        ("interrupted shortly before its end", 30.0, 129.0, 129.0, 1.0),
    ],
)
def test_what_is_left_is_what_limit_and_interruption_leave(
    what: str, limit_s: float, interrupted: float | None, now: float, left_s: float
) -> None:
    """The limit counts from the start, an interruption leaves a few seconds from its own moment."""
    times = Times()
    deadline = times.deadline(limit_s)
    times.interrupted, times.now = interrupted, now
    assert deadline.left_s() == pytest.approx(left_s), what


def test_an_audit_ends_within_five_seconds_of_an_interruption() -> None:
    """What is left after Ctrl-C, with two seconds to stop scraper and endpoint, is less than five seconds."""
    assert INTERRUPTED_S + 2 <= 5


def test_the_reason_says_what_was_not_done_and_why() -> None:
    """A deadline that is over and an interruption are told apart."""
    times = Times()
    deadline = times.deadline(30.0)
    times.now = 131.0
    with pytest.raises(DeadlineError, match=r"^the page was not read \(it took longer than 30 s\)$"):
        deadline.check("the page was not read")
    times.interrupted = 110.0
    with pytest.raises(DeadlineError, match=r"^the page was not read \(interrupted\)$"):
        deadline.check("the page was not read")


def test_a_wait_ends_with_its_condition_or_with_the_time() -> None:
    """Whoever waits is told of the change, and does not wait for what never comes."""
    changed, times = threading.Condition(), Times()
    with changed:
        times.deadline(30.0).wait(changed, lambda: True, "never seen")
        times.interrupted = 0.0
        with pytest.raises(DeadlineError, match="interrupted"):
            times.deadline(30.0).wait(changed, lambda: False, "it did not come")


def test_a_call_returns_raises_or_is_left_behind() -> None:
    """What another thread returns or raises comes back; one that hangs is not waited for after the interruption."""
    assert call_within(Deadline(60), "no answer", lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        call_within(Deadline(60), "no answer", lambda: 1 // 0)
    times, let_go = Times(), threading.Event()
    times.interrupted = 0.0
    try:
        with pytest.raises(DeadlineError, match=r"^no answer \(interrupted\)$"):
            call_within(times.deadline(600.0), "no answer", let_go.wait)
    finally:
        let_go.set()

"""Signals that end a command: the first lets it keep its results, and it ends within a grace period in any case.

Ctrl-C, a termination (SIGTERM) and the loss of the terminal (SIGHUP) all arrive as `KeyboardInterrupt` in the main
thread, so that whoever measures keeps what was measured, whichever it was. Then a clock runs: after half of the grace
the exception is raised again, for whatever was not left by the first; shortly before its end the process tells its
children to end and leaves at once; and where even that does not come about, because some library neither returns nor
lets go of the interpreter, the system does it. A second signal takes effect at once.
"""

import atexit
import contextlib
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

__all__ = [
    "GRACE_S",
    "GRACE_VARIABLE",
    "SIGNALS",
    "deferred",
    "end_children",
    "finish",
    "grace_s",
    "held",
    "install",
    "interruptible",
    "leave",
    "note",
    "received",
    "uninterrupted",
]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_S = 5.0
# A slow disk, or a machine under load, may need longer to save a result.
GRACE_VARIABLE = "HARNESS_GRACE"

# Shares of the grace after which the exception is raised again, the process leaves, and the system ends it.
_AGAIN, _LEAVE, _LAST = 0.5, 0.9, 0.95


class _State:
    """What has been received, and whether it may be acted on; the counts are of blocks that the main thread is in."""

    def __init__(self) -> None:
        self.installed = False
        self.received: int | None = None
        self.alarms = 0
        self.deferred = 0
        self.held = 0
        self.starting = 0
        # Whether an exception was put off.
        self.waiting = False


_state = _State()


def install() -> None:
    """Take over the signals, for the rest of this process; those that are ignored (nohup) stay ignored.

    Must be called in the main thread.
    """
    _state.installed = True
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)


def finish() -> None:
    """Ignore the signals from now on, since all is done: what the interpreter does at its end is not to be interrupted.

    Otherwise it would restore what the system does, and a command that has saved everything would die of a signal.
    """
    if _state.received is None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def received() -> int | None:
    """Return the first signal that was received, None before that."""
    return _state.received


def note(number: int) -> bool:
    """Remember a signal and start the clock; returns whether it is the first one.

    Whoever handles signals by itself calls this. Without `install` nothing is started, as in a program that only uses
    the package.
    """
    first = _state.received is None
    if _state.installed and first:
        _state.received = number
        grace = grace_s()
        signal.signal(signal.SIGALRM, _alarm)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN * grace, (_LEAVE - _AGAIN) * grace)
        # Started by C code and run by a thread without the interpreter's lock.
        with contextlib.suppress(OSError):
            faulthandler.dump_traceback_later(_LAST * grace, exit=True, file=os.open(os.devnull, os.O_WRONLY))
    return first


def grace_s() -> float:
    """Return how long a command may take to end after a signal, in seconds."""
    try:
        return max(0.1, float(os.environ.get(GRACE_VARIABLE, GRACE_S)))
    except ValueError:
        return GRACE_S


def _handle(number: int, _frame: FrameType | None) -> None:
    first = note(number)
    _act(put_off=first and (_state.held > 0 or _state.deferred > 0))


def _alarm(_number: int, _frame: FrameType | None) -> None:
    _state.alarms += 1
    if _state.alarms > 1:
        _leave()
    _act(put_off=_state.held > 0)


def _act(*, put_off: bool) -> None:
    _state.waiting = put_off or _state.starting > 0
    if not _state.waiting:
        raise KeyboardInterrupt


def _act_now() -> None:
    """Raise what was put off, unless something else still puts it off."""
    if _state.waiting and not (_state.held or _state.deferred or _state.starting):
        _state.waiting = False
        raise KeyboardInterrupt


def leave(code: int) -> NoReturn:
    """End this process now with an exit code, when all it had to say is written; its temporary folders are removed.

    Neither threads nor the interpreter's own end are waited for: after an interrupt either may take for ever.
    """
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()  # noqa: SLF001 - there is no other way to run them without unwinding
    os._exit(code)


def _leave() -> NoReturn:
    end_children()
    with contextlib.suppress(BaseException):
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[?25h")  # a live display hides the cursor
            sys.stderr.flush()
    leave(128 + (_state.received or signal.SIGTERM))


def end_children() -> None:
    """Send SIGTERM to every child process, and to all of its group where it leads one.

    Those of ours that hold something, such as a server's keeper, put it away when they get it. Where the system does
    not list them nothing happens, and they end when their input does.
    """
    for child in _children():
        with contextlib.suppress(OSError):
            if os.getpgid(child) == child:
                os.killpg(child, signal.SIGTERM)
            else:
                os.kill(child, signal.SIGTERM)


def _children() -> set[int]:
    result: set[int] = set()
    with contextlib.suppress(OSError):
        # A child belongs to the thread that started it.
        for listed in Path("/proc/self/task").glob("*/children"):
            with contextlib.suppress(OSError):
                result |= {int(child) for child in listed.read_text(encoding="ascii").split()}
    return result


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Put off the first signal to the next `interruptible` block, or the end of this one; half the grace at most.

    Around what measures and then saves: only in the blocks that keep what they have is it in place. For the main
    thread of a program that has called `install`; elsewhere it changes nothing.
    """
    _state.deferred += 1
    try:
        yield
    finally:
        _state.deferred -= 1
    _act_now()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let signals that `deferred` puts off take effect in this block, and one that waits at once."""
    before, _state.deferred = _state.deferred, 0
    try:
        _act_now()
        yield
    finally:
        _state.deferred = before


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Put off the first signal to the end of the block, however long that takes: for saving what was measured."""
    _state.held += 1
    try:
        yield
    finally:
        _state.held -= 1
    _act_now()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off every signal to the end of a short block: between a process' start and its registration it would be lost.

    By the handler and not by a mask, which the process would inherit. In other threads than the main one nothing is
    ever raised, so there it changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = None if _state.installed else signal.signal(signal.SIGINT, _put_off)
    _state.starting += 1
    try:
        yield
    finally:
        _state.starting -= 1
        if before is not None:
            signal.signal(signal.SIGINT, before)
    _act_now()


def _put_off(_number: int, _frame: FrameType | None) -> None:
    _state.waiting = True

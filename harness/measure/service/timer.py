"""A timer of the kernel as a file: precise where asyncio's own timers are rounded up to whole milliseconds."""

import ctypes
import os
import struct

__all__ = ["Timer"]

_CLOCK_MONOTONIC, _ABSOLUTE = 1, 1
_SECOND_NS = 1_000_000_000


class _Setting(ctypes.Structure):
    """``struct itimerspec``: interval and first expiration, each in seconds and nanoseconds."""

    _fields_ = (
        ("interval_s", ctypes.c_long), ("interval_ns", ctypes.c_long), ("first_s", ctypes.c_long),
        ("first_ns", ctypes.c_long),
    )  # fmt: skip


class Timer:
    """A timerfd on the clock of ``time.monotonic_ns``; give `fileno` to an event loop, and call `clear` when readable.

    asyncio waits with epoll, whose timeout is in whole milliseconds, so that a delay of its own timers would be part of
    every lag. Raise `OSError` where the kernel refuses.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file = self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")

    def fileno(self) -> int:
        """Return the file descriptor."""
        return int(self._file)

    def set(self, first_ns: int, interval_ns: int = 0) -> None:
        """Expire at `first_ns` (``time.monotonic_ns``), at once where that has passed, and then every `interval_ns`."""
        first = max(1, first_ns)  # zero would stop it
        setting = _Setting(*divmod(interval_ns, _SECOND_NS), *divmod(first, _SECOND_NS))
        if self._libc.timerfd_settime(self._file, _ABSOLUTE, ctypes.byref(setting), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def clear(self) -> int:
        """Return the number of expirations since the last call, 0 for none."""
        try:
            return int(struct.unpack("Q", os.read(self._file, 8))[0])
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Release the timer."""
        os.close(self._file)

"""When each page was made and each scrape was served, noted by the threads that serve."""

import threading
import time
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

__all__ = ["CLIENT_GONE", "MAX_WINDOWS", "Window", "WindowLog"]

MAX_WINDOWS = 65_536  # 18 hours of one scrape a second; some 10 MB

# The status of a page whose client went away before it was made, as nginx writes it into its log.
CLIENT_GONE = 499


class Window(NamedTuple):
    """When a scrape was being served: from its request line read to its last byte written, ``time.monotonic_ns``.

    `size_bytes` is the body as sent (compressed, if it was); `status` the HTTP status: 200 for a page, `CLIENT_GONE`
    where the client did not wait for it.
    """

    start_ns: int
    end_ns: int
    size_bytes: int
    status: int

    @property
    def duration_ns(self) -> int:
        """How long it took to serve."""
        return self.end_ns - self.start_ns


class WindowLog:
    """Keeps the windows, and the moments between which pages were made, the last `MAX_WINDOWS` of each."""

    def __init__(self, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.now_ns = now_ns
        self.own: deque[Window] = deque(maxlen=MAX_WINDOWS)
        self.served = 0
        self.failed = 0
        self._windows: deque[Window] = deque(maxlen=MAX_WINDOWS)
        self._begun: deque[int] = deque(maxlen=MAX_WINDOWS)
        self._made: deque[int] = deque(maxlen=MAX_WINDOWS)
        self._lock = threading.Lock()

    def note_begun(self) -> None:
        """Note that a page is about to be made.

        The clock is read while nobody can `take`, so that no moment is told later than one that came after it.
        """
        with self._lock:
            self._begun.append(self.now_ns())

    def note_made(self) -> None:
        """Note that a page has just been made, or failed to be."""
        with self._lock:
            self._made.append(self.now_ns())

    def take(self) -> tuple[list[int], list[int]]:
        """Return when pages began and ended to be made, in ns and in order, as far as that was not returned before."""
        with self._lock:
            taken = list(self._begun), list(self._made)
            self._begun.clear()
            self._made.clear()
        return taken

    def add(self, window: Window, *, own: bool) -> None:
        """Keep a window; `own` tells that the harness itself asked, which is no scrape."""
        with self._lock:
            if own:
                self.own.append(window)
                return
            self._windows.append(window)
            self.served += 1
            self.failed += window.status != HTTPStatus.OK

    def snapshot(self) -> list[Window]:
        """Return the windows of scrapes, in order of their end."""
        with self._lock:
            return list(self._windows)

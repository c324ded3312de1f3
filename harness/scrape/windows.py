"""When each page was made and each scrape served, recorded by the serving threads."""

import threading
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import NamedTuple

__all__ = ["CLIENT_GONE", "MAX_WINDOWS", "Window", "WindowLog"]

# As many pages may have been made since the driver last asked: one for each connection.
_RECENT = 128
MAX_WINDOWS = 65_536  # 18 hours of one scrape a second; 2 MB

# The status of a page whose client went away before it was made, as nginx writes it into its log.
CLIENT_GONE = 499


class Window(NamedTuple):
    """When a scrape was served: from its request line to its last byte written, in ``time.monotonic_ns``.

    `size_bytes` is the body as sent (compressed, if it was); `status` the HTTP status: 200 for a page, `CLIENT_GONE`
    where the client did not wait for it.
    """

    start_ns: int
    end_ns: int
    size_bytes: int
    status: int

    @property
    def duration_ns(self) -> int:
        """The duration of serving it."""
        return self.end_ns - self.start_ns


class _Windows:
    """The last `most` windows, 32 bytes each."""

    def __init__(self, most: int) -> None:
        self._numbers = array("q")
        self._most = most
        self._next = 0

    def append(self, window: Window) -> None:
        row = array("q", window)
        if len(self._numbers) < self._most * len(row):
            self._numbers.extend(row)
            return
        at = self._next * len(row)
        self._numbers[at : at + len(row)] = row
        self._next = (self._next + 1) % self._most

    def __iter__(self) -> Iterator[Window]:
        width, held = len(Window._fields), self._numbers
        rows = len(held) // width
        for row in range(rows):
            at = (self._next + row) % rows * width
            yield Window(*held[at : at + width])


class WindowLog:
    """The windows, and the moments between which pages were made, the last `MAX_WINDOWS` of each."""

    def __init__(self, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.now_ns = now_ns
        self.own: deque[Window] = deque(maxlen=MAX_WINDOWS)
        self.served = 0
        self.failed = 0
        self.last_good_ns = -1
        self._windows = _Windows(MAX_WINDOWS)
        # Pages being made, by thread, and the last ones made: what holds the interpreter, unlike writing them out.
        self._making: dict[int, int] = {}
        self._rendered: deque[tuple[int, int]] = deque(maxlen=_RECENT)
        self._begun: deque[int] = deque(maxlen=MAX_WINDOWS)
        self._made: deque[int] = deque(maxlen=MAX_WINDOWS)
        self._lock = threading.Lock()

    def note_begun(self) -> None:
        """Record that a page is about to be made.

        The clock is read while `take` is locked out, so that moments are returned in order.
        """
        with self._lock:
            now_ns = self.now_ns()
            self._begun.append(now_ns)
            self._making[threading.get_ident()] = now_ns

    def note_made(self) -> None:
        """Record that a page has just been made, or failed."""
        with self._lock:
            now_ns = self.now_ns()
            self._made.append(now_ns)
            self._rendered.append((self._making.pop(threading.get_ident(), now_ns), now_ns))

    def between_pages(self, action: Callable[[], object]) -> int | None:
        """Perform `action` while no page is being made and none can begin; return the moment, None where one is."""
        with self._lock:
            if self._making:
                return None
            action()
            return self.now_ns()

    def rendering_since(self, moment_ns: int) -> list[tuple[int, int]]:
        """Return start and end of each time a page was being made, at `moment_ns` or later, newest first.

        A page in progress ends now. Cheap, since it is called between lines.
        """
        with self._lock:
            if not self._making and (not self._rendered or self._rendered[-1][1] <= moment_ns):
                return []
            now_ns = self.now_ns()
            result = [(began_ns, now_ns) for began_ns in self._making.values()]
            return result + [each for each in reversed(self._rendered) if each[1] > moment_ns]

    def take(self) -> tuple[list[int], list[int]]:
        """Return when pages were begun and finished, in ns and in order, as far as not returned before."""
        with self._lock:
            taken = list(self._begun), list(self._made)
            self._begun.clear()
            self._made.clear()
        return taken

    def add(self, window: Window, *, own: bool) -> None:
        """Store a window; `own` marks a request of the harness itself, which is not a scrape."""
        with self._lock:
            if own:
                self.own.append(window)
                return
            self._windows.append(window)
            self.served += 1
            self.failed += window.status != HTTPStatus.OK
            if window.status == HTTPStatus.OK:
                self.last_good_ns = max(self.last_good_ns, window.start_ns)

    def snapshot(self) -> list[Window]:
        """Return the windows of scrapes, in order of their end."""
        with self._lock:
            return list(self._windows)

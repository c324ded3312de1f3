"""Everything that a live page shows, in bounded size, and the queues of the browsers that watch it."""

import json
import queue
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

__all__ = ["MOST_PAGES", "MOST_POINTS", "LiveEvent", "LiveState", "Points", "Watcher"]

MOST_POINTS = 600
MOST_WATCHERS = 16
# Events that wait for one browser. Five a second come at most, so this is what it may be behind.
_QUEUED = 256
MOST_PAGES = 600
_MOST_NOTES = 50
_MOST_INCIDENTS = 100
# Of these the larger value is kept when points are merged, so that no peak is lost.
_PEAKS = ("lag_p99_ns", "service_p99_ns", "response_p99_ns")

# Its number, its name, and its data as JSON.
LiveEvent = tuple[int, str, str]
Watcher = queue.Queue[LiveEvent]


class Points:
    """At most `most` points over time: the newest ones where `rolling`, else all, merged in pairs when it is full."""

    def __init__(self, *, rolling: bool = False, most: int = MOST_POINTS) -> None:
        self.points: list[dict[str, Any]] = []
        self._rolling, self._most = rolling, most
        # So many points that come in make one that is kept.
        self._each = 1
        self._waiting: list[dict[str, Any]] = []

    def add(self, point: dict[str, Any]) -> tuple[dict[str, Any] | None, bool]:
        """Take one in; return the point that became complete by it, if any, and whether earlier ones were merged."""
        self._waiting.append(point)
        if len(self._waiting) < self._each:
            return None, False
        complete = _merged(self._waiting)
        self._waiting = []
        self.points.append(complete)
        if len(self.points) <= self._most:
            return complete, False
        if self._rolling:
            del self.points[0]
            return complete, False
        pairs = [self.points[i : i + 2] for i in range(0, len(self.points), 2)]
        self.points = [_merged(pair) for pair in pairs]
        self._each *= 2
        return complete, True


def _merged(points: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one point for several: the time of the last one, the means, and the largest of each p99."""
    if len(points) == 1:
        return points[0]
    result = dict(points[-1])
    for name in result.keys() - {"t_ns"}:
        values = [point[name] for point in points if point.get(name) is not None]
        if values:
            result[name] = max(values) if name in _PEAKS else sum(values) / len(values)
    return result


class LiveState:
    """What is known of the run; thread-safe.

    `about` is what the run is: it is sent with the history, and its ``rolling`` says which points are kept.
    """

    def __init__(self, about: Mapping[str, Any]) -> None:
        self._about = dict(about)
        self._points = Points(rolling=bool(about.get("rolling")))
        # Pages being made for a scrape, begin to end: one that is not finished yet is told of again.
        self._pages: dict[int, int] = {}
        self._notes: deque[str] = deque(maxlen=_MOST_NOTES)
        self._incidents: deque[dict[str, Any]] = deque(about.get("scheduled", ()), maxlen=_MOST_INCIDENTS)
        self._now: dict[str, Any] | None = None
        self._phase = ""
        self._result: dict[str, Any] | None = None
        self._end = ""
        self._stays_s: float | None = None
        self._number = 0
        self._watchers: set[Watcher] = set()
        self._lock = threading.Lock()

    def take(self, message: Mapping[str, Any]) -> None:
        """Take in one message of the run (see `harness.live.messages`), and pass it on to whoever watches."""
        with self._lock:
            for name, value in message.items():
                handle = getattr(self, f"_take_{name}", None)
                if handle is not None:
                    handle(value)

    def _take_now(self, now: dict[str, Any]) -> None:
        point = now.pop("point", None)
        for begin, end in now.get("pages", ()):
            self._pages[begin] = end
            if len(self._pages) > MOST_PAGES:
                del self._pages[next(iter(self._pages))]
        self._now, self._phase = {**now, "pages": []}, ""
        self._send("now", now)
        if point is not None:
            complete, merged = self._points.add(point)
            if merged:
                self._send("history", self._history())
            elif complete is not None:
                self._send("point", complete)

    def _take_phase(self, text: str) -> None:
        self._phase = text
        self._send("phase", text)
        self._take_note(text)

    def _take_note(self, text: str) -> None:
        self._notes.append(text)
        self._send("note", text)

    def _take_incident(self, incident: dict[str, Any]) -> None:
        self._incidents.append(incident)
        self._send("incident", incident)

    def _take_result(self, result: dict[str, Any]) -> None:
        self._result = result
        self._send("result", result)

    def _take_stays_s(self, seconds: float) -> None:
        self._stays_s = seconds
        self._send("stays_s", seconds)

    def _take_end(self, text: str) -> None:
        self._end = text
        self._send("end", text)

    def _send(self, name: str, data: Any) -> None:
        self._number += 1
        event = (self._number, name, json.dumps(data))
        for watcher in list(self._watchers):
            try:
                watcher.put_nowait(event)
            except queue.Full:
                # It reads too slowly; its browser connects again and gets the history.
                self._watchers.discard(watcher)

    def _history(self) -> dict[str, Any]:
        return {
            "about": self._about,
            "points": self._points.points,
            "pages": list(self._pages.items()),
            "notes": list(self._notes),
            "incidents": list(self._incidents),
            "now": self._now,
            "phase": self._phase,
            "result": self._result,
            "stays_s": self._stays_s,
            "end": self._end,
        }

    def watch(self) -> Watcher | None:
        """Return a queue whose first event is everything until now, None where too many watch already."""
        with self._lock:
            if len(self._watchers) >= MOST_WATCHERS:
                return None
            watcher: Watcher = queue.Queue(_QUEUED)
            watcher.put_nowait((self._number, "history", json.dumps(self._history())))
            self._watchers.add(watcher)
            return watcher

    def is_watching(self, watcher: Watcher) -> bool:
        """Return whether a queue is still served: not once it was full, or after `leave` or `close`."""
        return watcher in self._watchers

    def leave(self, watcher: Watcher) -> None:
        """Serve a queue no more."""
        with self._lock:
            self._watchers.discard(watcher)

    @property
    def watchers(self) -> int:
        """The number of queues that are served."""
        return len(self._watchers)

    def close(self) -> None:
        """Tell everybody that nothing more will come."""
        with self._lock:
            self._send("bye", self._end)

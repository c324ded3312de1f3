"""Live progress of all workers as one: what each recorded since it was last heard, merged."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from harness.distributed.protocol.values import check_snapshot, whole
from harness.distributed.protocol.wire import Message
from harness.load.latency.histogram import Histogram
from harness.load.latency.tail import supported
from harness.load.pump import Snapshot
from harness.load.recorder import Timings
from harness.run.workers import Progress

__all__ = ["Increments", "WholeDisplay", "joined", "progress_every_ns"]

# What the percentiles of a snapshot are of.
_SHOWN = ("lag", "service", "response")
# The coordinator shows how the run stands so often, and hears of each worker so often where they are few.
_PROGRESS_S = 0.2
# What taking in one worker's message may take, so that many workers leave the coordinator idle most of the time.
_EACH_NS = 2_000_000


def progress_every_ns(count: int) -> int:
    """Return how often each of `count` workers says how it stands, in nanoseconds."""
    return max(int(_PROGRESS_S * 1e9), _EACH_NS * count)


class Increments:
    """What a worker's histograms counted since its last message: the positions that changed, and by how much."""

    def __init__(self, timings: Timings) -> None:
        self._histograms = {name: getattr(timings, name) for name in _SHOWN}
        self._told = {name: Histogram() for name in _SHOWN}

    def message(self, snapshot: Snapshot) -> Message:
        """Return how the worker stands, to be confirmed by `told` when it is on its way."""
        states = {name: each.state_since(self._told[name]) for name, each in self._histograms.items()}
        return {"snapshot": asdict(snapshot), "recorded": states}

    def told(self, message: Message) -> None:
        """Note that the coordinator will get a message, so that the next one begins where it ends."""
        for name, state in message["recorded"].items():
            self._told[name].add_state(state)


class WholeDisplay:
    """Shows how all workers stand together, a few times a second, and remembers how each stood last.

    Messages may be taken in by another thread than the one that shows.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._whole = {name: Histogram() for name in _SHOWN}
        self._scrapes: dict[int, tuple[int, int]] = {}
        self._shown_s = 0.0
        self._new = False
        self._lock = threading.Lock()
        # How each worker stood, and when that was heard, on the monotonic clock.
        self.snapshots: dict[int, Snapshot] = {}
        self.heard_ns: dict[int, int] = {}

    def take(self, number: int, message: Message) -> None:
        """Take in how one worker stands; a message that cannot be read is left out."""
        try:
            check_snapshot(message["snapshot"])
            snapshot = Snapshot(**message["snapshot"])
            scrapes = whole(message["scrapes"]), whole(message["failed_scrapes"])
            with self._lock:
                for name, histogram in self._whole.items():
                    histogram.add_state(message["recorded"][name])
                self.snapshots[number], self._scrapes[number] = snapshot, scrapes
                self.heard_ns[number] = time.monotonic_ns()
                self._new = True
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
            return

    def show(self) -> None:
        """Show how all stand, where that is something new and it is time."""
        now_s = time.monotonic()
        if not self._new or now_s - self._shown_s < _PROGRESS_S:
            return
        with self._lock:
            self._new = False
            whole = joined(self.snapshots, self._whole)
            counts = [sum(column) for column in zip(*self._scrapes.values(), strict=True)]
        self._shown_s = now_s
        self._progress(whole, counts[0], counts[1])


def joined(snapshots: Mapping[int, Snapshot], whole: Mapping[str, Histogram]) -> Snapshot:
    """Return how workers, by number, stand together: totals and rates added up, percentiles of all their lines.

    `whole` holds the merged histograms ``lag``, ``service`` and ``response``. The worst worker is the one with the
    longest p99 lag, which is told where it has lines enough for one. Raises `ValueError` without a worker.
    """
    worst = max(snapshots, key=lambda number: snapshots[number].lag_p99_ns or 0)
    every = list(snapshots.values())
    targets = [snapshot.target_rate for snapshot in every]
    percentiles: dict[str, Any] = {}
    for name, histogram in whole.items():
        at = histogram.percentiles((50, 99))
        percentiles |= {f"{name}_p50_ns": at[50], f"{name}_p99_ns": at[99]}
    several, slowest = len(every) > 1, snapshots[worst]
    enough = supported(99, slowest.offered - slowest.dropped)
    return replace(
        every[0],
        elapsed_ns=max(snapshot.elapsed_ns for snapshot in every),
        offered=sum(snapshot.offered for snapshot in every),
        processed=sum(snapshot.processed for snapshot in every),
        failed=sum(snapshot.failed for snapshot in every),
        dropped=sum(snapshot.dropped for snapshot in every),
        rate=sum(snapshot.rate for snapshot in every),
        target_rate=None if None in targets else sum(target for target in targets if target is not None),
        worst_worker=worst if several else None,
        worst_lag_p99_ns=slowest.lag_p99_ns if several and enough else None,
        errors=sum((Counter(snapshot.errors) for snapshot in every), Counter()),
        recent=slowest.recent,
        pages=[window for snapshot in every for window in snapshot.pages],
        workers=dict(snapshots) if several else {},
        incidents=tuple(dict.fromkeys(kind for snapshot in every for kind in snapshot.incidents)),
        **percentiles,
    )

"""What has arrived at a sink: count, sum and buckets of each series of each view, and when values arrived."""

import threading
import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.views import Tags

__all__ = ["MOST_ARRIVALS", "RESOLUTION_NS", "ArrivalTimes", "ArrivedCount", "ArrivedDistribution", "ArrivedViews"]

# Two arrivals closer than this are one; the distance doubles whenever there are too many.
RESOLUTION_NS = 1_000_000
MOST_ARRIVALS = 65_536


class ArrivedCount:
    """One series of a counter."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0.0

    def add(self, value: float) -> None:
        """Add an increment."""
        self.count += value

    def row(self) -> list[Any]:
        """Return it as plain values."""
        return [self.count]


class ArrivedDistribution:
    """One series of a distribution; `buckets` are not cumulated, by Prometheus' rule ``value <= bound``."""

    __slots__ = ("bounds", "buckets", "count", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.count, self.total = 0.0, 0.0
        self.buckets: list[float] = [0] * (len(bounds) + 1)

    def add(self, value: float) -> None:
        """Add one value."""
        self.count += 1
        self.total += value
        self.buckets[bisect_left(self.bounds, value)] += 1

    def row(self) -> list[Any]:
        """Return it as plain values."""
        return [self.count, self.total, list(self.bounds), self.buckets]


class ArrivedViews:
    """The series of each view by its tags; `bounds` has for each family its view's bounds, None for one that counts.

    A thread holds `lock` while it changes or reads them. `unreadable` counts values that are none of a view's.
    """

    def __init__(self, bounds: Mapping[str, Sequence[float] | None]) -> None:
        self.lock = threading.Lock()
        self.unreadable = 0
        self.bounds = bounds
        self._series: dict[str, dict[Tags, ArrivedCount | ArrivedDistribution]] = {family: {} for family in bounds}

    def series(self, family: str, tags: Tags) -> ArrivedCount | ArrivedDistribution:
        """Return a series of a family, a new one where there is none yet; raises `KeyError` for another family."""
        of_family = self._series[family]
        series = of_family.get(tags)
        if series is None:
            bounds = self.bounds[family]
            series = of_family[tags] = ArrivedCount() if bounds is None else ArrivedDistribution(bounds)
        return series

    def rows(self) -> dict[str, list[list[Any]]]:
        """Return, for each family, the tags of each series and its values."""
        return {
            family: [[*tags, *series.row()] for tags, series in of_family.items()]
            for family, of_family in self._series.items()
        }


class ArrivalTimes:
    """When values were sent and when they could be read at the sink, ``time.monotonic_ns`` of this machine.

    At most `MOST_ARRIVALS` are kept, evenly over time: an arrival less than `resolution_ns` after the one before is
    left out, which makes values look older by so much at most.
    """

    def __init__(self, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._now_ns = now_ns
        self._times = array("q")
        self.resolution_ns = RESOLUTION_NS
        # Before this moment an arrival is left out.
        self.due_ns = 0

    def note(self, sent_wall_ns: int) -> None:
        """Note that values have arrived that were sent at `sent_wall_ns` of the time of day."""
        now = self._now_ns()
        if now < self.due_ns:
            return
        sent = now - max(0, time.time_ns() - sent_wall_ns)
        self._times.extend((sent, now))
        self.due_ns = now + self.resolution_ns
        if len(self._times) >= 2 * MOST_ARRIVALS:
            self._thin()

    def _thin(self) -> None:
        pairs = self.pairs()[1::2]
        self._times = array("q", [moment for pair in pairs for moment in pair])
        self.resolution_ns *= 2

    def pairs(self) -> list[tuple[int, int]]:
        """Return when each was sent and when it had been read, in order."""
        return list(zip(self._times[::2], self._times[1::2], strict=True))

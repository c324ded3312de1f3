"""A fixed instrument on the standard library alone: the unit in which `harness check` follows costs.

A line that is recorded takes 5 to 500 microseconds, one that is not takes 0.4. So short a loop runs faster or slower
by some percent with the place of its code in memory, and by more with the state of the machine, in other proportions
than recording does. This instrument does the kind of work that metric libraries do, for about as long: it looks a
series up by a tuple made of its labels, takes a lock, adds to a sum, searches a bucket.

Its work is part of what figures mean. `record` and what it calls are never changed; other work gets another name.
"""

from bisect import bisect_left
from collections.abc import Iterator
from threading import Lock

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from harness.views import LINE_LENGTH, REFUSED, TAG_KEYS, Aggregation, Tags, View

__all__ = ["ReferenceInstrument"]


class _Cell:
    """The count, the sum and the buckets of one series."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.lock = Lock()
        self.bounds = bounds
        self.count = 0
        self.total = 0.0
        self.buckets = [0] * (len(bounds) + 1)

    def add(self, value: float) -> None:
        with self.lock:
            self.count += 1
            self.total += value
            self.buckets[bisect_left(self.bounds, value)] += 1


class _Family:
    """The series of one view, by the values of their labels in the order of the labels' names."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.cells: dict[tuple[str, ...], _Cell] = {}

    def cell(self, labels: dict[str, str]) -> _Cell:
        key = tuple(str(labels[name]) for name in sorted(labels))
        try:
            return self.cells[key]
        except KeyError:
            return self.cells.setdefault(key, _Cell(self.view.bounds))

    def shown(self) -> Metric | None:
        """Return the family for the page; None while it has no series."""
        view, names = self.view, sorted(self.view.tag_keys)
        counted = view.aggregation is Aggregation.COUNT
        family: CounterMetricFamily | HistogramMetricFamily = (
            CounterMetricFamily(view.family, view.description, labels=names)
            if counted
            else HistogramMetricFamily(view.family, view.description, labels=names)
        )
        for key, cell in list(self.cells.items()):
            with cell.lock:
                count, total, buckets = cell.count, cell.total, list(cell.buckets)
            if isinstance(family, CounterMetricFamily):
                family.add_metric(key, count)
            else:
                family.add_metric(key, _cumulative(view.bounds, buckets), total)
        return family if self.cells else None


def _cumulative(bounds: tuple[float, ...], buckets: list[int]) -> list[tuple[str, float]]:
    result, so_far = [], 0
    for bound, inside in zip((*bounds, float("inf")), buckets, strict=True):
        so_far += inside
        result.append(("+Inf" if bound == float("inf") else str(float(bound)), float(so_far)))
    return result


def _labels(keys: tuple[str, ...], tags: Tags) -> dict[str, str]:
    # Views may have the first few of a line's tags only.
    return dict(zip(keys, tags, strict=False))


class _Page(Collector):
    def __init__(self, families: list[_Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            if (shown := family.shown()) is not None:
                yield shown


class ReferenceInstrument:
    """Records every view in dictionaries, one locked cell for each series."""

    def __init__(self, views: tuple[View, ...]) -> None:
        families = [_Family(view) for view in views]
        self._keys = views[0].tag_keys if views else TAG_KEYS
        if any(view.tag_keys != TAG_KEYS[: len(self._keys)] for view in views):
            raise ValueError(f"every view needs the same first few of the tag keys {', '.join(TAG_KEYS)}")
        counts = [each for each in families if each.view.aggregation is Aggregation.COUNT]
        others = [each for each in families if each.view.aggregation is Aggregation.DISTRIBUTION]
        self._length = tuple(each for each in others if each.view.measure == LINE_LENGTH)
        self._latency = tuple(each for each in others if each.view.measure != LINE_LENGTH)
        self._refused = tuple(each for each in counts if each.view.measure == REFUSED)
        self._line = tuple(each for each in counts if each.view.measure != REFUSED)
        self.registry = CollectorRegistry()
        self.registry.register(_Page(families))

    def record(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Record one line."""
        for family in self._latency:
            family.cell(_labels(self._keys, tags)).add(float(latency_ms))
        for family in self._length:
            family.cell(_labels(self._keys, tags)).add(float(length_bytes))
        for family in self._line:
            family.cell(_labels(self._keys, tags)).add(1.0)
        if tags.error:
            for family in self._refused:
                family.cell(_labels(self._keys, tags)).add(1.0)

    def close(self) -> None:
        """Release nothing: the registry and its series belong to this object alone."""

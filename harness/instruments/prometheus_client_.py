"""prometheus-client as an instrument, with children looked up for each line or once for each set of tags."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from prometheus_client import Counter, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from harness.views import LATENCY_MS, LINE_LENGTH, REFUSED, TAG_KEYS, Aggregation, Measure, Tags, View

__all__ = ["CachedPrometheusClientInstrument", "PrometheusClientInstrument", "ViewMetrics"]


class _WithoutCreated(Collector):
    """The metrics less their ``_created`` samples, which the quickstart's page does not have.

    The library's own switch for them is one for the whole process.
    """

    def __init__(self, metrics: list[Counter | Histogram]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        for metric in self._metrics:
            for family in metric.collect():
                family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
                # A view has no family before its first line; the library shows a bare HELP and TYPE.
                if family.samples:
                    yield family


_Metric = TypeVar("_Metric", Counter, Histogram)


def _child(metric: _Metric, keys: int, tags: Tags) -> _Metric:
    """Return the metric's child for the first `keys` tags; one without any is its own only child."""
    return metric.labels(*tags[:keys]) if keys else metric


class ViewMetrics:
    """One metric for each view, sorted by what it takes of a line; made by `counter` or `histogram`."""

    def __init__(
        self, views: tuple[View, ...], counter: type[Counter] = Counter, histogram: type[Histogram] = Histogram
    ) -> None:
        self._counter, self._histogram = counter, histogram
        self.observe_latency: list[Histogram] = []
        self.observe_length: list[Histogram] = []
        self.count_line: list[Counter] = []
        self.count_refused: list[Counter] = []
        self.registry = CollectorRegistry()
        self.keys = len(views[0].tag_keys) if views else len(TAG_KEYS)
        if any(view.tag_keys != TAG_KEYS[: self.keys] for view in views):
            raise ValueError(f"every view needs the same first few of the tag keys {', '.join(TAG_KEYS)}")
        self.registry.register(_WithoutCreated([self._make(view) for view in views]))

    def _make(self, view: View) -> Counter | Histogram:
        if view.aggregation is Aggregation.COUNT:
            counter = self._counter(view.family, view.description, view.tag_keys, registry=None)
            (self.count_refused if view.measure == REFUSED else self.count_line).append(counter)
            return counter
        histogram = self._histogram(view.family, view.description, view.tag_keys, registry=None, buckets=view.bounds)
        self._observers(view.measure).append(histogram)
        return histogram

    def _observers(self, measure: Measure) -> list[Histogram]:
        if measure == LATENCY_MS:
            return self.observe_latency
        if measure == LINE_LENGTH:
            return self.observe_length
        raise ValueError(f"no value of a line is known for a distribution of {measure.name}")


class PrometheusClientInstrument:
    """Calls ``labels()`` for each metric of each line; `metrics` are those of the views, by default new ones."""

    def __init__(self, views: tuple[View, ...], metrics: ViewMetrics | None = None) -> None:
        metrics = metrics or ViewMetrics(views)
        self.registry = metrics.registry
        self._latency = tuple(metrics.observe_latency)
        self._length = tuple(metrics.observe_length)
        self._line = tuple(metrics.count_line)
        self._refused = tuple(metrics.count_refused)
        self._keys = metrics.keys
        if self._keys < len(TAG_KEYS):
            # Decided once, so that recording has no branch for it; and written out in full, since a call that the
            # ways shared would be measured as the library's.
            self.record = self._record_some if self._keys else self._record_bare  # type: ignore[method-assign]

    def record(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Record one line."""
        for histogram in self._latency:
            histogram.labels(*tags).observe(latency_ms)
        for histogram in self._length:
            histogram.labels(*tags).observe(length_bytes)
        for counter in self._line:
            counter.labels(*tags).inc()
        if tags.error:
            for counter in self._refused:
                counter.labels(*tags).inc()

    def _record_some(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Record one line where the views have the first few of its tags."""
        values = tags[: self._keys]
        for histogram in self._latency:
            histogram.labels(*values).observe(latency_ms)
        for histogram in self._length:
            histogram.labels(*values).observe(length_bytes)
        for counter in self._line:
            counter.labels(*values).inc()
        if tags.error:
            for counter in self._refused:
                counter.labels(*values).inc()

    def _record_bare(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Record one line where the views have no tags: each metric is its own only child."""
        for histogram in self._latency:
            histogram.observe(latency_ms)
        for histogram in self._length:
            histogram.observe(length_bytes)
        for counter in self._line:
            counter.inc()
        if tags.error:
            for counter in self._refused:
                counter.inc()

    def close(self) -> None:
        """Release nothing: the registry and its metrics belong to this object alone."""


class _Children(NamedTuple):
    """The bound methods to call for each line of one set of tags."""

    latency: tuple[Callable[[float], None], ...]
    length: tuple[Callable[[float], None], ...]
    line: tuple[Callable[[], None], ...]


class CachedPrometheusClientInstrument:
    """Keeps the children of each set of tags, as the library's documentation advises."""

    def __init__(self, views: tuple[View, ...]) -> None:
        self._metrics = ViewMetrics(views)
        self.registry = self._metrics.registry
        self._children: dict[Tags, _Children] = {}

    def record(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Record one line."""
        children = self._children.get(tags)
        if children is None:
            children = self._look_up(tags)
        for observe in children.latency:
            observe(latency_ms)
        for observe in children.length:
            observe(length_bytes)
        for count in children.line:
            count()

    def _look_up(self, tags: Tags) -> _Children:
        """Return the children of `tags`; the library gives two threads that ask at once the same ones."""
        metrics = self._metrics
        counters = [*metrics.count_line, *(metrics.count_refused if tags.error else ())]
        keys = metrics.keys
        children = _Children(
            tuple(_child(histogram, keys, tags).observe for histogram in metrics.observe_latency),
            tuple(_child(histogram, keys, tags).observe for histogram in metrics.observe_length),
            tuple(_child(counter, keys, tags).inc for counter in counters),
        )
        return self._children.setdefault(tags, children)

    def close(self) -> None:
        """Release nothing: the registry and its metrics belong to this object alone."""

"""Changes of the values of the known metrics libraries in this process, as proof that recording was muted.

While recording is muted, no counter, histogram, summary or recorded gauge changes. Values that a library only reads for
a page, or that change by themselves, are not recorded and are ignored: gauges of functions, the user's own callbacks
and collectors, and the figures of processes and garbage collectors.
"""

import gc
import math
import sys
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Movement"]

# Collectors whose figures change by themselves, and one whose figures are read from OpenCensus' own data instead.
_BY_THEMSELVES = {
    ("prometheus_client.process_collector", "ProcessCollector"),
    ("prometheus_client.gc_collector", "GCCollector"),
    ("prometheus_client.platform_collector", "PlatformCollector"),
    ("opentelemetry.exporter.prometheus", "_CustomCollector"),
    ("opencensus.ext.prometheus.stats_exporter", "Collector"),
}
_SYSTEM_METRICS = "opentelemetry.instrumentation.system_metrics"
_ClassName = tuple[str, str]
_REGISTRY, _METRIC = (
    ("prometheus_client.registry", "CollectorRegistry"),
    ("prometheus_client.metrics", "MetricWrapperBase"),
)
_VIEWS = ("opencensus.stats.measure_to_view_map", "MeasureToViewMap")
_POINTS = ("opencensus.metrics.export.gauge", "BaseGauge")
_OBSERVED = ("opentelemetry.sdk.metrics._internal.instrument", "ObservableCounter")
_LOOKED_AT = (_REGISTRY, _METRIC, _VIEWS, _POINTS, _OBSERVED)
_CUMULATIVE = tuple(
    ("opencensus.metrics.export.cumulative", name) for name in ("LongCumulativeMixin", "DoubleCumulativeMixin")
)
# The attribute of an OpenCensus aggregation that changes with each record; the first one present is used.
_OC_FIELDS = ("_count_data", "_sum_data", "_value")
# Types of families whose series do not start at zero.
_STATES = {"info", "stateset"}
_READ = {"gauge", "gaugehistogram"}


@dataclass(frozen=True, slots=True)
class _Value:
    """The value of one series; `start` is its value before the first record."""

    metric: str
    current: object
    start: object


_Snapshot = dict[Hashable, _Value]


class Movement:
    """A snapshot of all values at the time of its creation, for comparison with later values.

    `arrived` is the growing list of OpenTelemetry instruments whose measurements reached the SDK's readers.
    """

    def __init__(self, arrived: Sequence[str] = ()) -> None:
        self._arrived = arrived
        self._since = len(arrived)
        # Objects in the snapshot are kept alive, so that no new object gets the identity of a deleted one.
        self._alive: list[object] = []
        self.unreadable = ""
        self._before = self._look()

    def first(self) -> str:
        """Return the name of a metric that has changed, and how; empty where none has.

        `unreadable` then names a collector that cannot be read, with the reason.
        """
        if len(self._arrived) > self._since:
            return f"{self._arrived[self._since]} received a measurement"
        # Frozen objects are not among those of the garbage collector.
        gc.unfreeze()
        for key, now in self._look().items():
            before = self._before.get(key)
            old = now.start if before is None else before.current
            if old != now.current and not (_nan(old) and _nan(now.current)):
                return f"{now.metric} moved from {_text(old)} to {_text(now.current)}"
        return ""

    def _look(self) -> _Snapshot:
        snapshot: _Snapshot = {}
        objects = _Objects()
        for collector in _collectors(objects):
            try:
                readings = list(_samples(collector))
            except Exception as error:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                self.unreadable = f"{type(collector).__qualname__} cannot be read ({reason})"
                continue
            self._take(readings, snapshot)
        for read in (_opencensus_views, _opencensus_points, _opentelemetry_callbacks):
            self._take(read(objects), snapshot)
        return snapshot

    def _take(self, readings: Iterable[tuple[object, Hashable, _Value]], snapshot: _Snapshot) -> None:
        for holder, series, value in readings:
            self._alive.append(holder)
            snapshot[id(holder), series] = value


_Readings = Iterator[tuple[object, Hashable, _Value]]


def _nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "nothing" if value is None else str(value)


def _class(kind: _ClassName) -> type | None:
    value = getattr(sys.modules.get(kind[0]), kind[1], None)
    return value if isinstance(value, type) else None


class _Objects:
    """The live objects of the classes in `_LOOKED_AT`, selected in one pass over all objects of this process."""

    def __init__(self) -> None:
        classes = {kind: base for kind in _LOOKED_AT if (base := _class(kind)) is not None}
        every = gc.get_objects()
        # By type() and not by isinstance: the __class__ of a lazy proxy would make it create its object.
        types = set(map(type, every)) if classes else set()
        subclasses = {kind: {cls for cls in types if issubclass(cls, base)} for kind, base in classes.items()}
        any_of = set().union(*subclasses.values())
        few = [instance for instance in every if type(instance) in any_of]
        self._instances = {
            kind: [instance for instance in few if type(instance) in types] for kind, types in subclasses.items()
        }

    def of(self, kind: _ClassName) -> list[Any]:
        """Return all objects of one of the classes in `_LOOKED_AT`."""
        return list(self._instances.get(kind, ()))


def _collectors(objects: _Objects) -> Iterator[Any]:
    """Yield the collectors of all registries, and all metrics that are in no registry."""
    collectors: dict[int, Any] = {}
    # The default registry was created when the library was imported, and may be frozen by now.
    default = getattr(sys.modules.get(_REGISTRY[0]), "REGISTRY", None)
    for registry in [*objects.of(_REGISTRY), *filter(None, [default])]:
        registered = tuple(registry._collector_to_names)  # noqa: SLF001 - no public list
        collectors |= {id(collector): collector for collector in registered}
    for metric in objects.of(_METRIC):
        if not metric._labelvalues:  # noqa: SLF001 - a child is shown by its parent
            collectors[id(metric)] = metric
    for collector in collectors.values():
        if (type(collector).__module__, type(collector).__name__) not in _BY_THEMSELVES:
            yield collector


def _samples(collector: Any) -> _Readings:
    read_only = _read_only(collector)
    for family in collector.collect():
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            if family.type in _READ and (read_only is None or labels in read_only):
                continue
            fixed = family.type in _STATES or sample.name.endswith("_created")
            yield collector, (sample.name, labels), _Value(sample.name, sample.value, sample.value if fixed else 0.0)


def _read_only(collector: Any) -> set[Hashable] | None:
    """Return the label sets of a gauge whose values come from functions; None for collectors of the user's own."""
    if not issubclass(type(collector), _class(_METRIC) or ()):
        # OpenCensus-lean shows recorded last values as gauges.
        return set() if type(collector).__name__ == "LeanStore" else None
    children = getattr(collector, "_metrics", None)
    if children is None:
        return {()} if "_child_samples" in vars(collector) else set()
    names = collector._labelnames  # noqa: SLF001
    return {
        tuple(sorted(zip(names, values, strict=True)))
        for values, child in children.items()
        if "_child_samples" in vars(child)
    }


def _opencensus_views(objects: _Objects) -> _Readings:
    default = getattr(sys.modules.get("opencensus.stats.stats"), "stats", None)
    maps = objects.of(_VIEWS) + ([default.view_manager.measure_to_view_map] if default is not None else [])
    for view_map in maps:
        for datas in tuple(view_map._measure_to_view_data_list_map.values()):  # noqa: SLF001 - no public list
            for data in datas:
                for tags, aggregated in tuple(data.tag_value_aggregation_data_map.items()):
                    value = next((getattr(aggregated, name) for name in _OC_FIELDS if hasattr(aggregated, name)), None)
                    yield data, tags, _Value(data.view.name, value, None)


def _opencensus_points(objects: _Objects) -> _Readings:
    """Yield the recorded values of gauges and cumulative metrics, and the function values of the latter."""
    cumulative = tuple(filter(None, map(_class, _CUMULATIVE)))
    derived = _class((_POINTS[0], "DerivedGauge")) or ()
    for gauge in objects.of(_POINTS):
        if issubclass(type(gauge), cumulative) or not issubclass(type(gauge), derived):
            for labels, point in tuple(gauge.points.items()):
                yield gauge, labels, _Value(gauge.descriptor.name, point.get_value(), 0)


def _opentelemetry_callbacks(objects: _Objects) -> _Readings:
    """Yield the values of observable counters; measurements of other instruments are noted on arrival."""
    options = getattr(sys.modules.get("opentelemetry.metrics"), "CallbackOptions", None)
    for counter in objects.of(_OBSERVED):
        if options is None or counter.instrumentation_scope.name == _SYSTEM_METRICS:
            continue
        for observation in counter.callback(options()):
            labels = tuple(sorted((observation.attributes or {}).items()))
            yield counter, labels, _Value(counter.name, observation.value, 0)

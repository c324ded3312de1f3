"""What the known metrics libraries of this process show, compared with what they showed before.

It proves that recording was muted: then no counter, histogram, summary or recorded gauge has moved. What a library only
reads when it is asked for a page, and what counts by itself, is not recording: gauges of functions, callbacks and
collectors of the user's own, and what processes and garbage collectors say of themselves.
"""

import gc
import math
import sys
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Movement"]

# Collectors whose figures move by themselves, and one that shows what is read from OpenCensus' own data already.
_BY_THEMSELVES = {
    ("prometheus_client.process_collector", "ProcessCollector"),
    ("prometheus_client.gc_collector", "GCCollector"),
    ("prometheus_client.platform_collector", "PlatformCollector"),
    ("opentelemetry.exporter.prometheus", "_CustomCollector"),
    ("opencensus.ext.prometheus.stats_exporter", "Collector"),
}
_SYSTEM_METRICS = "opentelemetry.instrumentation.system_metrics"
_Kind = tuple[str, str]
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
# What of an OpenCensus aggregation tells that something was recorded.
_OC_FIELDS = ("_count_data", "_sum_data", "_value")
# Types of families whose series do not start at zero.
_STATES = {"info", "stateset"}
_READ = {"gauge", "gaugehistogram"}


@dataclass(frozen=True, slots=True)
class _Value:
    """What one series shows; `start` is what it shows before anything was recorded."""

    metric: str
    shown: object
    start: object


_Shown = dict[Hashable, _Value]


class Movement:
    """What is shown at the time it is made, to be compared with what is shown later.

    `arrived` is appended to by what watches measurements arrive at the OpenTelemetry SDK's readers.
    """

    def __init__(self, arrived: Sequence[str] = ()) -> None:
        self._arrived = arrived
        self._since = len(arrived)
        # What is looked at is held, so that nothing new takes the identity of something that is gone.
        self._held: list[object] = []
        self.unreadable = ""
        self._before = self._look()

    def first(self) -> str:
        """Return the name of a metric that moved since, and how; nothing when none did.

        A collector that cannot be read is named, with the reason, in `unreadable`.
        """
        if len(self._arrived) > self._since:
            return f"{self._arrived[self._since]} received a measurement"
        # What is hidden from the garbage collector is not among its objects.
        gc.unfreeze()
        for key, now in self._look().items():
            before = self._before.get(key)
            old = now.start if before is None else before.shown
            if old != now.shown and not (_nan(old) and _nan(now.shown)):
                return f"{now.metric} moved from {_told(old)} to {_told(now.shown)}"
        return ""

    def _look(self) -> _Shown:
        shown: _Shown = {}
        objects = _Objects()
        for collector in _collectors(objects):
            try:
                found = list(_samples(collector))
            except Exception as error:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                self.unreadable = f"{type(collector).__qualname__} cannot be read ({reason})"
                continue
            self._take(found, shown)
        for read in (_opencensus_views, _opencensus_points, _opentelemetry_callbacks):
            self._take(read(objects), shown)
        return shown

    def _take(self, found: Iterable[tuple[object, Hashable, _Value]], shown: _Shown) -> None:
        for holder, series, value in found:
            self._held.append(holder)
            shown[id(holder), series] = value


_Found = Iterator[tuple[object, Hashable, _Value]]


def _nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _told(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "nothing" if value is None else str(value)


def _class(kind: _Kind) -> type | None:
    found = getattr(sys.modules.get(kind[0]), kind[1], None)
    return found if isinstance(found, type) else None


class _Objects:
    """The objects of some classes that live in this process, sorted out of all objects at once."""

    def __init__(self) -> None:
        classes = {kind: found for kind in _LOOKED_AT if (found := _class(kind)) is not None}
        every = gc.get_objects()
        # By its type and not by what it claims to be: asking a lazy proxy would have it make something.
        types = set(map(type, every)) if classes else set()
        wanted = {kind: {each for each in types if issubclass(each, found)} for kind, found in classes.items()}
        any_of = set().union(*wanted.values())
        few = [each for each in every if type(each) in any_of]
        self._found = {kind: [each for each in few if type(each) in types] for kind, types in wanted.items()}

    def of(self, kind: _Kind) -> list[Any]:
        """Return all objects of one of the classes in `_LOOKED_AT`."""
        return list(self._found.get(kind, ()))


def _collectors(objects: _Objects) -> Iterator[Any]:
    """Yield what all registries ask for samples, and all metrics that are in none."""
    collectors: dict[int, Any] = {}
    # Made when the library was imported, and so perhaps hidden from the garbage collector by now.
    default = getattr(sys.modules.get(_REGISTRY[0]), "REGISTRY", None)
    for registry in [*objects.of(_REGISTRY), *filter(None, [default])]:
        collectors |= {id(each): each for each in tuple(registry._collector_to_names)}  # noqa: SLF001 - no public list
    for metric in objects.of(_METRIC):
        if not metric._labelvalues:  # noqa: SLF001 - a child is shown by its parent
            collectors[id(metric)] = metric
    for each in collectors.values():
        if (type(each).__module__, type(each).__name__) not in _BY_THEMSELVES:
            yield each


def _samples(collector: Any) -> _Found:
    read_only = _read_only(collector)
    for family in collector.collect():
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            if family.type in _READ and (read_only is None or labels in read_only):
                continue
            fixed = family.type in _STATES or sample.name.endswith("_created")
            yield collector, (sample.name, labels), _Value(sample.name, sample.value, sample.value if fixed else 0.0)


def _read_only(collector: Any) -> set[Hashable] | None:
    """Return the label sets of a gauge whose values functions give; None where all values are the user's own."""
    if not issubclass(type(collector), _class(_METRIC) or ()):
        # OpenCensus-lean shows last values, which were recorded.
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


def _opencensus_views(objects: _Objects) -> _Found:
    default = getattr(sys.modules.get("opencensus.stats.stats"), "stats", None)
    maps = objects.of(_VIEWS) + ([default.view_manager.measure_to_view_map] if default is not None else [])
    for view_map in maps:
        for datas in tuple(view_map._measure_to_view_data_list_map.values()):  # noqa: SLF001 - no public list
            for data in datas:
                for tags, aggregated in tuple(data.tag_value_aggregation_data_map.items()):
                    shown = next((getattr(aggregated, name) for name in _OC_FIELDS if hasattr(aggregated, name)), None)
                    yield data, tags, _Value(data.view.name, shown, None)


def _opencensus_points(objects: _Objects) -> _Found:
    """Yield what was given to gauges and cumulative metrics, and what functions of the latter say."""
    cumulative = tuple(filter(None, map(_class, _CUMULATIVE)))
    derived = _class((_POINTS[0], "DerivedGauge")) or ()
    for gauge in objects.of(_POINTS):
        if issubclass(type(gauge), cumulative) or not issubclass(type(gauge), derived):
            for labels, point in tuple(gauge.points.items()):
                yield gauge, labels, _Value(gauge.descriptor.name, point.get_value(), 0)


def _opentelemetry_callbacks(objects: _Objects) -> _Found:
    """Yield what observable counters say; what arrives at others is watched."""
    options = getattr(sys.modules.get("opentelemetry.metrics"), "CallbackOptions", None)
    for counter in objects.of(_OBSERVED):
        if options is None or counter.instrumentation_scope.name == _SYSTEM_METRICS:
            continue
        for measured in counter.callback(options()):
            labels = tuple(sorted((measured.attributes or {}).items()))
            yield counter, labels, _Value(counter.name, measured.value, 0)

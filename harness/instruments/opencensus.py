"""The quickstart's own instrument: the OpenCensus library and its Prometheus exporter, used as its text does."""

from contextvars import copy_context
from typing import Any

from opencensus.ext.prometheus import stats_exporter
from opencensus.stats import aggregation, execution_context, measure, view
from opencensus.stats.measure_to_view_map import MeasureToViewMap
from opencensus.stats.stats_recorder import StatsRecorder
from opencensus.stats.view_manager import ViewManager
from opencensus.tags.tag_key import TagKey
from opencensus.tags.tag_map import TagMap
from opencensus.tags.tag_value import TagValue
from prometheus_client import REGISTRY
from prometheus_client.registry import CollectorRegistry

from harness.views import LATENCY_MS, LINE_LENGTH, NAMESPACE, REFUSED, Aggregation, Measure, Tags, View

__all__ = ["KEY_ERROR", "KEY_METHOD", "KEY_STATUS", "OpenCensusInstrument", "PrivateStats", "to_opencensus"]

KEY_METHOD = TagKey("method")
KEY_STATUS = TagKey("status")
KEY_ERROR = TagKey("error")


class PrivateStats:
    """A `StatsRecorder` and a `ViewManager` over a measure-to-view map of their own.

    The library finds its map in the current context when a recorder is built, and keeps it from then on. Building
    both inside a copy of the context gives them a fresh map and leaves the caller's, and the process-wide
    ``stats.stats``, untouched; afterwards any thread may record, because the recorder holds its map.
    """

    def __init__(self) -> None:
        self.stats_recorder: Any
        self.view_manager: Any
        copy_context().run(self._build)

    def _build(self) -> None:
        execution_context.set_measure_to_view_map(MeasureToViewMap())
        self.stats_recorder = StatsRecorder()
        self.view_manager = ViewManager()


def to_opencensus(views: tuple[View, ...]) -> tuple[dict[Measure, Any], list[Any]]:
    """Return OpenCensus' measures (the quickstart's three and any other that `views` fold) and its views."""
    measures = {
        m: (measure.MeasureInt if m.integer else measure.MeasureFloat)(m.name, m.description, m.unit)
        for m in dict.fromkeys([LATENCY_MS, LINE_LENGTH, REFUSED, *(v.measure for v in views)])
    }
    return measures, [
        view.View(
            v.name,
            v.description,
            [TagKey(key) for key in v.tag_keys],
            measures[v.measure],
            aggregation.CountAggregation()
            if v.aggregation is Aggregation.COUNT
            else aggregation.DistributionAggregation(list(v.bounds)),
        )
        for v in views
    ]


class _ExporterWithoutServer(stats_exporter.PrometheusStatsExporter):  # type: ignore[misc]
    """The exporter, less the server that its constructor starts and nothing can stop."""

    def serve_http(self) -> None:
        """Start nothing; whoever built the instrument serves its registry."""


def _exporter(registry: CollectorRegistry) -> Any:
    options = stats_exporter.Options(namespace=NAMESPACE, address="127.0.0.1", registry=registry)
    collector = stats_exporter.Collector(options=options)
    try:
        return _ExporterWithoutServer(options=options, gatherer=registry, collector=collector)
    finally:
        # The constructor registers with the process-wide registry, whichever it was given.
        REGISTRY.unregister(collector)


class OpenCensusInstrument:
    """Records each line through a new measurement map and a new tag map, as the quickstart does.

    The measures are put in the order latency, length, errors. OpenCensus drops what follows a measure that no view
    folds, so a selection of views should keep the order of `harness.views.QUICKSTART_VIEWS`. With ``exporter=False``
    nothing is exported and the page stays empty.
    """

    def __init__(self, views: tuple[View, ...], *, exporter: bool = True) -> None:
        self.registry = CollectorRegistry()
        self.stats = PrivateStats()
        measures, oc_views = to_opencensus(views)
        if exporter:
            self.stats.view_manager.register_exporter(_exporter(self.registry))
        for oc_view in oc_views:
            self.stats.view_manager.register_view(oc_view)
        self._new_measurement_map = self.stats.stats_recorder.new_measurement_map
        self._latency = measures[LATENCY_MS]
        self._length = measures[LINE_LENGTH]
        self._refused = measures[REFUSED]

    def record(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Record one line; nothing is kept between lines that the quickstart does not keep."""
        mmap = self._new_measurement_map()
        mmap.measure_float_put(self._latency, latency_ms)
        mmap.measure_int_put(self._length, length_bytes)
        tmap = TagMap()
        tmap.insert(KEY_METHOD, TagValue(tags.method))
        tmap.insert(KEY_STATUS, TagValue(tags.status))
        if tags.error:
            mmap.measure_int_put(self._refused, 1)
            tmap.insert(KEY_ERROR, TagValue(tags.error))
        mmap.record(tmap)

    def close(self) -> None:
        """Detach the exporter; what was recorded is gone from the page."""
        for exporter in tuple(self.stats.view_manager.measure_to_view_map.exporters):
            self.stats.view_manager.unregister_exporter(exporter)
            exporter.collector.registered_views.clear()
            exporter.collector.view_name_to_data_map.clear()

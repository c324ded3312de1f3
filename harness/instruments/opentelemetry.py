"""The OpenTelemetry SDK as an instrument: one SDK instrument for each view, the same bounds, its Prometheus reader."""

from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation
from opentelemetry.sdk.metrics.view import View as SdkView
from opentelemetry.sdk.resources import Resource
from prometheus_client.registry import CollectorRegistry

from harness.instruments.opentelemetry_reader import SERIES_LIMIT, make_reader
from harness.views import LATENCY_MS, LINE_LENGTH, REFUSED, TAG_KEYS, Aggregation, Tags, View

__all__ = ["DefaultLimitOpenTelemetryInstrument", "NoExemplarsOpenTelemetryInstrument", "OpenTelemetryInstrument"]


class OpenTelemetryInstrument:
    """Builds an attribute dict for each line and records it with each instrument.

    The instruments carry no unit, because the exporter would write it into the family's name
    (``oc_python_demo_latency_milliseconds``); so the page's names are the quickstart's, and can be compared. Target
    and scope information are left out for the same reason.
    """

    _series_limit: int | None = SERIES_LIMIT

    def __init__(self, views: tuple[View, ...]) -> None:
        self.registry = CollectorRegistry()
        self._build(views, *make_reader(self.registry, self._series_limit))

    def _build(self, views: tuple[View, ...], reader: MetricReader, detach: Callable[[], None]) -> None:
        """Build the SDK's instruments; `detach` is called after the end of their provider."""
        self._detach = detach
        buckets = [
            SdkView(instrument_name=v.family, aggregation=ExplicitBucketHistogramAggregation(v.bounds))
            for v in views
            if v.aggregation is Aggregation.DISTRIBUTION
        ]
        self._provider: MeterProvider | None = MeterProvider(
            metric_readers=[reader],
            resource=Resource.get_empty(),
            shutdown_on_exit=False,
            views=buckets,
            **self._options(),
        )
        meter = self._provider.get_meter("harness")
        histograms = [v for v in views if v.aggregation is Aggregation.DISTRIBUTION]
        counters = [v for v in views if v.aggregation is Aggregation.COUNT]
        if unknown := [v.name for v in histograms if v.measure not in {LATENCY_MS, LINE_LENGTH}]:
            raise ValueError(f"no value of a line is known for the distributions {', '.join(unknown)}")
        made = {v: meter.create_histogram(v.family, description=v.description) for v in histograms}
        self._latency = tuple(made[v] for v in histograms if v.measure == LATENCY_MS)
        self._length = tuple(made[v] for v in histograms if v.measure == LINE_LENGTH)
        counts = {v: meter.create_counter(v.family, description=v.description) for v in counters}
        self._line = tuple(counts[v] for v in counters if v.measure != REFUSED)
        self._refused = tuple(counts[v] for v in counters if v.measure == REFUSED)
        self._keys = views[0].tag_keys if views else TAG_KEYS
        if self._keys != TAG_KEYS:
            # Decided once, so that recording has no branch for it; and written out in full, since a call that both
            # ways shared would be measured as the library's.
            self.record = self._record_some  # type: ignore[method-assign]

    def _options(self) -> dict[str, Any]:
        """Return further options of the provider."""
        return {}

    def record(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Record one line."""
        attributes = {"method": tags.method, "status": tags.status}
        if tags.error:
            attributes["error"] = tags.error
            for counter in self._refused:
                counter.add(1, attributes)
        for histogram in self._latency:
            histogram.record(latency_ms, attributes)
        for histogram in self._length:
            histogram.record(length_bytes, attributes)
        for counter in self._line:
            counter.add(1, attributes)

    def _record_some(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Record one line where the views have the first few of its tags."""
        attributes = {key: value for key, value in zip(self._keys, tags, strict=False) if value}
        if tags.error:
            for counter in self._refused:
                counter.add(1, attributes)
        for histogram in self._latency:
            histogram.record(latency_ms, attributes)
        for histogram in self._length:
            histogram.record(length_bytes, attributes)
        for counter in self._line:
            counter.add(1, attributes)

    def close(self) -> None:
        """Shut the provider down, which takes its page away."""
        if self._provider is not None:
            self._provider.shutdown()
            self._detach()
            self._provider = None


class NoExemplarsOpenTelemetryInstrument(OpenTelemetryInstrument):
    """With exemplars off, as ``OTEL_METRICS_EXEMPLAR_FILTER=always_off`` turns them off."""

    def _options(self) -> dict[str, Any]:
        # Earlier releases, which are measured as well, have no exemplars.
        from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter

        return {"exemplar_filter": AlwaysOffExemplarFilter()}


class DefaultLimitOpenTelemetryInstrument(OpenTelemetryInstrument):
    """With the limit that the SDK has by default: it folds the series of an instrument beyond 2 000 into one."""

    _series_limit = None

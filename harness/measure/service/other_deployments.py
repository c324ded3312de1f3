"""Libraries other than prometheus-client in an asyncio service: aioprometheus and the OpenTelemetry SDK."""

import math
from typing import TYPE_CHECKING

from harness.measure.service.deployments import (
    BOUNDS,
    COUNTER,
    HELP,
    HISTOGRAM,
    Application,
    Receive,
    Scope,
    Send,
    Surroundings,
    in_thread,
    respond,
)

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader

__all__ = ["AioprometheusOnTheLoop", "OpenTelemetryOnTheLoop", "OpenTelemetryPushed"]


class AioprometheusOnTheLoop:
    """aioprometheus, whose page is made on the event loop of the service; it does not compress."""

    port = 0

    def __init__(self, _surroundings: Surroundings) -> None:
        from aioprometheus.collectors import Counter, Histogram, Registry
        from aioprometheus.renderer import render

        self._render, self._registry = render, Registry()
        bounds = (*BOUNDS, float("inf"))
        self._requests = Counter(COUNTER, HELP[COUNTER], registry=self._registry)
        self._duration = Histogram(HISTOGRAM, HELP[HISTOGRAM], buckets=bounds, registry=self._registry)

    def record(self, path: str, seconds: float, /) -> None:
        """Record one request."""
        labels = {"path": path}
        self._requests.inc(labels)
        self._duration.observe(labels, seconds)

    async def app(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer a scrape as the library's own handlers do."""
        accepted = [value.decode() for name, value in scope["headers"] if name == b"accept"]
        page, headers = self._render(self._registry, accepted)
        await respond(send, page, [(name.lower().encode(), value.encode()) for name, value in headers.items()])

    def close(self) -> None:
        """Hold nothing that has to be released."""


class _OpenTelemetry:
    """The OpenTelemetry SDK with a reader."""

    port = 0

    def __init__(self, reader: "MetricReader", app: Application) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.resources import Resource

        self.app = app
        self._provider = MeterProvider(metric_readers=[reader], resource=Resource.get_empty(), shutdown_on_exit=False)
        meter = self._provider.get_meter("service")
        self._requests = meter.create_counter(COUNTER, description=HELP[COUNTER])
        self._duration = meter.create_histogram(
            HISTOGRAM, description=HELP[HISTOGRAM], explicit_bucket_boundaries_advisory=BOUNDS
        )

    def record(self, path: str, seconds: float, /) -> None:
        """Record one request."""
        attributes = {"path": path}
        self._requests.add(1, attributes)
        self._duration.record(seconds, attributes)

    def close(self) -> None:
        """Shut the provider down."""
        self._provider.shutdown()


class OpenTelemetryOnTheLoop(_OpenTelemetry):
    """The SDK's Prometheus reader, served by prometheus-client's ASGI application."""

    def __init__(self, _surroundings: Surroundings) -> None:
        from prometheus_client import CollectorRegistry, make_asgi_app

        from harness.instruments.opentelemetry_reader import make_reader

        registry = CollectorRegistry()
        reader, self._detach = make_reader(registry)
        super().__init__(reader, make_asgi_app(registry))

    def close(self) -> None:
        """Shut the provider down."""
        super().close()
        self._detach()


class OpenTelemetryPushed(_OpenTelemetry):
    """A push of OTLP over HTTP, from a thread of the loop's pool whenever ``/metrics`` is requested."""

    def __init__(self, surroundings: Surroundings) -> None:
        import requests
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics import Counter, Histogram
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        from harness.instruments.opentelemetry_reader import SERIES_LIMIT

        session = requests.Session()
        session.trust_env = False  # a proxy of the environment would be asked for a sink of this machine
        exporter = OTLPMetricExporter(endpoint=f"http://{surroundings.gateway}/v1/metrics", session=session)
        # Never by itself: a push is due when the measurement asks for it.
        reader = PeriodicExportingMetricReader(
            exporter, math.inf, cardinality_limits={Counter: SERIES_LIMIT, Histogram: SERIES_LIMIT}
        )
        super().__init__(reader, in_thread(self._push))

    def _push(self) -> None:
        self._provider.force_flush()

"""Libraries other than prometheus-client in an asyncio service: aioprometheus and the OpenTelemetry SDK."""

from harness.measure.service.deployments import (
    BOUNDS,
    COUNTER,
    HELP,
    HISTOGRAM,
    Receive,
    Scope,
    Send,
    Surroundings,
    respond,
)

__all__ = ["AioprometheusOnTheLoop", "OpenTelemetryOnTheLoop"]


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


class OpenTelemetryOnTheLoop:
    """The OpenTelemetry SDK with its Prometheus reader, served by prometheus-client's ASGI application."""

    port = 0

    def __init__(self, _surroundings: Surroundings) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.resources import Resource
        from prometheus_client import CollectorRegistry, make_asgi_app

        from harness.instruments.opentelemetry_reader import make_reader

        registry = CollectorRegistry()
        reader, self._detach = make_reader(registry)
        self._provider = MeterProvider(metric_readers=[reader], resource=Resource.get_empty(), shutdown_on_exit=False)
        meter = self._provider.get_meter("service")
        self._requests = meter.create_counter(COUNTER, description=HELP[COUNTER])
        self._duration = meter.create_histogram(
            HISTOGRAM, description=HELP[HISTOGRAM], explicit_bucket_boundaries_advisory=BOUNDS
        )
        self.app = make_asgi_app(registry)

    def record(self, path: str, seconds: float, /) -> None:
        """Record one request."""
        attributes = {"path": path}
        self._requests.add(1, attributes)
        self._duration.record(seconds, attributes)

    def close(self) -> None:
        """Shut the provider down."""
        self._provider.shutdown()
        self._detach()

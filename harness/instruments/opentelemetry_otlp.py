"""The OpenTelemetry SDK that pushes: its periodic reader and its exporter of OTLP over HTTP, to a sink."""

import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, Histogram
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from harness.instruments.opentelemetry import OpenTelemetryInstrument
from harness.instruments.opentelemetry_reader import SERIES_LIMIT
from harness.push.sink import SinkProcess
from harness.views import View

__all__ = ["OtlpOpenTelemetryInstrument"]


class OtlpOpenTelemetryInstrument(OpenTelemetryInstrument):
    """Records as `OpenTelemetryInstrument` does; a thread of the SDK pushes all series every `interval_ns`.

    Without an interval it pushes as often as the SDK does by default, once a minute.
    """

    pushes = True
    takes_interval = True

    def __init__(self, views: tuple[View, ...], interval_ns: int | None = None) -> None:
        self.sink = SinkProcess("otlp", views)
        self.registry = self.sink.registry
        session = requests.Session()
        # The sink is on this machine, and a proxy of the environment would be asked for it.
        session.trust_env = False
        exporter = OTLPMetricExporter(
            endpoint=f"http://{self.sink.address}:{self.sink.port}/v1/metrics", session=session
        )
        reader = PeriodicExportingMetricReader(
            exporter,
            export_interval_millis=None if interval_ns is None else interval_ns / 1e6,
            cardinality_limits={Counter: SERIES_LIMIT, Histogram: SERIES_LIMIT},
        )
        try:
            self._build(views, reader, self.sink.close)
        except ValueError:
            self.sink.close()
            raise
        self.sink.attach(self._flush)

    def _flush(self) -> None:
        """Push what has been recorded until now."""
        if self._provider is not None:
            self._provider.force_flush()

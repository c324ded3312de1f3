"""The SDK's Prometheus reader on a separate registry, for every supported release.

Earlier exporters know neither a registry, nor scope information, nor limits on series; they put their collector into
the global registry, from which nothing is served here, and ours gets the same collector.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import Counter, Histogram
from prometheus_client.registry import CollectorRegistry

__all__ = ["SERIES_LIMIT", "make_reader"]

# From 2 000 series on the SDK folds the rest into one; the harness may ask for more, and must find each of them.
SERIES_LIMIT = 1_000_000


def make_reader(
    registry: CollectorRegistry, series_limit: int | None = SERIES_LIMIT
) -> tuple[PrometheusMetricReader, Callable[[], None]]:
    """Return a reader whose page is in `registry`, and what takes it away after the reader was shut down.

    `series_limit` is how many series an instrument may have; None leaves it to the SDK.
    """
    wanted: dict[str, Any] = {
        "disable_target_info": True,
        "scope_info_enabled": False,
        "registry": registry,
    }
    if series_limit is not None:
        wanted["cardinality_limits"] = {Counter: series_limit, Histogram: series_limit}
    known = signature(PrometheusMetricReader.__init__).parameters
    reader = PrometheusMetricReader(**{name: value for name, value in wanted.items() if name in known})
    if "registry" in known:
        return reader, lambda: None  # its own shutdown does it
    collector = reader._collector  # noqa: SLF001 - the only way to it in those releases
    registry.register(collector)
    return reader, lambda: registry.unregister(collector)

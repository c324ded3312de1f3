"""Decoder of OTLP metrics: protobuf requests whose values have added up since the start."""

from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from harness.push.arrived import ArrivedCount, ArrivedDistribution, ArrivedViews
from harness.views import TAG_KEYS, Tags

__all__ = ["ANSWER", "take_request"]

# What a request is answered with when all of it was taken.
ANSWER: bytes = ExportMetricsServiceResponse().SerializeToString()


def take_request(body: bytes, arrived: ArrivedViews) -> int:
    """Put the values of a request in place of those before; return the newest moment in it, ns of the time of day.

    Metrics that are no view's are left out. Raises `ValueError` for what is no request.
    """
    request = ExportMetricsServiceRequest()
    try:
        request.ParseFromString(body)
    except Exception as error:  # protobuf's own, whose module has no types
        raise ValueError(f"it is no request of OTLP: {error}") from error
    metrics = [
        metric
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name in arrived.bounds
    ]
    return max((_take(metric, arrived) for metric in metrics), default=0)


def _take(metric: Any, arrived: ArrivedViews) -> int:
    """Take the points of one metric; return the newest moment among them."""
    data = getattr(metric, metric.WhichOneof("data") or "gauge")
    newest = 0
    for point in data.data_points:
        newest = max(newest, point.time_unix_nano)
        series = arrived.series(metric.name, _tags(point.attributes))
        if getattr(data, "aggregation_temporality", None) != AGGREGATION_TEMPORALITY_CUMULATIVE:
            arrived.unreadable += 1
        elif isinstance(series, ArrivedDistribution) and hasattr(point, "bucket_counts"):
            series.count, series.total = float(point.count), point.sum
            series.bounds, series.buckets = tuple(point.explicit_bounds), list(point.bucket_counts)
        elif isinstance(series, ArrivedCount) and not hasattr(point, "bucket_counts"):
            series.count = float(getattr(point, point.WhichOneof("value") or "as_int"))
        else:
            arrived.unreadable += 1
    return newest


def _tags(attributes: Any) -> Tags:
    values = {each.key: each.value.string_value for each in attributes}
    return Tags(*(values.get(key, "") for key in TAG_KEYS))

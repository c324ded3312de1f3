"""Switches off, or counts, the recording calls of the known metrics libraries in a user's own function.

Only libraries that are imported already are touched: what the user's module did not import it does not record with.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["LIBRARIES", "counting_calls", "mute", "without_export"]

# Module, class and method of what is called for each record; `labels` and its like lead to such a call.
_RECORDING = (
    ("prometheus_client.metrics", "Counter", "inc"),
    ("prometheus_client.metrics", "Gauge", "inc"),
    ("prometheus_client.metrics", "Gauge", "dec"),
    ("prometheus_client.metrics", "Gauge", "set"),
    ("prometheus_client.metrics", "Summary", "observe"),
    ("prometheus_client.metrics", "Histogram", "observe"),
    ("opencensus.stats.measurement_map", "MeasurementMap", "record"),
    ("opentelemetry.sdk.metrics", "Counter", "add"),
    ("opentelemetry.sdk.metrics", "UpDownCounter", "add"),
    ("opentelemetry.sdk.metrics", "Histogram", "record"),
    ("opentelemetry.sdk.metrics", "_Gauge", "set"),
)
_LEADING_THERE = (
    ("prometheus_client.metrics", "MetricWrapperBase", "labels"),
    ("opencensus.stats.measurement_map", "MeasurementMap", "measure_int_put"),
    ("opencensus.stats.measurement_map", "MeasurementMap", "measure_float_put"),
    ("opencensus.tags.tag_map", "TagMap", "insert"),
)
LIBRARIES = ("prometheus-client", "opencensus", "opentelemetry-sdk")


def _present(entries: tuple[tuple[str, str, str], ...]) -> Iterator[tuple[type[Any], str]]:
    for module, owner, method in entries:
        # The SDK's package re-exports its classes, so having it imported is what tells that it is in use.
        if module in sys.modules:
            found = getattr(importlib.import_module(module), owner, None)
            if found is not None and hasattr(found, method):
                yield found, method


def mute() -> int:
    """Make the recording calls of the libraries imported so far do nothing, for good; return how many were muted."""

    def nothing(*_: object, **__: object) -> None:
        pass

    def itself(self: object, *_: object, **__: object) -> object:
        return self

    muted = 0
    for owner, method in _present(_RECORDING):
        setattr(owner, method, nothing)
        muted += 1
    for owner, method in _present(_LEADING_THERE):
        setattr(owner, method, itself)
    return muted


@contextmanager
def counting_calls() -> Iterator[Callable[[], int]]:
    """Count the recording calls made inside; yields a function that returns the number so far."""
    calls = 0

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def count(*args: object, **kwargs: object) -> object:
            nonlocal calls
            calls += 1
            return original(*args, **kwargs)

        return count

    patched = [(owner, method, owner.__dict__.get(method)) for owner, method in _present(_RECORDING)]
    for owner, method, _ in patched:
        setattr(owner, method, counted(getattr(owner, method)))
    try:
        yield lambda: calls
    finally:
        _restore(patched)


@contextmanager
def without_export() -> Iterator[None]:
    """Keep OpenCensus from copying all series at each record, so that a thousand series are filled in no time.

    What is recorded meanwhile is kept, and exported with the first record afterwards.
    """
    name = "opencensus.stats.measure_to_view_map"
    if name not in sys.modules:
        yield
        return
    owner = sys.modules[name].MeasureToViewMap
    original = owner.__dict__["export"]
    owner.export = lambda _self, _view_datas: None
    try:
        yield
    finally:
        owner.export = original


def _restore(patched: list[tuple[type[Any], str, Any]]) -> None:
    for owner, method, original in patched:
        if original is None:
            delattr(owner, method)
        else:
            setattr(owner, method, original)

"""The small OpenCensus program of each experiment, with the library's own exporter or with opencensus-lean."""

import urllib.request
from typing import Any

from opencensus.stats import aggregation, measure, view
from opencensus.stats import stats as stats_module
from opencensus.tags.tag_key import TagKey
from opencensus.tags.tag_map import TagMap
from opencensus.tags.tag_value import TagValue
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

__all__ = ["KEY", "LENGTH", "LENGTH_BOUNDS", "NAMESPACE", "TIME", "ProbeSubject", "tagged"]

NAMESPACE = "probe"
LENGTH_BOUNDS = (5, 10, 100)

TIME = measure.MeasureFloat("time", "a time", "ms")
LENGTH = measure.MeasureInt("length", "a length", "By")
KEY = TagKey("key")


def tagged(value: str | None) -> Any:
    """Return a tag map with `value` for the only key, or an empty one for None."""
    tags = TagMap()
    if value is not None:
        tags.insert(KEY, TagValue(value))
    return tags


class ProbeSubject:
    """The process-wide recorder and view manager, with the exporter of `instrument`.

    A probe runs in its own process, so that the global state of the library does not matter afterwards.
    """

    def __init__(self, instrument: str) -> None:
        self.lean = instrument == "opencensus-lean"
        self.stats: Any = stats_module.stats
        self.registry = CollectorRegistry()
        self.exporter: Any = None
        self.url = ""

    def start(self, *, registry: CollectorRegistry | None = None, **options: Any) -> "ProbeSubject":
        """Serve on a free port of 127.0.0.1, or as in `options`, and register three views."""
        self.registry = registry or self.registry
        self.export(**{"address": "127.0.0.1", "registry": self.registry, **options})
        self.view("times", TIME, aggregation.DistributionAggregation([0.5, 1]))
        self.view("lengths", LENGTH, aggregation.DistributionAggregation(list(LENGTH_BOUNDS)))
        self.view("lines", LENGTH, aggregation.CountAggregation())
        return self

    def export(self, **options: Any) -> None:
        """Set up the exporter with `options`, and with its own defaults for all others."""
        if self.lean:
            import opencensus_lean

            self.exporter = opencensus_lean.install(NAMESPACE, **{"port": 0, **options})
            self.url = self.exporter.url
            return
        from opencensus.ext.prometheus import stats_exporter

        port = options.pop("port", None) or _free_port()
        settings = stats_exporter.Options(namespace=NAMESPACE, port=port, **options)
        self.exporter = stats_exporter.new_stats_exporter(settings)
        self.stats.view_manager.register_exporter(self.exporter)
        self.url = f"http://127.0.0.1:{port}/metrics"

    def view(self, name: str, of: Any, how: Any) -> None:
        """Register a view with the only tag key."""
        self.stats.view_manager.register_view(view.View(name, f"all {name}", [KEY], of, how))

    def record(self, key: str | None = "k", *, time: float | None = 0.25, length: float | None = 5) -> None:
        """Record one line, the time first."""
        mmap = self.stats.stats_recorder.new_measurement_map()
        if time is not None:
            mmap.measure_float_put(TIME, time)
        if length is not None:
            mmap.measure_int_put(LENGTH, length)
        mmap.record(tagged(key))

    def page(self) -> str:
        """Return the page as a scraper receives it; raise `OSError` where there is none."""
        with urllib.request.urlopen(self.url, timeout=10) as response:  # noqa: S310 - our own server
            text: str = response.read().decode()
        return text

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of one sample of the registry, read directly."""
        return self.registry.get_sample_value(f"{NAMESPACE}_{name}", {"key": "k"} | labels)

    def shown(self, name: str) -> float:
        """Return the sum of a sample over all series of the registry, read directly."""
        full_name = f"{NAMESPACE}_{name}"
        samples = (sample for family in self.registry.collect() for sample in family.samples)
        return float(sum(sample.value for sample in samples if sample.name == full_name))

    def total(self, name: str) -> float:
        """Return the sum of a sample over all series of the page."""
        return sum(self.by_key(name).values())

    def by_key(self, name: str) -> dict[str, float]:
        """Return a sample's value for each series of the page."""
        full_name = f"{NAMESPACE}_{name}"
        return {
            sample.labels["key"]: sample.value
            for family in text_string_to_metric_families(self.page())
            for sample in family.samples
            if sample.name == full_name
        }


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])

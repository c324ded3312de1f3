"""The views as Prometheus families, one for each; the only module that needs prometheus-client."""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from operator import attrgetter
from typing import Any

from opencensus.stats import aggregation_data
from prometheus_client import start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, UnknownMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from opencensus_lean.cell import Cell
from opencensus_lean.series import ShownView, TagValues
from opencensus_lean.store import LeanStore

__all__ = ["LeanPage", "StoreCollector"]

_NOT_IN_LABELS = re.compile(r"[^a-zA-Z0-9_]")

# The kinds of family that the exporter means to make of each aggregation, and where each keeps its value.
_Plain = type[CounterMetricFamily] | type[UnknownMetricFamily] | type[GaugeMetricFamily]
_FAMILIES: dict[type, _Plain] = {
    aggregation_data.CountAggregationData: CounterMetricFamily,
    aggregation_data.SumAggregationData: UnknownMetricFamily,
    aggregation_data.LastValueAggregationData: GaugeMetricFamily,
}
_VALUES: dict[_Plain, Callable[[Any], float]] = {
    CounterMetricFamily: attrgetter("count_data"),
    UnknownMetricFamily: attrgetter("sum_data"),
    GaugeMetricFamily: attrgetter("value"),
}


def _family(shown: ShownView, cells: Mapping[TagValues, Cell]) -> Metric:
    """Return the view's one family with a series for each of the folded `cells`."""
    labels = [_NOT_IN_LABELS.sub("_", key) for key in shown.columns.keys]
    if shown.bounds is not None:
        return _histogram(shown, labels, cells)
    kind = _FAMILIES[type(shown.seed)]
    family = kind(shown.family, shown.view.description, labels=labels)
    for key, cell in cells.items():
        family.add_metric([value or "" for value in key], _VALUES[kind](shown.aggregated(cell)))
    return family


def _histogram(shown: ShownView, labels: list[str], cells: Mapping[TagValues, Cell]) -> Metric:
    family = HistogramMetricFamily(shown.family, shown.view.description, labels=labels)
    bounds = shown.bounds or ()
    names = [*map(str, bounds), "+Inf"]
    for key, cell in cells.items():
        cumulated = list(zip(names, accumulate(cell.buckets(bounds)), strict=True))
        family.add_metric([value or "" for value in key], cumulated, cell.total())
    return family


class StoreCollector(Collector):
    """What a Prometheus registry asks for the families of a store."""

    def __init__(self, store: LeanStore) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Yield one family for each view that has a series, all as they stood at one instant."""
        for shown, cells in self._store.snapshot():
            if cells and shown.on_page:
                yield _family(shown, cells)


class LeanPage:
    """The registry that shows a store, and its server if there is one."""

    def __init__(self, store: LeanStore, registry: CollectorRegistry | None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self._collector = StoreCollector(store)
        self._server: Any = None
        self._thread: Any = None
        self.registry.register(self._collector)

    def serve(self, port: int, address: str) -> None:
        """Serve the registry until `close`; raises `OSError` when the port or address cannot be bound."""
        self._server, self._thread = start_http_server(port, address, registry=self.registry)

    @property
    def port(self) -> int | None:
        """The port that is served, or None."""
        return None if self._server is None else int(self._server.server_port)

    @property
    def url(self) -> str | None:
        """The address of the page, or None when nothing is served."""
        if self._server is None:
            return None
        host = str(self._server.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/metrics"

    def close(self) -> None:
        """Stop the server and take the store out of the registry."""
        self.registry.unregister(self._collector)
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None

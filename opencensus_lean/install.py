"""Installation of a `LeanStore` in place of OpenCensus' measure-to-view map, and its removal."""

import math
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from opencensus.common import utils
from opencensus.stats import execution_context, metric_utils
from opencensus.stats import stats as stats_module

from opencensus_lean import tags
from opencensus_lean.exporting import ExporterList, Feeder, refuse_exporters
from opencensus_lean.hooks import Hooks
from opencensus_lean.measurements import measurement_map_class
from opencensus_lean.store import LeanStore

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry

    from opencensus_lean.page import LeanPage

__all__ = ["LeanExporter", "install"]

_MARK = "_lean_store"
_PROMETHEUS_CLIENT = "prometheus-client, which is not installed: pip install 'opencensus-lean[prometheus]'"


class LeanExporter:
    """The handle that `install` returns: the registry, the server if there is one, `export_now` and `stop`.

    Usable as a context manager, and as the argument of OpenCensus' ``view_manager.register_exporter``, where it does
    nothing, so that a program may leave that line as it is.
    """

    def __init__(
        self, store: LeanStore, page: "LeanPage | None", feeder: Feeder | None, undo: Callable[[], None]
    ) -> None:
        self._store = store
        self._page = page
        self._feeder = feeder
        self._undo: Callable[[], None] | None = undo

    @property
    def registry(self) -> "CollectorRegistry":
        """The registry that shows the views; raises `ImportError` where prometheus-client is not installed."""
        if self._page is None:
            raise ImportError(f"a registry needs {_PROMETHEUS_CLIENT}")
        return self._page.registry

    @property
    def port(self) -> int | None:
        """The port that is served, or None."""
        return None if self._page is None else self._page.port

    @property
    def url(self) -> str | None:
        """The address of the page, or None when nothing is served."""
        return None if self._page is None else self._page.url

    def export_now(self) -> None:
        """Hand the views as they stand to every registered exporter, in this thread; afterwards all have had them."""
        if self._feeder is not None:
            self._feeder.feed()

    def export(self, view_datas: object) -> None:
        """Do nothing: what is exported is read when it is scraped."""

    def on_register_view(self, view: object) -> None:
        """Do nothing: the store knows the view."""

    def stop(self) -> None:
        """Stop the server, call the exporters a last time and give recording back; may be called twice."""
        if self._undo is None:
            return
        undo, self._undo = self._undo, None
        undo()
        if self._feeder is not None:
            self._feeder.stop()
        if self._page is not None:
            self._page.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _hook_map(hooks: Hooks, view_map: Any, store: LeanStore) -> None:
    """Let the measure-to-view map, to which everything in OpenCensus leads, record into and read from the store.

    The map itself stays where it is, so whoever holds it already, in whichever thread or context, is served too.
    """
    register_in_library = view_map.register_view

    def register_view(view: Any, timestamp: str) -> None:
        register_in_library(view, timestamp)
        store.register_view(view, timestamp)

    def record(tags: Any, measurement_map: Any, timestamp: object = None, attachments: object = None) -> None:
        del timestamp, attachments
        store.record({} if tags is None else tags.map, measurement_map)

    def get_view(view_name: str, timestamp: object) -> Any:
        del timestamp
        return next(store.view_data(view_name), None)

    def get_metrics(timestamp: Any) -> Iterator[Any]:
        converted = (metric_utils.view_data_to_metric(data, timestamp) for data in store.view_data())
        return (metric for metric in converted if metric is not None)

    hooks.put(view_map, register_view=register_view, record=record, get_view=get_view, get_metrics=get_metrics)
    hooks.put(view_map, **{_MARK: store})


def _hook_stats(hooks: Hooks, stats: Any, store: LeanStore) -> None:
    view_map = stats.view_manager.measure_to_view_map
    _hook_map(hooks, view_map, store)
    # A recorder built later, or this method bound before, goes through the library's measurement map to the same store.
    hooks.put(stats.stats_recorder, new_measurement_map=measurement_map_class(view_map, store.record))
    if stats is stats_module.stats:
        # A thread that builds its own recorder starts with an empty context, and the library would give it an own map.
        hooks.put(execution_context._measure_to_view_map_slot, default=lambda: view_map)  # noqa: SLF001


def _starved(exporters: list[Any]) -> list[Any]:
    """Return the exporters that depend on being called: not our own, nor those that ask for metrics by themselves."""
    return [each for each in exporters if hasattr(each, "export") and not isinstance(each, LeanExporter)]


class _Exporters:
    """The exporters of a measure-to-view map, the known ones and those to come, and what is done for them."""

    def __init__(self, view_map: Any, store: LeanStore, interval: float | None) -> None:
        self._map, self._library = view_map, view_map._exporters  # noqa: SLF001 - it is replaced and restored
        self._list = ExporterList(self._library, self._added)
        self.feeder: Feeder | None = None
        if interval is None:
            refuse_exporters(_starved(self._library))
        else:
            self.feeder = Feeder(store.view_data, lambda: _starved(self._list), interval)

    def _added(self, exporter: Any) -> None:
        if self.feeder is None:
            refuse_exporters(_starved([exporter]))
        elif _starved([exporter]):
            self.feeder.start()

    def take_over(self) -> None:
        """Watch the list, and begin to call what is in it."""
        self._map._exporters = self._list  # noqa: SLF001
        if self.feeder is not None and _starved(self._library):
            self.feeder.start()

    def give_back(self) -> None:
        """Let the library have its list again, with what was registered meanwhile."""
        if self._map._exporters is self._list:  # noqa: SLF001
            self._library[:] = self._list
            self._map._exporters = self._library  # noqa: SLF001


def _page(store: LeanStore, registry: "CollectorRegistry | None", port: int | None) -> "LeanPage | None":
    try:
        from opencensus_lean.page import LeanPage
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "prometheus_client":
            raise
        if port is None and registry is None:
            return None
        raise ImportError(f"serving a page needs {_PROMETHEUS_CLIENT}; install(port=None) serves none") from error
    return LeanPage(store, registry)


def install(
    namespace: str = "",
    port: int | None = 8000,
    address: str = "127.0.0.1",
    *,
    registry: "CollectorRegistry | None" = None,
    stats: Any = None,
    export_interval: float | None = 10.0,
) -> LeanExporter:
    """Record the lean way from now on and serve the page; return the handle that stops and restores.

    `namespace` goes before each view's name. Port 0 takes any free one, None serves nothing. Without `registry` a new
    one is made, so only OpenCensus' views are on the page. `stats` is anything with a ``stats_recorder`` and a
    ``view_manager``; by default the library's own. Views may be registered before or after; what was recorded before
    stays with the library and is not on the page.

    Exporters that are registered with the view manager, before or after, are called each `export_interval` seconds and
    at the end with the data of all views, not within each record. With None they are refused, since they would never
    be called: now, and when they are registered.

    Raises `RuntimeError` when recording is lean already or an exporter is refused, `ImportError` when there is a page
    to serve and no prometheus-client, `OSError` when the port is taken, `ValueError` for an interval that is not
    positive; then nothing has changed.
    """
    if export_interval is not None and not 0 < export_interval < math.inf:
        raise ValueError(f"export_interval must be a positive number of seconds or None, not {export_interval!r}")
    stats = stats_module.stats if stats is None else stats
    view_map = stats.view_manager.measure_to_view_map
    if _MARK in vars(view_map):
        raise RuntimeError("recording is lean already; stop() the exporter that install() returned first")
    store = LeanStore(namespace)
    for view in tuple(view_map._registered_views.values()):  # noqa: SLF001 - the library offers no list of them
        store.register_view(view, utils.to_iso_str())
    exporters = _Exporters(view_map, store, export_interval)
    page = _page(store, registry, port)
    hooks = Hooks()
    tags.take_over()

    def undo() -> None:
        exporters.give_back()
        hooks.undo()
        tags.give_back()

    exporter = LeanExporter(store, page, exporters.feeder, undo)
    try:
        if page is not None and port is not None:
            page.serve(port, address)
        _hook_stats(hooks, stats, store)
        exporters.take_over()
    except BaseException:
        exporter.stop()
        raise
    return exporter

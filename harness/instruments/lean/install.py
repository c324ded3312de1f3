"""Puts a `LeanStore` in the place of OpenCensus' measure-to-view map, and takes it out again."""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from opencensus.common import utils
from opencensus.stats import execution_context, metric_utils
from opencensus.stats import stats as stats_module
from opencensus.stats.measurement_map import MeasurementMap
from opencensus.tags import TagContext
from prometheus_client import start_http_server
from prometheus_client.registry import CollectorRegistry

from harness.instruments.lean.store import LeanStore

__all__ = ["LeanExporter", "install"]

_MARK = "_lean_store"


class _LeanMeasurementMap(MeasurementMap):  # type: ignore[misc]
    """A measurement map that hands its values to the store, without the time stamp that nothing there would read."""

    def __init__(self, measure_to_view_map: Any, store: LeanStore, attachments: dict[str, str] | None) -> None:
        super().__init__(measure_to_view_map, attachments)
        self._store = store

    def record(self, tags: Any = None) -> None:
        """Record all values under `tags`, by default those of the current context."""
        if tags is None:
            tags = TagContext.get()
        self._store.record({} if tags is None else tags.map, self._measurement_map)


class LeanExporter:
    """The handle that `install` returns: the registry, the server if there is one, and `stop`.

    Usable as a context manager, and as the argument of OpenCensus' ``view_manager.register_exporter``, where it does
    nothing, so that a program may leave that line as it is.
    """

    def __init__(self, store: LeanStore, registry: CollectorRegistry, undo: Callable[[], None]) -> None:
        self.registry = registry
        self._store = store
        self._undo: Callable[[], None] | None = undo
        self._server: Any = None
        self._thread: Any = None

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

    def serve(self, port: int, address: str) -> None:
        """Serve the registry until `stop`; raises `OSError` when the port or address cannot be bound."""
        self._server, self._thread = start_http_server(port, address, registry=self.registry)

    def export(self, view_datas: object) -> None:
        """Do nothing: what is exported is read when it is scraped."""

    def on_register_view(self, view: object) -> None:
        """Do nothing: the store knows the view."""

    def stop(self) -> None:
        """Stop the server and give recording back to OpenCensus; may be called twice."""
        if self._undo is not None:
            self._undo()
            self._undo = None
            self.registry.unregister(self._store)
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class _Hooks:
    """Attributes set on OpenCensus' objects, and how to take them away again."""

    def __init__(self) -> None:
        self._set: list[tuple[Any, str, bool, Any]] = []

    def put(self, target: Any, **attributes: Any) -> None:
        """Set attributes on one object only; its class stays as it is."""
        for name, value in attributes.items():
            own = vars(target)
            self._set.append((target, name, name in own, own.get(name)))
            setattr(target, name, value)

    def undo(self) -> None:
        """Restore everything, last set first."""
        while self._set:
            target, name, had, before = self._set.pop()
            if had:
                setattr(target, name, before)
            else:
                delattr(target, name)


def _hook_map(hooks: _Hooks, view_map: Any, store: LeanStore) -> None:
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


def _hook_stats(hooks: _Hooks, stats: Any, store: LeanStore) -> None:
    view_map = stats.view_manager.measure_to_view_map
    _hook_map(hooks, view_map, store)

    def new_measurement_map() -> _LeanMeasurementMap:
        return _LeanMeasurementMap(view_map, store, None)

    # A recorder built later, or this method bound before, goes through the library's measurement map to the same store.
    hooks.put(stats.stats_recorder, new_measurement_map=new_measurement_map)
    if stats is stats_module.stats:
        # A thread that builds its own recorder starts with an empty context, and the library would give it an own map.
        hooks.put(execution_context._measure_to_view_map_slot, default=lambda: view_map)  # noqa: SLF001


def install(
    namespace: str = "",
    port: int | None = 8000,
    address: str = "127.0.0.1",
    *,
    registry: CollectorRegistry | None = None,
    stats: Any = None,
) -> LeanExporter:
    """Record the lean way from now on and serve the page; return the handle that stops and restores.

    `namespace` goes before each view's name. Port 0 takes any free one, None serves nothing. Without `registry` a new
    one is made, so only OpenCensus' views are on the page. `stats` is anything with a ``stats_recorder`` and a
    ``view_manager``; by default the library's own. Views may be registered before or after; what was recorded before
    stays with the library and is not on the page.

    Raises `RuntimeError` when recording is lean already, `OSError` when the port is taken; then nothing has changed.
    """
    stats = stats_module.stats if stats is None else stats
    view_map = stats.view_manager.measure_to_view_map
    if _MARK in vars(view_map):
        raise RuntimeError("recording is lean already; stop() the exporter that install() returned first")
    store = LeanStore(namespace)
    for view in tuple(view_map._registered_views.values()):  # noqa: SLF001 - the library offers no list of them
        store.register_view(view, utils.to_iso_str())
    hooks = _Hooks()
    exporter = LeanExporter(store, CollectorRegistry() if registry is None else registry, hooks.undo)
    exporter.registry.register(store)
    try:
        if port is not None:
            exporter.serve(port, address)
        _hook_stats(hooks, stats, store)
    except BaseException:
        exporter.stop()
        raise
    return exporter

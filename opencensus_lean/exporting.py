"""Calls of exporters that are registered with OpenCensus, at intervals, with the data of all views."""

import atexit
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any, SupportsIndex

from opencensus_lean.forks import after_fork_in_child

__all__ = ["ExporterList", "Feeder", "refuse_exporters"]

logger = logging.getLogger(__name__)


def _named(exporters: Iterable[object]) -> str:
    return ", ".join(type(exporter).__qualname__ for exporter in exporters)


def refuse_exporters(exporters: Iterable[object]) -> None:
    """Raise `RuntimeError` when there is an exporter that nothing would call."""
    refused = list(exporters)
    if refused:
        raise RuntimeError(
            f"install(export_interval=None) calls no exporter, so {_named(refused)} would never see a value: "
            "unregister it, or give install() an export_interval in seconds"
        )


class ExporterList(list[Any]):
    """The list of exporters of a measure-to-view map, which tells `added` of each before it joins."""

    def __init__(self, exporters: Iterable[Any], added: Callable[[Any], None]) -> None:
        super().__init__(exporters)
        self._added = added

    def append(self, exporter: Any, /) -> None:
        """Add an exporter; whatever `added` raises keeps it out."""
        self._added(exporter)
        super().append(exporter)

    def insert(self, index: SupportsIndex, exporter: Any, /) -> None:
        """Add an exporter before `index`."""
        self._added(exporter)
        super().insert(index, exporter)

    def extend(self, exporters: Iterable[Any], /) -> None:
        """Add several exporters."""
        for exporter in exporters:
            self.append(exporter)


class Feeder:
    """Hands the data of all views to every exporter: each `interval` seconds, when asked, and at the end.

    OpenCensus calls its exporters within each record, with a copy of the views that it touched. Here a thread calls
    them, which starts with the first exporter and is started anew in a forked child. At the end of the program they
    are called once more.
    """

    def __init__(
        self, view_data: Callable[[], Iterable[Any]], exporters: Callable[[], Iterable[Any]], interval: float
    ) -> None:
        self._view_data, self._exporters, self._interval = view_data, exporters, interval
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread unless it runs."""
        with self._lock:
            if self._thread is None and not self._ended.is_set():
                atexit.register(self.stop)
                after_fork_in_child(self, Feeder._start_anew)
                self._start_thread()

    def _start_thread(self) -> None:
        self._thread = threading.Thread(target=self._run, name="opencensus-lean-export", daemon=True)
        self._thread.start()

    def _start_anew(self) -> None:
        # The parent's thread is not there, and may have held the lock.
        self._lock = threading.RLock()
        if not self._ended.is_set():
            self._ended = threading.Event()
            self._start_thread()

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            self.feed()

    def feed(self) -> None:
        """Call each exporter once; what one raises is logged and keeps nothing from the others."""
        with self._lock:  # so that no exporter gets older data after newer
            for exporter in tuple(self._exporters()):
                try:
                    # Each gets data of its own, which it may keep and change.
                    exporter.export([data for data in self._view_data() if data.tag_value_aggregation_data_map])
                except Exception:
                    logger.exception("%s failed to export", type(exporter).__qualname__)

    def stop(self) -> None:
        """End the thread and call the exporters a last time; may be called twice."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._ended.set()
        if thread is None:
            return
        atexit.unregister(self.stop)
        # An exporter may stop the recording that it is called by.
        if thread is not threading.current_thread():
            thread.join()
        self.feed()

"""prometheus-client in multiprocess mode: values in memory-mapped files, a page made from the files of all processes.

Whole programs are put into this mode by PROMETHEUS_MULTIPROC_DIR, read when the library is imported. Here the metrics
of one instrument are, so that others in the process stay what they are. What runs for a line is the library's own code.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from prometheus_client import Counter, Histogram, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import CollectorRegistry

from harness.children import private_folder
from harness.instruments.prometheus_client_ import PrometheusClientInstrument, ViewMetrics
from harness.views import View

__all__ = ["PrometheusClientMultiprocessInstrument"]

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Held while the library is in multiprocess mode, which is a state of the whole process.
_switching = threading.Lock()


class _Files:
    """A folder of memory-mapped files, one for each kind of metric and process, and the metrics that write them."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        with _switching:
            self._values: Any = values.MultiProcessValue()  # type: ignore[no-untyped-call]
            # The library would hold it, and the files, until the process ends.
            self.close = values._multi_process_cleanups.pop()  # noqa: SLF001

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """Let values made meanwhile be those of this folder; a value keeps its file."""
        with _switching:
            kind, before = values.ValueClass, os.environ.get(_VARIABLE)
            values.ValueClass, os.environ[_VARIABLE] = self._values, self.folder
            try:
                yield
            finally:
                values.ValueClass = kind
                del os.environ[_VARIABLE]
                if before is not None:
                    os.environ[_VARIABLE] = before

    def kinds(self) -> tuple[type[Counter], type[Histogram]]:
        """Return the classes of counters and histograms whose series have their values in this folder."""
        in_use = self._in_use

        # A series makes its values when its labels come for the first time; nothing else of the classes is changed.
        class FileCounter(Counter):
            def _metric_init(self) -> None:
                with in_use():
                    super()._metric_init()

        class FileHistogram(Histogram):
            def _metric_init(self) -> None:
                with in_use():
                    super()._metric_init()

        return FileCounter, FileHistogram


class PrometheusClientMultiprocessInstrument(PrometheusClientInstrument):
    """`PrometheusClientInstrument` line for line in multiprocess mode, with files in a folder of its own.

    A process forked from the one that built it writes files of its own; the page of either shows the sum over all,
    also over those that have ended. It may be forked before the first line only: the library opens the files of series
    that exist already at the next value, and then asks the environment for the folder.
    """

    def __init__(self, views: tuple[View, ...]) -> None:
        self._owner = os.getpid()
        self._open_until = ExitStack()
        folder = self._open_until.enter_context(private_folder("harness-multiprocess-"))
        files = _Files(str(folder))
        self._open_until.callback(files.close)
        try:
            super().__init__(views, ViewMetrics(views, *files.kinds()))
            self.registry = CollectorRegistry()
            MultiProcessCollector(self.registry, str(folder))  # type: ignore[no-untyped-call]
        except BaseException:
            self._open_until.close()
            raise

    def close(self) -> None:
        """Close the files and remove the folder; a forked copy leaves it to the process that built it."""
        if os.getpid() == self._owner:
            self._open_until.close()

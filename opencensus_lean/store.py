"""The store of OpenCensus measurements: records into cells and returns copies on request."""

import logging
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opencensus.stats.view_data import ViewData

from opencensus_lean.cell import FOLD_AT, Cell
from opencensus_lean.forks import hold_while_forking
from opencensus_lean.series import Columns, ShownView, TagValues

__all__ = ["LeanStore"]

logger = logging.getLogger(__name__)

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]")


class LeanStore:
    """What is recorded, at a cost that is the same for any number of series, and shown only when it is asked for.

    One lock is held while a record enters all its measures and while a reader copies, so a reader sees whole records
    only. It is reentrant: a signal handler or a finalizer that records while its thread is recording must not hang.
    """

    def __init__(self, namespace: str) -> None:
        self._prefix = f"{namespace}_" if namespace else ""
        self._lock = threading.RLock()
        self._shown: dict[str, ShownView] = {}  # by view name
        self._columns: tuple[Columns, ...] = ()
        hold_while_forking(self, self._lock)

    def register_view(self, view: Any, start: str) -> None:
        """Show `view` from now on; of two views of one name the first stays.

        A view that comes after the first record of its tag keys starts at zero, beside those that came before. Of two
        views whose names become one family on a Prometheus page the first is on the page.
        """
        with self._lock:
            if view.name in self._shown:
                if self._shown[view.name].view is not view:
                    logger.warning("a different view is already registered as %r; this one is left out", view.name)
                return
            family = _NOT_IN_NAMES.sub("_", f"{self._prefix}{view.name}")
            taken = any(shown.family == family for shown in self._shown.values())
            if taken:
                logger.warning("a different view is already on the page as %s; %r is left out", family, view.name)
            keys = tuple(view.columns)
            columns = next((each for each in self._columns if each.keys == keys and not each.series), None)
            if columns is None:
                columns = Columns(keys)
                self._columns = (*self._columns, columns)
            shown = ShownView(view, family, columns, start, on_page=not taken)
            columns.add(shown.measure, shown.bounds)
            self._shown[view.name] = shown

    def record(self, tags: Mapping[str, str], measurements: Mapping[Any, float]) -> None:
        """Record `measurements` (values by OpenCensus measure) under `tags`; a reader sees all of them or none.

        A value that is negative or not a number is left out with a warning; one whose measure no view folds is left
        out without; the others are recorded.
        """
        get = tags.get
        with self._lock:
            for columns in self._columns:
                key = columns.values_of(get)
                cells = columns.series.get(key)
                if cells is None:
                    cells = columns.open(key)
                for measure, value in measurements.items():
                    name = measure._name  # noqa: SLF001 - the property would cost a call for each value
                    if not value >= 0:  # NaN too
                        self._refuse(name, value)
                        continue
                    cell = cells.get(name) or columns.cell(cells, name)
                    if cell is None:
                        continue
                    pending = cell.pending
                    pending.append(value)
                    if len(pending) >= FOLD_AT:
                        cell.fold()

    @staticmethod
    def _refuse(name: str, value: float) -> None:
        logger.warning(
            "measure %s: %r is left out; a value to record must be a number that is not negative", name, value
        )

    def view_data(self, name: str | None = None) -> Iterator[ViewData]:
        """Yield OpenCensus' own form of the view `name`, or of all, as they stand."""
        for shown, cells in self.snapshot(name):
            data = ViewData(view=shown.view, start_time=shown.start, end_time=shown.start)
            data.tag_value_aggregation_data_map.update({key: shown.aggregated(cell) for key, cell in cells.items()})
            data.end()
            yield data

    def snapshot(self, name: str | None = None) -> list[tuple[ShownView, dict[TagValues, Cell]]]:
        """Return the view `name`, or all, with their folded cells by tag values, as they stood at one instant.

        Only copying happens under the lock, so that a scrape of many series holds recorders up no longer than it must.
        """
        with self._lock:
            wanted = [each for each in self._shown.values() if name is None or each.view.name == name]
            copies = {columns: columns.copy() for columns in {shown.columns for shown in wanted}}
        self._fold(copies.values())
        return [
            (
                shown,
                {key: cells[shown.measure] for key, cells in copies[shown.columns].items() if shown.measure in cells},
            )
            for shown in wanted
        ]

    @staticmethod
    def _fold(copies: Iterable[dict[TagValues, dict[str, Cell]]]) -> None:
        for series in copies:
            for cells in series.values():
                for cell in cells.values():
                    cell.fold()

"""Records OpenCensus measurements into cells and shows them as Prometheus families when they are asked for."""

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from operator import attrgetter
from typing import Any

from opencensus.stats import aggregation_data
from opencensus.stats.view_data import ViewData
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, UnknownMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from harness.instruments.lean.cell import FOLD_AT, Bounds, Cell

__all__ = ["LeanStore"]

logger = logging.getLogger(__name__)

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_]")

TagValues = tuple[str | None, ...]
CellsByMeasure = dict[str, Cell]


def _sanitize(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name)


class _Columns:
    """The series of all views that have the same tag keys: for each set of tag values, one cell for each measure."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.keys = keys
        self.bounds: dict[str, list[Bounds]] = {}  # measure name -> the bounds of the views that fold it
        self.series: dict[TagValues, CellsByMeasure] = {}

    def add(self, measure: str, bounds: Bounds | None) -> None:
        """Let a view fold `measure`, into buckets when it gives bounds."""
        known = self.bounds.setdefault(measure, [])
        if bounds is not None and bounds not in known:
            known.append(bounds)

    def open(self, raw: TagValues) -> CellsByMeasure:
        """Return the cells for tag values not seen in this form; a missing value and an empty one are one series."""
        # Prometheus takes an empty label for a missing one, so two series here would be a duplicate on the page.
        plain = tuple(value or None for value in raw)
        cells = self.series.setdefault(plain, {})
        if raw != plain:
            self.series[raw] = cells
        return cells

    def cell(self, cells: CellsByMeasure, measure: str) -> Cell | None:
        """Return the cell of `measure`, made on its first value; None where no view folds it."""
        if measure not in self.bounds:
            return None
        return cells.setdefault(measure, Cell(self.bounds[measure]))

    def copy(self) -> dict[TagValues, CellsByMeasure]:
        """Return copies of the cells of each series, once each."""
        return {
            key: {measure: cell.copy() for measure, cell in cells.items()}
            for key, cells in self.series.items()
            if "" not in key
        }


class _Shown:
    """A registered view with what is needed to show it."""

    def __init__(self, view: Any, family: str, columns: _Columns, start: str) -> None:
        self.view = view
        self.family = family
        self.columns = columns
        self.start = start
        self.measure: str = view.measure.name
        self.labels = [_sanitize(key) for key in columns.keys]
        self.seed: Any = view.new_aggregation_data()
        self.bounds: Bounds | None = tuple(self.seed.bounds) if hasattr(self.seed, "bounds") else None

    def aggregated(self, cell: Cell) -> Any:
        """Return what OpenCensus would hold for the folded `cell`."""
        seed = self.seed
        if self.bounds is not None:
            return aggregation_data.DistributionAggregationData(
                cell.mean, cell.count, cell.squared_deviations, cell.buckets(self.bounds), list(self.bounds)
            )
        if isinstance(seed, aggregation_data.CountAggregationData):
            return aggregation_data.CountAggregationData(seed.count_data + cell.count)
        if isinstance(seed, aggregation_data.SumAggregationData):
            return aggregation_data.SumAggregationData(seed.value_type, seed.sum_data + cell.total())
        return aggregation_data.LastValueAggregationData(seed.value_type, cell.last)

    def metric(self, cells: Iterable[tuple[TagValues, Cell]]) -> Metric:
        """Return the view's one family with a series for each of the folded `cells`."""
        description = self.view.description
        if self.bounds is not None:
            return self._histogram(HistogramMetricFamily(self.family, description, labels=self.labels), cells)
        kind = _FAMILIES[type(self.seed)]
        family = kind(self.family, description, labels=self.labels)
        for key, cell in cells:
            family.add_metric([value or "" for value in key], _VALUES[kind](self.aggregated(cell)))
        return family

    def _histogram(self, family: HistogramMetricFamily, cells: Iterable[tuple[TagValues, Cell]]) -> Metric:
        bounds = self.bounds or ()
        names = [*map(str, bounds), "+Inf"]
        for key, cell in cells:
            cumulated = list(zip(names, accumulate(cell.buckets(bounds)), strict=True))
            family.add_metric([value or "" for value in key], cumulated, cell.total())
        return family


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


class LeanStore(Collector):
    """What is recorded, at a cost that is the same for any number of series, and shown only when it is asked for.

    One lock is held while a record enters all its measures and while a reader copies, so a reader sees whole records
    only. It is reentrant: a signal handler or a finalizer that records while its thread is recording must not hang.
    """

    def __init__(self, namespace: str) -> None:
        self._prefix = f"{namespace}_" if namespace else ""
        self._lock = threading.RLock()
        self._shown: dict[str, _Shown] = {}  # by family name
        self._columns: tuple[_Columns, ...] = ()

    def register_view(self, view: Any, start: str) -> None:
        """Show `view` from now on; of two views with one family name the first stays.

        A view that comes after the first record of its tag keys starts at zero, beside those that came before.
        """
        family = _sanitize(self._prefix + view.name)
        with self._lock:
            if family in self._shown:
                if self._shown[family].view is not view:
                    logger.warning("a different view is already exported as %s; %r is left out", family, view.name)
                return
            keys = tuple(view.columns)
            columns = next((each for each in self._columns if each.keys == keys and not each.series), None)
            if columns is None:
                columns = _Columns(keys)
                self._columns = (*self._columns, columns)
            shown = _Shown(view, family, columns, start)
            columns.add(shown.measure, shown.bounds)
            self._shown[family] = shown

    def record(self, tags: Mapping[str, str], measurements: Mapping[Any, float]) -> None:
        """Record `measurements` (values by OpenCensus measure) under `tags`; a reader sees all of them or none.

        A value that is negative or not a number is left out with a warning; one whose measure no view folds is left
        out without; the others are recorded.
        """
        tag = tags.get
        with self._lock:
            for columns in self._columns:
                key = tuple(map(tag, columns.keys))
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

    def collect(self) -> Iterator[Metric]:
        """Yield one family for each view that has a series, all as they stood at one instant."""
        for shown, cells in self._snapshot(self._shown.values()):
            if cells:
                yield shown.metric(cells.items())

    def view_data(self, name: str | None = None) -> Iterator[ViewData]:
        """Yield OpenCensus' own form of the view `name`, or of all, as they stand."""
        wanted = [each for each in tuple(self._shown.values()) if name is None or each.view.name == name]
        for shown, cells in self._snapshot(wanted):
            data = ViewData(view=shown.view, start_time=shown.start, end_time=shown.start)
            data.tag_value_aggregation_data_map.update({key: shown.aggregated(cell) for key, cell in cells.items()})
            data.end()
            yield data

    def _snapshot(self, wanted: Iterable[_Shown]) -> list[tuple[_Shown, dict[TagValues, Cell]]]:
        """Return the wanted views with their folded cells by tag values.

        Only copying happens under the lock, so that a scrape of many series holds recorders up no longer than it must.
        """
        with self._lock:
            wanted = list(wanted)
            copies = {columns: columns.copy() for columns in {shown.columns for shown in wanted}}
        for series in copies.values():
            for cells in series.values():
                for cell in cells.values():
                    cell.fold()
        return [
            (
                shown,
                {key: cells[shown.measure] for key, cells in copies[shown.columns].items() if shown.measure in cells},
            )
            for shown in wanted
        ]

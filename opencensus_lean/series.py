"""Series of the views that share their tag keys, and registered views with the data OpenCensus would have."""

from collections.abc import Callable
from typing import Any

from opencensus.stats import aggregation_data

from opencensus_lean.cell import Bounds, Cell

__all__ = ["CellsByMeasure", "Columns", "ShownView", "TagValues"]

TagValues = tuple[str | None, ...]
CellsByMeasure = dict[str, Cell]
_Get = Callable[[str], str | None]


def _reader(keys: tuple[str, ...]) -> Callable[[_Get], TagValues]:
    """Return a function that reads the values of `keys` with a mapping's ``get``; written out for the usual few."""
    if len(keys) == 1:
        (first,) = keys
        return lambda get: (get(first),)
    if len(keys) == 2:
        first, second = keys
        return lambda get: (get(first), get(second))
    if len(keys) == 3:
        first, second, third = keys
        return lambda get: (get(first), get(second), get(third))
    return lambda get: tuple(map(get, keys))


class Columns:
    """The series of all views that have the same tag keys: for each set of tag values, one cell for each measure."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.keys = keys
        self.values_of = _reader(keys)
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


class _Distribution(aggregation_data.DistributionAggregationData):  # type: ignore[misc]
    """A distribution whose sum is the exact one, not its mean times its count."""

    def __init__(self, cell: Cell, bounds: Bounds) -> None:
        super().__init__(cell.mean, cell.count, cell.squared_deviations, cell.buckets(bounds), list(bounds))
        self._total = cell.total()

    @property
    def sum(self) -> float:
        """The sum of the values, rounded once."""
        return self._total


class ShownView:
    """A registered view with what is needed to show it; `on_page` is false where another view has its family's name."""

    def __init__(self, view: Any, family: str, columns: Columns, start: str, *, on_page: bool) -> None:
        self.view = view
        self.family = family
        self.columns = columns
        self.start = start
        self.on_page = on_page
        self.measure: str = view.measure.name
        self.seed: Any = view.new_aggregation_data()
        self.bounds: Bounds | None = tuple(self.seed.bounds) if hasattr(self.seed, "bounds") else None

    def aggregated(self, cell: Cell) -> Any:
        """Return what OpenCensus would hold for the folded `cell`."""
        seed = self.seed
        if self.bounds is not None:
            return _Distribution(cell, self.bounds)
        if isinstance(seed, aggregation_data.CountAggregationData):
            return aggregation_data.CountAggregationData(seed.count_data + cell.count)
        if isinstance(seed, aggregation_data.SumAggregationData):
            return aggregation_data.SumAggregationData(seed.value_type, seed.sum_data + cell.total())
        return aggregation_data.LastValueAggregationData(seed.value_type, cell.last)

"""The account of every line of a run, and what each view must therefore show, per series and per bucket."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.expected import Expected, SeriesTruth
from harness.load.recorder import DROPPED, EVALUATED, RAISED
from harness.load.truth.sums import ExactSums
from harness.views import LATENCY_MS, LINE_LENGTH, REFUSED, Aggregation, Tags, View
from workloads.refusals import ERROR_KINDS

if TYPE_CHECKING:
    from workloads.workload import Truth

__all__ = ["Ledger"]

_KINDS = len(ERROR_KINDS)
_KNOWN = (LATENCY_MS, LINE_LENGTH, REFUSED)


@dataclass(slots=True)
class _Column:
    """The counts of one distribution view: flat arrays of series x buckets."""

    bounds: NDArray[np.float64]
    buckets: NDArray[np.int64]
    at_bound: NDArray[np.int64]

    @classmethod
    def of(cls, view: View, series: int) -> "_Column":
        size = len(view.bounds)
        return cls(
            np.array(view.bounds, dtype=np.float64),
            np.zeros(series * (size + 1), dtype=np.int64),
            np.zeros(series * size, dtype=np.int64),
        )

    def add(self, series: NDArray[np.int64], values: NDArray[np.float64] | NDArray[np.int64]) -> None:
        size = self.bounds.size
        # Prometheus' rule: a value equal to a bound belongs to that bound's bucket.
        places = np.searchsorted(self.bounds, values, side="left")
        np.add.at(self.buckets, series * (size + 1) + places, 1)
        inside = places < size
        series, places, values = series[inside], places[inside], values[inside]
        equal = self.bounds[places] == values
        np.add.at(self.at_bound, series[equal] * size + places[equal], 1)

    def row(self, series: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        size = self.bounds.size
        buckets = self.buckets[series * (size + 1) : (series + 1) * (size + 1)]
        at_bound = self.at_bound[series * size : (series + 1) * size]
        return tuple(buckets.tolist()), tuple(at_bound.tolist())

    def merge(self, other: "_Column") -> None:
        self.buckets += other.buckets
        self.at_bound += other.at_bound


@dataclass(slots=True)
class _Sum:
    """A series' figures while several underlying series are still being added up."""

    count: int = 0
    total: Fraction = field(default_factory=Fraction)
    buckets: tuple[int, ...] = ()
    at_bound: tuple[int, ...] = ()

    def add(self, count: int, total: Fraction, buckets: tuple[int, ...], at_bound: tuple[int, ...]) -> None:
        self.count += count
        self.total += total
        self.buckets = _plus(self.buckets, buckets)
        self.at_bound = _plus(self.at_bound, at_bound)

    def truth(self) -> SeriesTruth:
        return SeriesTruth(self.count, float(self.total), self.buckets, self.at_bound)


def _plus(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(left, right, strict=True)) if left else right


class Ledger:
    """The account of every line of a run; ``offered == processed + failed + dropped`` holds after each `add`.

    - processed: good lines that were evaluated;
    - failed: lines that the subject refused, by kind in `refused`, and lines out of which an exception came, by type in
      `raised`;
    - dropped: lines that were given up because they were late.

    `methods` are the values of the tag ``method`` that the truth's indices refer to.
    """

    def __init__(self, views: Sequence[View], methods: Sequence[str]) -> None:
        for view in views:
            if view.measure not in _KNOWN or (view.measure == REFUSED and view.aggregation is not Aggregation.COUNT):
                raise ValueError(f"the ledger knows no truth for the view {view.name!r}")
        self.views = tuple(views)
        self.methods = tuple(methods)
        series = len(self.methods) * _KINDS
        self.dropped = 0
        self.raised: Counter[str] = Counter()
        # One series for each method and kind of error, good lines first: series = method * kinds + error.
        self._count = np.zeros(series, dtype=np.int64)
        self._bytes = np.zeros(series, dtype=np.int64)
        self._latency = ExactSums(series)
        self._columns = [
            _Column.of(view, series) if view.aggregation is Aggregation.DISTRIBUTION else None for view in self.views
        ]

    @property
    def offered(self) -> int:
        """Lines that fell due: processed, failed and dropped ones."""
        return self.processed + self.failed + self.dropped

    @property
    def processed(self) -> int:
        """Good lines that were evaluated."""
        return int(self._count[::_KINDS].sum())

    @property
    def failed(self) -> int:
        """Lines that were refused, and lines on which an exception was raised."""
        return sum(self.refused.values()) + self.raised.total()

    @property
    def refused(self) -> Mapping[str, int]:
        """Refused lines by kind; kinds that did not occur are left out."""
        by_kind = self._count.reshape(-1, _KINDS).sum(axis=0).tolist()
        return {kind: count for kind, count in zip(ERROR_KINDS, by_kind, strict=True) if kind and count}

    def add(
        self,
        truth: "Truth",
        outcomes: NDArray[np.int8],
        latencies_ms: Sequence[float],
        raised: Sequence[str] = (),
    ) -> None:
        """Account for the first ``len(outcomes)`` lines of `truth`; later ones were never offered.

        `latencies_ms` are the latencies the subject recorded for the lines with outcome EVALUATED, and `raised` the
        names of the exceptions' types for those with outcome RAISED, both in the lines' order. Raises `ValueError`, and
        leaves the ledger as it was, when their numbers do not fit the outcomes.
        """
        evaluated = outcomes == EVALUATED
        latencies = np.asarray(latencies_ms, dtype=np.float64)
        done, died = int(np.count_nonzero(evaluated)), int(np.count_nonzero(outcomes == RAISED))
        if done != latencies.size or died != len(raised):
            raise ValueError(
                f"{done} lines were evaluated and {died} raised, but {latencies.size} latencies and {len(raised)} "
                "exceptions are known; the REPL's keep must be called once for each line whose record returned"
            )
        lost = int(np.count_nonzero(outcomes == DROPPED))
        if done + died + lost != outcomes.size or outcomes.size > truth.lengths.size:
            raise ValueError("each line has one outcome: DROPPED, EVALUATED or RAISED")
        series, lengths = self.series_of(truth, outcomes), truth.lengths[: outcomes.size][evaluated]
        self._latency.add(series, latencies)  # first, because it may refuse a value
        self.dropped += lost
        self.raised.update(raised)
        self._tally(series, lengths, latencies)

    def series_of(self, truth: "Truth", outcomes: NDArray[np.int8]) -> NDArray[np.int64]:
        """Return the series of each of the first ``len(outcomes)`` lines that was evaluated, from 0."""
        series = truth.method[: outcomes.size].astype(np.int64) * _KINDS + truth.error[: outcomes.size]
        evaluated: NDArray[np.int64] = series[outcomes == EVALUATED]
        return evaluated

    def _tally(self, series: NDArray[np.int64], lengths: NDArray[np.int64], latencies: NDArray[np.float64]) -> None:
        np.add.at(self._count, series, 1)
        np.add.at(self._bytes, series, lengths)
        for view, column in zip(self.views, self._columns, strict=True):
            if column is not None:
                column.add(series, latencies if view.measure == LATENCY_MS else lengths)

    def state(self) -> dict[str, Any]:
        """Return what it counted as plain values and arrays, for `from_state` in another process."""
        return {
            "dropped": self.dropped,
            "raised": dict(self.raised),
            "count": self._count,
            "bytes": self._bytes,
            "latency": self._latency.state(),
            "columns": [
                None if column is None else {"buckets": column.buckets, "at_bound": column.at_bound}
                for column in self._columns
            ],
        }

    @classmethod
    def from_state(cls, views: Sequence[View], methods: Sequence[str], state: Mapping[str, Any]) -> "Ledger":
        """Return the ledger of a `state`; raises `ValueError` where it is not of these views and methods."""
        result = cls(views, methods)
        result.dropped = state["dropped"]
        result.raised.update(state["raised"])
        result._count += state["count"]
        result._bytes += state["bytes"]
        result._latency.merge(ExactSums.from_state(state["latency"]))
        for column, counts in zip(result._columns, state["columns"], strict=True):
            if column is not None:
                column.buckets += counts["buckets"]
                column.at_bound += counts["at_bound"]
        return result

    def merge(self, other: "Ledger") -> None:
        """Add the other ledger's lines; raises `ValueError` when its views or methods differ."""
        if (self.views, self.methods) != (other.views, other.methods):
            raise ValueError("only ledgers of the same views and methods can be merged")
        self.dropped += other.dropped
        self.raised.update(other.raised)
        self._count += other._count  # noqa: SLF001 - one of the same class, here and below
        self._bytes += other._bytes  # noqa: SLF001
        self._latency.merge(other._latency)  # noqa: SLF001
        for mine, theirs in zip(self._columns, other._columns, strict=True):  # noqa: SLF001
            if mine is not None and theirs is not None:
                mine.merge(theirs)

    def expected(self) -> Expected:
        """Return what a page must show of the evaluated lines; series without lines are left out.

        Lines that raised are excluded: it is unknown whether they were recorded.
        """
        return {view.name: self._series(view, column) for view, column in zip(self.views, self._columns, strict=True)}

    @property
    def series_count(self) -> int:
        """Return the number of possible series: one for each method and kind of error, good lines first."""
        return int(self._count.size)

    def active_series(self) -> NDArray[np.int64]:
        """Return the series that had lines, in order."""
        return np.flatnonzero(self._count)

    def tags_of(self, view: View, series: int) -> Tags | None:
        """Return the tags under which a view shows a series; None where it does not count the series' lines."""
        method, error = divmod(series, _KINDS)
        if view.measure == REFUSED and not error:
            return None
        tags = Tags(self.methods[method])
        tags = tags.refused(ERROR_KINDS[error]) if error else tags
        if len(view.tag_keys) == len(Tags._fields):
            return tags
        return Tags(*(value if key in view.tag_keys else "" for key, value in zip(Tags._fields, tags, strict=True)))

    def rows(self, series: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return a row for each series: lines, bytes and latency (ms, rounded), then each distribution's figures.

        The distribution's figures are, from `buckets_at` on, the number of values in each bucket and of those that
        equal each bound.
        """
        columns: list[NDArray[Any]] = [
            self._count[series],
            self._bytes[series],
            self._latency.approximate(series),
        ]
        for column in self._columns:
            if column is not None:
                size = column.bounds.size
                columns.extend(column.buckets.reshape(-1, size + 1)[series].T)
                columns.extend(column.at_bound.reshape(-1, size)[series].T)
        return np.column_stack(columns).astype(np.float64)

    def buckets_at(self, view: View) -> int:
        """Return the index in a row at which the figures of a distribution begin."""
        place = 3
        for other, column in zip(self.views, self._columns, strict=True):
            if other is view:
                break
            place += 0 if column is None else 2 * column.bounds.size + 1
        return place

    def _series(self, view: View, column: _Column | None) -> Mapping[Tags, SeriesTruth]:
        sums: dict[Tags, _Sum] = {}
        for series in self.active_series().tolist():
            tags = self.tags_of(view, series)
            if tags is not None:
                buckets, at_bound = column.row(series) if column is not None else ((), ())
                sums.setdefault(tags, _Sum()).add(
                    int(self._count[series]), self._total(view, series), buckets, at_bound
                )
        return {tags: total.truth() for tags, total in sums.items()}

    def _total(self, view: View, series: int) -> Fraction:
        if view.measure == LATENCY_MS:
            return self._latency.total(series)
        return Fraction(int((self._bytes if view.measure == LINE_LENGTH else self._count)[series]))

"""The ledger's state at the moments when pages were made, for comparison with each scrape.

A page made between two moments shows at least the lines that had ended before the first, and at most those that had
begun by the second. The log cuts the blocks of lines at these moments and stores the ledger's state there: only the
series that changed since the moment before, within a limit of bytes; the oldest moments are discarded first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.expected import Range
from harness.load.recorder import EVALUATED, RAISED
from harness.load.truth.entries import Entries, Entry
from harness.load.truth.ledger import Ledger
from harness.load.truth.moments import PageMoments
from harness.views import LATENCY_MS, LINE_LENGTH, Aggregation, Tags, View

if TYPE_CHECKING:
    from workloads.workload import Truth

__all__ = ["LineLog", "NoPages", "Pages", "TruthLog"]

BUDGET_BYTES = 64 << 20
# As many moments as the endpoint keeps windows.
MAX_MOMENTS = 65_536


class Pages(Protocol):
    """Source of the moments at which pages were made, on the clock of the driver."""

    def take(self) -> tuple[list[int], list[int]]:
        """Return when pages were begun and finished since the last call, in nanoseconds and in order.

        A moment that has passed must not be returned by a later call.
        """


class LineLog(Protocol):
    """What the driver tells of each line it handled: `TruthLog`, or one for each life of a service that restarts."""

    def add(
        self,
        truth: "Truth",
        outcomes: NDArray[np.int8],
        latencies_ms: Sequence[float],
        raised: Sequence[str],
        starts_ns: Sequence[int],
        ends_ns: Sequence[int],
    ) -> None:
        """Account for lines; see `TruthLog.add`."""

    def close(self, now_ns: int) -> None:
        """Store the final state; see `TruthLog.close`."""


class TruthLog:
    """Adds lines to a ledger and stores its state where `pages` were made; see `harness.expected.TruthOverTime`."""

    def __init__(self, ledger: Ledger, pages: Pages, budget_bytes: int = BUDGET_BYTES) -> None:
        self._ledger = ledger
        self._pages = pages
        self._position = 0
        self._raised = 0
        self._touched = np.zeros(ledger.series_count, dtype=np.bool_)
        self._entries = Entries(budget_bytes)
        # The moment and the position for each page begun and made.
        self._begun = PageMoments()
        self._made = PageMoments()
        self._forgotten_ns = -1
        self._closed_ns: int | None = None
        self._reader: _Reader | None = None

    def add(
        self,
        truth: "Truth",
        outcomes: NDArray[np.int8],
        latencies_ms: Sequence[float],
        raised: Sequence[str],
        starts_ns: Sequence[int],
        ends_ns: Sequence[int],
    ) -> None:
        """Account for lines as `Ledger.add` does; `starts_ns` and `ends_ns` are when each began and ended."""
        begun, made = self._pages.take()
        count = len(outcomes)
        cuts: list[int] = []
        if begun or made:
            # A line that ended by the time a page was begun is on it; one that had begun by its end may be.
            certain = np.searchsorted(np.asarray(ends_ns), begun, side="right").tolist()
            possible = np.searchsorted(np.asarray(starts_ns), made, side="right").tolist()
            self._note(begun, certain, made, possible)
            cuts = sorted({*certain, *possible})
        first, evaluated, died = 0, outcomes == EVALUATED, outcomes == RAISED
        taken = lost = 0
        for cut in [*cuts, count]:
            piece = slice(first, cut)
            values = taken + int(np.count_nonzero(evaluated[piece])) if cut < count else len(latencies_ms)
            names = lost + int(np.count_nonzero(died[piece])) if cut < count else len(raised)
            if cut > first:
                self._add(_part(truth, piece), outcomes[piece], latencies_ms[taken:values], raised[lost:names])
            if cut in cuts:
                self._keep()
            first, taken, lost = cut, values, names
        self._raised += len(raised)

    def _add(
        self, truth: "Truth", outcomes: NDArray[np.int8], latencies_ms: Sequence[float], raised: Sequence[str]
    ) -> None:
        self._ledger.add(truth, outcomes, latencies_ms, raised)
        self._touched[self._ledger.series_of(truth, outcomes)] = True
        self._position += len(outcomes)

    def _note(self, begun: list[int], certain: list[int], made: list[int], possible: list[int]) -> None:
        self._begun.extend(zip(begun, (self._position + line for line in certain), strict=True))
        self._made.extend(zip(made, (self._position + line for line in possible), strict=True))
        for moments in (self._begun, self._made):
            while len(moments) > MAX_MOMENTS:
                self._forgotten_ns = max(self._forgotten_ns, moments.popleft())

    def _keep(self) -> None:
        """Store the ledger's state at this position, as the series that changed since the last one."""
        series = np.flatnonzero(self._touched)
        if not series.size and self._entries:
            return
        self._touched[series] = False
        self._entries.append(Entry(self._position, series, self._ledger.rows(series)))
        while self._begun and self._begun.first[1] < self._entries.known_from:
            self._forgotten_ns = max(self._forgotten_ns, self._begun.popleft())

    def close(self, now_ns: int) -> None:
        """Store the final state, at `now_ns`: pages made later show all of it."""
        begun, made = self._pages.take()
        self._note(begun, [0] * len(begun), made, [0] * len(made))
        self._keep()
        self._closed_ns = now_ns

    def state(self) -> dict[str, Any]:
        """Return what it remembers as plain values and arrays, for `from_state` in another process."""
        entries = list(self._entries)
        return {
            "position": self._position,
            "raised": self._raised,
            "forgotten_ns": self._forgotten_ns,
            "closed_ns": self._closed_ns,
            "begun": self._begun.rows(),
            "made": self._made.rows(),
            "positions": np.array([entry.position for entry in entries], dtype=np.int64),
            "sizes": np.array([entry.series.size for entry in entries], dtype=np.int64),
            "series": np.concatenate([np.zeros(0, dtype=np.int64), *(entry.series for entry in entries)]),
            "rows": np.concatenate([self._ledger.rows(np.zeros(0, dtype=np.int64)), *(e.rows for e in entries)]),
        }

    @classmethod
    def from_state(cls, ledger: Ledger, state: Mapping[str, Any]) -> "TruthLog":
        """Return the log of a `state`, to be asked and not to be added to; `ledger` is that of the end of the run."""
        result = cls(ledger, NoPages())
        result._position, result._raised = state["position"], state["raised"]
        result._forgotten_ns, result._closed_ns = state["forgotten_ns"], state["closed_ns"]
        result._begun.extend(state["begun"].tolist())
        result._made.extend(state["made"].tolist())
        ends = np.cumsum(state["sizes"])
        for position, end, size in zip(
            state["positions"].tolist(), ends.tolist(), state["sizes"].tolist(), strict=True
        ):
            piece = slice(end - size, end)
            # Copied, so that the message they came with need not be kept.
            result._entries.hold(Entry(position, state["series"][piece].copy(), state["rows"][piece].copy()))
        return result

    def between(self, begin_ns: int, end_ns: int) -> Mapping[str, Mapping[Tags, Range]] | None:
        """Return what a page requested at `begin_ns` and received by `end_ns` may show; see `TruthOverTime`.

        None for a time that is no longer stored, before `close`, and when recording raised on any line: it is unknown
        whether such a line is on a page.
        """
        if self._closed_ns is None or self._raised or begin_ns <= self._forgotten_ns:
            return None
        least = self.certain(begin_ns)
        made = self._made.until(end_ns)
        if end_ns >= self._closed_ns:
            most = self._position
        elif made is not None:
            most = made[1]
        else:
            return None
        if most < least:
            return None
        if self._reader is None or not self._reader.reaches(least, most):
            self._reader = _Reader(self._ledger, self._entries)
        return self._reader.ranges(least, most)

    def settle(self, ledger: Ledger) -> None:
        """Take a copy of the ledger, as it is now, in its place: lines that follow are not of this log."""
        self._ledger = ledger

    @property
    def lines(self) -> int:
        """The number of lines accounted for."""
        return self._position

    def certain(self, begin_ns: int) -> int:
        """Return how many lines a page requested at `begin_ns` shows at least."""
        later = self._begun.from_on(begin_ns)
        return self._position if later is None else later[1]

    def begun_within(self, begin_ns: int, end_ns: int) -> bool:
        """Return whether a page was begun between two moments, both included."""
        later = self._begun.from_on(begin_ns)
        return later is not None and later[0] <= end_ns


class NoPages:
    """The pages of a run that is over."""

    def take(self) -> tuple[list[int], list[int]]:
        """Return none."""
        return [], []


def _part(truth: "Truth", piece: slice) -> "Truth":
    return replace(truth, lengths=truth.lengths[piece], method=truth.method[piece], error=truth.error[piece])


class _Cursor:
    """The state of each series that ever occurred, at successive positions."""

    def __init__(self, active: NDArray[np.int64], columns: int, entries: Iterable[Entry]) -> None:
        self._active = active
        self._entries = iter(entries)
        self._next = next(self._entries, None)
        self.position = -1
        self.state = np.zeros((active.size, columns))

    def advance(self, position: int) -> None:
        while self._next is not None and self._next.position <= position:
            self.state[np.searchsorted(self._active, self._next.series)] = self._next.rows
            self._next = next(self._entries, None)
        self.position = position


class _Layout(NamedTuple):
    """Where the figures of one view are in a row, and which of its series each row belongs to."""

    view: View
    tags: list[Tags]
    rows: NDArray[np.int64]  # of those that belong to the view
    groups: NDArray[np.int64]  # the place in `tags` of each of them
    sum_at: int
    buckets_at: int


class _Reader:
    """A pass through the entries with two cursors: what must be shown, and what may be."""

    def __init__(self, ledger: Ledger, entries: Entries) -> None:
        active = ledger.active_series()
        columns = ledger.rows(active[:0]).shape[1]
        self._least = _Cursor(active, columns, entries)
        self._most = _Cursor(active, columns, entries)
        self._layouts = [_layout(ledger, view, active) for view in ledger.views]

    def reaches(self, least: int, most: int) -> bool:
        """Return whether both positions are still ahead."""
        return least >= self._least.position and most >= self._most.position

    def ranges(self, least: int, most: int) -> dict[str, dict[Tags, Range]]:
        self._least.advance(least)
        self._most.advance(most)
        return {layout.view.name: self._of_view(layout) for layout in self._layouts}

    def _of_view(self, layout: _Layout) -> dict[Tags, Range]:
        low = _figures(layout, self._least.state, exclusive=True)
        high = _figures(layout, self._most.state, exclusive=False)
        shown = np.flatnonzero(high[:, 0]).tolist()
        return {
            layout.tags[row]: Range(least, most)
            for row, least, most in zip(shown, low[shown].tolist(), high[shown].tolist(), strict=True)
        }


def _layout(ledger: Ledger, view: View, active: NDArray[np.int64]) -> _Layout:
    rows, places, known = [], [], dict[Tags, int]()
    for row, series in enumerate(active.tolist()):
        tags = ledger.tags_of(view, series)
        if tags is not None:
            rows.append(row)
            places.append(known.setdefault(tags, len(known)))
    return _Layout(
        view,
        list(known),
        np.array(rows, dtype=np.int64),
        np.array(places, dtype=np.int64),
        {LINE_LENGTH: 1, LATENCY_MS: 2}.get(view.measure, 0),
        ledger.buckets_at(view),
    )


def _figures(layout: _Layout, state: NDArray[np.float64], *, exclusive: bool) -> NDArray[np.float64]:
    """Return count, sum and cumulated buckets of each series of a view (only the count of one that counts)."""
    size, view = len(layout.view.bounds), layout.view
    distribution = view.aggregation is Aggregation.DISTRIBUTION
    figures = np.zeros((len(layout.tags), size + 3 if distribution else 1))
    mine = state[layout.rows]
    columns = mine[:, :1]
    if distribution:
        first, behind = layout.buckets_at, layout.buckets_at + size + 1
        cumulated = mine[:, first:behind].cumsum(axis=1)
        if exclusive:
            cumulated[:, :size] -= mine[:, behind : behind + size]
        columns = np.column_stack([mine[:, 0], mine[:, layout.sum_at], cumulated])
    np.add.at(figures, layout.groups, columns)
    return figures

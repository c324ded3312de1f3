"""HDR histograms of durations: three significant digits from 1 ns to 1 h, constant memory, lossless merging.

The layout is that of HdrHistogram (https://hdrhistogram.github.io/HdrHistogram/) with lowest trackable value 1, highest
3 600 000 000 000 and 3 significant digits, so counts can be exchanged with any of its implementations.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.load.latency.tail import beyond

__all__ = ["HIGHEST_NS", "POSITIONS", "Histogram", "Summary", "highest_at", "rank"]

HIGHEST_NS = 3_600_000_000_000
_DIGITS = 3
_HALF_MAGNITUDE = 10  # 2 * 10**3 values told apart need 2**11 sub-buckets, half of which each further bucket adds
_HALF = 1 << _HALF_MAGNITUDE
_MASK = 2 * _HALF - 1
POSITIONS = (HIGHEST_NS.bit_length() - _HALF_MAGNITUDE + 1) * _HALF  # of a histogram
_NONE = np.zeros(0, dtype=np.int64)
# How steps between positions are stored, and counts by their bytes.
_STEP: np.dtype[Any] = np.dtype("<u2")
_WIDTHS: dict[int, np.dtype[Any]] = {1: np.dtype("u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4"), 8: np.dtype("<i8")}


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a histogram, in nanoseconds; all but `count` are None when it is empty."""

    count: int
    min: int | None
    p50: int | None
    p90: int | None
    p99: int | None
    p999: int | None
    max: int | None
    mean: float | None


def rank(count: int, percent: float) -> int:
    """Return the rank, from 1, of the value that at least `percent` (0 to 100) of `count` values do not exceed.

    The nearest-rank method: percent/100 of the count, rounded up, and at least 1.
    """
    return max(count - beyond(percent, count), 1)


def _index(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each value's position in the counts, by HdrHistogram's rule.

    A value below 2048 is its own position. Above, each doubling has 1024 positions, chosen by the value's leading 11
    bits.
    """
    # frexp's exponent is the bit length: exact, for HIGHEST_NS is far below 2**53.
    bits: NDArray[np.int64] = np.frexp((values | _MASK).astype(np.float64))[1].astype(np.int64)
    bucket = bits - (_HALF_MAGNITUDE + 1)
    places: NDArray[np.int64] = (bucket << _HALF_MAGNITUDE) + (values >> bucket)
    return places


def highest_at(place: int) -> int:
    """Return the largest value that is counted at a position."""
    bucket = max((place >> _HALF_MAGNITUDE) - 1, 0)
    leading = place - (bucket << _HALF_MAGNITUDE)
    return ((leading + 1) << bucket) - 1


_Packed = tuple[NDArray[np.int64], NDArray[Any]]
# Compressed, and the bytes of each count.
_Stored = tuple[bytes, int]


class Histogram:
    """Counts of durations in nanoseconds.

    `counts` is in HdrHistogram's order, for reading only. Sum, smallest and largest are stored exactly beside it. A
    value outside 0 to `HIGHEST_NS` is counted at the nearer end, so that the count always equals the number of values
    given. One that came from another process takes memory for the positions in use only, until it is added to: a
    coordinator has those of all its workers.
    """

    __slots__ = ("_dense", "_encoded", "_stored", "count", "max", "min", "sum")

    def __init__(self) -> None:
        self._dense: NDArray[np.int64] | None = None
        self._stored: _Stored | None = None
        self._encoded = ""
        self.count = 0
        self.sum = 0
        self.min: int | None = None
        self.max: int | None = None

    @property
    def counts(self) -> NDArray[np.int64]:
        """The number of values at each position."""
        if self._dense is None:
            self._dense = np.zeros(POSITIONS, dtype=np.int64)
            if self._stored is not None:
                places, counts = _unpack(*self._stored)
                self._dense[places] = counts
            self._stored, self._encoded = None, ""
        return self._dense

    def packed(self) -> _Packed:
        """Return the positions in use, in order, and the number of values at each."""
        if self._dense is None:
            return _unpack(*self._stored) if self._stored is not None else (_NONE, _NONE)
        places = np.flatnonzero(self._dense)
        return places, self._dense[places]

    @property
    def mean(self) -> float | None:
        """The mean in nanoseconds from the exact sum, None when empty."""
        return self.sum / self.count if self.count else None

    def record(self, values_ns: NDArray[np.int64]) -> None:
        """Count every value of an array of nanoseconds."""
        if not values_ns.size:
            return
        low, high = int(values_ns.min()), int(values_ns.max())
        if low < 0 or high > HIGHEST_NS:
            values_ns = np.clip(values_ns, 0, HIGHEST_NS)
            low, high = int(values_ns.min()), int(values_ns.max())
        self.count_places(_index(values_ns), int(values_ns.sum()), low, high)

    @staticmethod
    def record_rows(histograms: Sequence["Histogram"], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count each row of an array of nanoseconds in the histogram at the same index; twice as fast as one by one.

        Returns the position in `counts` at which each value was counted.
        """
        if not rows.size:
            return rows
        lows, highs = rows.min(axis=1).tolist(), rows.max(axis=1).tolist()
        if min(lows) < 0 or max(highs) > HIGHEST_NS:
            rows = np.clip(rows, 0, HIGHEST_NS)
            lows, highs = rows.min(axis=1).tolist(), rows.max(axis=1).tolist()
        places, sums = _index(rows), rows.sum(axis=1).tolist()
        for histogram, at, total, low, high in zip(histograms, places, sums, lows, highs, strict=True):
            histogram.count_places(at, total, low, high)
        return places

    def count_places(self, places: NDArray[np.int64], total: int, low: int, high: int) -> None:
        """Count values in range by their positions, given their sum, the smallest and the largest."""
        np.add.at(self.counts, places, 1)
        self.count += int(places.size)
        self.sum += total
        self._widen(low, high)

    def _widen(self, low: int | None, high: int | None) -> None:
        if low is not None and (self.min is None or low < self.min):
            self.min = low
        if high is not None and (self.max is None or high > self.max):
            self.max = high

    def state(self) -> dict[str, Any]:
        """Return everything it holds as plain values and arrays, for `from_state` in another process."""
        stored, width = self._stored or _pack(*self.packed())
        packed = np.frombuffer(stored, dtype=np.uint8)
        return {"sum": self.sum, "min": self.min, "max": self.max, "packed": packed, "width": width}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Histogram":
        """Return the histogram of a `state`; raises `ValueError` where it is none.

        A state may hold the string of `encode` as ``encoded``: whoever has many need not compress each of them again.
        """
        result = cls()
        result._stored = stored = state["packed"].tobytes(), state["width"]
        result.count = int(_unpack(*stored)[1].sum())
        result.sum, result.min, result.max = state["sum"], state["min"], state["max"]
        result._encoded = str(state.get("encoded", ""))
        return result

    def state_since(self, before: "Histogram") -> dict[str, Any]:
        """Return what was recorded since it was as `before`, for `add_state`; smallest and largest are those of all."""
        changed = np.flatnonzero(self.counts != before.counts)
        stored, width = _pack(changed, self.counts[changed] - before.counts[changed])
        packed = np.frombuffer(stored, dtype=np.uint8)
        return {"sum": self.sum - before.sum, "min": self.min, "max": self.max, "packed": packed, "width": width}

    def add_state(self, state: Mapping[str, Any]) -> None:
        """Add what a `state` counts, as `merge` does; raises `ValueError` where it is none."""
        places, counts = _unpack(state["packed"].tobytes(), state["width"])
        self.counts[places] += counts
        self.count += int(counts.sum())
        self.sum += state["sum"]
        self._widen(state["min"], state["max"])

    def merge(self, other: "Histogram") -> None:
        """Add the other histogram's counts; the result equals that of recording all values in one histogram."""
        places, counts = other.packed()
        self.counts[places] += counts
        self.count += other.count
        self.sum += other.sum
        self._widen(other.min, other.max)

    def percentile(self, percent: float) -> int | None:
        """Return the value in ns that at least `percent` (0 to 100) of the values do not exceed, None when empty."""
        return self.percentiles((percent,))[percent]

    def percentiles(self, percents: tuple[float, ...]) -> Mapping[float, int | None]:
        """Return the values at several percentiles.

        The value is the highest one equivalent to that of the nearest rank (`rank`). Never more than
        the largest value recorded, which HdrHistogram's may be.
        """
        if self.max is None or self.min is None:
            return dict.fromkeys(percents)
        ranks = [rank(self.count, percent) for percent in percents]
        if self._dense is None:
            places, counts = self.packed()
            at = places[np.searchsorted(np.cumsum(counts), ranks)].tolist()
        else:
            # While a run goes on this is asked for every second, between two lines.
            at = np.searchsorted(self.reached(), ranks).tolist()
        return {
            percent: max(min(highest_at(place), self.max), self.min)
            for percent, place in zip(percents, at, strict=True)
        }

    def reached(self) -> NDArray[np.int64]:
        """Return the number of values up to each position, as far as the largest value lies."""
        return np.cumsum(self.counts[: self._places()])

    def percentile_since(self, before: NDArray[np.int64], percent: float) -> int | None:
        """Return the percentile of the values recorded after `reached` returned `before`, None without any."""
        return self.percentiles_since(before, (percent,))[percent]

    def percentiles_since(self, before: NDArray[np.int64], percents: tuple[float, ...]) -> Mapping[float, int | None]:
        """Return several percentiles of the values recorded after `reached` returned `before`."""
        reached = self.reached()
        reached[: before.size] -= before
        if before.size:
            reached[before.size :] -= before[-1]
        count = int(reached[-1]) if reached.size else 0
        if not count or self.max is None:
            return dict.fromkeys(percents)
        places = np.searchsorted(reached, [rank(count, percent) for percent in percents])
        return {percent: min(highest_at(int(place)), self.max) for percent, place in zip(percents, places, strict=True)}

    def _places(self) -> int:
        """Return how many positions there are up to the largest value's: `_index` for one."""
        if self.max is None:
            return 0
        bucket = (self.max | _MASK).bit_length() - (_HALF_MAGNITUDE + 1)
        return (bucket << _HALF_MAGNITUDE) + (self.max >> bucket) + 1

    def summary(self) -> Summary:
        """Return the figures every result carries."""
        at = self.percentiles((50, 90, 99, 99.9))
        return Summary(self.count, self.min, at[50], at[90], at[99], at[99.9], self.max, self.mean)

    def encode(self) -> str:
        """Return the counts as HdrHistogram's V2 compressed string in base64, which all its implementations read."""
        if self._encoded:
            return self._encoded
        from hdrh.histogram import HdrHistogram

        wire = HdrHistogram(1, HIGHEST_NS, _DIGITS)
        places, counts = self.packed()
        np.frombuffer(wire.counts, dtype=np.int64)[places] = counts
        wire.total_count = self.count
        if self.min is not None and self.max is not None:
            wire.min_value, wire.max_value = self.min, self.max
        return bytes(wire.encode()).decode("ascii")

    @classmethod
    def decode(cls, text: str) -> "Histogram":
        """Return the histogram of an encoded string.

        Counts are exact. The string does not carry sum, smallest and largest; they are taken from the buckets, each
        value counted as the highest of its bucket, so they are at most 0.1 % above the truth.
        """
        from hdrh.histogram import HdrHistogram

        wire = HdrHistogram.decode(text)
        result = cls()
        counts = np.frombuffer(wire.counts, dtype=np.int64)
        result.counts[: counts.size] = counts
        places = np.flatnonzero(result.counts)
        result.count = int(result.counts.sum())
        result.sum = sum(highest_at(int(place)) * int(result.counts[place]) for place in places)
        if places.size:
            result.min, result.max = highest_at(int(places[0])), highest_at(int(places[-1]))
        return result


def _pack(places: NDArray[np.int64], counts: NDArray[np.int64]) -> _Stored:
    """Return positions and counts in a tenth of their bytes: the steps between positions and most counts are small."""
    largest = int(counts.max()) if counts.size else 0
    width = next(width for width in _WIDTHS if largest <= np.iinfo(_WIDTHS[width]).max)
    steps = np.diff(places, prepend=0).astype(_STEP)
    return zlib.compress(steps.tobytes() + counts.astype(_WIDTHS[width]).tobytes(), 1), width


def _unpack(stored: bytes, width: int) -> _Packed:
    """Return positions and counts; raises `ValueError` where they are none."""
    each = _STEP.itemsize + width
    try:
        data = zlib.decompressobj().decompress(stored, POSITIONS * each + 1)
    except zlib.error as error:
        raise ValueError(f"this is no histogram: {error}") from error
    if width not in _WIDTHS or len(data) % each:
        raise ValueError("this is no histogram: it is cut off")
    size = len(data) // each
    steps = np.frombuffer(data, dtype=_STEP, count=size)
    places: NDArray[np.int64] = np.cumsum(steps, dtype=np.int64)
    if size and not (steps[1:].all() and int(places[-1]) < POSITIONS):
        raise ValueError("a histogram has no such place")
    return places, np.frombuffer(data, dtype=_WIDTHS[width], offset=size * _STEP.itemsize)

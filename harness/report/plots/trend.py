"""One figure over all runs, with intervals, epochs and change points, for any number of runs.

Where runs are more than pixels, each column of pixels shows the extremes of the intervals and of the values, and the
median, of the runs it stands for: an outlier stays visible however long the history is.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from harness.report.markup import Element, h, number
from harness.report.numbers import Unit, finite, plain, unit_for
from harness.report.plots.axes import PlotArea, PlotAxis, axis, draw_x, draw_y
from harness.report.plots.canvas import WIDE, Canvas, Picture, elided, marker, text_width, whisker
from harness.report.plots.scales import Scale, linear_ticks
from harness.report.trends import Change, Trend

__all__ = ["Bin", "TrendPicture", "binned", "trend_picture", "trend_unit"]

_MOST_NAMED = 10  # void runs in the words that describe a picture
_FEWEST_PIXELS = 3  # per bin: a band of less cannot be seen


@dataclass(frozen=True, slots=True)
class Bin:
    """Some neighbouring runs: from `first` to before `end`, with extremes of values and intervals."""

    first: int
    end: int
    middle: float
    lowest: float
    highest: float
    low: float
    high: float

    @property
    def place(self) -> float:
        """Where it is drawn, in runs."""
        return (self.first + self.end - 1) / 2


def binned(trend: Trend, most: int) -> list[Bin]:
    """Return at most about `most` bins that together hold every run with a value; no bin spans two epochs."""
    edges = [0, *sorted({e.index for e in trend.epochs if 0 < e.index < len(trend)}), len(trend)]
    size = max(1, math.ceil(len(trend) / max(most, 1)))
    bins = []
    for start, stop in pairwise(edges):
        for first in range(start, stop, size):
            one = _bin(trend, first, min(first + size, stop))
            if one is not None:
                bins.append(one)
    return bins


def _bin(trend: Trend, first: int, end: int) -> Bin | None:
    values = [v for value in trend.values[first:end] if (v := finite(value)) is not None]
    if not values:
        return None
    lows = [v for value in trend.lows[first:end] if (v := finite(value)) is not None]
    highs = [v for value in trend.highs[first:end] if (v := finite(value)) is not None]
    lowest, highest = min(values), max(values)
    return Bin(first, end, median(values), lowest, highest, min([lowest, *lows]), max([highest, *highs]))


def trend_unit(trend: Trend) -> Unit:
    """Return the unit of a trend's axis; ratios and other counts keep their own."""
    if trend.unit == "ns":
        return unit_for(trend.values)
    return Unit("" if trend.unit == "ratio" else trend.unit, 1.0)


@dataclass(frozen=True, slots=True)
class TrendPicture(Picture):
    """The picture of one trend."""

    trend: Trend

    def draw(self, width: int, suffix: str = "") -> Element:
        """Return the picture at `width` pixels."""
        trend = self.trend
        height = 300.0 if width == WIDE else 250.0
        canvas = self.canvas(width, height, suffix)
        area = PlotArea(58.0, width - 10.0, 40.0, height - 42)
        bins = binned(trend, int((area.right - area.left) / _FEWEST_PIXELS))
        x = axis((area.left, area.right), -0.5, max(len(trend), 1) - 0.5)
        y = _clamped(axis((area.bottom, area.top), *_span(bins), unit=trend_unit(trend)))
        what = "ratio to the base" if trend.unit == "ratio" else "per line"
        digits = _digits(y.numbers(5))
        draw_y(canvas, area, y.ticks(5, digits), f"{what}, {y.unit.name}".rstrip(", "), above=29)
        runs = [tick for tick in linear_ticks(1, max(len(trend), 2), 6) if tick == int(tick) and tick >= 1]
        # No upright grid: lines stand for epochs and changes here.
        base = PlotArea(area.left, area.right, area.bottom, area.bottom)
        draw_x(canvas, base, [(x(tick - 1), plain(tick, 6)) for tick in runs], "run, oldest first")
        canvas.line(area.left, area.bottom, area.right, area.bottom, "axis")
        for start, stop in _stretches(bins, trend):
            _draw_stretch(canvas, bins[start:stop], x, y, single=len(bins) == len(trend))
        _draw_epochs(canvas, trend, x, area.bottom)
        for index in trend.void:
            canvas.text(x(index), area.bottom - 4, "✗", anchor="middle", kind="strong")
            canvas.tell(x(index), area.bottom - 8, f"run {index + 1}, {trend.created[index]}: void")
        for change in trend.changes:
            _draw_change(canvas, change, x, (area.top, area.bottom))
        for one in bins:
            canvas.tell(x(one.place), y(one.middle), _words(trend, one, y.unit))
        return canvas.svg()


def _clamped(y: PlotAxis) -> PlotAxis:
    """Return an axis at whose ends ends what reaches beyond it, never in the labels around the plot."""
    return replace(y, scale=lambda value: y.scale(min(max(value, y.low), y.high)))


def _digits(ticks: Sequence[float]) -> int:
    """Return the significant digits that tell neighbouring ticks apart."""
    if len(ticks) < 2 or not any(ticks):
        return 3
    step, most = ticks[1] - ticks[0], max(abs(tick) for tick in ticks)
    return min(8, max(2, math.floor(math.log10(most)) - math.floor(math.log10(step)) + 1))


def _span(bins: Sequence[Bin]) -> tuple[float, float]:
    """Return the axis' ends: all values, and intervals but for those many times wider than values and intervals are."""
    lowest, highest = min([b.lowest for b in bins], default=0.0), max([b.highest for b in bins], default=1.0)
    usual = median([b.high - b.low for b in bins]) if bins else 0.0
    room = max((highest - lowest) * 1.5, usual) or abs(highest) * 0.1 or 1.0
    low = max(min([b.low for b in bins], default=0.0), lowest - room)
    high = min(max([b.high for b in bins], default=1.0), highest + room)
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return low - margin, high + margin


def _stretches(bins: Sequence[Bin], trend: Trend) -> Iterator[tuple[int, int]]:
    """Yield the runs of bins that one epoch holds: no line is drawn from one machine to another."""
    starts = {epoch.index for epoch in trend.epochs}
    first = 0
    for index in range(1, len(bins) + 1):
        crossed = index == len(bins) or any(bins[index - 1].first < s <= bins[index].first for s in starts)
        if crossed:
            if index > first:
                yield first, index
            first = index


def _draw_stretch(canvas: Canvas, bins: Sequence[Bin], x: Scale, y: Scale, *, single: bool) -> None:
    crowded = len(bins) > 60 or not single
    if crowded:
        _band(canvas, [(x(b.place), y(b.low), y(b.high)) for b in bins])
        if not single:
            _band(canvas, [(x(b.place), y(b.lowest), y(b.highest)) for b in bins])
    canvas.path([(x(b.place), y(b.middle)) for b in bins], "curve s0")
    if not crowded:
        for one in bins:
            if one.low < one.high:
                whisker(canvas, (x(one.place), y(one.low)), (x(one.place), y(one.high)), "whisker s0")
            canvas.add(marker(x(one.place), y(one.middle), 0, 3.5))


def _band(canvas: Canvas, edges: Sequence[tuple[float, float, float]]) -> None:
    there = [f"{number(x)} {number(low)}" for x, low, _ in edges]
    back = [f"{number(x)} {number(high)}" for x, _, high in reversed(edges)]
    if len(edges) > 1:
        canvas.add(h("path", d=f"M{'L'.join(there + back)}Z", class_="band s0"))


def _draw_epochs(canvas: Canvas, trend: Trend, x: Scale, bottom: float) -> None:
    free = 0.0
    for index, epoch in enumerate(trend.epochs):
        end = trend.epochs[index + 1].index if index + 1 < len(trend.epochs) else len(trend)
        start = x(epoch.index - 0.5)
        if epoch.index > 0:
            canvas.line(start, 18, start, bottom, "epoch")
        room = x(end - 0.5) - start - 8
        place = max(start + 4, free)
        if room > 40:
            shown = elided(epoch.label, room)
            canvas.text(place, 30, shown)
            free = place + text_width(shown) + 6


def _draw_change(canvas: Canvas, change: Change, x: Scale, ends: tuple[float, float]) -> None:
    place = x(change.index)
    canvas.line(place, ends[0], place, ends[1], "change")
    canvas.add(marker(place, ends[0] + 6, 2, 5, "flag"))
    canvas.tell(place, ends[0] + 6, f"run {change.index + 1}: {change.kind}, {change.text}")


def _words(trend: Trend, one: Bin, unit: Unit) -> str:
    middle = f"{plain(one.middle / unit.scale, 4)} {unit.name}".rstrip()
    if one.end - one.first == 1:
        interval = f" ({plain(one.low / unit.scale, 4)} to {plain(one.high / unit.scale, 4)})"
        return f"run {one.first + 1}, {trend.created[one.first]}: {middle}{interval if one.low < one.high else ''}"
    between = f"{plain(one.lowest / unit.scale, 4)} to {plain(one.highest / unit.scale, 4)}"
    return f"runs {one.first + 1} to {one.end}: median {middle}, between {between}"


def trend_picture(trend: Trend, ident: str) -> TrendPicture:
    """Return the picture of a trend, described by its ends and its changes."""
    unit = trend_unit(trend)
    known = [v for value in trend.values if (v := finite(value)) is not None]
    if known:
        first, last = (f"{plain(v / unit.scale, 4)} {unit.name}".rstrip() for v in (known[0], known[-1]))
        words = f"{len(trend)} runs, from {first} at first to {last} at last."
    else:
        words = "No run has this figure."
    changes = "; ".join(f"run {change.index + 1}: {change.kind}, {change.text}" for change in trend.changes)
    changed = f" Changes found: {changes}." if changes else " No change was found."
    epochs = f" {len(trend.epochs)} epochs." if len(trend.epochs) > 1 else ""
    void = f" Void, and without a figure: {_runs(trend.void)}." if trend.void else ""
    return TrendPicture(ident, f"{trend.metric} over time", words + changed + epochs + void, trend)


def _runs(indices: Sequence[int]) -> str:
    shown = ", ".join(str(index + 1) for index in indices[:_MOST_NAMED])
    more = len(indices) - _MOST_NAMED
    return f"run {shown}{f' and {more} more' if more > 0 else ''}"

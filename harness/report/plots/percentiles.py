"""The HDR percentile plot: latency against 1/(1 - quantile) on a logarithmic axis, so that the tail gets its room.

The axis is Gil Tene's (https://hdrhistogram.github.io/HdrHistogram/plotFiles.html): each step is another nine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.load.latency.histogram import Histogram
from harness.load.latency.tail import FEWEST_BEYOND, supported
from harness.report.markup import Element
from harness.report.numbers import plain, unit_for
from harness.report.plots.axes import PlotArea, PlotAxis, axis, draw_legend, draw_x, draw_y, legend_height, series_class
from harness.report.plots.canvas import WIDE, Canvas, Picture

__all__ = ["Curve", "PercentilesPicture", "decoded", "percentiles_picture", "quantile_text"]

_POINTS = 160
_NAMED = (50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.999)


@dataclass(frozen=True, slots=True)
class Curve:
    """A named distribution of durations in ns."""

    label: str
    histogram: Histogram

    def percentiles(self, percents: tuple[float, ...]) -> Mapping[float, int | None]:
        """Return the values at several percentiles, ns; None where fewer than ten lie beyond."""
        values = self.histogram.percentiles(percents)
        return {each: values[each] if supported(each, self.histogram.count) else None for each in percents}

    @property
    def end(self) -> float:
        """Where the curve ends, as one over the share of the lines beyond: where ten lines are left."""
        return max(1.0, self.histogram.count / FEWEST_BEYOND)


def decoded(label: str, text: str) -> Curve | None:
    """Return the curve of an encoded histogram; None when it is empty or was damaged on its way here."""
    try:
        histogram = Histogram.decode(text)
    except Exception:
        return None
    return Curve(label, histogram) if histogram.count else None


def quantile_text(percent: float) -> str:
    """Return a percentile's name: p50, p99.9."""
    return f"p{percent:g}"


@dataclass(frozen=True, slots=True)
class PercentilesPicture(Picture):
    """Distributions over one another."""

    curves: Sequence[Curve]

    def draw(self, width: int, suffix: str = "") -> Element:
        """Return the picture at `width` pixels."""
        labels = [f"{curve.label} ({plain(curve.histogram.count, 9)} lines)" for curve in self.curves]
        top = legend_height(labels, width) + 26
        height = top + (310 if width == WIDE else 250)
        canvas = self.canvas(width, height, suffix)
        draw_legend(canvas, labels, marks=False)
        area = PlotArea(52.0, width - 8.0, top, height - 44)
        x, y = self._axes(area)
        draw_y(canvas, area, y.ticks(7, 2), f"latency, {y.unit.name}{y.note}")
        nines = [(x(1.0), "0"), (x(2.0), "50")]
        nines += [(x(10.0**n), f"{100 * (1 - 10.0**-n):g}") for n in range(1, 10) if 10**n <= x.high]
        draw_x(canvas, area, nines, "percentile, % (each step another nine)")
        for index, curve in enumerate(self.curves):
            _draw_curve(canvas, curve, index, x, y)
        return canvas.svg()

    def _axes(self, area: PlotArea) -> tuple[PlotAxis, PlotAxis]:
        most = max([10.0, *(curve.end for curve in self.curves)])
        lows = [float(max(curve.histogram.min or 1, 1)) for curve in self.curves] or [1.0]
        highs = [float(max(_value_at(curve, curve.end), 1)) for curve in self.curves] or [10.0]
        unit = unit_for([curve.histogram.percentile(50) for curve in self.curves])
        x = axis((area.left, area.right), 1.0, most, log=True)
        return x, axis((area.bottom, area.top), min(lows) / 1.15, max(highs) * 1.15, log=True, unit=unit)


def _draw_curve(canvas: Canvas, curve: Curve, index: int, x: PlotAxis, y: PlotAxis) -> None:
    grid = [curve.end ** (step / _POINTS) for step in range(_POINTS + 1)]
    percents = tuple(100 * (1 - 1 / at) for at in grid)
    values = curve.histogram.percentiles(percents)
    points = [(x(at), y(float(max(values[percent] or 1, 1)))) for at, percent in zip(grid, percents, strict=True)]
    canvas.path(_corners(points), series_class("curve", index))
    for percent, value in curve.percentiles(_named(curve.histogram.count)).items():
        words = f"{curve.label}, {quantile_text(percent)}: {plain((value or 0) / y.unit.scale)} {y.unit.name}"
        canvas.tell(x(1 / (1 - percent / 100)), y(float(max(value or 1, 1))), words)


def _corners(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Leave out what lies on a level stretch; neither the line nor its look changes."""
    stored = []
    for index, point in enumerate(points):
        inside = 0 < index < len(points) - 1
        if not (inside and points[index - 1][1] == point[1] == points[index + 1][1]):
            stored.append(point)
    return stored


def _named(count: int) -> tuple[float, ...]:
    """Return the percentiles worth naming: those with at least ten lines beyond them."""
    return tuple(percent for percent in _NAMED if supported(percent, count))


def _value_at(curve: Curve, place: float) -> int:
    return curve.histogram.percentile(100 * (1 - 1 / place)) or 0


def percentiles_picture(curves: Sequence[Curve], title: str, ident: str) -> PercentilesPicture:
    """Return the plot of some distributions, described by their medians and tails."""
    words = []
    for curve in curves:
        known = {each: at for each, at in curve.percentiles((50, 99)).items() if at is not None}
        unit = unit_for([known.get(50)])
        names = {50: "median", 99: "p99"}
        figures = [f"{names[round(each)]} {plain(at / unit.scale)} {unit.name}" for each, at in known.items()]
        words.append(f"{curve.label}: {', '.join(figures) or 'too few lines for a percentile'}")
    description = f"Latency by percentile, both axes logarithmic. {'; '.join(words)}."
    return PercentilesPicture(ident, title, description, curves)

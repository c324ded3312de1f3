"""The HDR percentile plot: latency against 1/(1 - quantile) on a logarithmic axis, so that the tail gets its room.

The axis is Gil Tene's (https://hdrhistogram.github.io/HdrHistogram/plotFiles.html): each step is another nine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.load.histogram import Histogram
from harness.report.scales import log_scale, log_ticks, plain, unit_for
from harness.report.svg import NARROW, Picture, legend, legend_rows
from harness.report.tree import Element

__all__ = ["Curve", "PercentilesPicture", "decoded", "percentiles_picture", "quantile_text"]

_POINTS = 160
_TOLD = (50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.999)


@dataclass(frozen=True, slots=True)
class Curve:
    """A named distribution of durations in ns."""

    label: str
    histogram: Histogram


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
        top = 22.0 * len(legend_rows(labels, width)) + 26
        height = top + (250 if width <= NARROW else 310)
        canvas = self.canvas(width, height, suffix)
        legend(canvas, labels, 0, marks=False)
        bottom, left, right = height - 44, 52.0, width - 8.0
        most = max([curve.histogram.count for curve in self.curves], default=10)
        x = log_scale(1.0, float(max(most, 10)), left, right)
        lows = [float(max(curve.histogram.min or 1, 1)) for curve in self.curves] or [1.0]
        highs = [float(max(curve.histogram.max or 1, 1)) for curve in self.curves] or [10.0]
        low, high = min(lows) / 1.15, max(highs) * 1.15
        y = log_scale(low, high, bottom, top)
        unit = unit_for([curve.histogram.percentile(50) for curve in self.curves])
        ticks = log_ticks(low / unit.scale, high / unit.scale)
        canvas.y_axis(left, right, [(y(tick * unit.scale), plain(tick, 2)) for tick in ticks])
        canvas.text(2, top - 12, f"latency, {unit.name} (logarithmic)")
        nines = [(x(1.0), "0"), (x(2.0), "50")]
        nines += [(x(10.0**n), f"{100 * (1 - 10.0**-n):g}") for n in range(1, 10) if 10**n <= max(most, 10)]
        canvas.x_axis(bottom, top, nines, "percentile, % (each step another nine)")
        for index, curve in enumerate(self.curves):
            count = curve.histogram.count
            grid = [float(count) ** (step / _POINTS) for step in range(_POINTS + 1)]
            percents = tuple(100 * (1 - 1 / at) for at in grid)
            found = curve.histogram.percentiles(percents)
            points = [
                (x(at), y(float(max(found[percent] or 1, 1)))) for at, percent in zip(grid, percents, strict=True)
            ]
            canvas.path(_corners(points), f"curve s{index % 6} d{index % 5}")
            for percent, value in curve.histogram.percentiles(_told(count)).items():
                place = 1 / (1 - percent / 100)
                told = f"{curve.label}, {quantile_text(percent)}: {plain((value or 0) / unit.scale)} {unit.name}"
                canvas.tell(x(place), y(float(max(value or 1, 1))), told)
        return canvas.svg()


def _corners(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Leave out what lies on a level stretch; neither the line nor its look changes."""
    kept = []
    for index, point in enumerate(points):
        inside = 0 < index < len(points) - 1
        if not (inside and points[index - 1][1] == point[1] == points[index + 1][1]):
            kept.append(point)
    return kept


def _told(count: int) -> tuple[float, ...]:
    """Return the percentiles worth naming: those with at least one line beyond them."""
    return tuple(percent for percent in _TOLD if 1 / (1 - percent / 100) <= count * (1 + 1e-9)) or (50.0,)


def percentiles_picture(curves: Sequence[Curve], title: str, ident: str) -> PercentilesPicture:
    """Return the plot of some distributions, described by their medians and tails."""
    words = []
    for curve in curves:
        at = curve.histogram.percentiles((50, 99))
        unit = unit_for([at[50]])
        p50, p99 = (plain((at[percent] or 0) / unit.scale) for percent in (50, 99))
        words.append(f"{curve.label}: median {p50} {unit.name}, p99 {p99} {unit.name}")
    description = f"Latency by percentile, both axes logarithmic. {'; '.join(words)}."
    return PercentilesPicture(ident, title, description, curves)

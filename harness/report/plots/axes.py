"""The axes of all pictures: plot area, scales, ticks, titles, legend and rows of labels; pictures only place marks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.report.numbers import COUNT, MeasuredValue, Unit, finite, plain
from harness.report.plots.canvas import SHAPES, Canvas, elided, marker, text_width, whisker
from harness.report.plots.scales import Scale, linear_scale, linear_ticks, log_scale, log_ticks

__all__ = [
    "LabelRows",
    "PlotArea",
    "PlotAxis",
    "Tick",
    "axis",
    "draw_legend",
    "draw_x",
    "draw_y",
    "legend_height",
    "logarithmic",
]

Tick = tuple[float, str]
_LEGEND_ROW = 22.0
_WIDE_SPAN = 20  # largest over smallest: beyond it an axis is logarithmic
_VISIBLE = 3  # pixels: a shorter interval is hidden by its marker


@dataclass(frozen=True, slots=True)
class PlotArea:
    """The plot area, in pixels."""

    left: float
    right: float
    top: float
    bottom: float


@dataclass(frozen=True, slots=True)
class PlotAxis:
    """An axis from `low` to `high`, called with a value for its place; `unit` is that of its labels."""

    scale: Scale
    low: float
    high: float
    log: bool
    unit: Unit

    def __call__(self, value: float) -> float:
        """Return the place of a value, in pixels."""
        return self.scale(value)

    def numbers(self, most: int) -> list[float]:
        """Return round numbers to label, in the unit, at most about `most`."""
        low, high = self.low / self.unit.scale, self.high / self.unit.scale
        return log_ticks(low, high, most) if self.log else linear_ticks(low, high, most)

    def ticks(self, most: int, digits: int = 3) -> list[Tick]:
        """Return places and labels of the round numbers."""
        return [(self(number * self.unit.scale), plain(number, digits)) for number in self.numbers(most)]

    @property
    def note(self) -> str:
        """What a title says of the scale."""
        return " (logarithmic)" if self.log else ""


def axis(ends: tuple[float, float], low: float, high: float, *, log: bool = False, unit: Unit = COUNT) -> PlotAxis:
    """Return the axis of low..high that lies between two pixel places."""
    scale = (log_scale if log else linear_scale)(low, high, *ends)
    return PlotAxis(scale, low, high, log, unit)


def logarithmic(values: Sequence[float]) -> bool:
    """Tell whether values are all above zero and span so much that only a logarithmic axis shows each."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > _WIDE_SPAN


def draw_x(canvas: Canvas, area: PlotArea, ticks: Iterable[Tick], title: str = "") -> None:
    """Draw upright grid lines, their labels below the area, and a title below those."""
    # A label that would touch the one before it is left out; its grid line stays.
    right = -1e9
    for x, label in sorted(ticks):
        canvas.line(x, area.top, x, area.bottom)
        half = text_width(label) / 2
        # A label at the very edge is moved in rather than cut off.
        place = min(max(x, half + 1), canvas.width - half - 1)
        if place - half > right + 6:
            canvas.text(place, area.bottom + 16, label, anchor="middle")
            right = place + half
    if title:
        canvas.text(canvas.width - 2, area.bottom + 34, title, anchor="end", kind="tick title")


def draw_y(canvas: Canvas, area: PlotArea, ticks: Iterable[Tick], title: str, above: float = 12) -> None:
    """Draw level grid lines with labels on their left, and a title `above` pixels over the area."""
    for y, label in ticks:
        canvas.line(area.left, y, area.right, y)
        canvas.text(area.left - 6, y + 4, label, anchor="end")
    canvas.text(2, area.top - above, title)


def _legend_rows(labels: Sequence[str], width: float) -> list[list[tuple[int, str]]]:
    """Return which series stand on which row of a legend, as (number, label) that fits."""
    rows: list[list[tuple[int, str]]] = [[]]
    used = 0.0
    for index, label in enumerate(labels):
        shown = elided(label, width - 40)
        need = 36 + text_width(shown) + 16
        if rows[-1] and used + need > width:
            rows.append([])
            used = 0.0
        rows[-1].append((index, shown))
        used += need
    return rows


def legend_height(labels: Sequence[str], width: float) -> float:
    """Return the height of a legend."""
    return _LEGEND_ROW * len(_legend_rows(labels, width))


def draw_legend(canvas: Canvas, labels: Sequence[str], *, marks: bool = True) -> None:
    """Draw a legend at the top: a line, and with `marks` a marker, for each series."""
    for index, row in enumerate(_legend_rows(labels, canvas.width)):
        x, top = 2.0, index * _LEGEND_ROW
        for series, label in row:
            canvas.line(x, top + 8, x + 26, top + 8, series_class("curve", series))
            if marks:
                canvas.add(marker(x + 13, top + 8, series))
            canvas.text(x + 33, top + 12, label, kind="label")
            x += 36 + text_width(label) + 16


def series_class(kind: str, series: int) -> str:
    """Return the class of a series' curve: its colour and its dashes."""
    return f"{kind} s{series % 6} d{series % SHAPES}"


def upright_interval(canvas: Canvas, x: float, value: MeasuredValue, y: PlotAxis, series: int) -> None:
    """Draw a value's interval over its place, where it is known and longer than its marker."""
    low, high = finite(value.low), finite(value.high)
    if low is not None and high is not None and abs(y(low) - y(high)) > _VISIBLE:
        whisker(canvas, (x, y(low)), (x, y(high)), f"whisker s{series % 6}")


@dataclass(frozen=True, slots=True)
class LabelRows:
    """Rows of a picture, each with a label: on the left of the area, or in a line of its own on a phone."""

    canvas: Canvas
    top: float
    height: float
    right: float  # where the labels end that stand on the left
    indent: float = 7.0

    def above(self, index: int) -> float:
        """Return the upper edge of a row."""
        return self.top + index * self.height

    def middle(self, index: int) -> float:
        """Return the level at which marks are drawn."""
        return self.above(index) + (self.height - 14 if self.canvas.narrow else self.height / 2)

    def label(self, index: int, text: str, room: float | None = None, kind: str = "label") -> None:
        """Write the label of a row, cut to its room."""
        if self.canvas.narrow:
            self.canvas.text(
                self.indent,
                self.above(index) + 15,
                elided(text, room or self.canvas.width - 2 * self.indent),
                kind=kind,
            )
        else:
            shown = elided(text, self.right - 4)
            self.canvas.text(self.right, self.middle(index) + 4, shown, anchor="end", kind=kind)

    def value(self, index: int, text: str, x: float, *, strong: bool = False) -> None:
        """Write what a row amounts to: on the right of its label's line on a phone, else at `x`."""
        kind = "value strong" if strong else "value"
        if self.canvas.narrow:
            self.canvas.text(self.canvas.width - 6, self.above(index) + 15, text, anchor="end", kind=kind)
        else:
            self.canvas.text(x, self.middle(index) + 4, text, kind=kind)

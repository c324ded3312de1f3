"""Cost per line of each way of recording as a dot with its interval, at rest and while scraped."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.experiments import VOID
from harness.report.markup import Element
from harness.report.numbers import MeasuredValue, Unit, finite, with_interval
from harness.report.plots.axes import LabelRows, PlotArea, PlotAxis, axis, draw_x, logarithmic
from harness.report.plots.canvas import WIDE, Canvas, Picture, marker, text_width, whisker

__all__ = ["ForestPicture", "ForestRow", "forest", "void_words"]

_KINDS = ("not scraped", "while scraped")


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One line of the picture: a label and its cost at rest and while scraped, in the unit's base.

    `void` tells which of the two do not count, and so have no cost.
    """

    label: str
    resting: MeasuredValue
    scraped: MeasuredValue
    void: tuple[bool, bool] = (False, False)


@dataclass(frozen=True, slots=True)
class ForestPicture(Picture):
    """The picture of all rows on one axis."""

    rows: Sequence[ForestRow]
    unit: Unit

    def draw(self, width: int, suffix: str = "") -> Element:
        """Return the picture at `width` pixels."""
        narrow = width < WIDE
        height = 46.0 if narrow else 34.0
        left, right = (10.0, width - 14.0) if narrow else (246.0, width - 20.0)
        area = PlotArea(left, right, 26.0, 26.0 + len(self.rows) * height + 4)
        canvas = self.canvas(width, area.bottom + 44, suffix)
        x = _axis(self.rows, area, self.unit)
        title = f"cost per line above the base, {self.unit.name}{x.note}"
        draw_x(canvas, area, x.ticks(4 if narrow else 7, 2), title)
        _legend(canvas)
        rows = LabelRows(canvas, area.top, height, 232.0, indent=2.0)
        for index, row in enumerate(self.rows):
            rows.label(index, row.label)
            middle = rows.middle(index)
            both = finite(row.resting.value) is not None and finite(row.scraped.value) is not None
            shift = 6 if both else 0
            if words := void_words(row):
                canvas.text(width - 4, middle + 4 - 2 * shift, words, anchor="end", kind="value strong")
                canvas.tell(width - 40, middle, f"{row.label}: {words}")
            _dot(canvas, x, area.left, (middle - shift, row.label), row.resting, scraped=False)
            _dot(canvas, x, area.left, (middle + shift, row.label), row.scraped, scraped=True)
        return canvas.svg()


def _legend(canvas: Canvas) -> None:
    left = 4.0
    for index, kind in enumerate(_KINDS):
        canvas.add(marker(left + 6, 8, index, extra="hollow" if index else ""))
        canvas.text(left + 18, 12, kind, kind="label")
        left += 40 + text_width(kind)


def _dot(
    canvas: Canvas, x: PlotAxis, edge: float, at: tuple[float, str], cost: MeasuredValue, *, scraped: bool
) -> None:
    y, label = at
    value, low, high = finite(cost.value), finite(cost.low), finite(cost.high)
    if value is None:
        return
    if low is not None and high is not None and abs(x(high) - x(low)) > 3:
        whisker(canvas, (max(x(low), edge), y), (x(high), y), f"whisker s{int(scraped)}")
        if x(low) <= edge:
            canvas.path([(edge + 5, y - 4), (edge, y), (edge + 5, y + 4)], f"curve s{int(scraped)}")
    canvas.add(marker(x(value), y, int(scraped), extra="hollow" if scraped else ""))
    shown, interval = with_interval(cost, x.unit)
    words = f"{label}, {_KINDS[scraped]}: {shown} {x.unit.name}{f' ({interval})' if interval else ''}"
    canvas.tell(x(value), y, words)


def void_words(row: ForestRow) -> str:
    """Return which of a row's figures are void; empty for neither."""
    kinds = [kind for kind, void in zip(_KINDS, row.void, strict=True) if void]
    return f"{VOID}: {' and '.join(kinds)}" if kinds else ""


def _parts(row: ForestRow) -> tuple[float | None, ...]:
    return (
        row.resting.value, row.resting.low, row.resting.high, row.scraped.value, row.scraped.low, row.scraped.high,
    )  # fmt: skip


def _axis(rows: Sequence[ForestRow], area: PlotArea, unit: Unit) -> PlotAxis:
    """Return the axis, logarithmic where every dot is above zero; whiskers to zero then end at the edge."""
    dots = [known for row in rows for cost in (row.resting, row.scraped) if (known := finite(cost.value)) is not None]
    values = [known for row in rows for part in _parts(row) if (known := finite(part)) is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    log = logarithmic(dots)
    ends = (max(low, min(dots) / 2) / 1.2, high * 1.2) if log else (min(low, 0.0), max(high, 0.0) or 1.0)
    return axis((area.left, area.right), *ends, log=log, unit=unit)


def forest(rows: Sequence[ForestRow], unit: Unit, ident: str = "costs") -> ForestPicture:
    """Return the picture, described in words."""
    words = []
    for row in rows[:12]:
        shown = with_interval(row.resting if finite(row.resting.value) is not None else row.scraped, unit)[0]
        cost = f"{shown} {unit.name}" if any(finite(part) is not None for part in _parts(row)) else ""
        said = void_words(row).removeprefix("✗ ")
        words.append(f"{row.label} {cost or said}" + (f" ({said})" if cost and said else ""))
    description = f"A dot for each way of recording, with its 95 % interval: {'; '.join(words)}."
    return ForestPicture(ident, "Cost per line", description, rows, unit)

"""Cost per line of each way of recording as a dot with its interval, at rest and while scraped."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.experiments import VOID
from harness.report.markup import Element
from harness.report.numbers import MeasuredValue, Unit, finite, plain, with_interval
from harness.report.plots.canvas import Canvas, Picture, elided, marker, text_width, whisker
from harness.report.plots.scales import Scale, linear_scale, linear_ticks, log_scale, log_ticks

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
        narrow = width < 600
        row = 46.0 if narrow else 34.0
        top = 26.0
        bottom = top + len(self.rows) * row + 4
        canvas = self.canvas(width, bottom + 44, suffix)
        left, right = (10.0, width - 14.0) if narrow else (246.0, width - 20.0)
        values = [known for each in self.rows for part in _parts(each) if (known := finite(part)) is not None]
        dots = [
            v for each in self.rows for v in (finite(each.resting.value), finite(each.scraped.value)) if v is not None
        ]
        x, ticks, note = _axis(dots, values, self.unit, left, right, 4 if narrow else 7)
        canvas.x_axis(bottom, top, ticks, f"cost per line above the base, {self.unit.name}{note}")
        self._legend(canvas)
        for index, each in enumerate(self.rows):
            above = top + index * row
            if narrow:
                canvas.text(2, above + 14, elided(each.label, width - 4), kind="label")
            else:
                canvas.text(232, above + row / 2 + 4, elided(each.label, 228), anchor="end", kind="label")
            middle = above + (row - 15 if narrow else row / 2)
            both = finite(each.resting.value) is not None and finite(each.scraped.value) is not None
            shift = 6 if both else 0
            said = void_words(each)
            if said:
                canvas.text(canvas.width - 4, middle + 4 - (12 if both else 0), said, anchor="end", kind="value strong")
                canvas.tell(canvas.width - 40, middle, f"{each.label}: {said}")
            self._dot(canvas, x, (middle - shift, each.label), each.resting, scraped=False)
            self._dot(canvas, x, (middle + shift, each.label), each.scraped, scraped=True)
        return canvas.svg()

    @staticmethod
    def _legend(canvas: Canvas) -> None:
        left = 4.0
        for index, kind in enumerate(_KINDS):
            canvas.add(marker(left + 6, 8, index, extra="hollow" if index else ""))
            canvas.text(left + 18, 12, kind, kind="label")
            left += 40 + text_width(kind)

    def _dot(self, canvas: Canvas, x: Scale, at: tuple[float, str], cost: MeasuredValue, *, scraped: bool) -> None:
        y, label = at
        edge = 10.0 if canvas.narrow else 246.0
        value, low, high = finite(cost.value), finite(cost.low), finite(cost.high)
        if value is None:
            return
        if low is not None and high is not None and abs(x(high) - x(low)) > 3:
            whisker(canvas, (max(x(low), edge), y), (x(high), y), f"whisker s{int(scraped)}")
            if x(low) <= edge:
                canvas.path([(edge + 5, y - 4), (edge, y), (edge + 5, y + 4)], f"curve s{int(scraped)}")
        canvas.add(marker(x(value), y, int(scraped), extra="hollow" if scraped else ""))
        shown, interval = with_interval(cost, self.unit)
        told = f"{label}, {_KINDS[scraped]}: {shown} {self.unit.name}{f' ({interval})' if interval else ''}"
        canvas.tell(x(value), y, told)


def void_words(row: ForestRow) -> str:
    """Return which of a row's figures are void; empty for neither."""
    kinds = [kind for kind, void in zip(_KINDS, row.void, strict=True) if void]
    return f"{VOID}: {' and '.join(kinds)}" if kinds else ""


def _parts(row: ForestRow) -> tuple[float | None, ...]:
    return (
        row.resting.value, row.resting.low, row.resting.high, row.scraped.value, row.scraped.low, row.scraped.high,
    )  # fmt: skip


def _axis(
    dots: Sequence[float], values: Sequence[float], unit: Unit, left: float, right: float, most: int
) -> tuple[Scale, list[tuple[float, str]], str]:
    """Return the scale, its ticks and a note.

    Logarithmic where every dot is above zero and they span a factor of 20; whiskers to zero then end at the edge.
    """
    low, high = min(values, default=0.0), max(values, default=1.0)
    if dots and min(dots) > 0 and max(dots) / min(dots) > 20:
        low, high = max(low, min(dots) / 2) / 1.2, high * 1.2
        x = log_scale(low, high, left, right)
        found = log_ticks(low / unit.scale, high / unit.scale, most)
        note = " (logarithmic)"
    else:
        low, high = min(low, 0.0), max(high, 0.0) or 1.0
        x = linear_scale(low, high, left, right)
        found = linear_ticks(low / unit.scale, high / unit.scale, most)
        note = ""
    return x, [(x(tick * unit.scale), plain(tick, 2)) for tick in found], note


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

"""A run over time: rate, lag, service and response times and failures as panels over one time axis."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.markup import Element, h, number
from harness.report.numbers import plain
from harness.report.plots.axes import (
    PlotArea,
    PlotAxis,
    Tick,
    axis,
    draw_legend,
    draw_x,
    draw_y,
    legend_height,
    logarithmic,
)
from harness.report.plots.canvas import WIDE, Canvas, Picture
from harness.report.plots.lanes import Lanes, reach
from harness.report.timelines import SPREADS, OverTime, Panel, moment_text
from workloads.units import format_duration

__all__ = ["MOST_NAMED", "TimelinePicture", "timeline_picture"]

MOST_NAMED = 120  # points that can be asked about, and that a phone's picture and the table have
_GUTTER = 56.0
_TITLE = 30.0  # over each panel
_CURVES = {"rate": ("s0", "s5 d1"), "durations": ("s0", "s1 d1", "s2 d2")}


@dataclass(frozen=True, slots=True)
class TimelinePicture(Picture):
    """The picture of one run over time."""

    time: OverTime

    def draw(self, width: int, suffix: str = "") -> Element:
        """Return the picture at `width` pixels."""
        wide, named = width >= WIDE, self.time.joined(MOST_NAMED)
        time, tall = (self.time, 76.0) if wide else (named, 66.0)
        panels = time.panels()
        x = axis((_GUTTER, width - 8.0), 0.0, time.end_s, unit=time.unit)
        lanes, above = Lanes(time.incidents, time.scrapes, x, width), legend_height(SPREADS, width) + 4
        top = above + lanes.height + _TITLE
        bottom = top + len(panels) * (tall + _TITLE) - _TITLE
        canvas = self.canvas(width, bottom + 42, suffix)
        draw_legend(canvas, SPREADS, marks=False)
        lanes.draw(canvas, above)
        ticks = x.ticks(10 if wide else 5)
        for index, (panel, words) in enumerate(zip(panels, named.panels(), strict=True)):
            edge = top + index * (tall + _TITLE)
            area = PlotArea(_GUTTER, width - 8.0, edge, edge + tall)
            y = _y_axis(panel, area)
            lanes.shade(canvas, area)
            draw_y(canvas, area, _ticks(panel, y), _heading(panel, y), above=10)
            for place, _ in ticks:
                canvas.line(place, area.top, place, area.bottom)
            canvas.line(area.left, area.bottom, area.right, area.bottom, "axis")
            _draw_panel(canvas, panel, time, x, y)
            _tell(canvas, words, named, x, y)
        # The upright grid is there already, so this area has no height.
        draw_x(canvas, PlotArea(_GUTTER, width - 8.0, bottom, bottom), ticks, f"time since the start, {x.unit.name}")
        return canvas.svg()


def _heading(panel: Panel, y: PlotAxis) -> str:
    return f"{panel.title}{f' ({panel.remark})' if panel.remark else ''}{y.note}"


def _ticks(panel: Panel, y: PlotAxis) -> list[Tick]:
    """Return the ticks of a panel; durations have each its own unit, since an axis may reach from ns to s."""
    if panel.kind != "durations":
        return y.ticks(4, 2)
    values = [number * y.unit.scale for number in y.numbers(4)]
    return [(y(value), format_duration(value) if value else "0") for value in values]


def _y_axis(panel: Panel, area: PlotArea) -> PlotAxis:
    known = panel.known()
    log = panel.kind == "durations" and logarithmic(known)
    low, high = (min(known) / 1.2, max(known) * 1.2) if log else (0.0, max(known) * 1.1)
    return axis((area.bottom, area.top), low, high, log=log, unit=panel.unit)


def _draw_panel(canvas: Canvas, panel: Panel, time: OverTime, x: PlotAxis, y: PlotAxis) -> None:
    if panel.kind == "losses":
        _draw_bars(canvas, panel, time, x, y)
    else:
        _draw_curves(canvas, panel, time, x, y)


def _draw_curves(canvas: Canvas, panel: Panel, time: OverTime, x: PlotAxis, y: PlotAxis) -> None:
    for kind, values in reversed(list(zip(_CURVES[panel.kind], panel.series, strict=False))):
        canvas.add(h("path", d=_steps(time, values, x, y), class_=f"curve thin {kind}"))


def _steps(time: OverTime, values: Sequence[float | None], x: PlotAxis, y: PlotAxis) -> str:
    """Return a level line for each point, joined to the one before; no line is drawn through what is not known."""
    parts, pen = [], "M"
    for point, value in zip(time.points, values, strict=True):
        if value is None:
            pen = "M"
            continue
        left, right, level = number(x(point.start_s)), number(x(point.start_s + point.width_s)), number(y(value))
        parts.append(f"M{left} {level}H{right}" if pen == "M" else f"V{level}H{right}")
        pen = "V"
    return "".join(parts)


def _draw_bars(canvas: Canvas, panel: Panel, time: OverTime, x: PlotAxis, y: PlotAxis) -> None:
    for index, point in enumerate(time.points):
        left, wide = reach(point.start_s, point.start_s + point.width_s, x)
        below = 0.0
        for kind, row in zip(("bar s1", "bar s4"), panel.series, strict=False):
            if value := row[index]:
                foot, head = y(below), y(below + value)
                canvas.add(h("rect", x=left, y=head, width=max(wide - 1, 1.5), height=foot - head, class_=kind))
                below += value


def _tell(canvas: Canvas, panel: Panel, named: OverTime, x: PlotAxis, y: PlotAxis) -> None:
    for index, point in enumerate(named.points):
        value = next((row[index] for row in panel.series if row[index] is not None), None)
        if value is not None:
            at = f"{moment_text(point.start_s / x.unit.scale)} {x.unit.name}"
            canvas.tell(x(point.start_s + point.width_s / 2), y(value), f"{at}, {panel.words(index)}")


def timeline_picture(time: OverTime, title: str, ident: str) -> TimelinePicture:
    """Return the picture of a run over time, described by its rate, its longest response and what happened."""
    points = time.points
    rates = [point.achieved for point in points]
    slowest = max(points, key=lambda point: point.response_ns.max or 0)
    longest = format_duration(slowest.response_ns.max or 0)
    named = f"{plain(points[0].width_s)} s"
    words = [
        f"{len(points)} points of {named}: from {plain(min(rates))} to {plain(max(rates))} lines/s",
        f"the longest response, {longest}, in the point from {moment_text(slowest.start_s)} s on",
        f"{plain(sum(point.failed for point in points), 15)} lines failed",
        f"{len(time.scrapes)} scrapes are marked",
        *(event.words for event in time.incidents),
    ]
    return TimelinePicture(ident, title, f"{'; '.join(words)}.", time)

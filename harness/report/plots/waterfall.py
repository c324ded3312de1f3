"""The ladder as a waterfall: each rung's bar starts where the one before it ended.

A void rung has no bar. The bar after it starts at what a line was measured to cost without its step, since the sum of
the steps before lacks one; where the last rung is void there is no sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.report.experiments import VOID
from harness.report.markup import Element, h
from harness.report.numbers import NOT_KNOWN, MeasuredValue, Unit, finite, plain, unit_for, with_interval
from harness.report.plots.axes import LabelRows, PlotArea, PlotAxis, axis, draw_x
from harness.report.plots.canvas import WIDE, Picture, text_width, whisker

__all__ = ["LadderSteps", "RungCost", "WaterfallPicture", "ladder_unit", "waterfall", "within_noise"]

_ALL = "all of it"


@dataclass(frozen=True, slots=True)
class RungCost:
    """One rung of the ladder: what it adds to a line, and the line's whole cost with it and, `below`, without it.

    Of a void rung none of these is known.
    """

    name: str
    title: str
    increment: MeasuredValue
    total: MeasuredValue
    verdict: str = ""
    below: MeasuredValue = NOT_KNOWN
    remark: str = ""

    @property
    def void(self) -> bool:
        """Whether its experiment does not count."""
        return self.verdict == "void"


@dataclass(frozen=True, slots=True)
class LadderSteps:
    """What recording is made of, one step more at each rung; in ns per line, or instructions."""

    rungs: Sequence[RungCost]
    subject: str = "opencensus"
    unit: Literal["ns", "instructions"] = "ns"


def ladder_unit(ladder: LadderSteps) -> Unit:
    """Return the unit that suits the whole ladder: that of its highest total."""
    totals = [abs(known) for rung in ladder.rungs if (known := finite(rung.total.value)) is not None]
    unit = unit_for([max(totals, default=0.0)], ladder.unit)
    return Unit(f"{unit.name} instructions".strip(), unit.scale) if ladder.unit == "instructions" else unit


def within_noise(increment: MeasuredValue) -> bool:
    """Tell whether the interval leaves open that the step costs nothing."""
    low, high = finite(increment.low), finite(increment.high)
    return low is None or high is None or low <= 0 <= high


@dataclass(frozen=True, slots=True)
class _Step:
    """Where a bar starts and ends; a void one has none."""

    rung: RungCost
    start: float | None
    end: float | None


def _steps(ladder: LadderSteps) -> list[_Step]:
    """Return where each bar starts and ends: the measured increments added up, so that bars meet."""
    steps: list[_Step] = []
    level: float | None = 0.0
    for rung in ladder.rungs:
        if rung.void:
            steps.append(_Step(rung, None, None))
            level = None
            continue
        start = (finite(rung.below.value) or 0.0) if level is None else level
        level = start + (finite(rung.increment.value) or 0.0)
        steps.append(_Step(rung, start, level))
    return steps


@dataclass(frozen=True, slots=True)
class WaterfallPicture(Picture):
    """The picture of one ladder."""

    ladder: LadderSteps

    def draw(self, width: int, suffix: str = "") -> Element:
        """Return the picture at `width` pixels."""
        steps = _steps(self.ladder)
        narrow = width < WIDE
        row = 42.0 if narrow else 28.0
        canvas = self.canvas(width, (len(steps) + 1) * row + 50, suffix)
        rows = LabelRows(canvas, 0.0, row, 300.0)
        left, right = (2.0, width - 6.0) if narrow else (310.0, width - 64.0)
        area = PlotArea(left, right, 0.0, (len(steps) + 1) * row + 4)
        x = _axis(steps, area, ladder_unit(self.ladder))
        draw_x(canvas, area, x.ticks(4 if narrow else 6), f"cost per line, {x.unit.name}")
        canvas.line(x(0), area.top, x(0), area.bottom, "axis")
        for index, step in enumerate(steps):
            if step.start is None or step.end is None:
                _void_row(rows, index, step.rung, left)
                continue
            _row(rows, index, step, (step.start, step.end), x)
            below = rows.above(index + 1)
            if index + 1 == len(steps) or not steps[index + 1].rung.void:
                canvas.line(x(step.end), below - 5, x(step.end), below + row - 18, "join")
        _total(rows, len(steps), steps[-1].end if steps else 0.0, x)
        return canvas.svg()


def _axis(steps: Sequence[_Step], area: PlotArea, unit: Unit) -> PlotAxis:
    ends = [end for step in steps for end in (step.start, step.end, *_reach(step)) if end is not None]
    return axis((area.left, area.right), min([0.0, *ends]), max([0.0, *ends]) or 1.0, unit=unit)


def _reach(step: _Step) -> tuple[float, ...]:
    low, high = finite(step.rung.increment.low), finite(step.rung.increment.high)
    return () if low is None or high is None or step.start is None else (step.start + low, step.start + high)


def _void_row(rows: LabelRows, index: int, rung: RungCost, left: float) -> None:
    rows.label(index, rung.title, rows.canvas.width - 70)
    rows.value(index, VOID if rows.canvas.narrow else f"{VOID}: no figure", left + 8, strong=True)
    rows.canvas.tell(left, rows.middle(index), f"{rung.title}: void")


def _bar(rows: LabelRows, index: int, ends: tuple[float, float], x: PlotAxis, kind: str) -> tuple[float, float]:
    """Draw a bar, at least two pixels long, and return where it begins and ends."""
    begin, end = sorted(map(x, ends))
    level = rows.middle(index) - 8
    rows.canvas.add(h("rect", x=begin, y=level, width=max(end - begin, 2.0), height=16.0, class_=f"bar {kind}"))
    return begin, end


def _row(rows: LabelRows, index: int, step: _Step, ends: tuple[float, float], x: PlotAxis) -> None:
    increment, middle = step.rung.increment, rows.middle(index)
    kind = "hollow" if within_noise(increment) else "s0" if ends[1] >= ends[0] else "s2"
    begin, end = _bar(rows, index, ends, x, kind)
    reach = [x(part) for part in _reach(step)]
    if reach and abs(reach[1] - reach[0]) > 3:
        whisker(rows.canvas, (reach[0], middle), (reach[1], middle))
    brief = plain(None if increment.value is None else increment.value / x.unit.scale)
    signed = brief if brief.startswith(("−", "–")) else f"+{brief}"
    rows.label(index, step.rung.title, rows.canvas.width - 20 - text_width(signed))
    rows.value(index, signed, max([end, *reach]) + 8)
    value, interval = with_interval(increment, x.unit)
    words = f"{step.rung.title}: {value} {x.unit.name}{f' ({interval})' if interval else ''}"
    rows.canvas.tell((begin + end) / 2, middle, words)


def _total(rows: LabelRows, index: int, total: float | None, x: PlotAxis) -> None:
    if total is None:
        words = "not known" if rows.canvas.narrow else "not known: the last step is void"
        rows.label(index, _ALL, kind="label strong")
        rows.value(index, words, x(0) + 8, strong=True)
        return
    shown = plain(total / x.unit.scale)
    begin, end = _bar(rows, index, (0.0, total), x, "total")
    rows.label(index, _ALL, kind="label strong")
    rows.value(index, shown, end + 8, strong=True)
    rows.canvas.tell((begin + end) / 2, rows.middle(index), f"{_ALL}: {shown} {x.unit.name}")


def waterfall(ladder: LadderSteps, ident: str = "waterfall") -> WaterfallPicture:
    """Return the waterfall of a ladder, described in words."""
    unit = ladder_unit(ladder)
    known = [rung for rung in ladder.rungs if not rung.void]
    steps = sorted(known, key=lambda rung: finite(rung.increment.value) or 0.0, reverse=True)
    words = [f"{rung.title} adds {with_interval(rung.increment, unit)[0]} {unit.name}" for rung in steps[:3]]
    largest = f" The largest steps: {'; '.join(words)}." if words else ""
    void = [rung.title for rung in ladder.rungs if rung.void]
    missing = f" Void, and without a bar: {'; '.join(void)}." if void else ""
    return WaterfallPicture(
        ident,
        f"What a line costs with {ladder.subject}, step by step",
        f"{len(ladder.rungs)} steps, each bar starting where the one before it ended.{largest}{missing}",
        ladder,
    )

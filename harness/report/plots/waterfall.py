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
from harness.report.plots.canvas import Canvas, Picture, elided, text_width, whisker
from harness.report.plots.scales import Scale, linear_scale, linear_ticks

__all__ = ["LadderSteps", "RungCost", "WaterfallPicture", "ladder_unit", "waterfall", "within_noise"]


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
        narrow = width < 600
        row = 42.0 if narrow else 28.0
        canvas = self.canvas(width, (len(steps) + 1) * row + 50, suffix)
        unit = ladder_unit(self.ladder)
        left, right = (2.0, width - 6.0) if narrow else (310.0, width - 64.0)
        ends = [end for step in steps for end in (step.start, step.end, *_reach(step)) if end is not None]
        low, high = min([0.0, *ends]), max([0.0, *ends]) or 1.0
        x = linear_scale(low, high, left, right)
        bottom = (len(steps) + 1) * row + 4
        ticks = linear_ticks(low / unit.scale, high / unit.scale, 4 if narrow else 6)
        canvas.x_axis(bottom, 0, [(x(tick * unit.scale), plain(tick)) for tick in ticks], f"cost per line, {unit.name}")
        canvas.line(x(0), 0, x(0), bottom, "axis")
        for index, step in enumerate(steps):
            if step.start is None or step.end is None:
                _void_row(canvas, step.rung, index * row, row, left)
                continue
            _row(canvas, step, (step.start, step.end), (index * row, row), x, unit)
            following = (index + 1) * row
            if index + 1 == len(steps) or not steps[index + 1].rung.void:
                canvas.line(x(step.end), following - 5, x(step.end), following + row - 18, "join")
        _total(canvas, steps[-1].end if steps else 0.0, len(steps) * row, row, x, unit)
        return canvas.svg()


def _reach(step: _Step) -> tuple[float, ...]:
    low, high = finite(step.rung.increment.low), finite(step.rung.increment.high)
    return () if low is None or high is None or step.start is None else (step.start + low, step.start + high)


def _void_row(canvas: Canvas, rung: RungCost, top: float, row: float, left: float) -> None:
    middle = top + row - 14
    if canvas.width < 600:
        canvas.text(7, top + 15, elided(rung.title, canvas.width - 70), kind="label")
        canvas.text(canvas.width - 6, top + 15, VOID, anchor="end", kind="value strong")
    else:
        canvas.text(300, middle + 4, elided(rung.title, 296), anchor="end", kind="label")
        canvas.text(left + 8, middle + 4, f"{VOID}: no figure", kind="value strong")
    canvas.tell(left, middle, f"{rung.title}: void")


def _row(
    canvas: Canvas, step: _Step, ends: tuple[float, float], place: tuple[float, float], x: Scale, unit: Unit
) -> None:
    top, row = place
    value, interval = with_interval(step.rung.increment, unit)
    brief = plain(None if step.rung.increment.value is None else step.rung.increment.value / unit.scale)
    signed = brief if brief.startswith(("−", "–")) else f"+{brief}"
    narrow = canvas.width < 600
    middle = top + row - 14
    begin, end = sorted(map(x, ends))
    hollow = within_noise(step.rung.increment)
    kind = "bar hollow" if hollow else "bar s0" if ends[1] >= ends[0] else "bar s2"
    canvas.add(h("rect", x=begin, y=middle - 8, width=max(end - begin, 2.0), height=16.0, class_=kind))
    reach = _reach(step)
    if reach and abs(x(reach[1]) - x(reach[0])) > 3:
        whisker(canvas, (x(reach[0]), middle), (x(reach[1]), middle))
    room = (canvas.width - 20 - text_width(signed)) if narrow else 296
    if narrow:
        canvas.text(7, top + 15, elided(step.rung.title, room), kind="label")
        canvas.text(canvas.width - 6, top + 15, signed, anchor="end", kind="value")
    else:
        canvas.text(300, middle + 4, elided(step.rung.title, room), anchor="end", kind="label")
        beyond = max([end, *(x(part) for part in reach)]) + 8
        canvas.text(beyond, middle + 4, signed, kind="value")
    told = f"{step.rung.title}: {value} {unit.name}" + (f" ({interval})" if interval else "")
    canvas.tell((begin + end) / 2, middle, told)


def _total(canvas: Canvas, total: float | None, top: float, row: float, x: Scale, unit: Unit) -> None:
    middle = top + row - 14
    if total is None:
        if canvas.width < 600:
            canvas.text(7, top + 15, "all of it", kind="label strong")
            canvas.text(canvas.width - 6, top + 15, "not known", anchor="end", kind="value strong")
        else:
            canvas.text(300, middle + 4, "all of it", anchor="end", kind="label strong")
            canvas.text(x(0) + 8, middle + 4, "not known: the last step is void", kind="value strong")
        return
    shown = plain(total / unit.scale)
    begin, end = sorted((x(0), x(total)))
    canvas.add(h("rect", x=begin, y=middle - 8, width=max(end - begin, 2.0), height=16.0, class_="bar total"))
    if canvas.width < 600:
        canvas.text(7, top + 15, "all of it", kind="label strong")
        canvas.text(canvas.width - 6, top + 15, shown, anchor="end", kind="value strong")
    else:
        canvas.text(300, middle + 4, "all of it", anchor="end", kind="label strong")
        canvas.text(end + 8, middle + 4, shown, kind="value strong")
    canvas.tell((begin + end) / 2, middle, f"all of it: {shown} {unit.name}")


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

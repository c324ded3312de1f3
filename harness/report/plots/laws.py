"""Cost laws: the points measured, the curve fitted through them, and the law as a formula."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.report.experiments import VOID, measured
from harness.report.markup import Element
from harness.report.numbers import NOT_KNOWN, MeasuredValue, Unit, finite, plain, unit_for, with_interval
from harness.report.plots.axes import (
    PlotArea,
    PlotAxis,
    axis,
    draw_legend,
    draw_x,
    draw_y,
    legend_height,
    logarithmic,
    series_class,
    upright_interval,
)  # fmt: skip
from harness.report.plots.canvas import WIDE, Canvas, Picture, marker, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.measure.questions.laws import CostLaw, Point

__all__ = [
    "LawTerm",
    "LawsPicture",
    "cost_at",
    "formula",
    "law_unit",
    "laws_picture",
    "predicted",
    "terms_of",
    "void_points",
]

_SAMPLES = 80


@dataclass(frozen=True, slots=True)
class LawTerm:
    """One term of a law: the coefficient with its interval as texts, and what it is multiplied by."""

    symbol: str
    times: str
    coefficient: float
    value: str
    interval: str

    @property
    def name(self) -> str:
        """The symbol and what it is multiplied by."""
        return f"{self.symbol}{self.times}"


def terms_of(law: "CostLaw") -> list[LawTerm]:
    """Return the terms of a law; none without a fit."""
    fit = law.fit
    if fit is None:
        return []
    return [_term("a", "", fit.a, fit.a_interval), _term("b", f" × {law.factor}", fit.b, fit.b_interval)]


def _term(symbol: str, times: str, coefficient: float, interval: tuple[float, float]) -> LawTerm:
    unit = unit_for([coefficient])
    value, shown = with_interval(measured(coefficient, interval), unit)
    return LawTerm(symbol, times, coefficient, f"{value} {unit.name}", shown)


def predicted(law: "CostLaw", x: float) -> float | None:
    """Return the fitted cost at `x`, ns; None without a fit."""
    if law.fit is None or finite(law.fit.a) is None or finite(law.fit.b) is None:
        return None
    return law.fit.a + law.fit.b * x


def cost_at(point: "Point") -> MeasuredValue:
    """Return the cost at a point with its interval; nothing for a void one."""
    return NOT_KNOWN if point.void else measured(point.cost, point.interval)


def law_unit(law: "CostLaw") -> Unit:
    """Return the unit that suits a law's points."""
    return unit_for([cost_at(point).value for point in law.points])


def void_points(laws: "Sequence[CostLaw]") -> str:
    """Return which points of some laws are void, as a sentence; empty for none."""
    words = [
        f"{law.instrument} at {', '.join(plain(point.x, 6) for point in law.points if point.void)}"
        for law in laws
        if any(point.void for point in law.points)
    ]
    return f"Void, marked below the axis, and in no fit: {'; '.join(words)}." if words else ""


def formula(law: "CostLaw", *, intervals: bool = False, what: str = "cost") -> str:
    """Return the law as people write it: ``cost = 21.3 µs + 71.9 µs × series``; empty without a fit.

    With `intervals`, each coefficient is followed by its own: ``cost = 21.3 µs (20.1–22.5) + ...``. `what` is the word
    for the quantity.
    """
    parts: list[str] = []
    for term in terms_of(law):
        value = finite(term.coefficient)
        if value is None:
            return ""
        unit = unit_for([value])
        bounds = f" ({term.interval})" if intervals and term.interval else ""
        size = f"{plain(abs(value) / unit.scale)} {unit.name}{bounds}{term.times}"
        sign = "−" if value < 0 else "+"
        parts.append(f"{sign} {size}" if parts else f"{'−' if value < 0 else ''}{size}")
    return f"{what} = {' '.join(parts)}" if parts else ""


@dataclass(frozen=True, slots=True)
class LawsPicture(Picture):
    """Laws over one factor in one plot."""

    laws: "Sequence[CostLaw]"
    what: str = "cost per line"

    def draw(self, width: int, suffix: str = "") -> Element:
        """Return the picture at `width` pixels."""
        labels = [law.instrument for law in self.laws]
        top = legend_height(labels, width) + 28
        area = PlotArea(58.0, width - 8.0, top, top + (276 if width == WIDE else 216))
        void = _void_at(self.laws)
        canvas = self.canvas(width, area.bottom + 44 + (18 if void else 0), suffix)
        draw_legend(canvas, labels)
        x, y = _axes(self.laws, area)
        factor = self.laws[0].factor if self.laws else ""
        draw_y(canvas, area, y.ticks(7 if y.log else 5, 2), f"{self.what}, {y.unit.name}{y.note}")
        draw_x(canvas, area, x.ticks(8 if width == WIDE else 4, 4), f"{factor}{x.note}")
        _draw_void(canvas, area, x, factor, void)
        for index, law in enumerate(self.laws):
            _draw_law(canvas, (x, y), law, index)
        return canvas.svg()


def _axes(laws: "Sequence[CostLaw]", area: PlotArea) -> tuple[PlotAxis, PlotAxis]:
    """Return axes that hold every point, its interval, and the fitted curves."""
    xs = [point.x for law in laws for point in law.points] or [0.0, 1.0]
    costs = [cost for law in laws for point in law.points if finite((cost := cost_at(point)).value) is not None]
    parts = (finite(part) for cost in costs for part in (cost.value, cost.low, cost.high))
    ys = [part for part in parts if part is not None] or [0.0, 1.0]
    log_x, log_y = logarithmic(xs), logarithmic([cost.value or 0.0 for cost in costs])
    x = axis((area.left, area.right), *_padded(min(xs), max(xs), log=log_x), log=log_x)
    lowest = min([each for each in ys if each > 0] if log_y else [0.0, *ys])
    unit = unit_for([cost.value for cost in costs])
    return x, axis((area.bottom, area.top), *_padded(lowest, max(ys), log=log_y), log=log_y, unit=unit)


def _padded(low: float, high: float, *, log: bool) -> tuple[float, float]:
    if log:
        return low / 1.25, high * 1.25
    span = (high - low) or abs(high) or 1.0
    return (low - 0.03 * span if low else low), high + 0.06 * span


def _draw_law(canvas: Canvas, axes: tuple[PlotAxis, PlotAxis], law: "CostLaw", index: int) -> None:
    x, y = axes
    curve = []
    xs = [point.x for point in law.points if not point.void] or [x.low, x.high]
    low, high = min(xs), max(xs)
    for step in range(_SAMPLES + 1):
        share = step / _SAMPLES
        at = low * (high / low) ** share if x.log else low + (high - low) * share
        cost = predicted(law, at)
        if cost is not None and y.low <= cost <= y.high and (cost > 0 or not y.log):
            curve.append((x(at), y(cost)))
    canvas.path(curve, series_class("curve", index))
    for point in law.points:
        _draw_point(canvas, axes, law, point, index)


def _void_at(laws: "Sequence[CostLaw]") -> dict[float, list[str]]:
    """Return whose points are void, by the value of the factor."""
    instruments: dict[float, list[str]] = {}
    for law in laws:
        for point in law.points:
            if point.void:
                instruments.setdefault(point.x, []).append(law.instrument)
    return instruments


def _draw_void(canvas: Canvas, area: PlotArea, x: PlotAxis, factor: str, void: dict[float, list[str]]) -> None:
    """Say below the axis at which values points are void, and of how many ways of recording."""
    for at, instruments in void.items():
        words = VOID if len(instruments) == 1 else f"{VOID} ({len(instruments)})"
        half = text_width(words) / 2
        place = min(max(x(at), half + 1), canvas.width - half - 1)
        canvas.text(place, area.bottom + 52, words, anchor="middle", kind="value strong")
        canvas.tell(place, area.bottom + 48, f"{factor} {plain(at, 4)}: void for {', '.join(instruments)}")


def _draw_point(canvas: Canvas, axes: tuple[PlotAxis, PlotAxis], law: "CostLaw", point: "Point", index: int) -> None:
    x, y = axes
    cost = cost_at(point)
    value = finite(cost.value)
    if value is None:
        return
    upright_interval(canvas, x(point.x), cost, y, index)
    canvas.add(marker(x(point.x), y(value), index))
    shown, interval = with_interval(cost, y.unit)
    words = f"{law.instrument}, {law.factor} {plain(point.x, 4)}: {shown} {y.unit.name}"
    canvas.tell(x(point.x), y(value), f"{words}{f' ({interval})' if interval else ''}")


def laws_picture(laws: "Sequence[CostLaw]", ident: str = "laws") -> LawsPicture:
    """Return the plot of laws over the same factor, described by their formulae."""
    factor = laws[0].factor if laws else "nothing"
    words = "; ".join(f"{law.instrument}: {formula(law) or 'no law fitted'}" for law in laws)
    description = f"Points measured, with 95 % intervals, and the fitted curves. {words}. {void_points(laws)}".rstrip()
    return LawsPicture(ident, f"Cost per line against {factor}", description, laws)

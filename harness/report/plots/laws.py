"""Cost laws: the points measured, the curve fitted through them, and the law as a formula."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.report.experiments import VOID, measured
from harness.report.markup import Element
from harness.report.numbers import NOT_KNOWN, MeasuredValue, Unit, finite, plain, unit_for, with_interval
from harness.report.plots.canvas import NARROW, Canvas, Picture, legend, legend_rows, marker, text_width, whisker
from harness.report.plots.scales import Scale, linear_scale, linear_ticks, log_scale, log_ticks

if TYPE_CHECKING:
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


def formula(law: "CostLaw") -> str:
    """Return the law as people write it: ``cost = 21.3 µs + 71.9 µs × series``; empty without a fit."""
    parts: list[str] = []
    for term in terms_of(law):
        value = finite(term.coefficient)
        if value is None:
            return ""
        unit = unit_for([value])
        size = f"{plain(abs(value) / unit.scale)} {unit.name}{term.times}"
        sign = "−" if value < 0 else "+"
        parts.append(f"{sign} {size}" if parts else f"{'−' if value < 0 else ''}{size}")
    return f"cost = {' '.join(parts)}" if parts else ""


@dataclass(frozen=True, slots=True)
class LawsPicture(Picture):
    """Laws over one factor in one plot."""

    laws: "Sequence[CostLaw]"

    def draw(self, width: int, suffix: str = "") -> Element:
        """Return the picture at `width` pixels."""
        labels = [law.instrument for law in self.laws]
        top = 22.0 * len(legend_rows(labels, width)) + 28
        bottom = top + (260 if width <= NARROW else 320) - 44
        void = _void_at(self.laws)
        canvas = self.canvas(width, bottom + 44 + (18 if void else 0), suffix)
        legend(canvas, labels, 0)
        plot = _Axes.of(self.laws, canvas, top, bottom)
        plot.draw(canvas)
        _draw_void(canvas, plot, void)
        for index, law in enumerate(self.laws):
            _draw_law(canvas, plot, law, index)
        return canvas.svg()


@dataclass(frozen=True, slots=True)
class _Axes:
    """Both scales, logarithmic where the values span more than a factor of twenty, and what they show."""

    x: Scale
    y: Scale
    xs: tuple[float, float]
    ys: tuple[float, float]
    log_x: bool
    log_y: bool
    top: float
    bottom: float
    unit: Unit
    factor: str

    @classmethod
    def of(cls, laws: "Sequence[CostLaw]", canvas: Canvas, top: float, bottom: float) -> "_Axes":
        """Return axes that hold every point, its interval, and the fitted curves."""
        points = [point for law in laws for point in law.points if finite(cost_at(point).value) is not None]
        xs = [point.x for law in laws for point in law.points] or [0.0, 1.0]
        costs = [(cost_at(p).value, cost_at(p).low, cost_at(p).high) for p in points]
        ys = [known for cost in costs for part in cost if (known := finite(part)) is not None] or [0.0, 1.0]
        log_x, log_y = _logarithmic(xs), _logarithmic([finite(cost_at(p).value) or 0.0 for p in points] or [0.0])
        positive = [y for y in ys if y > 0]
        low_x, high_x = _padded(min(xs), max(xs), log=log_x)
        low_y, high_y = _padded(min(positive if log_y else [0.0, *ys]), max(ys), log=log_y)
        left = 58.0
        right = canvas.width - 8.0
        x = (log_scale if log_x else linear_scale)(low_x, high_x, left, right)
        y = (log_scale if log_y else linear_scale)(low_y, high_y, bottom, top)
        unit = unit_for([cost_at(point).value for point in points])
        factor = laws[0].factor if laws else ""
        return cls(x, y, (low_x, high_x), (low_y, high_y), log_x, log_y, top, bottom, unit, factor)

    def draw(self, canvas: Canvas) -> None:
        """Draw both axes."""
        most = 4 if canvas.width <= NARROW else 8
        scale = self.unit.scale
        low, high = self.ys[0] / scale, self.ys[1] / scale
        ticks = log_ticks(low, high) if self.log_y else linear_ticks(low, high, 5)
        right = canvas.width - 8.0
        canvas.y_axis(58, right, [(self.y(tick * scale), plain(tick, 2)) for tick in ticks])
        across = log_ticks(*self.xs, most) if self.log_x else linear_ticks(*self.xs, most)
        title = f"{self.factor}{' (logarithmic)' if self.log_x else ''}"
        canvas.x_axis(self.bottom, self.top, [(self.x(tick), plain(tick, 4)) for tick in across], title)
        note = f"cost per line, {self.unit.name}{' (logarithmic)' if self.log_y else ''}"
        canvas.text(2, self.top - 12, note)


def _logarithmic(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) > 20


def _padded(low: float, high: float, *, log: bool) -> tuple[float, float]:
    if log:
        return low / 1.25, high * 1.25
    span = (high - low) or abs(high) or 1.0
    return (low - 0.03 * span if low else low), high + 0.06 * span


def _draw_law(canvas: Canvas, axes: _Axes, law: "CostLaw", index: int) -> None:
    curve = []
    low, high = _span(law, axes)
    for step in range(_SAMPLES + 1):
        share = step / _SAMPLES
        x = low * (high / low) ** share if axes.log_x else low + (high - low) * share
        cost = predicted(law, x)
        if cost is not None and axes.ys[0] <= cost <= axes.ys[1] and (cost > 0 or not axes.log_y):
            curve.append((axes.x(x), axes.y(cost)))
    canvas.path(curve, f"curve s{index % 6} d{index % 5}")
    for point in law.points:
        if not point.void:
            _draw_point(canvas, axes, law, point.x, index)


def _void_at(laws: "Sequence[CostLaw]") -> dict[float, list[str]]:
    """Return whose points are void, by the value of the factor."""
    found: dict[float, list[str]] = {}
    for law in laws:
        for point in law.points:
            if point.void:
                found.setdefault(point.x, []).append(law.instrument)
    return found


def _draw_void(canvas: Canvas, axes: _Axes, void: dict[float, list[str]]) -> None:
    """Say below the axis at which values points are void, and of how many ways of recording."""
    for at, subjects in void.items():
        words = VOID if len(subjects) == 1 else f"{VOID} ({len(subjects)})"
        half = text_width(words) / 2
        place = min(max(axes.x(at), half + 1), canvas.width - half - 1)
        canvas.text(place, axes.bottom + 52, words, anchor="middle", kind="value strong")
        canvas.tell(place, axes.bottom + 48, f"{axes.factor} {plain(at, 4)}: void for {', '.join(subjects)}")


def _span(law: "CostLaw", axes: _Axes) -> tuple[float, float]:
    xs = [point.x for point in law.points if not point.void] or list(axes.xs)
    return min(xs), max(xs)


def _draw_point(canvas: Canvas, axes: _Axes, law: "CostLaw", at: float, index: int) -> None:
    point = next(point for point in law.points if point.x == at)
    value = finite(cost_at(point).value)
    if value is None:
        return
    x, y = axes.x(point.x), axes.y(value)
    low, high = finite(cost_at(point).low), finite(cost_at(point).high)
    if low is not None and high is not None and abs(axes.y(low) - axes.y(high)) > 3:
        whisker(canvas, (x, axes.y(low)), (x, axes.y(high)), f"whisker s{index % 6}")
    canvas.add(marker(x, y, index))
    shown, interval = with_interval(cost_at(point), axes.unit)
    told = f" ({interval})" if interval else ""
    canvas.tell(x, y, f"{law.instrument}, {law.factor} {plain(point.x, 4)}: {shown} {axes.unit.name}{told}")


def laws_picture(laws: "Sequence[CostLaw]", ident: str = "laws") -> LawsPicture:
    """Return the plot of laws over the same factor, described by their formulae."""
    factor = laws[0].factor if laws else "nothing"
    words = "; ".join(f"{law.instrument}: {formula(law) or 'no law fitted'}" for law in laws)
    description = f"Points measured, with 95 % intervals, and the fitted curves. {words}. {void_points(laws)}".rstrip()
    return LawsPicture(ident, f"Cost per line against {factor}", description, laws)

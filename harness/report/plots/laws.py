"""Cost laws: the points measured, the curve fitted through them, and the law as a formula."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.markup import Element
from harness.report.model import LawSummary, LawTerm
from harness.report.numbers import Unit, finite, plain, unit_for, with_interval
from harness.report.overhead import VOID
from harness.report.plots.canvas import NARROW, Canvas, Picture, legend, legend_rows, marker, text_width, whisker
from harness.report.plots.scales import Scale, linear_scale, linear_ticks, log_scale, log_ticks

__all__ = ["LawsPicture", "formula", "laws_picture", "term_text", "void_points"]

_SAMPLES = 80


def law_unit(law: LawSummary) -> Unit:
    """Return the unit that suits a law's points."""
    return unit_for([point.cost.value for point in law.points] or [t.coefficient.value for t in law.terms])


def void_points(laws: Sequence[LawSummary]) -> str:
    """Return which points of some laws are void, as a sentence; empty for none."""
    words = [
        f"{law.subject} at {', '.join(plain(point.x, 6) for point in law.points if point.void)}"
        for law in laws
        if any(point.void for point in law.points)
    ]
    return f"Void, marked below the axis, and in no fit: {'; '.join(words)}." if words else ""


def formula(law: LawSummary) -> str:
    """Return the law as people write it: ``cost = 21.3 µs + 71.9 µs × series``; empty without a fit."""
    parts: list[str] = []
    for term in law.terms:
        value = finite(term.coefficient.value)
        if value is None:
            return ""
        unit = unit_for([value])
        size = f"{plain(abs(value) / unit.scale)} {unit.name}{_times(term, law.factor)}"
        sign = "−" if value < 0 else "+"
        parts.append(f"{sign} {size}" if parts else f"{'−' if value < 0 else ''}{size}")
    return f"cost = {' '.join(parts)}" if parts else ""


def _times(term: LawTerm, factor: str) -> str:
    if term.power == 0:
        return ""
    return f" × {factor}" if term.power == 1 else f" × {factor}^{plain(term.power)}"


def term_text(term: LawTerm, factor: str) -> tuple[str, str, str]:
    """Return a coefficient as name, value with unit, and interval."""
    unit = unit_for([term.coefficient.value])
    value, interval = with_interval(term.coefficient, unit)
    return f"{term.symbol}{_times(term, factor)}", f"{value} {unit.name}", interval


@dataclass(frozen=True, slots=True)
class LawsPicture(Picture):
    """Laws over one factor in one plot."""

    laws: Sequence[LawSummary]

    def draw(self, width: int, suffix: str = "") -> Element:
        """Return the picture at `width` pixels."""
        labels = [law.subject for law in self.laws]
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
    def of(cls, laws: Sequence[LawSummary], canvas: Canvas, top: float, bottom: float) -> "_Axes":
        """Return axes that hold every point, its interval, and the fitted curves."""
        points = [point for law in laws for point in law.points if finite(point.cost.value) is not None]
        xs = [point.x for law in laws for point in law.points] or [0.0, 1.0]
        costs = [(p.cost.value, p.cost.low, p.cost.high) for p in points]
        ys = [known for cost in costs for part in cost if (known := finite(part)) is not None] or [0.0, 1.0]
        log_x, log_y = _logarithmic(xs), _logarithmic([finite(p.cost.value) or 0.0 for p in points] or [0.0])
        positive = [y for y in ys if y > 0]
        low_x, high_x = _padded(min(xs), max(xs), log=log_x)
        low_y, high_y = _padded(min(positive if log_y else [0.0, *ys]), max(ys), log=log_y)
        left = 58.0
        right = canvas.width - 8.0
        x = (log_scale if log_x else linear_scale)(low_x, high_x, left, right)
        y = (log_scale if log_y else linear_scale)(low_y, high_y, bottom, top)
        unit = unit_for([point.cost.value for point in points])
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


def _draw_law(canvas: Canvas, axes: _Axes, law: LawSummary, index: int) -> None:
    curve = []
    low, high = _span(law, axes)
    for step in range(_SAMPLES + 1):
        share = step / _SAMPLES
        x = low * (high / low) ** share if axes.log_x else low + (high - low) * share
        cost = law.at(x)
        if cost is not None and axes.ys[0] <= cost <= axes.ys[1] and (cost > 0 or not axes.log_y):
            curve.append((axes.x(x), axes.y(cost)))
    canvas.path(curve, f"curve s{index % 6} d{index % 5}")
    for point in law.points:
        if not point.void:
            _draw_point(canvas, axes, law, point.x, index)


def _void_at(laws: Sequence[LawSummary]) -> dict[float, list[str]]:
    """Return whose points are void, by the value of the factor."""
    found: dict[float, list[str]] = {}
    for law in laws:
        for point in law.points:
            if point.void:
                found.setdefault(point.x, []).append(law.subject)
    return found


def _draw_void(canvas: Canvas, axes: _Axes, void: dict[float, list[str]]) -> None:
    """Say below the axis at which values points are void, and of how many ways of recording."""
    for at, subjects in void.items():
        words = VOID if len(subjects) == 1 else f"{VOID} ({len(subjects)})"
        half = text_width(words) / 2
        place = min(max(axes.x(at), half + 1), canvas.width - half - 1)
        canvas.text(place, axes.bottom + 52, words, anchor="middle", kind="value strong")
        canvas.tell(place, axes.bottom + 48, f"{axes.factor} {plain(at, 4)}: void for {', '.join(subjects)}")


def _span(law: LawSummary, axes: _Axes) -> tuple[float, float]:
    xs = [point.x for point in law.points if not point.void] or list(axes.xs)
    return min(xs), max(xs)


def _draw_point(canvas: Canvas, axes: _Axes, law: LawSummary, at: float, index: int) -> None:
    point = next(point for point in law.points if point.x == at)
    value = finite(point.cost.value)
    if value is None:
        return
    x, y = axes.x(point.x), axes.y(value)
    low, high = finite(point.cost.low), finite(point.cost.high)
    if low is not None and high is not None and abs(axes.y(low) - axes.y(high)) > 3:
        whisker(canvas, (x, axes.y(low)), (x, axes.y(high)), f"whisker s{index % 6}")
    canvas.add(marker(x, y, index))
    shown, interval = with_interval(point.cost, axes.unit)
    told = f" ({interval})" if interval else ""
    canvas.tell(x, y, f"{law.subject}, {law.factor} {plain(point.x, 4)}: {shown} {axes.unit.name}{told}")


def laws_picture(laws: Sequence[LawSummary], ident: str = "laws") -> LawsPicture:
    """Return the plot of laws over the same factor, described by their formulae."""
    factor = laws[0].factor if laws else "nothing"
    words = "; ".join(f"{law.subject}: {formula(law) or 'no law fitted'}" for law in laws)
    description = f"Points measured, with 95 % intervals, and the fitted curves. {words}. {void_points(laws)}".rstrip()
    return LawsPicture(ident, f"Cost per line against {factor}", description, laws)

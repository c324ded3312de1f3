"""What happened during a run, in pictures over time: a row of incidents, a row of scrapes, and bands below them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.report.markup import h, number
from harness.report.plots.axes import PlotArea, PlotAxis
from harness.report.plots.canvas import Canvas, text_width
from harness.report.timelines import TimedEvent

__all__ = ["Lanes", "reach"]

_MOST_BANDS = 60  # more scrapes than these would shade the whole picture; their lane has them all
_NAME, _LANE = 15.0, 13.0  # heights: of a row of incidents' names, and of a row of marks


def reach(start: float, end: float, x: PlotAxis) -> tuple[float, float]:
    """Return left edge and width, in pixels, of some time: at least a pixel and a half, and inside the picture."""
    left, right = (x(min(max(moment, x.low), x.high)) for moment in (start, end))
    return min(left, x(x.high) - 1.5), max(right - left, 1.5)


# Not slots: the rows of names are found once.
@dataclass(frozen=True)
class Lanes:
    """Incidents and scrapes over the time axis `x` of a picture."""

    incidents: Sequence[TimedEvent]
    scrapes: Sequence[TimedEvent]
    x: PlotAxis
    width: float

    @cached_property
    def _names(self) -> list[list[tuple[float, str]]]:
        """The incidents' names and where each begins, in as many rows as they need not to touch."""
        rows: list[list[tuple[float, str]]] = []
        free: list[float] = []
        for event in sorted(self.incidents, key=lambda event: event.start_s):
            need = text_width(event.kind)
            place = max(min(reach(event.start_s, event.end_s, self.x)[0], self.width - need), 0.0)
            row = next((index for index, end in enumerate(free) if end <= place), len(rows))
            if row == len(rows):
                rows.append([])
                free.append(0.0)
            rows[row].append((place, event.kind))
            free[row] = place + need + 8
        return rows

    @property
    def height(self) -> float:
        """How much room they need."""
        return _NAME * len(self._names) + _LANE * (bool(self.incidents) + bool(self.scrapes))

    def draw(self, canvas: Canvas, top: float) -> None:
        """Draw a row of incidents with their names above, and one of scrapes."""
        left, right = self.x(self.x.low), self.x(self.x.high)
        for index, row in enumerate(self._names):
            for place, name in row:
                canvas.text(place, top + _NAME * index + 11, name, kind="label")
        top += _NAME * len(self._names)
        if self.incidents:
            self._shade(canvas, self.incidents, PlotArea(left, right, top + 2, top + 8), "bar s4")
            for event in self.incidents:
                start, wide = reach(event.start_s, event.end_s, self.x)
                canvas.tell(start + wide / 2, top + 5, event.words)
            top += _LANE
        if self.scrapes:
            canvas.text(left - 6, top + 10, "scrapes", anchor="end")
            self._shade(canvas, self.scrapes, PlotArea(left, right, top + 2, top + 10), "bar s3")

    def shade(self, canvas: Canvas, area: PlotArea) -> None:
        """Shade a plot area while something happened."""
        self._shade(canvas, self.scrapes if len(self.scrapes) <= _MOST_BANDS else (), area, "band s3")
        self._shade(canvas, self.incidents, area, "band s4")

    def _shade(self, canvas: Canvas, events: Sequence[TimedEvent], area: PlotArea, kind: str) -> None:
        spans = [reach(event.start_s, event.end_s, self.x) for event in events]
        top, tall = number(area.top), number(area.bottom - area.top)
        parts = [f"M{number(left)} {top}h{number(wide)}v{tall}h{number(-wide)}z" for left, wide in spans]
        if parts:
            canvas.add(h("path", d="".join(parts), class_=kind))

"""A run over time as a reader sees it: joined points, panels over one time axis, scrapes and incidents."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from harness.report.numbers import COUNT, UNKNOWN, Unit, plain, unit_for
from harness.run.timeline import TimelinePoint, TimelineSpread
from workloads.units import format_duration

if TYPE_CHECKING:
    from harness.run.result import RunResult

__all__ = ["SPREADS", "OverTime", "Panel", "TimedEvent", "moment_text", "over_time"]

SPREADS = ("p50", "p99", "longest")
_TIMES = (Unit("h", 3600.0), Unit("min", 60.0), Unit("s", 1.0))
_FEWEST_UNITS = 3  # of a unit in the whole run, for it to be that of the time axis


class TimedEvent(NamedTuple):
    """A scrape or an incident, in seconds since the start of the run."""

    kind: str
    start_s: float
    end_s: float

    @property
    def words(self) -> str:
        """What it was, when it began and, unless that is nothing, how long it lasted."""
        lasted = f", for {moment_text(self.end_s - self.start_s)} s" if self.end_s > self.start_s else ""
        return f"{self.kind} at {moment_text(self.start_s)} s{lasted}"

    def within(self, start_s: float, end_s: float) -> bool:
        """Tell whether any of it was from `start_s` to before `end_s`."""
        return self.start_s < end_s and (self.end_s > start_s or self.start_s >= start_s)


def moment_text(time: float) -> str:
    """Return a time to a hundredth of its unit, with no more digits than it has."""
    return f"{round(time, 2):g}"


@dataclass(frozen=True, slots=True)
class Panel:
    """Some series over time, each with a value for each point; None is what is not known.

    `remark` says how they are told apart where there is no legend.
    """

    kind: Literal["rate", "durations", "losses"]
    title: str
    unit: Unit
    names: tuple[str, ...]
    series: tuple[tuple[float | None, ...], ...]
    remark: str = ""

    def known(self) -> list[float]:
        """Return every value there is."""
        return [value for row in self.series for value in row if value is not None]

    def words(self, index: int) -> str:
        """Return what the panel says of a point."""
        values = ((name, row[index]) for name, row in zip(self.names, self.series, strict=True))
        shown = format_duration if self.kind == "durations" else plain
        told = [f"{name} {shown(value)}".strip() for name, value in values if value is not None]
        return f"{self.title[0].lower()}{self.title[1:]}: {', '.join(told) or UNKNOWN}"


@dataclass(frozen=True, slots=True)
class OverTime:
    """A run over time; `joined_from` is how many points of the result each of these stands for."""

    points: Sequence[TimelinePoint]
    scrapes: Sequence[TimedEvent]
    incidents: Sequence[TimedEvent]
    joined_from: int = 1

    @property
    def end_s(self) -> float:
        """When the last point ends."""
        return self.points[-1].start_s + self.points[-1].width_s

    @property
    def unit(self) -> Unit:
        """The unit of the time axis."""
        return next((unit for unit in _TIMES if self.end_s >= _FEWEST_UNITS * unit.scale), _TIMES[-1])

    @property
    def closed(self) -> bool:
        """Whether it was a closed loop: without a target, and without lag."""
        return all(point.target is None for point in self.points)

    def joined(self, most: int) -> "OverTime":
        """Return the run in at most so many points: rates over all of a point's time, of its durations the highest."""
        size = math.ceil(len(self.points) / most)
        if size <= 1:
            return self
        parts = (self.points[first : first + size] for first in range(0, len(self.points), size))
        return replace(self, points=[_join(part) for part in parts], joined_from=size)

    def panels(self) -> list[Panel]:
        """Return the panels that have something to show."""
        return [panel for panel in self._panels() if any(panel.known())]

    def _panels(self) -> Iterator[Panel]:
        achieved = tuple(point.achieved for point in self.points)
        target = tuple(point.target for point in self.points)
        if self.closed:
            yield Panel("rate", "Lines/s", COUNT, ("",), (achieved,))
        else:
            yield Panel("rate", "Lines/s", COUNT, ("achieved", "scheduled"), (achieved, target), "scheduled: dashed")
            yield _durations("Lag", [point.lag_ns for point in self.points])
        yield _durations("Service time", [point.service_ns for point in self.points])
        if not self.closed:
            yield _durations("Response time", [point.response_ns for point in self.points])
        failed, dropped = (tuple(getattr(point, name) for point in self.points) for name in ("failed", "dropped"))
        if not any(dropped):
            yield Panel("losses", "Lines failed", COUNT, ("",), (failed,))
        else:
            remark = "dropped above failed"
            yield Panel("losses", "Lines failed, dropped", COUNT, ("failed", "dropped"), (failed, dropped), remark)


def _durations(title: str, spreads: Sequence[TimelineSpread]) -> Panel:
    series = tuple(tuple(getattr(spread, name) for spread in spreads) for name in ("p50", "p99", "max"))
    return Panel("durations", title, unit_for([value for row in series for value in row]), SPREADS, series)


def _join(points: Sequence[TimelinePoint]) -> TimelinePoint:
    width_s = sum(point.width_s for point in points)
    targets = [point.target * point.width_s for point in points if point.target is not None]
    return TimelinePoint(
        start_s=points[0].start_s,
        width_s=width_s,
        lines=sum(point.lines for point in points),
        target=sum(targets) / width_s if targets else None,
        achieved=sum(point.achieved * point.width_s for point in points) / width_s,
        failed=sum(point.failed for point in points),
        dropped=sum(point.dropped for point in points),
        lag_ns=_highest([point.lag_ns for point in points]),
        service_ns=_highest([point.service_ns for point in points]),
        response_ns=_highest([point.response_ns for point in points]),
    )


def _highest(spreads: Sequence[TimelineSpread]) -> TimelineSpread:
    return TimelineSpread(
        p50=max((spread.p50 for spread in spreads if spread.p50 is not None), default=None),
        p99=max((spread.p99 for spread in spreads if spread.p99 is not None), default=None),
        max=max((spread.max for spread in spreads if spread.max is not None), default=None),
    )


def over_time(run: "RunResult") -> OverTime | None:
    """Return a run over time; None for one of an earlier version, and for one with fewer than two points."""
    timeline = run.timeline
    if timeline is None or len(timeline.points) < 2:
        return None
    scrapes = [TimedEvent("scrape", span.start_s, span.start_s + span.duration_s) for span in timeline.scrapes]
    # Results of versions without incidents have no such field.
    incidents = [
        TimedEvent(incident.kind, incident.start_ns / 1e9, (incident.start_ns + incident.duration_ns) / 1e9)
        for incident in getattr(run, "incidents", None) or ()
    ]
    return OverTime(timeline.points, scrapes, incidents)

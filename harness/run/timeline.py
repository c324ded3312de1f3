"""A run over time as its result stores it: lines, rates and durations by point, and the scrapes meanwhile."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from harness.load.drive_result import DriveResult
from harness.load.latency.timeline import Spread, TimePoint

__all__ = ["MOST_SCRAPES", "ScrapeSpan", "TimelinePoint", "TimelineResult", "TimelineSpread", "timeline_of"]

MOST_SCRAPES = 600


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TimelineSpread(_Part):
    """Durations of a point's lines in ns; null is a percentile with fewer than ten beyond it, and all of none."""

    p50: int | None = Field(description="at most 16 ns, or 1.6 %, above the exact value; so is p99")
    p99: int | None
    max: int | None = Field(description="exact")


class TimelinePoint(_Part):
    """What happened in some time; a line belongs to the point in which it was due (closed loop: in which it began)."""

    start_s: float = Field(description="seconds since the start of the run")
    width_s: float = Field(description="how long it lasts; the last point may differ from the others")
    lines: int = Field(description="lines that fell due, in a closed loop those that began")
    target: float | None = Field(description="lines due a second until the last was due; null for a closed loop")
    achieved: float = Field(description="lines that began a second, whenever they were due")
    failed: int
    dropped: int
    lag_ns: TimelineSpread
    service_ns: TimelineSpread
    response_ns: TimelineSpread


class ScrapeSpan(_Part):
    """When a scrape was served, in seconds since the start of the run."""

    start_s: float
    duration_s: float


class TimelineResult(_Part):
    """The run over time, in at most 600 points however long it was."""

    width_s: float = Field(description="of every point but the last: 1 s, doubled until at most 600 points are needed")
    points: list[TimelinePoint]
    scrapes: list[ScrapeSpan] = Field(description="scrapes served until the end of the last point: the 600 longest")
    scrapes_left_out: int = Field(description="how many shorter scrapes are not among them")


def timeline_of(driven: DriveResult, windows: Sequence[tuple[int, int]], *, closed: bool) -> TimelineResult:
    """Return a run over time; `windows` are start and end of each scrape served, in ns since the start of the run."""
    due_end_ns = _due_end_ns(driven)
    points = driven.timeline.points(max(due_end_ns, driven.moments.last_end_ns))
    end_ns = points[-1].start_ns + points[-1].width_ns if points else 0
    meanwhile = [(start, end) for start, end in windows if start < end_ns and end > 0]
    longest = sorted(meanwhile, key=lambda window: window[0] - window[1])[:MOST_SCRAPES]
    return TimelineResult(
        width_s=driven.timeline.width_ns / 1e9,
        points=[_point(point, None if closed else due_end_ns) for point in points],
        scrapes=[ScrapeSpan(start_s=start / 1e9, duration_s=(end - start) / 1e9) for start, end in sorted(longest)],
        scrapes_left_out=len(meanwhile) - len(longest),
    )


def _due_end_ns(driven: DriveResult) -> int:
    """Return when the schedule ended: when the line after the last would have been due."""
    gaps = driven.ledger.offered - 1
    return driven.moments.last_due_ns + (driven.span_ns // gaps if gaps > 0 else 0)


def _point(point: TimePoint, due_end_ns: int | None) -> TimelinePoint:
    """Return a point; lines were due until `due_end_ns`, None for a closed loop, and sent for as long as it took."""
    width_s = point.width_ns / 1e9
    target = None
    if due_end_ns is not None:
        scheduled_ns = min(point.width_ns, due_end_ns - point.start_ns)
        target = round(point.due * 1e9 / scheduled_ns, 3) if scheduled_ns > 0 else 0.0
    return TimelinePoint(
        start_s=point.start_ns / 1e9,
        width_s=width_s,
        lines=point.due,
        target=target,
        achieved=round(point.sent / width_s, 3),
        failed=point.failed,
        dropped=point.dropped,
        **{f"{name}_ns": _spread(spread) for name, spread in point.durations.items()},
    )


def _spread(spread: Spread) -> TimelineSpread:
    return TimelineSpread(p50=spread.p50, p99=spread.p99, max=spread.max)

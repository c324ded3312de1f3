"""Words for a load run that several renderers share: how well a valid one kept its schedule."""

from harness.load.tail import supported
from harness.run.result import RunResult
from workloads.units import format_duration

__all__ = ["on_schedule"]


def on_schedule(result: RunResult) -> str:
    """Return in one clause how well a valid run kept its schedule."""
    if result.rate.target is None:
        return "no schedule to keep"
    lag = result.lag_ns
    name, value = ("lag p99", lag.p99) if supported(99, lag.count) else ("longest lag", lag.max)
    words = f"on schedule: {name} {format_duration(value or 0)}"
    if result.schedule is None:
        return words
    return f"{words}, worst stretch {format_duration(result.schedule.worst_stretch_lag_ns)} late"

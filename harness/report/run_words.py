"""Words for a load run that several renderers share: how it kept its schedule, and which percentiles it can tell."""

from harness.quantiles import FEWEST_BEYOND, supported
from harness.run.result import Latency, RunResult
from workloads.units import format_duration

__all__ = ["STATISTICS", "TOO_FEW", "on_schedule", "percentile", "unsupported"]

STATISTICS = ("p50", "p90", "p99", "p999", "max", "mean")
TOO_FEW = f"fewer than {FEWEST_BEYOND} lines lie beyond that percentile"
_PERCENTS = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}


def percentile(latency: Latency, statistic: str) -> float | None:
    """Return a figure of a latency in ns, None for a percentile with fewer than ten lines beyond it."""
    percent = _PERCENTS.get(statistic)
    if percent is not None and not supported(latency.count, percent):
        return None
    value: float | None = getattr(latency, statistic)
    return value


def unsupported(result: RunResult) -> bool:
    """Return whether a run that sent lines sent too few for one of its percentiles."""
    count = result.service_ns.count
    return count > 0 and not all(supported(count, percent) for percent in _PERCENTS.values())


def on_schedule(result: RunResult) -> str:
    """Return in one clause how well a valid run kept its schedule."""
    if result.rate.target is None:
        return "no schedule to keep"
    p99 = percentile(result.lag_ns, "p99")
    name, lag = ("longest lag", result.lag_ns.max) if p99 is None else ("lag p99", p99)
    told = f"on schedule: {name} {format_duration(lag or 0)}"
    if result.schedule is None:
        return told
    return f"{told}, worst stretch {format_duration(result.schedule.worst_stretch_lag_ns)} late"

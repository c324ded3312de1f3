"""What a run shows while it is running: a small table on a terminal, plain lines elsewhere."""

from rich.table import Table
from rich.text import Text

from harness.load.latency.tail import supported
from harness.load.pump import Snapshot
from workloads.units import format_duration

__all__ = ["live_table", "plain_line"]


def _span(progress: Snapshot, low: int | None, high: int | None) -> str:
    return f"p50 {_percentile(progress, 50, low)}, p99 {_percentile(progress, 99, high)}"


def _percentile(progress: Snapshot, percent: float, value: int | None) -> str:
    count = progress.offered - progress.dropped
    return "–" if value is None or not supported(percent, count) else format_duration(value)


def _worst(progress: Snapshot, between: str = " ") -> str:
    """Return the number of the worst worker, and its lag where it is known."""
    lag_ns = progress.worst_lag_p99_ns
    return f"{progress.worst_worker}" + ("" if lag_ns is None else f"{between}{format_duration(lag_ns)}")


def _rate(progress: Snapshot) -> str:
    if progress.target_rate is None:
        return f"{progress.rate:,.0f} lines/s"
    return f"{progress.rate:,.0f} of {progress.target_rate:,.0f} lines/s"


def live_table(progress: Snapshot, scrapes: int, failed_scrapes: int, total_ns: int | None) -> Table:
    """Return the table of one snapshot; `total_ns` is how long the run is to last, where that is known."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    left = "" if total_ns is None else f" of {total_ns / 1e9:.0f} s"
    rows = {
        "time": f"{progress.elapsed_ns / 1e9:.1f} s{left}",
        "rate": _rate(progress),
        "lines": f"{progress.offered:,} offered, {progress.failed:,} failed, {progress.dropped:,} dropped",
        "lag": _span(progress, progress.lag_p50_ns, progress.lag_p99_ns),
        "service": _span(progress, progress.service_p50_ns, progress.service_p99_ns),
        "response": _span(progress, progress.response_p50_ns, progress.response_p99_ns),
        "scrapes": f"{scrapes:,}, {failed_scrapes:,} failed",
    }
    if progress.incidents:
        rows["incident"] = ", ".join(progress.incidents)
    if progress.worst_worker is not None:
        rows["worst worker"] = _worst(progress, ", lag p99 ")
    for name, value in rows.items():
        table.add_row(name, Text(value))
    return table


def plain_line(progress: Snapshot, scrapes: int, failed_scrapes: int) -> str:
    """Return the same in one line, for a pipe or a log."""
    lag, response = (_percentile(progress, 99, value) for value in (progress.lag_p99_ns, progress.response_p99_ns))
    worst = "" if progress.worst_worker is None else f" (worker {_worst(progress)})"
    return (
        f"{progress.elapsed_ns / 1e9:6.1f} s  {_rate(progress)}  lag p99 {lag}{worst}  response p99 {response}"
        f"  failed {progress.failed:,}  dropped {progress.dropped:,}  scrapes {scrapes:,} ({failed_scrapes:,} failed)"
        f"{'  incident ' if progress.incidents else ''}{', '.join(progress.incidents)}"
    )

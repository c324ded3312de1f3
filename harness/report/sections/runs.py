"""Load runs: what was sent, what became of it, and whether to believe it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.load.tail import statistic_supported, supported
from harness.report.numbers import plain, unit_for
from harness.report.run_words import on_schedule
from harness.report.tables import Bullets, Column, Facts, Note, Part, ReportTable, Section, TableCell, row_of

if TYPE_CHECKING:
    from harness.run.result import RunResult

__all__ = ["runs_section"]

_STATISTICS = {"p50": "p50", "p90": "p90", "p99": "p99", "p999": "p99.9", "max": "max", "mean": "mean"}


def runs_section(runs: "Sequence[RunResult]") -> Section | None:
    """Return each load run."""
    if not runs:
        return None
    parts = tuple(Section("", f"{run.spec.name}, {run.started}", tuple(_parts(run))) for run in runs)
    return Section("runs", "Load runs", parts, brief=tuple(map(_line, runs)))


def _parts(run: "RunResult") -> Iterator[Part]:
    if run.verdict == "valid":
        yield Note(f"✓ valid: {on_schedule(run)}", tone="valid")
    else:
        yield Note("✗ invalid: do not believe the latencies", tone="invalid")
    if run.reasons:
        yield Bullets(tuple(("", TableCell(reason)) for reason in run.reasons))
    if run.interrupted:
        yield Note("Interrupted: what is shown covers the lines sent until then.")
    yield Facts(tuple((name, cell if isinstance(cell, TableCell) else TableCell(cell)) for name, cell in _facts(run)))
    yield _latencies(run)
    if run.requirements:
        yield _requirements(run)


def _facts(run: "RunResult") -> "Iterator[tuple[str, str | TableCell]]":
    spec, ledger = run.spec, run.ledger
    failed = {**ledger.refused, **ledger.raised}
    kinds = f" ({', '.join(f'{plain(n, 15)} {kind}' for kind, n in failed.items())})" if failed else ""
    offered, processed, refused, dropped = (
        plain(count, 15) for count in (ledger.offered, ledger.processed, ledger.failed, ledger.dropped)
    )
    target = " (closed loop)" if run.rate.target is None else f" of {plain(run.rate.target, 6)} scheduled"
    yield "Load", f"{spec.lengths}, {spec.content}, {spec.arrivals}, seed {spec.seed}"
    yield "Through", spec.instrument
    yield "Lines", f"{offered} offered = {processed} processed + {refused} failed + {dropped} dropped"
    yield "Failed", f"{refused}{kinds}"
    yield "Rate", f"{plain(run.rate.achieved, 6)} lines/s{target}"
    yield "Scrapes", f"{run.scrapes.count}, {run.scrapes.failed} failed, by {run.scrapes.scraper}"
    yield "Loop's own cost", f"{plain(run.self_cost_ns_per_line)} ns a line"
    yield "Digest", TableCell(run.workload.digest, code=True)


def _latencies(run: "RunResult") -> ReportTable:
    kinds = [("service", run.service_ns), ("response", run.response_ns), ("lag", run.lag_ns)]
    if run.lateness_ns is not None:
        kinds.append(("lateness", run.lateness_ns))
    unit = unit_for([latency.p50 for _, latency in kinds[:2]])
    columns = (Column("Latency", kind="text"), *(Column(heading, unit.name) for heading in _STATISTICS.values()))
    rows = []
    for kind, latency in kinds:
        values = [getattr(latency, n) if statistic_supported(n, latency.count) else None for n in _STATISTICS]
        rows.append(row_of(kind, *(plain(None if value is None else value / unit.scale) for value in values)))
    return ReportTable(f"Latency of {run.spec.name}", columns, tuple(rows), quiet=True)


def _requirements(run: "RunResult") -> ReportTable:
    rows = tuple(
        row_of(
            each.text,
            TableCell("✓ held", tone="valid") if each.held else TableCell("✗ missed", tone="invalid"),
            plain(each.actual, 4),
        )
        for each in run.requirements
    )
    columns = (Column("Requirement", kind="text"), Column("Held", kind="word"), Column("Was"))
    return ReportTable(f"Requirements of {run.spec.name}", columns, rows)


def _line(run: "RunResult") -> Note:
    sign = "✓ valid" if run.verdict == "valid" else "✗ INVALID"
    count = run.response_ns.count
    p99 = run.response_ns.p99 if supported(99, count) else None
    unit = unit_for([p99])
    tail = f"response p99 {plain(p99 / unit.scale)} {unit.name}" if p99 is not None else f"{plain(count, 15)} lines"
    words = f"{run.spec.name}: {plain(run.rate.achieved)} lines/s through {run.spec.instrument}, {tail}"
    return Note(f"  {sign}  {words}", tone="" if run.verdict == "valid" else "invalid")

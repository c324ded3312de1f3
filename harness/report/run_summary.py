"""Renders the result of a load run for a person at a terminal."""

import re
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.load.tail import FEWEST_BEYOND, statistic_supported
from harness.report.run_words import on_schedule
from harness.run.result import AuditResult, FindingResult, Latency, RunResult
from workloads.units import format_duration

__all__ = ["summary"]

_UNIT = re.compile(r"(?<=[\d.])(?:[nuµμm]?s|m|min|h|%)$")
_MARKS = {"error": ("✗", "bold red"), "warning": ("!", "yellow"), "info": ("·", "dim")}
_STATISTICS = ("p50", "p90", "p99", "p999", "max", "mean")


def summary(result: RunResult) -> RenderableType:
    """Return the summary: what was sent, how it went, what was exposed, and whether to believe it."""
    return Group(
        Text.assemble(("What was sent", "bold")),
        _facts(_sent(result)),
        Text(),
        Text.assemble(("How long it took", "bold")),
        _latencies(result),
        *_left_out(result),
        *_workers(result),
        Text(),
        Text.assemble(("What was exposed", "bold")),
        _facts(_exposed(result)),
        *(line for finding in _findings(result) for line in _finding_lines(finding)),
        Text(),
        *_conclusions(result),
    )


def _facts(rows: Iterator[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        # A name or label may come from outside: nothing in it is to be taken for markup.
        table.add_row(Text(f"  {name}"), Text(value))
    return table


def _sent(result: RunResult) -> Iterator[tuple[str, str]]:
    spec, ledger, rate = result.spec, result.ledger, result.rate
    yield "load", f"{spec.lengths} {spec.content}, {spec.arrivals}, seed {spec.seed}, through {spec.instrument}"
    parts = f"{ledger.processed:,} processed + {ledger.failed:,} failed + {ledger.dropped:,} dropped"
    yield "lines", f"{ledger.offered:,} offered = {parts}"
    if ledger.refused or ledger.raised:
        kinds = [f"{count:,} {kind}" for kind, count in {**ledger.refused, **ledger.raised}.items()]
        yield "failed", ", ".join(kinds)
    if rate.achieved is None:
        yield "rate", "too few lines for a rate"
    elif rate.target is None:
        yield "rate", f"{rate.achieved:,.0f} lines/s, as fast as it went (closed loop)"
    else:
        missed = 100 * (rate.achieved / rate.target - 1) if rate.target else 0.0
        yield "rate", f"{rate.achieved:,.2f} lines/s of {rate.target:,.2f} scheduled ({missed:+.3f} %)"
    yield "digest", f"{result.workload.digest} (same seed, same lines, same due times)"


def _latencies(result: RunResult) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("  ", style="dim", no_wrap=True)
    for statistic in _STATISTICS:
        table.add_column("p99.9" if statistic == "p999" else statistic, justify="right", no_wrap=True)
    table.add_column("", style="dim")
    for name, latency, meaning in (
        ("service", result.service_ns, "end − start"),
        ("response", result.response_ns, "end − due"),
        ("lag", result.lag_ns, "start − due"),
        ("lateness", result.lateness_ns, "lag − the subject's queue"),
    ):
        if latency is None:
            continue
        table.add_row(f"  {name}", *_cells(latency), meaning)
    table.add_row("  loop", *[""] * 5, format_duration(result.self_cost_ns_per_line), "the harness's own cost a line")
    return table


def _workers(result: RunResult) -> Iterator[RenderableType]:
    """Yield a row for each of several workers, and how far their clocks are known to agree."""
    if not result.workers:
        return
    yield Text()
    yield Text.assemble(("Who sent it", "bold"))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("worker", "lines", "lines/s", "service p50", "lag p99", "scrapes", "clock", "verdict"):
        table.add_column(f"  {name}" if name == "worker" else name, justify="right", no_wrap=True)
    for worker in result.workers:
        who = Text(f"  {worker.number} ({worker.host})")
        if worker.ledger is None or worker.lag_ns is None or worker.service_ns is None or worker.rate is None:
            table.add_row(who, *["–"] * 6, Text(f"✗ lost: {worker.lost}"))
            continue
        same = not worker.offset_ns and not worker.uncertainty_ns
        clock = "the same" if same else f"± {format_duration(worker.uncertainty_ns)}"
        rate = "–" if worker.rate.achieved is None else f"{worker.rate.achieved:,.2f}"
        service, lag = _cells(worker.service_ns)[0], _cells(worker.lag_ns)[2]
        verdict = "✓ valid" if worker.verdict == "valid" else "✗ invalid"
        table.add_row(who, f"{worker.ledger.offered:,}", rate, service, lag, f"{worker.scrapes:,}", clock, verdict)
    yield table


def _cells(latency: Latency) -> list[str]:
    shown = [name if statistic_supported(name, latency.count) else None for name in _STATISTICS]
    values = [None if name is None else getattr(latency, name) for name in shown]
    return ["–" if value is None else format_duration(value) for value in values]


def _left_out(result: RunResult) -> Iterator[Text]:
    count = result.service_ns.count
    if count and not all(statistic_supported(name, count) for name in _STATISTICS):
        words = f"  –: fewer than {FEWEST_BEYOND} of {count:,} lines lie beyond that percentile"
        yield Text(words, style="dim")


def _exposed(result: RunResult) -> Iterator[tuple[str, str]]:
    scrapes = result.scrapes
    yield "scraper", scrapes.scraper
    if scrapes.count:
        driving, rest = scrapes.duration_ms.get("p50"), scrapes.duration_ms.get("rest")
        beside = "" if rest is None else f" (at rest {format_duration(rest * 1e6)})"
        took = "" if driving is None else f", each {format_duration(driving * 1e6)} at the median while driving{beside}"
        yield "scrapes", f"{scrapes.count:,}, {scrapes.failed:,} failed{took}"
    yield "audit", _audited(result.audit)


def _audited(audit: AuditResult) -> str:
    if audit.judged is None and not audit.not_seen:
        return "nothing to compare"
    if audit.judged == "not_conserved":
        return "VALUES DIFFER from the ledger's"
    words = "nothing could be compared with the ledger"
    if audit.compared:
        compared = ", ".join(audit.compared)
        words = f"every count equals the ledger's, per series and bucket, every sum to rounding ({compared})"
    if audit.scrapes_compared:
        words += f"; {audit.scrapes_compared:,} scrapes lie between the truth before and after them"
    if audit.not_seen:
        words += f"; not looked at: {', '.join(audit.not_seen)}"
    return words


def _findings(result: RunResult) -> list[FindingResult]:
    order = {"error": 0, "warning": 1, "info": 2}
    return sorted(result.audit.findings, key=lambda finding: order[finding.severity])


def _finding_lines(finding: FindingResult) -> Iterator[RenderableType]:
    yield _finding(finding.severity, f"{finding.name}: {finding.detail}")
    if finding.severity != "info":
        yield Padding(Text(f"{finding.cause}; {finding.remedy}", style="dim"), (0, 0, 0, 4))


def _finding(severity: str, words: str) -> RenderableType:
    mark, style = _MARKS[severity]
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_row(Text(f"  {mark}", style=style), Text(words))
    return table


def _outcome(audit: AuditResult) -> Iterator[RenderableType]:
    if audit.judged == "not_conserved":
        yield Text.assemble(("NOT CONSERVED", "bold red"), ": what was exposed is not what was sent; see ✗ above.")
    elif audit.judged == "not_verified":
        unseen = ", ".join(audit.not_seen)
        yield Text.assemble(("NOT VERIFIED", "bold red"), f": {unseen} could not be looked at; see ✗ above.")
    elif any(finding.severity == "error" for finding in audit.findings):
        yield Text.assemble(("FAILED", "bold red"), ": see ✗ above.")


def _conclusions(result: RunResult) -> Iterator[RenderableType]:
    for requirement in result.requirements:
        mark, style = ("✓", "green") if requirement.held else ("✗", "bold red")
        # The value is in the unit in which the requirement was written.
        unit = _UNIT.search(requirement.text)
        actual = requirement.actual
        words = "no data" if actual is None else f"was {actual:.6g}{unit[0] if unit else ''}"
        yield Text.assemble((f"{mark} ", style), f"require {requirement.text}: {words}")
    if result.interrupted:
        yield Text("Interrupted: what is above covers the lines sent until then.", style="yellow")
    yield from _outcome(result.audit)
    if result.verdict == "valid":
        yield Text.assemble(("VALID", "bold green"), f": {on_schedule(result)}.")
    else:
        yield Text.assemble(("INVALID", "bold red"), ": do not believe the latencies above.")
        yield from (_finding("error", reason) for reason in result.reasons)

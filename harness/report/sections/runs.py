"""Load runs: what was sent, how long it took, what was exposed, and whether to believe it."""

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.load.latency.tail import FEWEST_BEYOND, statistic_supported, supported
from harness.report.numbers import UNKNOWN, plain, unit_for
from harness.report.sections.audits import findings_by_severity, severity_sign
from harness.report.sections.timeline import timeline_parts
from harness.report.tables import Bullets, Column, Facts, Note, Part, ReportTable, Section, TableCell, row_of
from workloads.units import format_duration

if TYPE_CHECKING:
    from harness.run.result import AuditResult, IncidentResult, Latency, PushResult, RunResult, WorkerResult

__all__ = ["on_schedule", "run_parts", "runs_section"]

_STATISTICS = {"p50": "p50", "p90": "p90", "p99": "p99", "p999": "p99.9", "max": "max", "mean": "mean"}
# A clock that is known less well than that is worth a word.
_UNCERTAIN_NS = 1_000_000
_UNIT = re.compile(r"(?<=[\d.])(?:[nuµμm]?s|m|min|h|%)$")


def runs_section(runs: "Sequence[RunResult]") -> Section | None:
    """Return each load run; the findings of their audits are a section of their own."""
    if not runs:
        return None
    parts = tuple(_whole(run, f"run-timeline-{index}") for index, run in enumerate(runs))
    return Section("runs", "Load runs", parts, brief=tuple(map(_line, runs)))


def _whole(run: "RunResult", ident: str) -> Section:
    account = (*_conclusions(run), *_sent(run), *_timed(run), *timeline_parts(run, ident), *_exposed(run))
    return Section("", f"{run.spec.name}, {run.started}", account)


def run_parts(run: "RunResult") -> tuple[Part, ...]:
    """Return one run as it is shown at its end: the account, the findings, and the conclusions last."""
    return (
        Note("What was sent", tone="strong"), *_sent(run), *_timed(run), Note(""),
        Note("What was exposed", tone="strong"), *_exposed(run), _findings(run), Note(""), *_conclusions(run),
    )  # fmt: skip


def on_schedule(run: "RunResult") -> str:
    """Return in one clause how well a valid run kept its schedule."""
    if run.rate.target is None:
        return "no schedule to keep"
    lag = run.lag_ns
    name, value = ("lag p99", lag.p99) if supported(99, lag.count) else ("longest lag", lag.max)
    words = f"on schedule: {name} {format_duration(value or 0)}"
    if run.schedule is None:
        return words
    return f"{words}, worst stretch {format_duration(run.schedule.worst_stretch_lag_ns)} late"


def _sent(run: "RunResult") -> Iterator[Part]:
    spec, ledger, rate = run.spec, run.ledger, run.rate
    offered, processed, refused, dropped = (
        plain(count, 15) for count in (ledger.offered, ledger.processed, ledger.failed, ledger.dropped)
    )
    failed = {**ledger.refused, **ledger.raised}
    rows = {
        "Load": f"{spec.lengths} {spec.content}, {spec.arrivals}, seed {spec.seed}, through {spec.instrument}",
        "Lines": f"{offered} offered = {processed} processed + {refused} failed + {dropped} dropped",
        "Failed": ", ".join(f"{plain(n, 15)} {kind}" for kind, n in failed.items()),
        "Incidents": "; ".join(map(_incident, run.incidents)),
    }
    if rate.achieved is None:
        rows["Rate"] = "too few lines for a rate"
    elif rate.target is None:
        rows["Rate"] = f"{plain(rate.achieved)} lines/s, as fast as it went (closed loop)"
    else:
        missed = 100 * (rate.achieved / rate.target - 1) if rate.target else 0.0
        rows["Rate"] = f"{plain(rate.achieved, 6)} lines/s of {plain(rate.target, 6)} scheduled ({missed:+.3f} %)"
    if spec.cluster is not None:
        rows["Cluster"] = f"Dask, {spec.cluster}; pages served on {_page_hosts(run)}"
    if run.forks:
        rows["Forked"] = _forked(run)
    rows["Loop's own cost"] = f"{format_duration(run.self_cost_ns_per_line)} a line"
    digest = ("Digest", TableCell(run.workload.digest, code=True))
    yield Facts((*((name, TableCell(words)) for name, words in rows.items() if words), digest))


def _forked(run: "RunResult") -> str:
    """Return how many workers were forked, and how their places were taken over."""
    recycled, killed = (sum(getattr(fork, name) for fork in run.forks) for name in ("recycled", "killed"))
    count = len(run.forks)
    words = f"{count} worker{'s' * (count > 1)} behind one page, {plain(recycled, 15)} recycled"
    return f"{words}, {plain(killed, 15)} killed" if killed else words


def _incident(happened: "IncidentResult") -> str:
    """Return an incident with its times, and how it came where it was not scheduled."""
    lasts = f" for {format_duration(happened.duration_ns)}" if happened.duration_ns else ""
    return f"{happened.kind} at {format_duration(happened.start_ns)}{lasts}{', switched on' * happened.triggered}"


def _page_hosts(run: "RunResult") -> str:
    """Return the addresses on which workers served their pages, each once."""
    hosts = dict.fromkeys(urlsplit(worker.url).hostname or "" for worker in run.workers)
    outside = "" if all(ip_address(host).is_loopback for host in hosts) else ", open to the network meanwhile"
    return f"{', '.join(hosts)}{outside}"


def _timed(run: "RunResult") -> Iterator[Part]:
    kinds: list[tuple[str, Latency | None, str]] = [
        ("service", run.service_ns, "end − start"),
        ("response", run.response_ns, "end − due"),
        ("lag", run.lag_ns, "start − due"),
        ("lateness", run.lateness_ns, "lag − the subject's queue"),
    ]
    unit = unit_for([run.service_ns.p50, run.response_ns.p50])
    columns = (
        Column("Latency", kind="text", narrow=""),
        *(Column(heading, unit.name) for heading in _STATISTICS.values()),
        Column("From", kind="text", narrow=""),
    )
    rows = tuple(
        row_of(name, *(plain(None if value is None else value / unit.scale) for value in _values(latency)), meaning)
        for name, latency, meaning in kinds
        if latency is not None
    )
    count = run.service_ns.count
    cut = count and not all(statistic_supported(name, count) for name in _STATISTICS)
    words = f"–: fewer than {FEWEST_BEYOND} of {plain(count, 15)} lines lie beyond that percentile"
    yield ReportTable("How long it took", columns, rows, (Note(words, tone="quiet"),) if cut else (), quiet=True)
    if run.workers:
        yield _workers(run)


def _values(latency: "Latency") -> list[float | None]:
    """Return the statistics that so many lines support, in the order of the columns."""
    return [getattr(latency, name) if statistic_supported(name, latency.count) else None for name in _STATISTICS]


def _workers(run: "RunResult") -> ReportTable:
    """Return a row for each of several workers, with how far its clock is known to agree."""
    columns = (
        Column("Worker", kind="text", narrow="worker"), Column("lines"), Column("lines/s"), Column("service p50"),
        Column("lag p99"), Column("scrapes"), Column("clock"), Column("verdict", kind="text"),
    )  # fmt: skip
    return ReportTable("Who sent it", columns, tuple(map(_worker, run.workers)), quiet=True)


def _worker(worker: "WorkerResult") -> tuple[TableCell, ...]:
    name = f"{worker.number} ({worker.host})"
    if worker.ledger is None or worker.lag_ns is None or worker.service_ns is None or worker.rate is None:
        return row_of(name, *[UNKNOWN] * 6, TableCell(f"✗ lost: {worker.lost}", tone="invalid"))
    same = not worker.offset_ns and not worker.uncertainty_ns
    p50, lag = _values(worker.service_ns)[0], _values(worker.lag_ns)[2]
    return row_of(
        name,
        plain(worker.ledger.offered, 15),
        plain(worker.rate.achieved, 6),
        *(UNKNOWN if value is None else format_duration(value) for value in (p50, lag)),
        plain(worker.scrapes, 15),
        "the same" if same else f"± {format_duration(worker.uncertainty_ns)}",
        TableCell("✓ valid", tone="valid") if worker.verdict == "valid" else TableCell("✗ invalid", tone="invalid"),
    )


def _exposed(run: "RunResult") -> Iterator[Part]:
    scrapes = run.scrapes
    rows = {"Scraper": scrapes.scraper}
    if scrapes.count:
        driving, rest = scrapes.duration_ms.get("p50"), scrapes.duration_ms.get("rest")
        beside = "" if rest is None else f" (at rest {format_duration(rest * 1e6)})"
        took = "" if driving is None else f", each {format_duration(driving * 1e6)} at the median while driving{beside}"
        rows["Scrapes"] = f"{plain(scrapes.count, 15)}, {plain(scrapes.failed, 15)} failed{took}"
    if run.push is not None:
        rows["Pushed"] = _pushed(run.push)
    rows["Audit"] = _audited(run.audit)
    yield Facts(tuple((name, TableCell(words)) for name, words in rows.items()))


def _pushed(push: "PushResult") -> str:
    """Return what became of the packets, and how old the newest value at the sink was."""
    lost = push.lost_at_client + push.lost_at_sink
    words = f"{plain(push.arrived, 15)} packets arrived over {push.transport}, {plain(lost, 15)} known to be lost"
    p50, most = push.age_ms.get("p50"), push.age_ms.get("max")
    if p50 is None or most is None:
        return words
    old = f"{format_duration(p50 * 1e6)} old at the median, {format_duration(most * 1e6)} at most"
    return f"{words}; the newest value was {old}"


def _audited(audit: "AuditResult") -> str:
    if audit.judged is None and not audit.not_seen:
        return "nothing to compare"
    if audit.judged == "not_conserved":
        return "VALUES DIFFER from the ledger's"
    words = "nothing could be compared with the ledger"
    if audit.compared:
        compared = ", ".join(audit.compared)
        words = f"every count equals the ledger's, per series and bucket, every sum to rounding ({compared})"
    if audit.scrapes_compared:
        words += f"; {plain(audit.scrapes_compared, 15)} scrapes lie between the truth before and after them"
    if audit.not_seen:
        words += f"; not looked at: {', '.join(audit.not_seen)}"
    return words


def _findings(run: "RunResult") -> Bullets:
    rows = []
    for finding in findings_by_severity(run.audit):
        remarks = () if finding.severity == "info" else (f"{finding.cause}; {finding.remedy}",)
        cell = TableCell(f"{finding.name}: {finding.detail}", tone=finding.severity, remarks=remarks)
        rows.append((severity_sign(finding), cell))
    return Bullets(tuple(rows))


def _conclusions(run: "RunResult") -> Iterator[Part]:
    """Yield each requirement, then what the audit and the schedule let one believe."""
    yield from (
        Note(f"{'✓' if each.held else '✗'} require {each.text}: {_actual(each.text, each.actual)}",
             tone="valid" if each.held else "invalid")
        for each in run.requirements
    )  # fmt: skip
    if run.interrupted:
        yield Note("Interrupted: what is shown covers the lines sent until then.", tone="warning")
    if run.audit.judged == "not_conserved":
        yield Note("NOT CONSERVED: what was exposed is not what was sent; see ✗ above.", tone="invalid")
    elif run.audit.judged == "not_verified":
        unseen = ", ".join(run.audit.not_seen)
        yield Note(f"NOT VERIFIED: {unseen} could not be looked at; see ✗ above.", tone="invalid")
    elif any(finding.severity == "error" for finding in run.audit.findings):
        yield Note("FAILED: see ✗ above.", tone="invalid")
    yield from (Note(_uncertain(worker), tone="warning") for worker in run.workers if _is_uncertain(worker))
    if run.verdict == "valid":
        yield Note(f"VALID: {on_schedule(run)}.", tone="valid")
    else:
        yield Note("INVALID: do not believe the latencies.", tone="invalid")
        yield Bullets(tuple(("✗", TableCell(reason)) for reason in run.reasons))


def _is_uncertain(worker: "WorkerResult") -> bool:
    return worker.uncertainty_ns > _UNCERTAIN_NS


def _uncertain(worker: "WorkerResult") -> str:
    within = format_duration(worker.uncertainty_ns)
    return f"Worker {worker.number} began at the same instant as the others to within {within} only."


def _actual(requirement: str, value: float | None) -> str:
    # The value is in the unit in which the requirement was written.
    unit = _UNIT.search(requirement)
    return "no data" if value is None else f"was {plain(value, 6)}{unit[0] if unit else ''}"


def _line(run: "RunResult") -> Note:
    sign = "✓ valid" if run.verdict == "valid" else "✗ INVALID"
    count = run.response_ns.count
    p99 = run.response_ns.p99 if supported(99, count) else None
    tail = f"response p99 {format_duration(p99)}" if p99 is not None else f"{plain(count, 15)} lines"
    words = f"{run.spec.name}: {plain(run.rate.achieved)} lines/s through {run.spec.instrument}, {tail}"
    return Note(f"  {sign}  {words}", tone="" if run.verdict == "valid" else "invalid")

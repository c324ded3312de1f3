"""The result of a run from everything measured; pure, so that every outcome can be tested without a run."""

import statistics
import time
from dataclasses import dataclass
from typing import Any

from harness.audit.audit import audit
from harness.audit.findings import cause, remedy, sentence, unseen
from harness.host.environment import environment
from harness.load.drive_result import DriveResult
from harness.load.histogram import Histogram
from harness.load.validity import Evidence, evidence_of, judge, max_lateness_ns, words
from harness.run.requirements import Requirement, check
from harness.run.result import (
    AuditResult,
    FindingResult,
    Latency,
    LedgerResult,
    Rate,
    RequirementResult,
    RunResult,
    Schedule,
    Scrapes,
    WorkloadResult,
)
from harness.run.seen import Seen
from harness.run.spec import RunSpec
from harness.views import View
from workloads.workload import Workload

__all__ = ["RunRecord", "assemble"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything a result is made from; times in nanoseconds.

    `exposes` is false for an instrument that exposes nothing by design, so that there is nothing to audit.
    """

    spec: RunSpec
    views: tuple[View, ...]
    workload: Workload
    requirements: list[Requirement]
    started: str
    driven: DriveResult
    self_cost_ns: float
    seen: Seen
    exposes: bool = True


def assemble(measured: RunRecord) -> RunResult:
    """Return the result of a run."""
    driven, seen, ledger = measured.driven, measured.seen, measured.driven.ledger
    evidence = evidence_of(driven, measured.self_cost_ns)
    reasons = words(judge(evidence, measured.spec.max_lag_ns))
    partial: dict[str, Any] = {
        "started": measured.started,
        "elapsed_s": driven.elapsed_ns / 1e9,
        "interrupted": seen.interrupted,
        "spec": measured.spec,
        "environment": environment(),
        "workload": WorkloadResult(
            digest=measured.workload.digest, lines=ledger.offered, methods=len(measured.workload.methods)
        ),
        "ledger": LedgerResult(
            offered=ledger.offered,
            processed=ledger.processed,
            failed=ledger.failed,
            dropped=ledger.dropped,
            refused=dict(ledger.refused),
            raised=dict(ledger.raised),
        ),
        "rate": Rate(target=driven.target_rate, achieved=driven.achieved_rate),
        "lag_ns": _latency(driven.timings.lag),
        "service_ns": _latency(driven.timings.service),
        "response_ns": _latency(driven.timings.response),
        "lateness_ns": None if evidence.lateness is None else _latency(driven.timings.lateness),
        "schedule": _schedule(evidence, measured.spec.max_lag_ns),
        "self_cost_ns_per_line": measured.self_cost_ns,
        "scrapes": _scrapes(driven, seen),
        "audit": _audited(measured),
        "verdict": "invalid" if reasons else "valid",
        "reasons": reasons,
    }
    result = RunResult(**partial, requirements=[])
    outcomes = check(measured.requirements, result.document())
    return result.model_copy(
        update={"requirements": [RequirementResult(text=o.text, held=o.held, actual=o.actual) for o in outcomes]}
    )


def _latency(histogram: Histogram) -> Latency:
    figures = histogram.summary()
    return Latency(
        p50=figures.p50,
        p90=figures.p90,
        p99=figures.p99,
        p999=figures.p999,
        max=figures.max,
        mean=figures.mean,
        count=figures.count,
        hdr=histogram.encode(),
    )


def _schedule(evidence: Evidence, max_lag_ns: int) -> Schedule | None:
    if evidence.lag is None or evidence.lateness is None:
        return None
    return Schedule(
        allowed_lateness_ns=max_lateness_ns(evidence.gap_ns, evidence.service_ns, max_lag_ns),
        worst_stretch_lag_ns=evidence.lag.worst_stretch_ns,
        worst_stretch_lateness_ns=evidence.lateness.worst_stretch_ns,
        lost={resource.value: share for resource, share in evidence.shares.items()},
    )


def _scrapes(driven: DriveResult, seen: Seen) -> Scrapes:
    since = [window for window in seen.windows if window.end_ns >= driven.start_ns]
    ended = driven.start_ns + driven.elapsed_ns
    driving = [window.duration_ns / 1e6 for window in since if window.start_ns < ended]
    return Scrapes(
        scraper=seen.scraper,
        count=len(since),
        failed=max(sum(window.status != 200 for window in since), seen.stats.failed),
        duration_ms={
            "p50": statistics.median(driving) if driving else None,
            "mean": statistics.fmean(driving) if driving else None,
            "max": max(driving, default=None),
            "rest": statistics.median(seen.rest_durations_ns) / 1e6 if seen.rest_durations_ns else None,
        },
        windows=[(window.start_ns - driven.start_ns, window.end_ns - driven.start_ns) for window in since],
    )


def _audited(measured: RunRecord) -> AuditResult:
    began = time.monotonic()
    seen, ledger = measured.seen, measured.driven.ledger
    found = audit(
        ledger.expected() if measured.exposes else None,
        measured.views,
        seen.page,
        seen.stored,
        raised=sum(ledger.raised.values()),
        others=seen.problems,
    )
    compared = {"page": seen.page, seen.scraper: seen.stored} if measured.exposes else {}
    return AuditResult(
        conserved=found.conserved if measured.exposes else None,
        outcome=found.outcome.value if measured.exposes else None,
        not_seen=list(dict.fromkeys(words for f in found.findings if (words := unseen(f.name)))),
        compared=[name for name, value in compared.items() if value is not None],
        scrapes_compared=seen.scrapes_compared if measured.exposes else 0,
        elapsed_s=seen.elapsed_s + time.monotonic() - began,
        findings=[
            FindingResult(
                name=f.name,
                severity=f.severity.value,
                size=float(f.size),
                detail=sentence(f),
                cause=cause(f.name),
                remedy=remedy(f.name),
            )
            for f in found.findings
        ],
    )

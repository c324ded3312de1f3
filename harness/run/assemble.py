"""The result of a run from everything measured; pure, so that every outcome can be tested without a run."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.audit.audit import Audit, conserved, worst_outcome
from harness.audit.findings import cause, remedy, sentence, unseen
from harness.errors import RunError
from harness.host.environment import environment
from harness.load.drive_result import DriveResult, merge_results
from harness.load.latency.histogram import Histogram
from harness.load.truth.ledger import Ledger
from harness.load.validity import Evidence, evidence_of, judge, max_lateness_ns, words
from harness.run.observation.pushes import push_result
from harness.run.observation.seen import Seen, compare
from harness.run.requirements import Requirement, check
from harness.run.result import (
    AuditResult,
    FindingResult,
    ForkResult,
    IncidentResult,
    Latency,
    LedgerResult,
    Rate,
    RequirementResult,
    RunResult,
    Schedule,
    Scrapes,
    WorkerResult,
    WorkloadResult,
)
from harness.run.shard import ShardRecord
from harness.run.spec import RunSpec
from harness.run.timeline import timeline_of
from harness.run.union import Made, prove_union
from harness.run.workers import Lost, WorkerInfo
from harness.scrape.endpoint import page_url
from harness.scrape.windows import Window
from harness.views import View
from workloads.incidents import KINDS, Incident, begun_by
from workloads.units import format_duration
from workloads.workload import Workload

__all__ = ["RunRecord", "WorkerRecord", "assemble"]


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """What one worker did and what was seen of it; `seen` is None for one that was lost."""

    info: WorkerInfo
    shard: ShardRecord | Lost
    seen: Seen | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything a result is made of."""

    spec: RunSpec
    views: tuple[View, ...]
    workload: Workload
    requirements: list[Requirement]
    started: str
    workers: Sequence[WorkerRecord]


@dataclass(frozen=True, slots=True)
class _Present:
    """A worker that handed over its result."""

    info: WorkerInfo
    shard: ShardRecord
    seen: Seen
    evidence: Evidence
    reasons: list[str]

    @property
    def exposes(self) -> bool:
        return self.shard.log is not None

    @property
    def audited(self) -> Audit:
        return self.seen.audited or Audit(())


def assemble(record: RunRecord) -> RunResult:
    """Return the result of a run; raises `RunError` where every worker was lost."""
    began = time.monotonic()
    present = [
        _present(record, worker.info, worker.shard, worker.seen)
        for worker in record.workers
        if not isinstance(worker.shard, Lost) and worker.seen is not None
    ]
    lost = {worker.info.number: worker.shard.reason for worker in record.workers if isinstance(worker.shard, Lost)}
    if not present:
        raise RunError(f"no worker handed over a result: {'; '.join(lost.values())}")
    driven = merge_results([worker.shard.driven for worker in present], closed=record.workload.closed_loop)
    here = {worker.info.number: worker for worker in present}
    several = len(record.workers) > 1 or record.spec.cluster is not None
    self_cost_ns = max(worker.shard.self_cost_ns for worker in present)
    ledger, evidence = driven.ledger, evidence_of(driven, self_cost_ns)
    scrapes = _scrapes(driven, present)
    union = prove_union(
        record.workload,
        [
            None if isinstance(worker.shard, Lost) else Made(worker.shard.made, worker.shard.digest)
            for worker in record.workers
        ],
    )
    reasons = [_named(worker.info, reason, several=several) for worker in present for reason in worker.reasons]
    reasons += [f"worker {number} was lost: {reason}" for number, reason in lost.items()]
    reasons += [f"worker {number} sent other lines than its share of the load" for number in union.others]
    partial: dict[str, Any] = {
        "started": record.started,
        "elapsed_s": driven.elapsed_ns / 1e9,
        "interrupted": any(worker.seen.interrupted for worker in present),
        "spec": record.spec,
        "environment": environment(),
        "workload": WorkloadResult(digest=union.digest, lines=ledger.offered, methods=len(record.workload.methods)),
        "ledger": _ledger(ledger),
        "rate": Rate(target=driven.target_rate, achieved=driven.achieved_rate),
        "lag_ns": _latency(driven.timings.lag),
        "service_ns": _latency(driven.timings.service),
        "response_ns": _latency(driven.timings.response),
        "lateness_ns": None if evidence.lateness is None else _latency(driven.timings.lateness),
        "schedule": _schedule(evidence, [worker.evidence for worker in present], record),
        "self_cost_ns_per_line": self_cost_ns,
        "scrapes": scrapes,
        "audit": _audited(present, record, several=several, began=began),
        "verdict": "invalid" if reasons else "valid",
        "reasons": reasons,
        "incidents": _incidents(record, present),
        "push": push_result([worker.shard for worker in present]),
        "workers": [_worker(worker, here.get(worker.info.number)) for worker in record.workers] if several else [],
        "forks": [ForkResult(**asdict(fork)) for worker in present for fork in worker.shard.forks],
        "timeline": timeline_of(driven, scrapes.windows, closed=record.workload.closed_loop),
    }
    result = RunResult(**partial, requirements=[])
    if not record.requirements:
        return result
    outcomes = check(record.requirements, result.document())
    return result.model_copy(
        update={"requirements": [RequirementResult(text=o.text, held=o.held, actual=o.actual) for o in outcomes]}
    )


def _present(record: RunRecord, info: WorkerInfo, shard: ShardRecord, seen: Seen) -> _Present:
    """Judge and audit one worker."""
    seen = compare(seen, shard, record.views)
    evidence = evidence_of(shard.driven, shard.self_cost_ns)
    held = [str(each) for each in _happened(record, shard) if KINDS[each.kind].acts_on_service]
    reasons = words(judge(evidence, record.spec.max_lag_ns), held)
    if info.uncertainty_ns > record.spec.max_lag_ns:
        uncertain = format_duration(info.uncertainty_ns)
        reasons.append(f"when it started is known to within {uncertain}, which is more than the lag allowed")
    return _Present(info, shard, seen, evidence, reasons)


def _happened(record: RunRecord, shard: ShardRecord) -> tuple[Incident, ...]:
    """Return the incidents that had begun when a worker was done."""
    moments = shard.driven.moments
    # Where nobody stopped it, the schedule was sent to its end, and a silence there has no line after it.
    end_ns = max(moments.last_end_ns, 0 if shard.driven.interrupted else record.workload.end_ns)
    return begun_by((*record.spec.incident_times, *shard.triggered), end_ns)


def _incidents(record: RunRecord, present: Sequence[_Present]) -> list[IncidentResult]:
    """Return what happened at any worker; the schedule of all is one."""
    happened = {each: each in worker.shard.triggered for worker in present for each in _happened(record, worker.shard)}
    return [
        IncidentResult(kind=each.kind, start_ns=each.start_ns, duration_ns=each.duration_ns, triggered=triggered)
        for each, triggered in sorted(happened.items(), key=lambda item: item[0].start_ns)
    ]


def _named(info: WorkerInfo, text: str, *, several: bool) -> str:
    return f"worker {info.number}: {text}" if several else text


def _worker(worker: WorkerRecord, here: _Present | None) -> WorkerResult:
    info = worker.info
    about: dict[str, Any] = {
        "number": info.number,
        "host": info.host,
        "pid": info.pid,
        "url": page_url(*info.target),
        "offset_ns": info.offset_ns,
        "uncertainty_ns": info.uncertainty_ns,
        "wall_offset_ns": info.wall_offset_ns,
    }
    if here is None:
        return WorkerResult(**about, lost=worker.shard.reason if isinstance(worker.shard, Lost) else "not looked at")
    driven = here.shard.driven
    return WorkerResult(
        **about,
        digest=here.shard.digest,
        ledger=_ledger(driven.ledger),
        rate=Rate(target=driven.target_rate, achieved=driven.achieved_rate),
        lag_ns=_latency(driven.timings.lag),
        service_ns=_latency(driven.timings.service),
        response_ns=_latency(driven.timings.response),
        self_cost_ns_per_line=here.shard.self_cost_ns,
        scrapes=len(_since(here)),
        conserved=here.audited.conserved if here.exposes else None,
        verdict="invalid" if here.reasons else "valid",
        reasons=here.reasons,
    )


def _ledger(ledger: Ledger) -> LedgerResult:
    return LedgerResult(
        offered=ledger.offered,
        processed=ledger.processed,
        failed=ledger.failed,
        dropped=ledger.dropped,
        refused=dict(ledger.refused),
        raised=dict(ledger.raised),
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


def _schedule(evidence: Evidence, each: Sequence[Evidence], record: RunRecord) -> Schedule | None:
    """Return how the schedule was kept; the lateness allowed is that of the worker to which the least is allowed."""
    if evidence.lag is None or evidence.lateness is None:
        return None
    return Schedule(
        allowed_lateness_ns=min(max_lateness_ns(e.gap_ns, e.service_ns, record.spec.max_lag_ns) for e in each),
        worst_stretch_lag_ns=evidence.lag.worst_stretch_ns,
        worst_stretch_lateness_ns=evidence.lateness.worst_stretch_ns,
        lost={resource.value: share for resource, share in evidence.shares.items()},
    )


def _since(worker: _Present) -> list[Window]:
    """Return the scrapes that a worker served since its start."""
    return [window for window in worker.seen.windows if window.end_ns >= worker.shard.driven.start_ns]


def _scrapes(driven: DriveResult, present: Sequence[_Present]) -> Scrapes:
    since = [window for worker in present for window in _since(worker)]
    ended = driven.start_ns + driven.elapsed_ns
    driving = [window.duration_ns / 1e6 for window in since if window.start_ns < ended]
    rest = [duration_ns for worker in present for duration_ns in worker.seen.rest_durations_ns]
    return Scrapes(
        scraper=present[0].seen.scraper,
        count=len(since),
        failed=max(sum(window.status != 200 for window in since), sum(worker.seen.stats.failed for worker in present)),
        duration_ms={
            "p50": statistics.median(driving) if driving else None,
            "mean": statistics.fmean(driving) if driving else None,
            "max": max(driving, default=None),
            "rest": statistics.median(rest) / 1e6 if rest else None,
        },
        windows=[(window.start_ns - driven.start_ns, window.end_ns - driven.start_ns) for window in since],
    )


def _audited(present: Sequence[_Present], record: RunRecord, *, several: bool, began: float) -> AuditResult:
    """Return what the audits of all workers come to; of a lost one only its scrapes could be looked at."""
    exposes = present[0].exposes
    lost = [worker for worker in record.workers if isinstance(worker.shard, Lost)]
    bounded = [(worker.info, Audit(tuple(worker.seen.problems))) for worker in lost if worker.seen is not None]
    audits = [*((worker.info, worker.audited) for worker in present), *bounded]
    outcome = worst_outcome([each.outcome for _, each in audits], unseen=bool(lost))
    findings = [(info, finding) for info, each in audits for finding in each.findings]
    not_seen = [words for _, finding in findings if (words := unseen(finding.name))]
    not_seen += [f"worker {worker.info.number}" for worker in lost]
    compared = [name for worker in present for name in worker.seen.compared if exposes]
    looks = [worker.seen for worker in record.workers if worker.seen is not None]
    return AuditResult(
        conserved=conserved(outcome) if exposes else None,
        outcome=outcome.value if exposes else None,
        not_seen=list(dict.fromkeys(not_seen)),
        compared=list(dict.fromkeys(compared)),
        scrapes_compared=sum(seen.scrapes_compared for seen in looks) if exposes else 0,
        elapsed_s=max(seen.elapsed_s for seen in looks) + time.monotonic() - began,
        findings=[
            FindingResult(
                name=f.name,
                severity=f.severity.value,
                size=float(f.size),
                detail=_named(info, sentence(f), several=several),
                cause=cause(f.name),
                remedy=remedy(f.name),
            )
            for info, f in findings
        ],
    )

"""The result of a run: one versioned document with a published JSON Schema."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.host.environment import Environment
from harness.run.spec import RunSpec
from harness.run.timeline import TimelineResult

__all__ = [
    "SCHEMA_VERSION",
    "AuditResult",
    "FindingResult",
    "ForkResult",
    "IncidentResult",
    "Latency",
    "LedgerResult",
    "PushResult",
    "Rate",
    "RequirementResult",
    "RunResult",
    "Schedule",
    "Scrapes",
    "WorkerResult",
    "WorkloadResult",
]

SCHEMA_VERSION: Final = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkloadResult(_Part):
    """The load that was sent; the same digest means the same lines at the same due times."""

    digest: str = Field(description="SHA-256 of all lines and due times, whatever the block size")
    lines: int
    methods: int = Field(description="number of values of the tag `method`")


class LedgerResult(_Part):
    """Each line accounted for: offered = processed + failed + dropped."""

    offered: int
    processed: int = Field(description="evaluated, recorded, status OK")
    failed: int = Field(description="refused by the REPL, or evaluation raised")
    dropped: int = Field(description="not sent because the run was behind, under policy `drop`")
    refused: dict[str, int] = Field(description="failed lines that the REPL refused and recorded, by error tag")
    raised: dict[str, int] = Field(description="failed lines whose evaluation raised, by exception type")


class Rate(_Part):
    """Lines a second; `target` is null for a closed loop, both are with fewer than two lines."""

    target: float | None = Field(description="of the very schedule that was sent, from its first line to its last")
    achieved: float | None


class Latency(_Part):
    """Percentiles in ns, and the HDR histogram (V2, compressed, base64) they come from; null without a line."""

    p50: int | None
    p90: int | None
    p99: int | None
    p999: int | None
    max: int | None
    mean: float | None
    count: int
    hdr: str


class Schedule(_Part):
    """How an open loop kept its schedule; durations in ns."""

    allowed_lateness_ns: float = Field(description="how late nine lines in ten may be, from gap, service and max_lag")
    worst_stretch_lag_ns: int = Field(
        description="p90 of the lag in the second, or the 100 lines, where it was highest"
    )
    worst_stretch_lateness_ns: int = Field(description="the same of the lateness")
    lost: dict[Literal["subject", "generator", "machine", "incident"], float] = Field(
        description="shares of the time that lines waited, by what kept them; empty when none waited"
    )


class Scrapes(_Part):
    """The scrapes served during the run; durations as the endpoint saw them, in ms."""

    scraper: str = Field(description="which scraper was used, and why if it was chosen for the user")
    count: int
    failed: int
    duration_ms: dict[str, float | None] = Field(description="p50, max and mean while driving; `rest` after it")
    windows: list[tuple[int, int]] = Field(description="start and end of each scrape being served, ns from the start")


class PushResult(_Part):
    """What became of the packets of an instrument that pushes its values, datagrams or requests."""

    transport: str = Field(description="UDP, a Unix socket, or HTTP")
    arrived: int = Field(description="packets that the sink has decoded")
    lost_at_client: int = Field(description="packets that the client says it could not send")
    lost_at_sink: int = Field(description="datagrams dropped because the receive buffer of the sink was full")
    unreadable: int = Field(description="values or requests that could not be decoded")
    age_ms: dict[str, float | None] = Field(
        description="p50, p99, max and mean over time of the age of the newest value at the sink, while lines were sent"
    )


class FindingResult(_Part):
    """One named difference between what should be exposed and what was."""

    name: str
    severity: Literal["info", "warning", "error"] = Field(description="errors fail the run, the others do not")
    size: float = Field(description="how many; of what depends on the name")
    detail: str
    cause: str
    remedy: str


class AuditResult(_Part):
    """Whether the counts that were exposed and stored equal the ledger's."""

    conserved: bool | None = Field(
        description="null where it could not be verified, or there was nothing to compare, as with instrument `none`"
    )
    outcome: Literal["conserved", "not_conserved", "not_verified"] | None = Field(
        None, description="null where there was nothing to compare, and in results of earlier versions"
    )
    not_seen: list[str] = Field([], description="what could not be looked at")
    compared: list[str] = Field(description="what was compared with the ledger: page, prometheus")
    scrapes_compared: int | None = Field(
        None, description="scrapes of the run held against the ledger; null in results of earlier versions"
    )
    elapsed_s: float | None = Field(
        None, description="what looking and comparing took; null in results of earlier versions"
    )
    findings: list[FindingResult]

    @property
    def judged(self) -> Literal["conserved", "not_conserved", "not_verified"] | None:
        """The outcome, also for a result of an earlier version; None where there was nothing to compare."""
        if self.outcome is not None or self.conserved is None:
            return self.outcome
        return "conserved" if self.conserved else "not_conserved"


class RequirementResult(_Part):
    """One `--require`, what it was compared with, and whether it held."""

    text: str
    held: bool
    actual: float | None = Field(description="the value compared, in the requirement's own unit; null without data")


class WorkerResult(_Part):
    """What one of several workers did; clocks are compared with the coordinator's."""

    number: int
    host: str
    pid: int
    url: str = Field(description="where its page was served")
    lost: str | None = Field(None, description="why it handed over no result; then all that follows is null")
    digest: str | None = Field(None, description="SHA-256 of the lines and due times it made")
    ledger: LedgerResult | None = None
    rate: Rate | None = None
    lag_ns: Latency | None = None
    service_ns: Latency | None = None
    response_ns: Latency | None = None
    self_cost_ns_per_line: float | None = None
    scrapes: int | None = None
    conserved: bool | None = None
    verdict: Literal["valid", "invalid"] = "invalid"
    reasons: list[str] = []
    offset_ns: int = Field(0, description="its monotonic clock less the coordinator's; 0 where they are one clock")
    uncertainty_ns: int = Field(0, description="how far from that the truth may be")
    wall_offset_ns: int = Field(0, description="the same of the time of day, for information")


class ForkResult(_Part):
    """What one of several forked workers did, all processes that took its place one after the other together."""

    number: int
    lines: int = Field(description="lines offered")
    processes: int = Field(description="processes that sent them, one after the other")
    recycled: int = Field(description="how many of these ended after their number of lines")
    killed: int = Field(description="how many were killed")


class IncidentResult(_Part):
    """An incident that happened, in ns from the start of the run."""

    kind: str
    start_ns: int
    duration_ns: int = Field(description="0 for a restart that takes no time")
    triggered: bool = Field(False, description="switched on while the run went on, and not scheduled")


class RunResult(_Part):
    """The versioned result of one run; of several workers the figures are those of all together."""

    schema_version: Literal[1] = SCHEMA_VERSION
    kind: Literal["run"] = "run"
    started: str = Field(description="when the workers were told to begin; UTC, ISO 8601, to the millisecond")
    elapsed_s: float = Field(description="from the first line's start to the last one's end")
    interrupted: bool
    spec: RunSpec
    environment: Environment
    workload: WorkloadResult
    ledger: LedgerResult
    rate: Rate
    lag_ns: Latency
    service_ns: Latency
    response_ns: Latency
    lateness_ns: Latency | None = Field(
        None, description="the part of the lag that the subject did not cause; null for a closed loop"
    )
    schedule: Schedule | None = Field(None, description="null for a closed loop")
    self_cost_ns_per_line: float
    scrapes: Scrapes
    audit: AuditResult
    verdict: Literal["valid", "invalid"] = Field(description="whether the load was what the spec asked for")
    reasons: list[str] = Field(description="why a run is invalid: what it missed, and which resource ran out")
    requirements: list[RequirementResult]
    workers: list[WorkerResult] = Field([], description="each of several workers; empty for a run of one")
    forks: list[ForkResult] = Field([], description="each of the workers forked for `fork`; empty without")
    timeline: TimelineResult | None = Field(
        None, description="the run by second, or by several; null in results of earlier versions"
    )
    incidents: list[IncidentResult] = Field(
        [], description="what went wrong on purpose, in the order in which it began"
    )
    push: PushResult | None = Field(None, description="what became of pushed values; null where nothing is pushed")

    def document(self) -> dict[str, Any]:
        """Return the document as plain JSON values."""
        return self.model_dump(mode="json")

"""Rules that make a run valid or invalid, and the resource that ran out; free of clocks.

docs/driving.md states the rules with their reasons.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from harness.load.drive_result import DriveResult
from harness.load.latency.tail import supported
from harness.load.lateness import typical
from workloads.units import format_duration

if TYPE_CHECKING:
    from harness.load.latency.histogram import Histogram

__all__ = [
    "DEFAULT_MAX_LAG_NS",
    "MAX_RATE_ERROR",
    "Evidence",
    "Missed",
    "Reason",
    "Resource",
    "Tail",
    "evidence_of",
    "judge",
    "max_lateness_ns",
    "words",
]

# A tenth of the default scrape interval: up to there nearly every line still falls into the scrape it was due in.
DEFAULT_MAX_LAG_NS = 100_000_000
MAX_RATE_ERROR = 0.01

# The lateness allowed lies between these parts of the lag allowed, wherever the schedule and the subject put it.
_LEAST_LATENESS = 100
_MOST_LATENESS = 10
# The bound of single lines and of single stretches is this multiple of the bound of nine lines in ten.
_RARELY = 10
# A resource is named if it took this share of the lost time, or needs this share of the schedule alone.
_NAMED = 0.1
_FULL = 0.95


class Missed(Enum):
    """The requirement that a run missed."""

    NOTHING_SENT = "nothing-sent"
    RATE = "rate"
    LAG = "lag"
    LATENESS = "lateness"


class Resource(Enum):
    """A resource that can run out; an incident is none, but takes time like one."""

    SUBJECT = "subject"
    GENERATOR = "generator"
    MACHINE = "machine"
    INCIDENT = "incident"


@dataclass(frozen=True, slots=True)
class Tail:
    """Delays of most lines, of the last hundredth, of the worst stretch and of the worst line; nanoseconds.

    `typical_ns` is the p90, or the median where fewer than ten lines lie beyond the p90; `percent` says which. The same
    percentile is taken of the worst stretch (`harness.load.lateness.Stretches`).
    """

    typical_ns: int = 0
    p99_ns: int = 0
    worst_stretch_ns: int = 0
    max_ns: int = 0
    count: int = 0

    @property
    def percent(self) -> float:
        """The percentile that `typical_ns` is."""
        return typical(self.count)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The figures behind a verdict; times in nanoseconds, rates in lines/s, None where a closed loop has none.

    `gap_ns` is the schedule's mean gap and `service_ns` the median service time. `lost` is the time that lines waited,
    added up over all of them, by cause, and `late` the part of it that is lateness. `demand` is the wall time that each
    resource took, as a share of the schedule's: the subject processing lines, the generator while lines were due, the
    machine from either.
    """

    sent: int
    target_rate: float | None = None
    achieved_rate: float | None = None
    lag: Tail | None = None
    lateness: Tail | None = None
    gap_ns: float = 0.0
    service_ns: float = 0.0
    lost: Mapping[Resource, float] = field(default_factory=dict)
    late: Mapping[Resource, float] = field(default_factory=dict)
    demand: Mapping[Resource, float] = field(default_factory=dict)

    @property
    def shares(self) -> dict[Resource, float]:
        """The share of the lost time that each resource took; together 1, or empty where no time was lost.

        Where the demands together fill the schedule, the shares are those of the time that each took, since the order
        of causes cannot be determined; otherwise those of the time that lines waited for each.
        """
        return _shares(self.demand if sum(self.demand.values()) >= _FULL else self.lost)


@dataclass(frozen=True, slots=True)
class Reason:
    """One way in which a run fell short: what it missed, by how much, and what ran out, largest share first.

    `wanted` and `got` are lines/s for a rate and nanoseconds otherwise; `figure` says for which lines. `ran_out` holds
    each resource to be named with its share of the lost time.
    """

    missed: Missed
    wanted: float = 0.0
    got: float = 0.0
    figure: str = ""
    ran_out: tuple[tuple[Resource, float], ...] = ()


def max_lateness_ns(gap_ns: float, service_ns: float, max_lag_ns: int = DEFAULT_MAX_LAG_NS) -> float:
    """Return the bound of the p90 lateness: the smaller of gap and service time, in 1/100 to 1/10 of the lag allowed.

    Lines later than a gap no longer arrive in the requested pattern; with lines later than the service time, most of
    the response time is not the subject's.
    """
    return min(max(min(gap_ns, service_ns), max_lag_ns / _LEAST_LATENESS), max_lag_ns / _MOST_LATENESS)


def judge(evidence: Evidence, max_lag_ns: int = DEFAULT_MAX_LAG_NS) -> tuple[Reason, ...]:
    """Return why the run is invalid; empty when it is valid.

    At most one reason for each requirement missed: the rate, the lag from whatever cause, and the lateness, which is
    the part of the lag that the subject did not cause.
    """
    if not evidence.sent:
        return (Reason(Missed.NOTHING_SENT),)
    reasons = []
    target, achieved = evidence.target_rate, evidence.achieved_rate
    if target is not None and achieved is not None and abs(achieved - target) > MAX_RATE_ERROR * target:
        reasons.append(Reason(Missed.RATE, target, achieved, ran_out=_ran_out(evidence)))
    if evidence.lag is not None and (over := _over_lag(evidence.lag, max_lag_ns)):
        figure, wanted, got = over
        reasons.append(Reason(Missed.LAG, wanted, got, figure, _ran_out(evidence)))
    if evidence.lateness is not None:
        allowed = max_lateness_ns(evidence.gap_ns, evidence.service_ns, max_lag_ns)
        if over := _over_lateness(evidence.lateness, allowed):
            figure, wanted, got = over
            reasons.append(Reason(Missed.LATENESS, wanted, got, figure, _named(_shares(evidence.late))))
    return tuple(reasons)


_Over = tuple[str, float, float] | None


def _over_lag(lag: Tail, allowed: int) -> _Over:
    """Return the first bound that the lag exceeds: what it bounds, the bound, and the value."""
    return _first(
        ("p99 lag", allowed, lag.p99_ns),
        ("the worst stretch's lag", allowed, lag.worst_stretch_ns),
        ("the longest lag", allowed * _RARELY, lag.max_ns),
    )


def _over_lateness(late: Tail, allowed: float) -> _Over:
    typically = (f"p{late.percent:g} lateness", allowed, late.typical_ns)
    rarely = ("p99 lateness", allowed * _RARELY, late.p99_ns if supported(99, late.count) else 0)
    return _first(typically, rarely, ("the worst stretch's lateness", allowed * _RARELY, late.worst_stretch_ns))


def _first(*bounds: tuple[str, float, float]) -> _Over:
    return next(((figure, wanted, got) for figure, wanted, got in bounds if got > wanted), None)


def _ran_out(evidence: Evidence) -> tuple[tuple[Resource, float], ...]:
    """Return each resource that took a tenth of the lost time, or takes the whole schedule alone, and its share."""
    return _named(evidence.shares, {resource for resource, demand in evidence.demand.items() if demand >= _FULL})


def _shares(lost: Mapping[Resource, float]) -> dict[Resource, float]:
    whole = sum(lost.values())
    return {resource: part / whole for resource, part in lost.items()} if whole > 0 else {}


def _named(
    shares: Mapping[Resource, float], always: AbstractSet[Resource] = frozenset()
) -> tuple[tuple[Resource, float], ...]:
    if not shares:
        return ()
    ranked = sorted(shares.items(), key=lambda each: -each[1])
    return tuple(each for each in ranked if each == ranked[0] or each[1] >= _NAMED or each[0] in always)


def evidence_of(driven: DriveResult, self_cost_ns: float) -> Evidence:
    """Return the evidence for `judge`, given the loop's cost per line (`measure_self_cost`)."""
    timings = driven.timings
    if not timings.lateness.count and driven.span_ns <= 0:
        return Evidence(sent=timings.service.count, achieved_rate=driven.achieved_rate)
    lost, late, demand = _by_resource(driven, self_cost_ns)
    return Evidence(
        sent=timings.service.count,
        target_rate=driven.target_rate,
        achieved_rate=driven.achieved_rate,
        lag=_tail(timings.lag, driven.worst_stretch_lag_ns),
        lateness=_tail(timings.lateness, driven.worst_stretch_lateness_ns),
        gap_ns=1e9 / driven.target_rate if driven.target_rate else 0.0,
        service_ns=float(timings.service.percentile(50) or 0),
        lost=lost,
        late=late,
        demand=demand,
    )


_Split = dict[Resource, float]


def _by_resource(driven: DriveResult, self_cost_ns: float) -> tuple[_Split, _Split, _Split]:
    """Return `lost`, `late` and `demand` of the evidence."""
    behind = driven.behind
    # What incidents took is theirs, and is not divided between the subject and the machine.
    queue, service = behind.queue_ns - behind.incident_ns, driven.timings.service.sum - behind.held_ns
    # What the hypervisor took is known for all processors together, and took from this thread only while it ran.
    steal = driven.machine.steal_ns / max(driven.elapsed_ns, 1)
    taken = behind.service_lost_ns + steal * behind.service_running_ns
    preempted = min(taken / behind.service_ns, 1.0) if behind.service_ns else 0.0
    loop = min(self_cost_ns * behind.held_up, behind.idle_ns - behind.outside_ns - behind.outside_lost_ns)
    generating = behind.outside_ns + max(loop, 0.0)
    late = behind.lateness_ns / behind.idle_ns if behind.idle_ns else 0.0
    by_generator, by_machine = generating * late, (behind.idle_ns - generating) * late
    span = max(driven.span_ns, 1)
    return (
        {
            Resource.SUBJECT: queue * (1 - preempted),
            Resource.GENERATOR: by_generator,
            Resource.MACHINE: queue * preempted + by_machine,
            **({Resource.INCIDENT: float(behind.incident_ns)} if behind.held_ns else {}),
        },
        {Resource.GENERATOR: by_generator, Resource.MACHINE: by_machine},
        {
            Resource.SUBJECT: service * (1 - preempted) / span,
            Resource.GENERATOR: generating / span,
            Resource.MACHINE: (service * preempted + behind.idle_ns - generating) / span,
            **({Resource.INCIDENT: behind.held_ns / span} if behind.held_ns else {}),
        },
    )


def _tail(histogram: "Histogram", worst_stretch_ns: int) -> Tail:
    usual = typical(histogram.count)
    at = histogram.percentiles((usual, 99))
    return Tail(at[usual] or 0, at[99] or 0, worst_stretch_ns, histogram.max or 0, histogram.count)


_EXPLANATIONS = {
    Resource.SUBJECT: "the subject ran out (evaluating lines and making its page took {share:.0%} of the lost time)",
    Resource.GENERATOR: "the generator ran out (making lines, counting and the loop took {share:.0%} of the lost time)",
    Resource.MACHINE: "the machine ran out (others had processor or interpreter for {share:.0%} of the lost time)",
    Resource.INCIDENT: "{incidents} held lines up (for {share:.0%} of the lost time)",
}
_REMEDIES = {
    Resource.SUBJECT: "ask for a lower rate",
    Resource.GENERATOR: "ask for a lower rate or shorter lines",
    Resource.MACHINE: "stop other work and try again",
    Resource.INCIDENT: "leave incidents out for a valid run",
}


def words(reasons: Sequence[Reason], incidents: Sequence[str] = ()) -> list[str]:
    """Return each reason as one line for a reader; a cause shared by several reasons is stated once.

    `incidents` are those that held lines up, as a user writes them.
    """
    lines = []
    for i, reason in enumerate(reasons):
        said = i > 0 and reasons[i - 1].ran_out == reason.ran_out
        lines.append(_what(reason) + ("" if said or not reason.ran_out else f": {_why(reason, incidents)}"))
    return lines


def _what(reason: Reason) -> str:
    if reason.missed is Missed.NOTHING_SENT:
        return "no line was sent"
    if reason.missed is Missed.RATE:
        off = reason.got / reason.wanted - 1
        return f"achieved {reason.got:.6g} lines/s of {reason.wanted:.6g} ({off:+.1%}, allowed 1 %)"
    return f"{reason.figure} {format_duration(reason.got)}, allowed {format_duration(reason.wanted)}"


def _why(reason: Reason, incidents: Sequence[str]) -> str:
    named = f"the incident{'s' if len(incidents) > 1 else ''} {', '.join(incidents)}" if incidents else "incidents"
    why = " and ".join(
        _EXPLANATIONS[resource].format(share=share, incidents=named) for resource, share in reason.ran_out
    )
    return f"{why}; {', or '.join(_REMEDIES[resource] for resource, _ in reason.ran_out)}"

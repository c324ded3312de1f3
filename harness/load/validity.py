"""Whether a run was the load it claims to be, and if not, which resource ran out; rules without a clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from workloads.units import format_duration

__all__ = [
    "DEFAULT_MAX_LAG_NS",
    "MAX_RATE_ERROR",
    "Evidence",
    "Missed",
    "Reason",
    "Resource",
    "judge",
    "words",
]

# A tenth of the default scrape interval: up to there nearly every line still falls into the scrape it was due in.
DEFAULT_MAX_LAG_NS = 100_000_000
MAX_RATE_ERROR = 0.01

# A thread that is busy for this share of the time has nothing left to catch up with.
_SATURATED = 0.95
# Below this share of lost time the machine explains no shortfall worth the name.
_MATERIAL = 0.05
# Busy for half of the time on average, a thread has queues whenever lines come in bunches.
_BUSY = 0.5


class Missed(Enum):
    """What a run fell short of."""

    NOTHING_SENT = "nothing-sent"
    RATE = "rate"
    LAG = "lag"


class Resource(Enum):
    """What ran out."""

    SUBJECT = "subject"
    GENERATOR = "generator"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict rests on; times in nanoseconds, rates in lines/s, None where a closed loop has none.

    `elapsed_ns` runs from the first line's start to the last one's end. `service_ns` is the sum of the service times,
    `generator_ns` the time spent making blocks, counting, and in the loop itself, `lost_ns` the time in which the
    thread was ready to run and the machine did not let it. `longest_service_ns` and `longest_pause_ns` are the longest
    single line and the longest single stretch of making and counting.
    """

    sent: int
    elapsed_ns: int
    target_rate: float | None
    achieved_rate: float | None
    lag_p99_ns: int | None
    service_ns: int
    generator_ns: int
    lost_ns: int
    longest_service_ns: int
    longest_pause_ns: int

    @property
    def shares(self) -> dict[Resource, float]:
        """The share of the elapsed time that each resource took; they overlap, for a line may be preempted."""
        elapsed = max(self.elapsed_ns, 1)
        return {
            Resource.SUBJECT: self.service_ns / elapsed,
            Resource.GENERATOR: self.generator_ns / elapsed,
            Resource.MACHINE: self.lost_ns / elapsed,
        }


@dataclass(frozen=True, slots=True)
class Reason:
    """One way in which a run fell short: what it missed, by how much, and what ran out.

    `wanted` and `got` are lines/s for a rate and nanoseconds for lag; `share` is that of the elapsed time which the
    resource took.
    """

    missed: Missed
    wanted: float = 0.0
    got: float = 0.0
    resource: Resource | None = None
    share: float = 0.0


def judge(evidence: Evidence, max_lag_ns: int = DEFAULT_MAX_LAG_NS) -> tuple[Reason, ...]:
    """Return why the run is invalid; nothing means that it is valid.

    A run is invalid that sent nothing, whose achieved rate is more than 1 % from its target on either side, or whose
    p99 lag exceeds `max_lag_ns`.
    """
    if not evidence.sent:
        return (Reason(Missed.NOTHING_SENT),)
    shortfalls: list[tuple[Missed, float, float]] = []
    target, achieved, lag = evidence.target_rate, evidence.achieved_rate, evidence.lag_p99_ns
    if target is not None and achieved is not None and abs(achieved - target) > MAX_RATE_ERROR * target:
        shortfalls.append((Missed.RATE, target, achieved))
    if lag is not None and lag > max_lag_ns:
        shortfalls.append((Missed.LAG, float(max_lag_ns), float(lag)))
    if not shortfalls:
        return ()
    resource = _what_ran_out(evidence, max_lag_ns)
    share = evidence.shares[resource]
    return tuple(Reason(missed, wanted, got, resource, share) for missed, wanted, got in shortfalls)


def _what_ran_out(evidence: Evidence, max_lag_ns: int) -> Resource:
    """Decide in this order: saturated by its own work, robbed by the machine, one long stall, peaks, else the machine.

    Time lost while a line was evaluated is in that line's service time too, so it is taken off before asking whether
    the thread had more work of its own than there was time.
    """
    shares = evidence.shares
    subject, generator, lost = (shares[one] for one in (Resource.SUBJECT, Resource.GENERATOR, Resource.MACHINE))
    dearest = Resource.SUBJECT if subject >= generator else Resource.GENERATOR
    if subject + generator - lost >= _SATURATED:
        return dearest
    if lost >= _MATERIAL:
        return Resource.MACHINE
    if max(evidence.longest_service_ns, evidence.longest_pause_ns) > max_lag_ns // 2:
        longer = evidence.longest_service_ns >= evidence.longest_pause_ns
        return Resource.SUBJECT if longer else Resource.GENERATOR
    return dearest if subject + generator >= _BUSY else Resource.MACHINE


_EXPLANATIONS = {
    Resource.SUBJECT: "the subject ran out: evaluating lines took {share:.0%} of the time; ask for a lower rate",
    Resource.GENERATOR: (
        "the generator ran out: making lines and the loop took {share:.0%} of the time; ask for a lower rate or "
        "shorter lines"
    ),
    Resource.MACHINE: (
        "the machine ran out: it kept the processor from this thread for {share:.0%} of the time, or another thread "
        "held the interpreter; stop other work and try again"
    ),
}


def words(reasons: Sequence[Reason]) -> list[str]:
    """Return each reason as one line for a person."""
    return [_words(reason) for reason in reasons]


def _words(reason: Reason) -> str:
    if reason.missed is Missed.NOTHING_SENT or reason.resource is None:
        return "no line was sent"
    why = _EXPLANATIONS[reason.resource].format(share=reason.share)
    if reason.missed is Missed.RATE:
        off = reason.got / reason.wanted - 1
        return f"achieved {reason.got:.6g} lines/s of {reason.wanted:.6g} ({off:+.1%}, allowed 1 %): {why}"
    return f"p99 lag {format_duration(reason.got)}, allowed {format_duration(reason.wanted)}: {why}"

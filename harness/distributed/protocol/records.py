"""What a worker did, as a message and back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from harness.distributed.protocol.values import check_record
from harness.incidents.lives import Lives
from harness.load.cpu_time import Machine
from harness.load.drive_result import DriveResult, Moments
from harness.load.latency.histogram import Histogram
from harness.load.latency.timeline import Timeline
from harness.load.lateness import Behind
from harness.load.recorder import Timings
from harness.load.truth.ledger import Ledger
from harness.load.truth.log import TruthLog
from harness.push.sink import PushOutcome
from harness.run.shard import ShardRecord
from harness.views import View
from workloads.incidents import Incident

__all__ = ["record_from", "state_of"]

_TIMINGS = ("lag", "service", "response", "lateness")
# Those whose encoded form is in a worker's result, which the worker has more time to make than the coordinator.
_IN_RESULTS = ("lag", "service", "response")
_PLAIN = (
    "start_ns", "elapsed_ns", "target_rate", "achieved_rate", "span_ns", "worst_stretch_lag_ns",
    "worst_stretch_lateness_ns", "outside_ns", "longest_outside_ns", "starved", "interrupted",
)  # fmt: skip


def state_of(record: ShardRecord) -> dict[str, Any]:
    """Return everything of a record as plain values and arrays."""
    driven = record.driven
    return {
        **{name: getattr(driven, name) for name in _PLAIN},
        "timings": {name: _timing(getattr(driven.timings, name), name) for name in _TIMINGS},
        "ledger": driven.ledger.state(),
        "behind": asdict(driven.behind),
        "machine": asdict(driven.machine),
        "moments": asdict(driven.moments),
        "timeline": driven.timeline.state(),
        "log": None if record.log is None else record.log.state(),
        "self_cost_ns": record.self_cost_ns,
        "digest": record.digest,
        "made": record.made,
        "pushed": None if record.pushed is None else asdict(record.pushed),
        "triggered": [[each.kind, each.start_ns, each.duration_ns] for each in record.triggered],
    }


def _timing(histogram: Histogram, name: str) -> dict[str, Any]:
    state = histogram.state()
    return {**state, "encoded": histogram.encode()} if name in _IN_RESULTS else state


def record_from(state: Mapping[str, Any], views: tuple[View, ...], methods: tuple[str, ...]) -> ShardRecord:
    """Return the record of a `state`; raises `ValueError`, `KeyError` or `TypeError` where it is none."""
    check_record(state)
    ledger = Ledger.from_state(views, methods, state["ledger"])
    driven = DriveResult(
        **{name: state[name] for name in _PLAIN},
        timings=Timings(**{name: Histogram.from_state(state["timings"][name]) for name in _TIMINGS}),
        ledger=ledger,
        behind=Behind(**state["behind"]),
        machine=Machine(**state["machine"]),
        moments=Moments(**state["moments"]),
        timeline=Timeline.from_state(state["timeline"]),
    )
    log = _log_from(state["log"], ledger)
    triggered = tuple(Incident(*each) for each in state["triggered"])
    pushed = state["pushed"]
    return ShardRecord(
        driven, log, state["self_cost_ns"], state["digest"], state["made"], triggered=triggered,
        pushed=None if pushed is None else PushOutcome(**{**pushed, "arrivals": tuple(map(tuple, pushed["arrivals"]))}),
    )  # fmt: skip


def _log_from(state: Mapping[str, Any] | None, ledger: Ledger) -> TruthLog | Lives | None:
    if state is None:
        return None
    return Lives.from_state(ledger, state) if "lives" in state else TruthLog.from_state(ledger, state)

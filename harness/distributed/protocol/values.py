"""Values in what workers say, checked before anything is computed from them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["check_record", "check_snapshot", "host_in", "port_in", "whole"]

# A time of a hundred years in nanoseconds; sums of many of them still fit into 64 bits.
_MOST = 2**62
_WHOLE = (
    "start_ns", "elapsed_ns", "span_ns", "worst_stretch_lag_ns", "worst_stretch_lateness_ns", "outside_ns",
    "longest_outside_ns", "starved", "made",
)  # fmt: skip
_PARTS = ("behind", "machine", "moments")
_TOTALS = ("elapsed_ns", "offered", "processed", "failed", "dropped")
_OPTIONAL = ("target_rate", *(f"{name}_p{p}_ns" for name in ("lag", "service", "response") for p in (50, 99)))
# What an address or a name of a host consists of; a request goes there.
_HOST = re.compile(r"[A-Za-z0-9_.:%-]{1,255}")


def whole(value: object) -> int:
    """Return a whole number of at most 62 bits; raises `ValueError` for anything else."""
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= _MOST:
        raise ValueError(f"{value!r:.60} is no whole number of ours")
    return value


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _MOST:
        raise ValueError(f"{value!r:.60} is no number of ours")
    return value


def host_in(value: object) -> str:
    """Return the address or the name of a host; raises `ValueError` for what cannot be one."""
    if not isinstance(value, str) or not _HOST.fullmatch(value):
        raise ValueError(f"{value!r:.60} is no address")
    return value


def port_in(value: object) -> int:
    """Return a port; raises `ValueError`."""
    if not 0 < whole(value) < 1 << 16:
        raise ValueError(f"{value!r:.60} is no port")
    return whole(value)


def check_record(state: Mapping[str, Any]) -> None:
    """Raise `ValueError`, `KeyError` or `TypeError` where figures of a record are none."""
    for name in _WHOLE:
        whole(state[name])
    for name in ("target_rate", "achieved_rate"):
        _optional(state[name])
    _number(state["self_cost_ns"])
    for name in _PARTS:
        for value in state[name].values():
            _number(value)
    if not isinstance(state["digest"], str) or not isinstance(state["interrupted"], bool):
        raise TypeError("the digest or whether it was interrupted is missing")
    for kind, start_ns, duration_ns in state["triggered"]:
        if not isinstance(kind, str):
            raise TypeError("an incident has no kind")
        whole(start_ns), whole(duration_ns)
    _bounded(state)


def check_snapshot(state: Mapping[str, Any]) -> None:
    """Raise `ValueError`, `KeyError` or `TypeError` where figures of a snapshot are none."""
    for name in _TOTALS:
        whole(state[name])
    _number(state["rate"])
    for name in _OPTIONAL:
        _optional(state[name])
    _bounded(state)


def _optional(value: object) -> None:
    if value is not None:
        _number(value)


def _bounded(value: object) -> None:
    """Raise `ValueError` for a number anywhere in plain values that nothing of ours can be."""
    if isinstance(value, Mapping):
        for each in value.values():
            _bounded(each)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for each in value:
            _bounded(each)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _number(value)

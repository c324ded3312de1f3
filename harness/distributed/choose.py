"""Who sends the load of a spec."""

import os

from harness.distributed.coordinator import Fleet
from harness.distributed.local import LocalLauncher
from harness.incidents.triggers import Triggers
from harness.run.spec import RunSpec
from harness.run.workers import Single, Workers

__all__ = ["open_workers", "worker_count"]


def worker_count(spec: RunSpec) -> int:
    """Return how many workers a spec asks for; ``auto`` is one less than the cores that may be used, at least one."""
    if spec.workers == "auto":
        return max(1, len(os.sched_getaffinity(0)) - 1)
    return spec.workers


def open_workers(spec: RunSpec, triggers: Triggers | None = None) -> Workers:
    """Return the workers of a spec, all of them ready: this process alone, or processes of this machine.

    `triggers` switch on incidents meanwhile.
    Raises what `harness.run.workers.Single` and `harness.distributed.coordinator.Fleet` raise.
    """
    count = worker_count(spec)
    return Single(spec, triggers) if count == 1 else Fleet(spec, count, LocalLauncher(spec), triggers)

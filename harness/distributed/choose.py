"""Who sends the load of a spec."""

import os
from collections.abc import Callable

from harness.distributed.coordinator import Fleet, is_loopback
from harness.distributed.local import LocalLauncher
from harness.errors import UsageError
from harness.incidents.triggers import Triggers
from harness.run.spec import LOCAL_CLUSTER, RunSpec
from harness.run.workers import Single, Workers

__all__ = ["open_workers", "worker_count"]


def worker_count(spec: RunSpec) -> int:
    """Return how many workers a spec asks for; ``auto`` is one less than the cores that may be used, at least one."""
    if spec.workers == "auto":
        return max(1, len(os.sched_getaffinity(0)) - 1)
    return spec.workers


def _cluster(spec: RunSpec, cluster: str, triggers: Triggers | None, tell: Callable[[str], object]) -> Workers:
    # Only here: it is an extra, and what is loaded lies in the memory of the process that is measured.
    from harness.distributed.dask.launcher import DaskLauncher

    every = spec.workers == "auto" and cluster != LOCAL_CLUSTER
    launcher = DaskLauncher(cluster, None if every else worker_count(spec))
    try:
        if not is_loopback(launcher.address):
            _check_address(spec)
            hosts = ", ".join(launcher.hosts)
            tell(f"open to the network: the coordinator on {launcher.address}, the workers' pages on {hosts}")
        return Fleet(spec, launcher.count, launcher, triggers)
    except BaseException:
        launcher.close()
        raise


def _check_address(spec: RunSpec) -> None:
    if spec.address != RunSpec.model_fields["address"].default:
        text = "is for workers of this machine; those of a cluster serve at the address that they dial from"
        raise UsageError(text, field="address")


def open_workers(spec: RunSpec, triggers: Triggers | None = None, tell: Callable[[str], object] = str) -> Workers:
    """Return the workers of a spec, all of them ready: this process alone, others of this machine, or a cluster's.

    Of a cluster, ``auto`` takes a worker beside each of its Dask workers. `triggers` switch on incidents meanwhile.
    `tell` hears which addresses are opened. Raises what `harness.run.workers.Single`,
    `harness.distributed.coordinator.Fleet`, `harness.distributed.forked.workers.ForkedWorkers` and
    `harness.distributed.dask.launcher.DaskLauncher` raise.
    """
    if spec.fork is not None:
        # Only here as well: it is needed for nothing else.
        from harness.distributed.forked.workers import ForkedWorkers

        return ForkedWorkers(spec, triggers)
    if spec.recycle is not None:
        raise UsageError("is for forked workers; say how many with fork", field="recycle")
    if spec.cluster is not None:
        return _cluster(spec, spec.cluster, triggers, tell)
    count = worker_count(spec)
    return Single(spec, triggers) if count == 1 else Fleet(spec, count, LocalLauncher(spec), triggers)

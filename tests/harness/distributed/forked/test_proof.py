"""Forked workers sent the load of one, or the run says so."""

import pytest

from harness.distributed.forked.proof import MadeLines, digest_of_forks
from harness.errors import RunError
from workloads.workload import Workload, WorkloadSpec


def workload(**fields: object) -> Workload:
    return Workload(WorkloadSpec(**{"count": 100, "arrivals": "constant:rate=1000", **fields}))  # type: ignore[arg-type]


def made(number: int, of: int, pieces: list[int], **fields: object) -> list[MadeLines]:
    """Return what processes made of a shard that sent so many lines each."""
    shard, first, result = workload(**fields).shard(number, of), number, []
    for count in pieces:
        lines = sum(len(block.lines) for block in shard.blocks(7, first=first, count=count))
        result.append(MadeLines(lines, shard.digest))
        first += lines * of
    return result


def whole() -> str:
    one = workload()
    list(one.blocks())
    return one.digest


def test_all_processes_together_have_the_digest_of_one_worker() -> None:
    """However often a worker's place was taken over."""
    assert digest_of_forks(workload(), [made(0, 2, [20, 20, 10]), made(1, 2, [50])]) == whole()


def test_a_killed_process_tells_no_digest() -> None:
    """Its lines are made again from its journal, so there is nothing to compare."""
    first, *rest = made(0, 2, [20, 30])
    assert digest_of_forks(workload(), [[MadeLines(first.lines, None), *rest], made(1, 2, [50])]) == whole()


def test_a_run_that_was_stopped_has_another_digest() -> None:
    """It is no digest of the whole load."""
    assert digest_of_forks(workload(), [made(0, 2, [20]), made(1, 2, [50])]) != whole()


def test_other_lines_are_noticed() -> None:
    """With the number of the worker."""
    with pytest.raises(RunError, match="worker 1 sent other lines"):
        digest_of_forks(workload(), [made(0, 2, [50]), made(1, 2, [50], seed=2)])

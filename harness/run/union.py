"""Proof that several workers sent the load of one: what each made is compared with its shard, made again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from harness.load.pump import BLOCK_LINES
from workloads.workload import Workload

__all__ = ["Made", "Union", "prove_union"]


@dataclass(frozen=True, slots=True)
class Made:
    """What one worker says it made: the number of lines, and the digest of them and their due times."""

    lines: int
    digest: str


@dataclass(frozen=True, slots=True)
class Union:
    """The digest of all workers' lines together, and the workers whose lines were others than those of their shard.

    Where every worker made all of its shard the digest is that of the workload sent by one worker. A run that was
    stopped has no such whole; its digest is of the workers' digests in their order.
    """

    digest: str
    others: tuple[int, ...]


def prove_union(workload: Workload, made: Sequence[Made | None]) -> Union:
    """Make every shard's lines again, as many as its worker made, and compare; None stands for a worker that was lost.

    `workload` is the whole. One worker's digest is taken as it is: the whole has nothing to be compared with.
    """
    if len(made) == 1 and made[0] is not None:
        return Union(made[0].digest, ())
    shards = [workload.shard(number, len(made)) for number in range(len(made))]
    digests = [_digest(shard, None if each is None else each.lines) for shard, each in zip(shards, made, strict=True)]
    others = tuple(
        number
        for number, (each, digest) in enumerate(zip(made, digests, strict=True))
        if each is not None and each.digest != digest
    )
    total = workload.total
    if total is not None and sum(each.lines for each in made if each is not None) == total:
        return Union(_digest(workload.shard(0, 1), None), others)
    return Union(hashlib.sha256("".join(digests).encode()).hexdigest(), others)


def _digest(workload: Workload, lines: int | None) -> str:
    """Return the digest of the first `lines` lines; of all, or of none of an endless one, where None is given."""
    if lines is None and workload.total is None:
        lines = 0
    if lines == 0:
        return workload.shard(0, 1).digest
    # The blocks that the worker made, so that a stopped run ends with one of them.
    for block in workload.blocks(BLOCK_LINES):
        if lines is not None:
            lines -= len(block.lines)
            if lines <= 0:
                break
    return workload.digest

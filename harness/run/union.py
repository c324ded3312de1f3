"""Proof that several workers sent the load of one: what each made is compared with its shard, made again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from workloads.workload import Digest, Workload

__all__ = ["Made", "Union", "prove_union"]

_BLOCK_LINES, _EACH_LINES = 4096, 64


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
    whole, parts, left = Digest(), [Digest() for _ in made], [0 if each is None else each.lines for each in made]
    methods = workload.digests_methods
    complete = sum(left) == workload.total
    # One pass over the whole: a shard by itself would draw the random numbers of all lines as well.
    # Of each block every shard has some lines; with few of them their digests would take longer than the lines.
    blocks = workload.blocks(max(_BLOCK_LINES, _EACH_LINES * len(made))) if any(left) else iter(())
    for block in blocks:
        whole.add(block.lines, block.due_ns, block.truth.method)
        for number, part in enumerate(parts):
            own = slice((number - block.first) % len(made), None, len(made))
            lines = block.lines[own][: left[number]]
            part.add(lines, block.due_ns[own][: len(lines)], block.truth.method[own][: len(lines)])
            left[number] -= len(lines)
        if not any(left):
            break
    digests = [part.hexdigest(methods=methods) for part in parts]
    others = tuple(
        number
        for number, (each, digest) in enumerate(zip(made, digests, strict=True))
        if each is not None and each.digest != digest
    )
    if complete:
        return Union(whole.hexdigest(methods=methods), others)
    return Union(hashlib.sha256("".join(digests).encode()).hexdigest(), others)

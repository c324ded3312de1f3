"""Proof that forked workers sent the load of one: what each process made is compared with its lines, made again."""

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import RunError
from workloads.workload import Block, Digest, Workload

__all__ = ["MadeLines", "digest_of_forks"]

_BLOCK_LINES, _EACH_LINES = 4096, 64


@dataclass(frozen=True, slots=True)
class MadeLines:
    """Lines that one process made of a shard; `digest` is None for one that was killed and did not tell."""

    lines: int
    digest: str | None


class _Shard:
    """The lines of one shard, made again, and handed to the processes that sent them one after the other."""

    def __init__(self, number: int, processes: Sequence[MadeLines]) -> None:
        self.number = number
        self.left = deque(process for process in processes if process.lines)
        self.digests: list[str] = []
        self._digest, self._lines = Digest(), 0

    def add(self, lines: list[str], due_ns: NDArray[np.int64]) -> None:
        while lines and self.left:
            process = self.left[0]
            count = min(len(lines), process.lines - self._lines)
            self._digest.add(lines[:count], due_ns[:count])
            self._lines += count
            lines, due_ns = lines[count:], due_ns[count:]
            if self._lines == process.lines:
                self._finish(process)

    def _finish(self, process: MadeLines) -> None:
        digest = self._digest.hexdigest()
        if process.digest not in (None, digest):
            raise RunError(f"forked worker {self.number} sent other lines than its share of the load")
        self.digests.append(digest)
        self.left.popleft()
        self._digest, self._lines = Digest(), 0


def digest_of_forks(workload: Workload, made: Sequence[Sequence[MadeLines]]) -> str:
    """Return the digest of what forked workers sent: that of the whole workload where they made all of it.

    `made` has for each worker what its processes made, in order. The digest of a run that was stopped is of the
    processes' digests. Raises `RunError` where one made other lines than its share.
    """
    whole, count = Digest(), len(made)
    shards = [_Shard(number, processes) for number, processes in enumerate(made)]
    complete = sum(process.lines for processes in made for process in processes) == workload.total
    for block in workload.blocks(max(_BLOCK_LINES, _EACH_LINES * count)) if any(s.left for s in shards) else ():
        whole.add(block.lines, block.due_ns)
        for shard in shards:
            own = _own(block, shard.number, count)
            shard.add(block.lines[own], block.due_ns[own])
        if not any(shard.left for shard in shards):
            break
    if complete:
        return whole.hexdigest()
    return hashlib.sha256("".join(each for shard in shards for each in shard.digests).encode()).hexdigest()


def _own(block: Block, number: int, count: int) -> slice:
    return slice((number - block.first) % count, None, count)

"""The lines that the sides of a comparison process: one seeded pool for each number of series."""

from collections.abc import Callable
from functools import cache

from harness.measure.processes import Lines, tags_of
from workloads.workload import Workload, WorkloadSpec

__all__ = ["LinesFor", "lines_for"]

LinesFor = Callable[[int], Lines]
_POOL = 2048


@cache
def lines_for(series: int, seed: int = 1, lengths: str = "lognormal", content: str = "words") -> Lines:
    """Return some thousands of good lines spread evenly over `series` tag sets; the same call gives the same lines."""
    count = max(_POOL, 2 * series)
    spec = WorkloadSpec(
        lengths=lengths, content=content, arrivals="max", errors="0", series=str(series), seed=seed, count=count
    )
    workload = Workload(spec)
    texts = tuple(line for block in workload.blocks() for line in block.lines)
    return Lines(texts, tags_of(series, workload.methods, len(texts)))

"""Input lines of the subjects of a comparison: one seeded pool for each number of series."""

from functools import cache

from harness.measure.pairs.side import Lines, tags_of
from workloads.workload import Workload, WorkloadSpec

__all__ = ["edge_lines", "lines_for"]

_POOL = 2048


@cache
def lines_for(series: int, seed: int = 1, lengths: str = "lognormal", content: str = "words") -> Lines:
    """Return at least 2048 valid lines spread evenly over `series` tag sets; equal arguments give equal lines."""
    count = max(_POOL, 2 * series)
    spec = WorkloadSpec(
        lengths=lengths, content=content, arrivals="max", errors="0", series=str(series), seed=seed, count=count
    )
    workload = Workload(spec)
    texts = tuple(line for block in workload.blocks() for line in block.lines)
    return Lines(texts, tags_of(series, workload.methods, len(texts)))


def edge_lines(seed: int = 1, count: int = 600) -> Lines:
    """Return lines with lengths at and next to the bounds of the length view, some invalid, over three tag sets."""
    spec = WorkloadSpec(
        lengths="edges", arrivals="max", errors="not_utf8=3%,nul=3%", series="3", seed=seed, count=count
    )
    blocks = list(Workload(spec).blocks())
    return Lines(
        tuple(line for block in blocks for line in block.lines), tuple(t for block in blocks for t in block.tags)
    )

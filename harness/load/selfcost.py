"""Cost of the timed loop itself: driving a function that does nothing, compared with calling it directly."""

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from harness.load.clock import Clock
from harness.load.driver import BURST, CLOSED, Policy, drive
from harness.load.recorder import Recorder
from harness.views import Tags

if TYPE_CHECKING:
    from workloads.workload import Block

__all__ = ["SelfCost", "measure_self_cost"]


@dataclass(frozen=True, slots=True)
class SelfCost:
    """Nanoseconds per line that the loop adds to a direct call, with and without a schedule."""

    paced_ns: float
    closed_ns: float


@dataclass(frozen=True, slots=True)
class _NullBlock:
    """The fields of a block that the driver reads; every line is overdue."""

    lines: list[str]
    tags: list[Tags]
    due_ns: NDArray[np.int64] = field(repr=False)


def _null(line: str, _tags: Tags) -> str:
    return line


def measure_self_cost(clock: Clock, lines: int = 2048, repeats: int = 15) -> SelfCost:
    """Return the cost of `drive` above a plain loop over the same function: medians of `repeats` of `lines` lines.

    It includes two clock readings, the due time, the stop flag and the list appends, but no waiting. The plain loop
    iterates over the same lists. Takes some 20 ms. Raises `ValueError` for fewer than one line or repeat.
    """
    if lines < 1 or repeats < 1:
        raise ValueError("measuring the loop takes at least one line and one repeat")
    null = _NullBlock(["x" * 40] * lines, [Tags()] * lines, np.zeros(lines, dtype=np.int64))
    block = cast("Block", null)
    bare: list[int] = []
    paced: list[int] = []
    closed: list[int] = []
    # Alternating spreads a slow period of the machine over all three.
    for _ in range(repeats):
        bare.append(_bare(null, clock))
        paced.append(_driven(block, clock, BURST))
        closed.append(_driven(block, clock, CLOSED))
    floor = statistics.median(bare)
    return SelfCost((statistics.median(paced) - floor) / lines, (statistics.median(closed) - floor) / lines)


def _bare(block: _NullBlock, clock: Clock) -> int:
    evaluate = _null
    began = clock.now_ns()
    for line, tags in zip(block.lines, block.tags, strict=True):
        evaluate(line, tags)
    return clock.now_ns() - began


def _driven(block: "Block", clock: Clock, policy: Policy) -> int:
    recorder = Recorder()
    began = clock.now_ns()
    drive(block, _null, recorder, clock, policy, began)
    return clock.now_ns() - began

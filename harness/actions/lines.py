"""Writes synthetic lines on their schedule: what ``harness lines`` does."""

from contextlib import nullcontext
from typing import BinaryIO

from harness.load.clock import MonotonicClock, fine_timers
from workloads.workload import Block, Workload

__all__ = ["send"]


def _encode(lines: list[str]) -> bytes:
    # Bad bytes travel as surrogate escapes and leave as what they were.
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def _paced(block: Block, start_ns: int, out: BinaryIO) -> None:
    """Write each line when it is due, and at once whatever is due already."""
    clock = MonotonicClock()
    due = block.due_ns + start_ns
    first = 0
    while first < len(due):
        clock.wait_until(int(due[first]))
        last = int(due.searchsorted(clock.now_ns(), side="right"))
        out.write(_encode(block.lines[first:last]))
        out.flush()
        first = last


def send(workload: Workload, out: BinaryIO) -> None:
    """Write the lines of a workload to `out`: when they are due, or at full speed for a closed loop."""
    with nullcontext() if workload.closed_loop else fine_timers():
        # The generator makes its first block before the clock starts, so that the first lines are not late.
        start_ns = None
        for block in workload.blocks(512 if not workload.closed_loop else 8192):
            if workload.closed_loop:
                out.write(_encode(block.lines))
                continue
            start_ns = MonotonicClock().now_ns() if start_ns is None else start_ns
            _paced(block, start_ns, out)
    out.flush()

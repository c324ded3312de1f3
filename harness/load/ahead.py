"""Blocks of lines made ahead of the schedule."""

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.load.clock import Clock

if TYPE_CHECKING:
    from workloads.workload import Block

__all__ = ["BlockStore"]


class BlockStore:
    """Blocks made ahead, and what making them took (ns)."""

    def __init__(self, blocks: Iterator["Block"], clock: Clock, lead: int) -> None:
        self._blocks = blocks
        self._now = clock.now_ns
        self._lead = lead
        self._made: deque[Block] = deque()
        self._cost_ns = 0
        self._exhausted = False
        self.starved = 0
        self.spent_ns = self.longest_ns = 0

    def fill(self) -> None:
        """Make the first blocks; the time it takes is not part of the run."""
        while len(self._made) < self._lead and self._make():
            pass
        self.spent_ns = self.longest_ns = 0

    def replace(self, blocks: Iterator["Block"]) -> None:
        """Go on with other blocks; those made before are discarded."""
        self._blocks, self._exhausted = blocks, False
        self._made.clear()

    def next_due_ns(self) -> int | None:
        """Return when the first line of the next block is due, in ns from the start; None without a block."""
        return int(self._made[0].due_ns[0]) if self._made else None

    def take(self) -> "Block | None":
        """Return the next block, made now where none is ready; None at the end."""
        if not self._made and not self._exhausted:
            self.starved += 1
            self._make()
        return self._made.popleft() if self._made else None

    def top_up(self, until_ns: int | None) -> None:
        """Make blocks while there is room for one, and time to make it before `until_ns`; None means any time."""
        while len(self._made) < self._lead and not self._exhausted:
            if until_ns is not None and self._now() + self._cost_ns + self._cost_ns // 4 > until_ns:
                return
            self._make()

    def _make(self) -> bool:
        began = self._now()
        block = next(self._blocks, None)
        took = self._now() - began
        self.spent_ns += took
        self.longest_ns = max(self.longest_ns, took)
        # Decaying maximum of recent costs: an estimate that is too low makes a line late.
        self._cost_ns = max(took, self._cost_ns - self._cost_ns // 8)
        if block is None:
            self._exhausted = True
            return False
        if block.lines:
            self._made.append(block)
        return True

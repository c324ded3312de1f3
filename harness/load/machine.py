"""What the machine kept from the driving thread: time it was ready to run and did not get a processor."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Machine", "watch_machine"]

# Linux: time on the processor, time ready but waiting for one (both ns), number of turns; per thread.
_SCHEDSTAT = Path("/proc/thread-self/schedstat")
# Linux: ticks since boot of all processors together, by what they were spent on.
_STAT = Path("/proc/stat")
_STEAL_COLUMN = 8


@dataclass(slots=True)
class Machine:
    """What a stretch of time cost the calling thread, in nanoseconds; zero where the system does not tell.

    `waited_ns` is time in the run queue while others had the processors. `steal_ns` is time the hypervisor gave to
    other guests, averaged over the processors.
    """

    waited_ns: int = 0
    steal_ns: int = 0

    @property
    def lost_ns(self) -> int:
        """All time the thread would have run and could not."""
        return self.waited_ns + self.steal_ns


@contextmanager
def watch_machine() -> Iterator[Machine]:
    """Yield a value that is filled in at the end of the block, for the thread that runs it."""
    machine = Machine()
    before = _reading()
    try:
        yield machine
    finally:
        after = _reading()
        machine.waited_ns = max(0, after.waited_ns - before.waited_ns)
        machine.steal_ns = max(0, after.steal_ns - before.steal_ns)


def _reading() -> Machine:
    return Machine(_waited_ns(), _steal_ns())


def _waited_ns() -> int:
    try:
        return int(_SCHEDSTAT.read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _steal_ns() -> int:
    try:
        ticks = int(_STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[_STEAL_COLUMN])
        return ticks * 10**9 // (os.sysconf("SC_CLK_TCK") * (os.cpu_count() or 1))
    except (OSError, IndexError, ValueError):
        return 0

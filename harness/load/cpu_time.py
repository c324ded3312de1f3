"""CPU time the driving thread was denied: run queue, steal, preemption."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, Self

__all__ = ["Machine", "RunQueue", "ThreadRunQueue", "Turns", "watch_machine"]

# Linux: time on the processor, time ready but waiting for one (both ns), number of turns; per thread.
_SCHEDSTAT = "/proc/thread-self/schedstat"
# Linux: ticks since boot of all processors together, by what they were spent on.
_STAT = Path("/proc/stat")
_STEAL_COLUMN = 8


class Turns(NamedTuple):
    """A thread's time on a processor, and its time ready but waiting for one, since it began; nanoseconds."""

    running_ns: int = 0
    waited_ns: int = 0


class RunQueue(Protocol):
    """Source of the driving thread's run-queue times; tests use a fake one."""

    def read(self) -> Turns:
        """Return the driving thread's times until now."""


class ThreadRunQueue:
    """Run-queue times of the thread that creates it, read in some 2 µs; all zero where the system has none."""

    __slots__ = ("_file",)

    def __init__(self) -> None:
        self._file: int | None = None
        with suppress(OSError):
            # The name stands for the thread that opens it, and the file for that thread from then on.
            self._file = os.open(_SCHEDSTAT, os.O_RDONLY)

    def read(self) -> Turns:
        """Return the thread's times until now."""
        if self._file is None:
            return Turns()
        try:
            running, waited = os.pread(self._file, 64, 0).split()[:2]
            return Turns(int(running), int(waited))
        except (OSError, ValueError):
            return Turns()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


@dataclass(slots=True)
class Machine:
    """CPU time the calling thread was denied over a period, in nanoseconds; zero where the system has no figures.

    `waited_ns` is time in the run queue while others had the processors. `steal_ns` is time the hypervisor gave to
    other guests, averaged over the processors.
    """

    waited_ns: int = 0
    steal_ns: int = 0

    @property
    def lost_ns(self) -> int:
        """Total time the thread was ready to run and could not."""
        return self.waited_ns + self.steal_ns


@contextmanager
def watch_machine() -> Iterator[Machine]:
    """Yield a value that is filled in at the end of the block, for the calling thread."""
    machine = Machine()
    with ThreadRunQueue() as queue:
        before = _reading(queue)
        try:
            yield machine
        finally:
            after = _reading(queue)
            machine.waited_ns = max(0, after.waited_ns - before.waited_ns)
            machine.steal_ns = max(0, after.steal_ns - before.steal_ns)


def _reading(queue: RunQueue) -> Machine:
    return Machine(queue.read().waited_ns, _steal_ns())


def _steal_ns() -> int:
    try:
        ticks = int(_STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[_STEAL_COLUMN])
        return ticks * 10**9 // (os.sysconf("SC_CLK_TCK") * (os.cpu_count() or 1))
    except (OSError, IndexError, ValueError):
        return 0

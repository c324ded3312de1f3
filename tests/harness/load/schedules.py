"""Schedules and stalls under a fake clock: what a run would have been, without waiting for it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.load.drive_result import DriveResult
from harness.load.driver import BURST, Policy
from harness.load.pump import drive_workload
from harness.load.truth.ledger import Ledger
from harness.load.validity import Evidence, evidence_of
from harness.views import QUICKSTART_VIEWS, Tags
from tests.fakes import FakeClock, FakeRunQueue
from workloads.workload import Block, Truth

MS = 1_000_000
SECOND = 1_000 * MS
BLOCK = 64


def every(gap_ns: float, lines: int, start_ns: int = 0) -> list[int]:
    """Return due times at a constant gap."""
    return [start_ns + round(i * gap_ns) for i in range(lines)]


def zero(_line: int) -> int:
    return 0


@dataclass
class Run:
    """One run: due times, and how long each line takes or is kept, all in ns by the line's number.

    `service` is the subject's own work and `preempted` what the machine takes from it; `woken_late` how late the
    thread comes back from waiting for the line; `making` what making the block that begins with the line takes, and
    `descheduled` what the machine takes from that. `pages` are the times since the start at which the page was made,
    which hold a line up that would begin meanwhile. The first line is due at 0.
    """

    due: Sequence[int]
    service: Callable[[int], int] = zero
    preempted: Callable[[int], int] = zero
    woken_late: Callable[[int], int] = zero
    making: Callable[[int], int] = zero
    descheduled: Callable[[int], int] = zero
    pages: Sequence[tuple[int, int]] = ()
    policy: Policy = BURST
    clock: "_Clock" = field(init=False)

    def driven(self) -> DriveResult:
        """Drive the run."""
        queue, latencies = FakeRunQueue(), list[float]()
        self.clock = clock = _Clock(self)

        def evaluate(text: str, _tags: Tags) -> None:
            line = int(text)
            clock.advance(self.service(line) + self.preempted(line))
            queue.waited_ns += self.preempted(line)
            queue.running_ns += self.service(line)
            latencies.append(0.0)

        def blocks() -> Iterator[Block]:
            for first in range(0, len(self.due), BLOCK):
                clock.advance(self.making(first) + self.descheduled(first))
                queue.waited_ns += self.descheduled(first)
                yield _block(first, self.due[first : first + BLOCK])

        return drive_workload(
            blocks(),
            evaluate,
            Ledger(QUICKSTART_VIEWS, ("repl",)),
            clock,
            self.policy,
            latencies_ms=latencies,
            queue=queue,
            pages=lambda since: [(a, b) for a, b in clock.pages() if b > since],
        )

    def evidence(self, self_cost_ns: float = 0.0) -> Evidence:
        """Return what the verdict rests on."""
        return evidence_of(self.driven(), self_cost_ns)


class _Clock(FakeClock):
    """Comes back late from waiting where the run says so, or where a page is being made."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run
        self._start: int | None = None
        self._lines = {due: line for line, due in reversed(list(enumerate(run.due)))}

    def pages(self) -> list[tuple[int, int]]:
        start = self._start or 0
        return [(start + begin, start + end) for begin, end in self._run.pages]

    def now_ns(self) -> int:
        if self._start is None:
            return self.now
        # Whoever holds the interpreter keeps this thread from even reading the clock.
        for begin, end in self.pages():
            if begin <= self.now < end:
                self.now = end
        return self.now

    def wait_until(self, ns: int, /) -> None:
        super().wait_until(ns)
        if self._start is None:
            # The first line is due at the start, and is what is waited for first.
            self._start = ns
        if (line := self._lines.get(ns - self._start)) is not None:
            self.now += self._run.woken_late(line)


def _block(first: int, due: Sequence[int]) -> Block:
    size = len(due)
    return Block(
        first=first,
        lines=[str(first + i) for i in range(size)],
        due_ns=np.array(due, dtype=np.int64),
        tags=[Tags()] * size,
        truth=Truth(
            lengths=np.full(size, 5, dtype=np.int64),
            method=np.zeros(size, dtype=np.int32),
            error=np.zeros(size, dtype=np.int8),
        ),
    )

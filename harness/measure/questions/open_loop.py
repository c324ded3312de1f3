"""Open-loop runs of one measured process: due times drawn in advance, and the times of each line."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.measure.pairs.side import Side
from workloads.arrivals import make_arrivals
from workloads.grammar import parse

__all__ = ["Ns", "OpenLoop", "closed_loop_rate", "due_times", "due_until", "run_open_loop"]

Ns = NDArray[np.int64]

_BLOCKS, _BLOCK_NS = 9, 20_000_000


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """The times of an open-loop run, in ns of ``time.monotonic_ns``.

    `due` has an entry for each line of the schedule; `starts` and `ends` have one for each line that was sent, which
    are the first ones. `served` has a row (start, end) for each scrape during the run, in order of start. `cpu_ns` is
    the processor time of the process during the run, in ns.
    """

    due: Ns
    starts: Ns
    ends: Ns
    served: Ns
    raised: int = 0
    cpu_ns: int = 0

    @property
    def sent(self) -> int:
        """Number of lines sent; fewer than due where the process gave up."""
        return len(self.starts)

    @property
    def lag(self) -> Ns:
        """Delay between due time and start of each line sent, ns."""
        return self.starts - self.due[: self.sent]

    @property
    def service(self) -> Ns:
        """Service time of each line sent, ns."""
        return self.ends - self.starts

    @property
    def response(self) -> Ns:
        """Response time of each line sent, from due time to end, ns."""
        return self.ends - self.due[: self.sent]


def closed_loop_rate(side: Side) -> float:
    """Return the lines per second of a side that is loaded and pinned, without a schedule.

    The median of nine blocks of about 20 ms, so that a temporary slowdown of the machine has no effect.
    """
    count = max(1, round(_BLOCK_NS / side.ns_per_line))
    took = sorted(int(side.ask({"do": "run", "lines": count})["ns"]) for _ in range(_BLOCKS))
    return count * 1e9 / took[_BLOCKS // 2]


def due_times(rate: float, lines: int, seed: int) -> Ns:
    """Return the due times of `lines` Poisson arrivals at `rate` per second, ns from the start, fixed by `seed`."""
    return make_arrivals(parse("arrivals", f"poisson:rate={rate:.6f}"), seed).due(0, lines)


def due_until(rate: float, duration_ns: int, seed: int) -> Ns:
    """Return the due times of Poisson arrivals at `rate` per second within `duration_ns`, ns from the start."""
    arrivals = make_arrivals(parse("arrivals", f"poisson:rate={rate:.6f}"), seed)
    return arrivals.due(0, arrivals.count_until(duration_ns))


def run_open_loop(
    side: Side, due: Ns, file: Path, *, start_ns: int | None = None, give_up_ns: int | None = None, sleep: bool = False
) -> OpenLoop:
    """Run one line for each of `due`, ns after the start, on a side that is loaded and pinned.

    The start is `start_ns`, which has to leave time for reading the due times; None starts as soon as they are read.
    `file` and the file of that name with ``.out`` appended are overwritten. `give_up_ns` is explained in
    `harness.measure.worker.paced`. With `sleep` the process sleeps until lines are due and takes no processor time to
    wait; otherwise it spins at the end, which starts lines on time.
    """
    due.astype(np.int64).tofile(file)
    ahead_ns = 0 if start_ns is None else start_ns - time.monotonic_ns()
    planned_s = (ahead_ns + (int(due[-1]) if len(due) else 0)) / 1e9
    answer = side.ask(
        {
            "do": "pace",
            "file": str(file),
            "start_ns": start_ns,
            "give_up_ns": give_up_ns,
            "planned_s": max(0.0, planned_s),
            "sleep": sleep,
        }
    )
    both = np.fromfile(f"{file}.out", dtype=np.int64)
    count = answer["lines"]
    served = np.asarray(answer["served"], dtype=np.int64).reshape(-1, 2)
    return OpenLoop(
        due=due + answer["start_ns"],
        starts=both[:count],
        ends=both[count:],
        served=served[np.argsort(served[:, 0], kind="stable")],
        raised=answer["raised"],
        cpu_ns=answer["cpu_ns"],
    )

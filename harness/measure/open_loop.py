"""An open-loop run of one measured process: due times fixed before, and what became of each line."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.measure.processes import Side
from workloads.arrivals import make_arrivals
from workloads.grammar import parse

__all__ = ["Ns", "OpenLoop", "closed_loop_rate", "due_times", "due_until", "run_open_loop", "start_in"]

Ns = NDArray[np.int64]

_BLOCKS, _BLOCK_NS = 9, 20_000_000


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """All moments in ns of ``time.monotonic_ns``.

    `due` has an entry for each line of the schedule; `starts` and `ends` one for each line that was sent, which are the
    first ones. `served` has a row (start, end) for each scrape served meanwhile, in order of their starts.
    """

    due: Ns
    starts: Ns
    ends: Ns
    served: Ns
    raised: int = 0

    @property
    def sent(self) -> int:
        """How many lines were sent; fewer than were due when the process gave up."""
        return len(self.starts)

    @property
    def lag(self) -> Ns:
        """How late each line sent began."""
        return self.starts - self.due[: self.sent]

    @property
    def service(self) -> Ns:
        """How long the subject worked on each line sent."""
        return self.ends - self.starts

    @property
    def response(self) -> Ns:
        """How long after it was due each line sent was done."""
        return self.ends - self.due[: self.sent]


def closed_loop_rate(side: Side) -> float:
    """Return the lines per second of a side that is loaded and pinned, without a schedule.

    The median of nine blocks of some 20 ms, so that a slow spell does not pass for the subject's own speed.
    """
    count = max(1, round(_BLOCK_NS / side.ns_per_line))
    took = sorted(int(side.ask({"do": "run", "lines": count})["ns"]) for _ in range(_BLOCKS))
    return count * 1e9 / took[_BLOCKS // 2]


def due_times(rate: float, lines: int, seed: int) -> Ns:
    """Return when `lines` independent arrivals at `rate` a second are due, ns from the start; `seed` fixes them."""
    return make_arrivals(parse("arrivals", f"poisson:rate={rate:.6f}"), seed).due(0, lines)


def due_until(rate: float, duration_ns: int, seed: int) -> Ns:
    """Return when independent arrivals at `rate` a second are due within `duration_ns`, ns from the start."""
    arrivals = make_arrivals(parse("arrivals", f"poisson:rate={rate:.6f}"), seed)
    return arrivals.due(0, arrivals.count_until(duration_ns))


def run_open_loop(side: Side, due: Ns, file: Path, *, start_ns: int, give_up_ns: int | None = None) -> OpenLoop:
    """Have a side that is loaded and pinned run one line for each of `due`, ns after `start_ns`.

    The start must lie far enough ahead for the due times to be read. `file` is overwritten, and another one of that
    name and ``.out`` beside it. `give_up_ns` is explained at `harness.measure.paced`.
    """
    due.astype(np.int64).tofile(file)
    planned_s = max(0.0, start_ns + int(due[-1]) - time.monotonic_ns()) / 1e9 if len(due) else 0.0
    command = {"do": "pace", "file": str(file), "start_ns": start_ns, "give_up_ns": give_up_ns, "planned_s": planned_s}
    answer = side.ask(command)
    both = np.fromfile(f"{file}.out", dtype=np.int64)
    sent = answer["lines"]
    served = np.asarray(answer["served"], dtype=np.int64).reshape(-1, 2)
    return OpenLoop(
        due=due + start_ns,
        starts=both[:sent],
        ends=both[sent:],
        served=served[np.argsort(served[:, 0], kind="stable")],
        raised=answer["raised"],
    )


def start_in(seconds: float) -> int:
    """Return the moment so many seconds ahead, ns of ``time.monotonic_ns``."""
    return time.monotonic_ns() + round(seconds * 1e9)

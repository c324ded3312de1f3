"""The timed loop: hands each line to the subject at its due time and records start and end.

Everything else (making lines, counting, showing progress) happens outside of it. docs/driving.md explains the terms.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.load.clock import Clock
from harness.load.recorder import Recorder
from harness.load.stop import Stop
from harness.views import Tags

if TYPE_CHECKING:
    from workloads.workload import Block

__all__ = ["BURST", "CLOSED", "DEFAULT_PATIENCE_NS", "Evaluate", "Interventions", "Policy", "drive", "drop"]

Evaluate = Callable[[str, Tags], object]

# Twice the 5 ms for which CPython lets another thread, such as a scrape's, keep the interpreter lock.
DEFAULT_PATIENCE_NS = 10_000_000

# How long a wait goes on before the stop flag is looked at again.
_GLANCE_NS = 50_000_000


@dataclass(frozen=True, slots=True)
class Policy:
    """Treatment of a line that is late; `patience_ns` is for ``drop`` only.

    - ``burst``: send it at once; nothing is lost and a backlog shows as lag and response time.
    - ``drop``: a line that could not start within `patience_ns` of its due time is never sent, and counted.
    - ``closed``: there are no due times; each line follows the end of the one before.
    """

    name: str
    patience_ns: int = 0


class Interventions(Protocol):
    """Incidents of a run as the loop around the driver meets them: only ever between two lines."""

    def begin(self, start_ns: int) -> None:
        """Receive the moment from which due times count."""

    def poll(self) -> bool:
        """Note what has begun by now; return whether something was switched on, which `switch` takes in."""

    def switch(self, line: int, due_ns: int) -> "Iterator[Block] | None":
        """Take in what was switched on; return the blocks from `line` on where other lines are to be sent from there.

        The lines before it have been sent, the last of them due at `due_ns` from the start.
        """

    def evaluator(self, evaluate: Evaluate) -> Evaluate:
        """Return what evaluates the lines of the next slice: `evaluate`, or what does the same for less."""

    def next_renewal_ns(self) -> int | None:
        """Return when, from the start, the service is renewed next, which must not happen within a slice."""

    def take_held(self) -> Mapping[int, int]:
        """Return for how long (ns) incidents held up each call of `evaluate` since this was asked for last, by number.

        Calls that were not held up are left out.
        """

    def active(self) -> tuple[str, ...]:
        """Return the kinds of incident that are going on."""


BURST = Policy("burst")
CLOSED = Policy("closed")


def drop(patience_ns: int = DEFAULT_PATIENCE_NS) -> Policy:
    """Return the policy that gives up lines later than `patience_ns`."""
    return Policy("drop", patience_ns)


def drive(
    block: "Block",
    evaluate: Evaluate,
    recorder: Recorder,
    clock: Clock,
    policy: Policy,
    start_ns: int,
    stop: Stop | None = None,
) -> int:
    """Send the lines of a block, due at `start_ns` plus their due times; return the number of lines handled.

    That is all of them, unless `stop` was requested. The recorder's columns hold one entry for each. An exception
    raised by `evaluate` is recorded with its type and the loop continues; one that is not an `Exception`
    (KeyboardInterrupt, SystemExit) is recorded as well and ends the run, with consistent columns.
    """
    stop = stop or Stop()
    if policy.name == "closed":
        _closed(block, evaluate, recorder, clock, stop)
    else:
        patience = policy.patience_ns if policy.name == "drop" else None
        _paced(block, evaluate, recorder, clock, patience, start_ns, stop)
    return len(recorder.ends)


def _closed(block: "Block", evaluate: Evaluate, recorder: Recorder, clock: Clock, stop: Stop) -> None:
    now = clock.now_ns
    began, ended = recorder.starts.append, recorder.ends.append
    for line, tags in zip(block.lines, block.tags, strict=True):
        if stop.requested:
            break
        start = now()
        try:
            evaluate(line, tags)
        except BaseException as error:
            _note(error, recorder, stop)
        end = now()
        began(start)
        ended(end)


def _paced(
    block: "Block",
    evaluate: Evaluate,
    recorder: Recorder,
    clock: Clock,
    patience: int | None,
    start_ns: int,
    stop: Stop,
) -> None:
    now, wait = clock.now_ns, _waiter(clock, stop)
    began, ended = recorder.starts.append, recorder.ends.append
    # Without patience no line is ever too late; one comparison that is never true costs less than a second loop.
    patience = 1 << 62 if patience is None else patience
    for line, tags, due in zip(block.lines, block.tags, (block.due_ns + start_ns).tolist(), strict=True):
        if stop.requested:
            break
        start = now()
        if start < due:
            if not wait(due):
                break
            start = now()
        elif start - due > patience:
            recorder.exceptions[len(recorder.ends)] = None
            began(start)
            ended(start)
            continue
        try:
            evaluate(line, tags)
        except BaseException as error:
            _note(error, recorder, stop)
        end = now()
        began(start)
        ended(end)


def _note(error: BaseException, recorder: Recorder, stop: Stop) -> None:
    recorder.exceptions[len(recorder.ends)] = type(error).__name__
    if not isinstance(error, Exception):
        stop.request()


def _waiter(clock: Clock, stop: Stop) -> Callable[[int], bool]:
    """Return a wait that ends within 50 ms of a stop request, and returns whether the line is to be sent."""
    now, wait = clock.now_ns, clock.wait_until

    def wait_for(due: int) -> bool:
        while not stop.requested:
            present = now()
            if due - present <= _GLANCE_NS:
                wait(due)
                break
            wait(present + _GLANCE_NS)
        return not stop.requested

    return wait_for

"""``harness lines``: the generator alone, for piping into any other program."""

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, BinaryIO

from harness.cli.command import command, exit_codes
from harness.cli.options import given, workload_options
from harness.cli.system import require_linux

if TYPE_CHECKING:
    from workloads.workload import Block, Workload

__all__ = ["lines"]

DEFAULT_COUNT = 1000


def _encode(lines: list[str]) -> bytes:
    # Bad bytes travel as surrogate escapes and leave as what they were.
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def _paced(block: "Block", start_ns: int, out: BinaryIO) -> None:
    """Write each line when it is due, and at once whatever is due already."""
    from harness.load.clock import MonotonicClock

    clock = MonotonicClock()
    due = block.due_ns + start_ns
    first = 0
    while first < len(due):
        clock.wait_until(int(due[first]))
        last = int(due.searchsorted(clock.now_ns(), side="right"))
        out.write(_encode(block.lines[first:last]))
        out.flush()
        first = last


def _send(workload: "Workload", out: BinaryIO) -> None:
    from harness.load.clock import MonotonicClock, fine_timers

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


@command(
    "harness lines --count 5 --content log",
    "harness lines --arrivals sine:rate=50 --duration 10s | harness repl",
    exits=exit_codes("all lines were written", "standard output was closed before"),
)
@workload_options
def lines(**flags: Any) -> None:
    """Write synthetic lines to standard output, for piping into any other program.

    At full speed, or on schedule where --arrivals or --duration is given (Poisson at 1000/s unless told otherwise). A
    thousand lines where neither --count nor --duration says otherwise.
    """
    from harness.errors import UsageError
    from harness.views import LENGTH_BOUNDS_BYTES
    from workloads.units import parse_duration_ns
    from workloads.workload import Workload, WorkloadSpec

    values = given(flags)
    if "duration" in values:
        values["duration_ns"] = parse_duration_ns(values.pop("duration"))
    else:
        values = {"arrivals": "max", "count": DEFAULT_COUNT, **values}
    workload = Workload(WorkloadSpec(**values), bounds=LENGTH_BOUNDS_BYTES)
    if workload.closed_loop and workload.total is None:
        raise UsageError("--duration: full speed has no schedule; give --count, or --arrivals poisson:rate=100")
    if not workload.closed_loop:
        require_linux("lines on schedule")
    _send(workload, sys.stdout.buffer)

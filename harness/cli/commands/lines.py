"""``harness lines``: the generator alone, for piping into any other program."""

import sys
from typing import Any

from harness.cli.command import command, exit_codes
from harness.cli.options import given, workload_options
from harness.cli.system import require_linux

__all__ = ["lines"]

DEFAULT_COUNT = 1000


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
    from harness.actions.lines import send
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
    send(workload, sys.stdout.buffer)

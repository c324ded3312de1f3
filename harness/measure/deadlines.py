"""Deadlines for the answers of measured processes, derived from the planned work; a process that exceeds one hangs."""

from collections.abc import Mapping
from typing import Any

from harness.children import GRACE_S

__all__ = ["COUNTING_S", "INSTALLING_S", "answer_within_s", "trial_within_s"]

# A temporarily slow machine takes three to four times as long; a factor of ten means that the process hangs.
_SLOWEST = 10.0
_PER_SERIES_S = 0.01
# Under valgrind a program runs about fifty times slower, and a count has a fixed number of lines.
COUNTING_S = 600.0
# pip may have to download and compile.
INSTALLING_S = 1800.0


def answer_within_s(command: Mapping[str, Any], *, ns_per_line: float, series: int, grace_s: float = GRACE_S) -> float:
    """Return the seconds within which a worker has to answer `command`.

    The deadline is `grace_s` plus ten times the planned duration: for a block its lines at `ns_per_line`, measured
    during warm-up; for a schedule its length; for loading and finishing 10 ms per series.
    """
    plan_s = 0.0
    if command["do"] == "run":
        plan_s = command["lines"] * ns_per_line / 1e9
    elif command["do"] == "pace":
        plan_s = command["planned_s"]
    elif command["do"] in {"load", "finish"}:
        plan_s = _PER_SERIES_S * series
    return grace_s + _SLOWEST * plan_s


def trial_within_s(sending_s: float) -> float:
    """Return the seconds within which a load run that sends for `sending_s` has to end: twice that plus `2 * GRACE_S`.

    The run itself limits the time for draining, final scrapes and the audit.
    """
    return 2 * GRACE_S + 2 * sending_s

"""How long each answer of a measured process may take, by what was planned; what takes longer counts as hanging."""

from collections.abc import Mapping
from typing import Any

from harness.children import GRACE_S

__all__ = ["COUNTING_S", "INSTALLING_S", "answer_within_s", "trial_within_s"]

# A machine in a slow spell takes three to four times as long; ten times is no spell any more.
_SLOWEST = 10.0
_PER_SERIES_S = 0.01
# Under valgrind a program runs some fifty times slower. The rest of a count is a fixed number of lines.
COUNTING_S = 600.0
# pip may have to download and to compile.
INSTALLING_S = 1800.0


def answer_within_s(command: Mapping[str, Any], *, ns_per_line: float, series: int, grace_s: float = GRACE_S) -> float:
    """Return the seconds within which a worker has to answer `command`.

    `grace_s`, and on top of it ten times what is planned: for a block its lines at `ns_per_line`, as measured while
    warming up; for a schedule its own length; for loading and finishing 10 ms for each series.
    """
    planned = 0.0
    if command["do"] == "run":
        planned = command["lines"] * ns_per_line / 1e9
    elif command["do"] == "pace":
        planned = command["planned_s"]
    elif command["do"] in {"load", "finish"}:
        planned = _PER_SERIES_S * series
    return grace_s + _SLOWEST * planned


def trial_within_s(sending_s: float) -> float:
    """Return the seconds within which a load run has to end that sends for `sending_s`: twice that and two minutes.

    The run itself bounds how long it drains, waits for scrapes and audits.
    """
    return 2 * GRACE_S + 2 * sending_s

"""What runs for each line in a measured process, and how to prove afterwards that it recorded."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from harness.measure.worker.delay import Evaluate
from harness.views import ERRORS, View

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry

__all__ = ["Body", "Sink", "no_counts", "page_counts", "touched"]


class Sink:
    """A text stream on the null device: lines are encoded and written, and go nowhere."""

    def __init__(self) -> None:
        self._opened: list[TextIO] = []

    def open(self) -> TextIO:
        """Return a stream of its own for one thread."""
        self._opened.append(open(os.devnull, "w", encoding="utf-8", newline="\n"))  # noqa: PTH123, SIM115
        return self._opened[-1]

    def close(self) -> None:
        """Close all streams handed out."""
        for stream in self._opened:
            stream.close()


def _nothing() -> None:
    pass


def no_counts() -> dict[str, int]:
    """Return no views: nothing is recorded."""
    return {}


@dataclass(slots=True)
class Body:
    """What runs for each line, and how to prove afterwards that it recorded.

    `evaluators` has one function for each thread. `counts` returns, for each view that every line must reach, how many
    records it shows; it raises `InstrumentError` where a function that must not record has. `registry` is what an
    endpoint would serve; None where the subject has no page.
    """

    evaluators: Sequence[Evaluate]
    counts: Callable[[], dict[str, int]] = no_counts
    registry: "CollectorRegistry | None" = None
    close: Callable[[], object] = _nothing
    # How many recording calls of known libraries one line of a user's own function makes; None where not asked.
    calls_per_line: int | None = field(default=None)


def page_counts(page: str, views: Sequence[View]) -> dict[str, int]:
    """Return how many records each view shows on a page, summed over its series: counters and ``_count`` samples."""
    import re

    found = {}
    for view in views:
        sample = re.compile(rf"^{re.escape(view.family)}(?:_total|_count)?(?:\{{.*\}})? (\S+)", re.MULTILINE)
        found[view.name] = round(math.fsum(float(value) for value in sample.findall(page)))
    return found


def touched(views: Sequence[View]) -> list[View]:
    """Return the views that every good line reaches; the errors view only sees refused ones."""
    return [view for view in views if view.measure != ERRORS.measure]

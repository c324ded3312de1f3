"""The body of a measured process: the function that runs per line, and the proof that it recorded."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from harness.measure.worker.delay import Evaluate
from harness.views import ERRORS, View

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry

    from harness.push.sink import SinkProcess

__all__ = ["Body", "Sink", "no_counts", "page_counts", "page_series", "touched"]


class Sink:
    """Text streams on the null device: lines are encoded and written, and discarded."""

    def __init__(self) -> None:
        self._opened: list[TextIO] = []

    def open(self) -> TextIO:
        """Return a new stream, for one thread."""
        self._opened.append(open(os.devnull, "w", encoding="utf-8", newline="\n"))  # noqa: PTH123, SIM115
        return self._opened[-1]

    def close(self) -> None:
        """Close all streams."""
        for stream in self._opened:
            stream.close()


def _nothing() -> None:
    pass


def no_counts() -> dict[str, int]:
    """Return no counts, for bodies that record nothing."""
    return {}


@dataclass(slots=True)
class Body:
    """The functions that run per line, and the proof that they recorded.

    `evaluators` has one function for each thread. `counts` returns, for each view that every line must reach, its
    number of records; it raises `InstrumentError` where a function that must not record has recorded. `registry` is
    what an endpoint would serve; None where the subject has no page. `sink` is where an instrument pushes to, in place
    of being scraped.
    """

    evaluators: Sequence[Evaluate]
    counts: Callable[[], dict[str, int]] = no_counts
    registry: "CollectorRegistry | None" = None
    close: Callable[[], object] = _nothing
    sink: "SinkProcess | None" = None
    # Recording calls of known libraries per line of a user's own function; None where they were not counted.
    calls_per_line: int | None = field(default=None)


def page_counts(page: str, views: Sequence[View]) -> dict[str, int]:
    """Return the records of each view on a page, summed over its series: counters and ``_count`` samples."""
    return {view.name: round(math.fsum(map(float, _samples(page, view)))) for view in views}


def page_series(page: str, views: Sequence[View]) -> int:
    """Return the number of tag sets on a page, of the view that shows the fewest; 0 for no views."""
    return min((len(_samples(page, view)) for view in views), default=0)


def _samples(page: str, view: View) -> list[str]:
    """Return what a page shows as counter or ``_count`` of each series of a view, as written."""
    import re

    pattern = rf"^{re.escape(view.family)}(?:_total|_count)?(?:\{{.*\}})? (\S+)"
    values: list[str] = re.findall(pattern, page, re.MULTILINE)
    return values


def touched(views: Sequence[View]) -> list[View]:
    """Return the views that every valid line reaches: all but the errors view, which only invalid lines reach."""
    return [view for view in views if view.measure != ERRORS.measure]

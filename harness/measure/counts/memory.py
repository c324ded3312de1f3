"""Memory that the series of a subject occupy, and the time that making its page takes, in fresh processes.

The resident memory of a process is read before its series exist and after a line of each of them. It is what the system
has given to the process, in pages of 4 KiB: the first few series may fit into room that the process already has, so for
a handful of series the figure is a lower bound. Text of the tags is not counted, since the caller has it as well. The
sampling unit is the process: intervals are Student's over processes.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from harness.children import ISOLATED, run_to_end
from harness.errors import RunError
from harness.measure.counts.instructions import answer_of
from harness.measure.deadlines import answer_within_s
from harness.measure.inputs import lines_for
from harness.measure.pairs.side import Lines, surroundings
from harness.measure.stats import Estimate, t_interval
from harness.measure.subject import Subject
from harness.views import Tags

__all__ = ["Footprint", "FootprintMeasurer", "measure_footprint", "memory_of_series"]

_PROCESS = "from harness.measure.worker.footprint import main; main()"
# The tag set whose line is evaluated before the memory is read.
_FIRST = Tags("first")
_LONGEST_NS = 500_000_000


class Footprint(BaseModel):
    """What one fresh process occupied, and how long making its page took, as it is measured and stored.

    `void` says why the process does not count; empty when it does.
    """

    model_config = ConfigDict(frozen=True)

    before: int = Field(0, description="bytes of resident memory without the series")
    after: int = Field(0, description="bytes of resident memory after a line of each series")
    page_ns: tuple[int, ...] = Field((), description="ns that each page took; empty where none was made")
    page_bytes: int = Field(0, description="size of the page as sent, compressed")
    recorded: int = Field(0, description="lines that all workers recorded")
    own: int = Field(0, description="lines that the worker with the page recorded")
    shown: int = Field(0, description="lines on the page, in the view that shows the fewest")
    series: int = Field(0, description="tag sets recorded in each worker")
    shown_series: int = Field(0, description="tag sets on the page")
    void: str = Field("", description="why the process does not count; empty when it does")

    @property
    def series_bytes(self) -> int:
        """Bytes that the series added; not below 0, since memory given back meanwhile is no property of series."""
        return max(0, self.after - self.before)

    @property
    def page_time_ns(self) -> float | None:
        """Median time of making a page; None where none was made."""
        return float(median(self.page_ns)) if self.page_ns else None


class FootprintMeasurer(Protocol):
    """What measures one fresh process; `measure_footprint`, or a fake of it."""

    def __call__(self, subject: Subject, /, *, workers: int = 1, pages: int = 0, core: int | None = None) -> Footprint:
        """Return the footprint of one process."""


def measure_footprint(
    subject: Subject,
    /,
    *,
    workers: int = 1,
    pages: int = 0,
    core: int | None = None,
    lines: Callable[[int], Lines] = lines_for,
) -> Footprint:
    """Return the footprint of a fresh process with the series of `subject`, on the processor `core` if one is given.

    With `workers` above 1 the process is forked before its first line, and every worker records a line of each series
    before the pages are made; `pages` is their number. Raise `RunError` where the process fails, or the `HarnessError`
    from building the subject.
    """
    tags = (_FIRST, *dict.fromkeys(lines(subject.series).tags))
    command = {
        "subject": subject.to_json(), "tags": tags, "workers": workers, "pages": pages, "longest_ns": _LONGEST_NS,
        "core": core,
    }  # fmt: skip
    loading = {"do": "load"}
    process = run_to_end(
        [subject.python or sys.executable, *ISOLATED, "-c", _PROCESS, str(os.getpid())],
        what=f"measuring the memory of {subject.name}",
        within_s=answer_within_s(loading, ns_per_line=0.0, series=subject.series * workers),
        given=json.dumps(command).encode() + b"\n",
        folder=subject.folder or None,
        environment={**os.environ, **surroundings(subject), "PYTHONHASHSEED": "random"},
    )
    if process.code or not process.output:
        raise RunError(f"measuring the memory of {subject.name} ended with {process.code}: {process.last_word}")
    return _footprint(subject, answer_of(process.output))


def _footprint(subject: Subject, answer: Mapping[str, Any]) -> Footprint:
    own, others = int(answer["evaluated"]), int(answer["others"])
    shown = min(answer["shown"].values(), default=own)
    void = ""
    if answer["raised"]:
        void = f"{subject.name}: {answer['raised']} of {own} lines raised"
    elif shown not in {own, own + others} and not answer["lost_packets"]:
        void = f"{subject.name}: the page shows {shown} of {own + others} lines"
    return Footprint(
        before=answer["before"],
        after=answer["after"],
        page_ns=tuple(answer["page_ns"]),
        page_bytes=answer["page_bytes"],
        recorded=own + others,
        own=own,
        shown=shown,
        # The first tag set is a series as well.
        series=subject.series + 1,
        shown_series=answer["series"],
        void=void,
    )


def memory_of_series(
    subject: Subject, series: int, repeats: int, *, measure: FootprintMeasurer = measure_footprint
) -> Estimate:
    """Return the bytes that `series` series of a subject occupy in all, with Student's interval over fresh processes.

    `repeats` processes are measured, half a second each where series are few. A single one has an unbounded interval.
    Raise `RunError` where a process fails or loses lines, and `ValueError` where `repeats` is below 1.
    """
    if repeats < 1:
        raise ValueError(f"at least one process is measured, not {repeats}")
    measured = [measure(replace(subject, series=series)) for _ in range(repeats)]
    for each in measured:
        if each.void:
            raise RunError(each.void)
    return t_interval([each.series_bytes for each in measured])

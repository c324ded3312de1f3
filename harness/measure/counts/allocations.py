"""Allocated bytes per line: the memory requested from the allocators, counted outside any timed process.

Total and not net: most of the memory allocated by recording is freed within the line, so that the difference between
after and before (``tracemalloc``, ``sys.getallocatedblocks``) is zero where a kilobyte was allocated and freed.
Python's pools are disabled (``PYTHONMALLOC=malloc``), so that every request reaches malloc, and valgrind sums them
("total heap usage"); objects that Python's free lists reuse without a request are not counted, here as in the user's
program. Two processes, with 3 N and 6 N lines after the same start, differ by 3 N lines. The hash seed is 0. Repeats
differ by one or two percent at most, where a one-time allocation occurs in only one of the two.
"""

import json
import os
import re
import sys
from collections.abc import Callable
from typing import Any

from harness.children import ISOLATED, run_to_end
from harness.errors import RunError
from harness.measure.counts.instructions import COUNTED, Counted, answer_of, find_valgrind
from harness.measure.deadlines import COUNTING_S
from harness.measure.inputs import lines_for
from harness.measure.pairs.pair import voided
from harness.measure.pairs.side import Lines, surroundings
from harness.measure.subject import Subject

__all__ = ["count_allocated", "parse_total"]

# Enough lines for the same warm-up in both processes; slow subjects get fewer.
_FAST_LINES, _SLOW_LINES = 512, 64
_TOTAL = re.compile(r"total heap usage: [\d,]+ allocs, [\d,]+ frees, ([\d,]+) bytes allocated")
_OPTIONS = ("--tool=memcheck", "--leak-check=no", "--undef-value-errors=no", "--run-libc-freeres=no")


def parse_total(text: str) -> int:
    """Return the total of allocated bytes from valgrind's summary; raise `RunError` where it is missing."""
    total = _TOTAL.search(text)
    if total is None:
        lines = text.strip().splitlines()
        raise RunError(f"valgrind reported no total: {lines[-1] if lines else 'no output'}", field="axis")
    return int(total[1].replace(",", ""))


def count_allocated(
    subject: Subject, *, lines: Callable[[int], Lines] = lines_for, count: int | None = None
) -> Counted:
    """Return the bytes allocated per line of `subject`, counted in two processes of its own; takes about ten seconds.

    Less than one byte per line counts as one, so that ratios stay finite. Raise `RunError` where valgrind is missing or
    fails, or the `HarnessError` from building the subject.
    """
    find_valgrind("allocations")
    number = count or (_SLOW_LINES if subject.instrument == "opencensus" else _FAST_LINES)
    single, void, answer = _run(subject, lines(subject.series), number)
    double, also, _ = _run(subject, lines(subject.series), 2 * number)
    extra = 3 * number
    return Counted(extra, ((single, max(double, single + extra)),), void or also, answer)


def _run(subject: Subject, lines: Lines, count: int) -> tuple[int, str, dict[str, Any]]:
    command = {"subject": subject.to_json(), "lines": lines.texts, "tags": lines.tags, "count": count, "repeats": 1}
    python = [subject.python or sys.executable, *ISOLATED, "-c", COUNTED, str(os.getpid())]
    process = run_to_end(
        [find_valgrind("allocations"), *_OPTIONS, *python],
        what=f"counting the allocations of {subject.name}",
        within_s=COUNTING_S,
        given=json.dumps(command).encode() + b"\n",
        folder=subject.folder or None,
        environment={
            "PATH": os.defpath,
            "PYTHONHASHSEED": "0",
            "PYTHONMALLOC": "malloc",
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            **surroundings(subject),
        },
    )
    if process.code or not process.output:
        words = [line for line in process.complaints.splitlines() if line.strip() and not line.startswith("==")]
        text = f"counting allocations, {subject.name} ended with {process.code}: {words[-1] if words else 'no output'}"
        raise RunError(text, field="axis")
    answer = answer_of(process.output)
    return parse_total(process.complaints), voided(subject.name, subject.threads, answer), answer

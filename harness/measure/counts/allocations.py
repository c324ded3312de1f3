"""Bytes per line: what a line asks of the memory allocators, counted outside any timed process.

Total and not net: most of what recording allocates is freed within the line, so that a difference of before and after
(``tracemalloc``, ``sys.getallocatedblocks``) reads nought where a kilobyte was asked for and given back. Python's own
pools are switched off (``PYTHONMALLOC=malloc``), so that every request reaches malloc, and valgrind adds them up
("total heap usage"); what Python's free lists hand out again without asking is not counted, here as in the user's
program. Two processes, of 3 N and of 6 N lines after the same start, differ by 3 N lines. The hash seed is 0. Repeats
differ by one or two percent at most, where something that is made once falls into one of the two only.
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

# Enough that both processes warm up by the same number of lines; slow subjects get fewer.
_FAST_LINES, _SLOW_LINES = 512, 64
_TOTAL = re.compile(r"total heap usage: [\d,]+ allocs, [\d,]+ frees, ([\d,]+) bytes allocated")
_OPTIONS = ("--tool=memcheck", "--leak-check=no", "--undef-value-errors=no", "--run-libc-freeres=no")


def parse_total(text: str) -> int:
    """Return the bytes allocated in all from valgrind's closing words; raises `RunError` where they are missing."""
    found = _TOTAL.search(text)
    if found is None:
        said = text.strip().splitlines()
        raise RunError(f"valgrind told no total: {said[-1] if said else 'no word'}", field="axis")
    return int(found[1].replace(",", ""))


def count_allocated(
    subject: Subject, *, lines: Callable[[int], Lines] = lines_for, count: int | None = None
) -> Counted:
    """Return the bytes that lines of `subject` ask for, counted in two processes of their own; takes some ten seconds.

    Less than a byte a line counts as one, so that ratios stay finite. Raises `RunError` where valgrind is missing or
    fails, or the `HarnessError` that building the subject met.
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
    done = run_to_end(
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
    if done.code or not done.output:
        said = [line for line in done.complaints.splitlines() if line.strip() and not line.startswith("==")]
        text = f"counting allocations, {subject.name} ended with {done.code}: {said[-1] if said else 'no output'}"
        raise RunError(text, field="axis")
    answer = answer_of(done.output)
    return parse_total(done.complaints), voided(subject.name, subject.threads, answer), answer

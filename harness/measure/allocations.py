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
import subprocess
import sys
from collections.abc import Callable

from harness.errors import RunError, from_answer
from harness.measure.instructions import Counted, find_valgrind
from harness.measure.lines import lines_for
from harness.measure.pairs import voided
from harness.measure.processes import Lines, surroundings
from harness.measure.subjects import Subject

__all__ = ["count_allocated", "parse_total"]

# Enough that both processes warm up by the same number of lines; slow subjects get fewer.
_FAST_LINES, _SLOW_LINES = 512, 64
_TIMEOUT_S = 600
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
    single, void = _run(subject, lines(subject.series), number)
    double, also = _run(subject, lines(subject.series), 2 * number)
    extra = 3 * number
    return Counted(extra, ((single, max(double, single + extra)),), void or also)


def _run(subject: Subject, lines: Lines, count: int) -> tuple[int, str]:
    command = {"subject": subject.to_json(), "lines": lines.texts, "tags": lines.tags, "count": count, "repeats": 1}
    done = subprocess.run(  # noqa: S603 - valgrind, and our own module
        [
            find_valgrind("allocations"),
            *_OPTIONS,
            subject.python or sys.executable,
            "-m",
            "harness.measure.counted",
        ],
        input=json.dumps(command).encode() + b"\n",
        capture_output=True,
        cwd=subject.folder or None,
        env={
            "PATH": os.defpath,
            "PYTHONHASHSEED": "0",
            "PYTHONMALLOC": "malloc",
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            **surroundings(subject),
        },
        timeout=_TIMEOUT_S,
        check=False,
    )
    complaint = done.stderr.decode(errors="replace")
    if done.returncode or not done.stdout:
        said = [line for line in complaint.splitlines() if line.strip() and not line.startswith("==")]
        text = f"counting allocations, {subject.name} ended with {done.returncode}: {said[-1] if said else 'no word'}"
        raise RunError(text, field="axis")
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise from_answer(answer)
    return parse_total(complaint), voided(subject.name, subject.threads, answer)

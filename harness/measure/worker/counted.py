"""The process that runs under valgrind: a subject's lines in parts whose boundaries callgrind can detect.

A call of ``sched_yield`` marks each boundary (``--dump-before=sched_yield``): parts of N and 2N lines, several times.
It reads one line of JSON, {"subject", "lines", "tags", "count", "repeats"}, and answers with JSON on standard output.
"""

import gc
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from harness.errors import HarnessError, to_answer
from harness.host.libraries import loaded_libraries
from harness.measure.subject import Subject
from harness.measure.worker.blocks import Worker, die_with_parent
from harness.measure.worker.build import build
from harness.views import Tags

__all__ = ["main"]

_WARM_UP_LINES = 64


def main(start_counting: Callable[[], None]) -> None:
    """Run the parts and print the lines evaluated and shown, or the error; end with the parent (pid: argument 1).

    Only what comes after `start_counting` can be counted: imports under callgrind take longer than all the lines.
    """
    die_with_parent(int(sys.argv[1]))
    command = json.loads(sys.stdin.readline())
    try:
        answer = _count(command, start_counting)
    except HarnessError as error:
        answer = to_answer(error)
    sys.stdout.write(json.dumps(answer))


def _count(command: dict[str, Any], start_counting: Callable[[], None]) -> dict[str, Any]:
    subject = Subject.from_json(command["subject"])
    body = build(subject)
    tags = [Tags(*values) for values in command["tags"]]
    worker = Worker(body, list(zip(command["lines"], tags, strict=True)))
    worker.populate(list(dict.fromkeys(tags)))
    count = command["count"]
    # The interpreter specialises a loop after some tens of iterations; a slow subject gets as few as possible.
    worker.run(min(_WARM_UP_LINES, 2 * count))
    start_counting()
    # A full collection would fall into one part or another and take longer than a line; after the freeze there is
    # nothing old to walk.
    gc.collect()
    gc.freeze()
    for _ in range(command["repeats"]):
        os.sched_yield()
        worker.run(count)
        os.sched_yield()
        worker.run(2 * count)
    os.sched_yield()
    loaded = {"loaded": loaded_libraries(subject.own_module), "search": sys.path}
    return {**worker.finish(), **loaded}

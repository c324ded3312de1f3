"""The process that callgrind watches: runs a subject's lines in parts whose boundaries callgrind can see.

A call of ``sched_yield`` marks each boundary (``--dump-before=sched_yield``): parts of N and 2N lines, several times.
Reads one line of JSON, {"subject", "lines", "tags", "count", "repeats"}, and answers with one on standard output.
"""

import gc
import json
import os
import sys

from harness.errors import HarnessError
from harness.measure.bodies import build
from harness.measure.subjects import Subject
from harness.measure.worker import Worker, die_with_parent
from harness.run.loaded import loaded_libraries
from harness.views import Tags

__all__ = ["main"]

_WARM_UP_LINES = 64


def main() -> None:
    """Run the parts and print what was evaluated and shown; ends with its parent, whose id is the only argument."""
    die_with_parent(int(sys.argv[1]))
    command = json.loads(sys.stdin.readline())
    try:
        subject = Subject.from_json(command["subject"])
        body = build(subject)
    except HarnessError as error:
        sys.stdout.write(json.dumps({"error": str(error), "kind": type(error).__name__}))
        return
    tags = [Tags(*each) for each in command["tags"]]
    worker = Worker(body, list(zip(command["lines"], tags, strict=True)))
    worker.populate(list(dict.fromkeys(tags)))
    count = command["count"]
    # The interpreter specialises a loop after some tens of rounds; a slow subject gets as few as it can do with.
    worker.run(min(_WARM_UP_LINES, 2 * count))
    gc.collect()
    gc.freeze()
    for _ in range(command["repeats"]):
        os.sched_yield()
        worker.run(count)
        os.sched_yield()
        worker.run(2 * count)
    os.sched_yield()
    loaded = {"loaded": loaded_libraries(subject.own_module), "search": sys.path}
    sys.stdout.write(json.dumps({**worker.finish(), **loaded}))


if __name__ == "__main__":
    main()

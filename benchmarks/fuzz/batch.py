"""One batch of inputs of one surface, in a process of its own; run as ``python -m benchmarks.fuzz.batch REQUEST``.

REQUEST is a JSON object: ``surface``, ``seconds``, ``megabytes``, ``count``, and ``seed`` or ``inputs``. It prints one
JSON object at the end, and keeps the input that is being tried in the file ``current``, for whoever finds it dead.
"""

import json
import logging
import os
import resource
import sys
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from benchmarks.fuzz.attempt import Attempt, Limits, attempt
from benchmarks.fuzz.surfaces import SURFACES

__all__ = ["Batch", "main", "run"]

# Address space beyond what is taken at the start; a runaway ends in a MemoryError and not in the machine's.
_MOST_BYTES = 4 << 30


class Batch:
    """What became of the inputs of one batch; of alike defects the shortest input is kept."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.slowest_s = self.most_megabytes = 0.0
        self.defects: dict[str, dict[str, Any]] = {}

    def add(self, tried: Any, result: Attempt) -> None:
        """Take in one result."""
        self.outcomes[result.outcome] += 1
        self.slowest_s = max(self.slowest_s, result.seconds)
        self.most_megabytes = max(self.most_megabytes, result.megabytes)
        if result.outcome != "defect":
            return
        before = self.defects.get(result.signature)
        if before is None or len(json.dumps(tried)) < len(json.dumps(before["input"])):
            self.defects[result.signature] = {"input": tried, "reason": result.reason, "where": result.where}

    def document(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "outcomes": dict(self.outcomes), "slowest_s": self.slowest_s, "most_megabytes": self.most_megabytes,
            "defects": list(self.defects.values()),
        }  # fmt: skip


def run(request: dict[str, Any]) -> Batch:
    """Try the inputs of a surface: those given, or `count` made from the seed."""
    what, result = SURFACES[request["surface"]], Batch()
    limits, current, count = (
        Limits(request["seconds"], request["megabytes"]),
        Path(request["current"]),
        request["count"],
    )
    with what.opened() as try_one, current.open("w", encoding="ascii") as file:

        def one(tried: Any) -> None:
            if sum(result.outcomes.values()) >= count:
                return
            os.truncate(file.fileno(), 0)
            os.pwrite(file.fileno(), json.dumps(tried).encode("ascii"), 0)
            result.add(tried, attempt(what, try_one, tried, limits))

        if (inputs := request.get("inputs")) is not None:
            for each in inputs:
                one(each)
            return result
        quiet = settings(
            max_examples=count, database=None, deadline=None, phases=[Phase.generate], verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        seed(request["seed"])(quiet(given(what.strategy())(one)))()
    return result


def main(arguments: list[str]) -> int:
    """Run one batch and print what became of it."""
    request = json.loads(arguments[0])
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + _MOST_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    # What a surface prints by mistake must not be taken for the answer.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    batch = run(request)
    answer.write(json.dumps(batch.document()))
    answer.flush()
    # Threads of servers may still wait for somebody.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

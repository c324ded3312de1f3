"""How long the page of prometheus-client's multiprocess mode takes, in a fresh process: run by `forked_workers`.

    python -m benchmarks.cost.forked_pages LIVE DEAD SERIES REPEATS

Forks LIVE processes that stay and DEAD ones that end, each of which records SERIES values of the tag `method`, and
prints the milliseconds of each page and its size in bytes, as JSON.
"""

import json
import os
import sys
import time

from prometheus_client import generate_latest

from harness.instruments.base import Instrument
from harness.instruments.catalog import create
from harness.views import QUICKSTART_VIEWS, Tags


def main(live: int, dead: int, series: int, repeats: int) -> None:
    instrument = create("prometheus-client-multiprocess", QUICKSTART_VIEWS)
    stay, held = os.pipe()
    try:
        pids = [fork(instrument, series, stay, held, stays=number < live) for number in range(live + dead)]
        for pid in pids[live:]:
            os.waitpid(pid, 0)
        took_ms, size = [], 0
        # The first page is not counted: it compiles and caches.
        for _ in range(repeats + 1):
            began = time.perf_counter()
            size = len(generate_latest(instrument.registry))
            took_ms.append(1000 * (time.perf_counter() - began))
        os.close(held)
        for pid in pids[:live]:
            os.waitpid(pid, 0)
        print(json.dumps({"page_ms": took_ms[1:], "page_bytes": size}))
    finally:
        instrument.close()


def fork(instrument: Instrument, series: int, stay: int, held: int, *, stays: bool) -> int:
    """Fork a process that records and says so, and stays until `held` is closed where it is to; return its number."""
    ready, done = os.pipe()
    if not (pid := os.fork()):
        try:
            for method in range(series):
                instrument.record(1.0, 60, Tags(f"method{method}"))
            os.close(held)
            os.close(done)
            if stays:
                os.read(stay, 1)
        finally:
            os._exit(0)
    os.close(done)
    os.read(ready, 1)
    os.close(ready)
    return pid


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""The process whose memory is read before and after its series exist, and which then makes its page.

It reads one line of JSON, {"subject", "tags", "workers", "pages", "longest_ns", "core"}, and answers with JSON:
{"before", "after", "page_ns", "page_bytes", "shown", "evaluated", "raised", "others", "series", "loaded", "search"}.

Series are told apart by their tags; one line of the first tag set is evaluated before the memory is read, so that what
the first line imports and builds is no part of it. With several workers the process is forked before its first line,
and each copy evaluates a line of every tag set and stays until the end: its page is made while all workers live.
"""

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, RunError, to_answer
from harness.exposition.headers import SCRAPE_HEADERS
from harness.host.libraries import loaded_libraries
from harness.measure.subject import Subject
from harness.measure.worker.blocks import Worker, die_with_parent, private_output
from harness.measure.worker.body import Body, page_series, touched
from harness.measure.worker.build import build
from harness.measure.worker.heap import prepare_heap
from harness.views import Tags

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry

__all__ = ["forked", "main", "resident_bytes", "timed_pages"]

_FEWEST_PAGES = 3
_ROLLUP = "/proc/self/smaps_rollup"


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes, after a full collection; raise `RunError` without it.

    By walking the page tables (``smaps_rollup``): the counters of ``statm`` may be off by some hundred kilobytes.
    """
    gc.collect()
    try:
        with open(_ROLLUP, encoding="ascii") as file:  # noqa: PTH123 - pathlib is not needed otherwise
            for line in file:
                if line.startswith("Rss:"):
                    return int(line.split()[1]) * 1024
    except OSError as error:
        raise RunError(f"the memory of a process cannot be read from {_ROLLUP}: {error.strerror}") from error
    raise RunError(f"{_ROLLUP} has no line Rss")


def timed_pages(registry: "CollectorRegistry", pages: int, longest_ns: int) -> tuple[list[int], int]:
    """Return the times in ns that making the page took, and the size of the answer as sent, in bytes.

    The page is the one that Prometheus asks for (OpenMetrics, compressed), made by the library's own WSGI application
    without a connection. The first one is not among them. Of the others there are `pages`, or fewer once `longest_ns`
    have passed: at least three, and one where the first already took that long.
    """
    from prometheus_client import make_wsgi_app

    app: Callable[..., Any] = make_wsgi_app(registry)
    request = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/metrics", "QUERY_STRING": "",
        "HTTP_ACCEPT": SCRAPE_HEADERS["Accept"], "HTTP_ACCEPT_ENCODING": SCRAPE_HEADERS["Accept-Encoding"],
    }  # fmt: skip
    times: list[int] = []
    clock = time.perf_counter_ns
    start = clock()
    size = sum(map(len, app(request, _ignore)))
    fewest = _FEWEST_PAGES if clock() - start < longest_ns else 1
    while len(times) < pages and (len(times) < fewest or sum(times) < longest_ns):
        start = clock()
        app(request, _ignore)
        times.append(clock() - start)
    return times, size


def _ignore(*_: object) -> None:
    """Take the status and the headers of an answer."""


@contextmanager
def forked(count: int, work: Callable[[], object]) -> Iterator[None]:
    """Fork `count` processes that do `work`, and go on once all have done it; they end with the block.

    They also end with this process, however it ends. Raise `RunError` where one ends before it has done its work.
    """
    children: list[int] = []
    ready_read, ready_write = os.pipe()
    stop_read, stop_write = os.pipe()
    for _ in range(count):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(stop_write)
                work()
                os.write(ready_write, b".")
                os.close(ready_write)
                os.read(stop_read, 1)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    os.close(ready_write)
    os.close(stop_read)
    done = 0
    # The end of the stream comes once every copy has written its byte or ended.
    while chunk := os.read(ready_read, count):
        done += len(chunk)
    os.close(ready_read)
    try:
        if done < count:
            raise RunError(f"{count - done} of {count} forked workers ended before they had recorded their lines")
        yield
    finally:
        os.close(stop_write)
        for child in children:
            os.waitpid(child, 0)


def _measure(command: dict[str, Any]) -> dict[str, Any]:
    subject = Subject.from_json(command["subject"])
    tags = [Tags(*values) for values in command["tags"]]
    if command["core"] is not None:
        os.sched_setaffinity(0, {command["core"]})
    heap = prepare_heap(subject)
    if subject.own_module:
        gc.enable()  # the user's code is imported as in the user's program
    body = build(subject)
    gc.enable()
    paged = body.registry is not None and body.sink is None
    others = command["workers"] - 1 if paged else 0
    times: list[int] = []
    size = series = 0
    with forked(others, lambda: _record(_worker(body, tags), tags)):
        worker = _worker(body, tags)
        _record(worker, tags[:1])
        before = resident_bytes()
        _record(worker, tags[1:])
        after = resident_bytes()
        if body.registry is not None and paged and command["pages"]:
            times, size = timed_pages(body.registry, command["pages"], command["longest_ns"])
            series = page_series(_text(body.registry), touched(subject.view_objects()))
    # Only now, since what the copies have inherited would keep open what the end of the body waits for.
    answer = {
        **worker.finish(), "before": before, "after": after, "page_ns": times, "page_bytes": size, "series": series,
        "others": others * (len(tags) + 1), "loaded": loaded_libraries(subject.own_module), "search": sys.path,
    }  # fmt: skip
    heap.clear()
    return answer


def _record(worker: Worker, tags: Sequence[Tags]) -> None:
    """Evaluate a line of each tag set without an export, and one more with it, which brings all onto the page."""
    worker.populate(tags)
    worker.run(1)


def _worker(body: Body, tags: Sequence[Tags]) -> Worker:
    return Worker(body, [("populate", tag_set) for tag_set in tags])


def _text(registry: "CollectorRegistry") -> str:
    from prometheus_client.exposition import generate_latest

    return generate_latest(registry).decode()


def main() -> None:
    """Measure what the command on standard input describes and print the answer.

    The process ends with its parent, whose id is the first argument.
    """
    # All objects created by the following imports stay alive, so that collections during them would be useless.
    gc.disable()
    die_with_parent(int(sys.argv[1]))
    output = private_output()
    try:
        answer = _measure(json.loads(sys.stdin.buffer.readline()))
    except HarnessError as error:
        answer = dict(to_answer(error))
    output.write(json.dumps(answer).encode())

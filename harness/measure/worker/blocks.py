"""The worker of one side of a pair: a fresh process that runs blocks of lines on command and reports their times.

Commands and answers are lines of JSON on standard input and output:

{"do": "load", "subject", "lines", "tags", "cores", "start", "roam", "port"}
                                                      -> {"ready", "ns_per_line", "calls_per_line", "port", "loaded",
                                                          "search"}
{"do": "pin"}                                         -> {}
{"do": "run", "lines": k, "kept": whether it is timed}
                                                      -> {"ns", "cpu_ns", "raised"}
{"do": "pace", "file", "start_ns", "give_up_ns", "planned_s", "sleep": whether waits only sleep}
                                                      -> {"start_ns", "lines", "raised", "served", "cpu_ns"}
{"do": "finish"}                                      -> {"evaluated", "raised", "shown", "scrapes", "lost_packets"}

An answer {"error", "kind"} ends the process, and so do the end of its input and the death of its parent.

Two workers are started for every pair, so modules that not every subject needs are imported where they are used.
"""

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, BinaryIO

from harness.errors import HarnessError, UsageError, to_answer
from harness.host.libraries import loaded_libraries
from harness.measure.subject import Subject
from harness.measure.worker.body import Body
from harness.measure.worker.build import build
from harness.measure.worker.delay import Evaluate
from harness.measure.worker.heap import prepare_heap
from harness.measure.worker.muting import without_export
from harness.views import Tags

if TYPE_CHECKING:
    from harness.measure.worker.paced import Paced

__all__ = ["Worker", "die_with_parent", "main", "private_output", "run_lines"]

# CPython specialises a function's instructions within some tens of calls: by callgrind, lines after the first 64 take
# as many instructions as later ones. `make pair-rate` shows that the first timed block is no slower than the rest.
_WARM_UP_NS = 5_000_000
_WARM_LINES = 64
_LONGEST_BLOCK_NS = 50_000_000
_FEWEST_WARM_LINES = 3
_HEAD_START_NS, _HEAD_START_A_LINE_NS = 5_000_000, 200
_PR_SET_PDEATHSIG, _SIGKILL = 1, 9

Lines = Sequence[tuple[str, Tags]]


def run_lines(evaluate: Evaluate, lines: Lines) -> int:
    """Evaluate every line and return the number that raised; between two lines there is nothing but the calls."""
    raised = 0
    remaining = iter(lines)
    while True:
        try:
            for line, tags in remaining:
                evaluate(line, tags)
        except Exception:
            raised += 1  # go on with the next line
        else:
            return raised


class Worker:
    """The runner of blocks of lines through a body, with a share of the lines for each thread."""

    def __init__(self, body: Body, lines: Lines) -> None:
        self._body = body
        self._lines: Iterator[tuple[str, Tags]] = cycle(lines)
        self.evaluated = 0
        self.raised = 0
        # Start and end of the timed blocks, ns of `time.monotonic_ns`.
        self.turns: list[tuple[int, int]] = []
        # When values that were pushed were sent and had been read, known once they are shown.
        self.pushes: Sequence[tuple[int, int]] = ()

    def run(self, count: int, *, timed: bool = False) -> dict[str, int]:
        """Evaluate the next `count` lines; return the wall time and processor time in ns, and how many raised.

        A `timed` block is added to `turns`.
        """
        evaluators = self._body.evaluators
        block = list(islice(self._lines, count))
        shares = [block[i :: len(evaluators)] for i in range(len(evaluators))]
        run = _in_threads if len(evaluators) > 1 else _alone
        began = time.monotonic_ns()
        elapsed, cpu, raised = run(evaluators, shares)
        if timed:
            self.turns.append((began, time.monotonic_ns()))
        self.evaluated += count
        self.raised += raised
        if self._body.sink is not None:
            # A pause for the sink, outside of the timed part: each block finds an empty buffer.
            self._body.sink.settle()
        return {"ns": elapsed, "cpu_ns": cpu, "raised": raised}

    def populate(self, tags: Sequence[Tags]) -> None:
        """Evaluate one line for each tag set, so that every series exists before the first timed block."""
        with without_export():
            for tag_set in tags:
                self.raised += run_lines(self._body.evaluators[0], [("populate", tag_set)])
                self.evaluated += 1

    def warm_up(self) -> float:
        """Run ever longer blocks until the interpreter has specialised the code; return the minimum ns per line.

        The minimum over blocks, since an interrupted block measures the machine rather than the line; the length of
        the warm-up is also based on uninterrupted blocks.
        """
        best = float(min(self.run(1)["ns"] for _ in range(_FEWEST_WARM_LINES)))
        count = 2
        while best * count <= _LONGEST_BLOCK_NS:
            best = min(best, self.run(count)["ns"] / count)
            if best * count >= _WARM_UP_NS and count >= _WARM_LINES:
                break
            count *= 2
        return best

    def pace(self, due_ns: Sequence[int], give_up_ns: int | None, *, sleep: bool = False) -> "Paced":
        """Evaluate a line at each due time, ns of ``time.monotonic_ns``; see `run_paced`.

        With `sleep` it waits without taking processor time.
        """
        from harness.measure.worker.paced import SleepingClock, run_paced

        clock = SleepingClock() if sleep else None
        trace = run_paced(self._body.evaluators[0], self._lines, due_ns, give_up_ns, clock)
        self.evaluated += len(trace.starts)
        self.raised += trace.raised
        return trace

    def finish(self) -> dict[str, Any]:
        """Return the lines evaluated and the records on the page, or in the library's own data, by view.

        Of what is pushed also the packets that are known to be lost.
        """
        counts, lost, sink = self._body.counts(), 0, self._body.sink
        if sink is not None:
            pushed = sink.pushed()
            lost, self.pushes = pushed.lost, pushed.arrivals
        self._body.close()
        return {"evaluated": self.evaluated, "raised": self.raised, "shown": counts, "lost_packets": lost}


def _alone(evaluators: Sequence[Evaluate], shares: Sequence[Lines]) -> tuple[int, int, int]:
    wall, cpu = time.perf_counter_ns, time.process_time_ns
    evaluate, block = evaluators[0], shares[0]
    cpu_start, start = cpu(), wall()
    raised = run_lines(evaluate, block)
    end, cpu_end = wall(), cpu()
    return end - start, cpu_end - cpu_start, raised


def _in_threads(evaluators: Sequence[Evaluate], shares: Sequence[Lines]) -> tuple[int, int, int]:
    """Run the shares in threads that start together; the time ends with the last thread."""
    import threading

    barrier = threading.Barrier(len(evaluators) + 1)
    raised = [0] * len(evaluators)

    def work(i: int) -> None:
        barrier.wait()
        raised[i] = run_lines(evaluators[i], shares[i])

    threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(len(evaluators))]
    for thread in threads:
        thread.start()
    wall, cpu = time.perf_counter_ns, time.process_time_ns
    cpu_start, start = cpu(), wall()
    barrier.wait()
    for thread in threads:
        thread.join()
    return wall() - start, cpu() - cpu_start, sum(raised)


def _pin(core: int, process: int | str = "self") -> None:
    """Move every thread of this process, or another, to `core`."""
    for thread in os.listdir(f"/proc/{process}/task"):  # noqa: PTH208 - only names are needed, between two blocks
        try:
            os.sched_setaffinity(int(thread), {core})
        except ProcessLookupError:
            continue  # it has ended


class _Session:
    """The state of a worker that answers the commands of its parent."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._stop: Callable[[], object] = lambda: None
        self._served: Callable[[], list[tuple[int, int]]] = list
        self._heap: list[object] = []
        self._core = self._home = -1
        self._roam = False

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to one command."""
        do = command["do"]
        if do == "load":
            return self._load(command)
        if self._worker is None:
            raise UsageError("a worker must load a subject first")
        if do == "pin":
            if not self._roam:
                _pin(self._core)
            return {}
        if do == "run":
            return self._run(self._worker, command["lines"], timed=command.get("kept", True))
        if do == "pace":
            return self._pace(self._worker, command)
        self._stop()
        return {**self._worker.finish(), "scrapes": self._scrapes(self._worker.turns)}

    def _scrapes(self, turns: Sequence[tuple[int, int]]) -> int:
        """Return the number of scrapes whose serving began during a timed block, or of pushes that were sent in one."""
        served = self._served() or ([] if self._worker is None else self._worker.pushes)
        return sum(any(start <= moment < end for start, end in turns) for moment, _ in served)

    def _load(self, command: dict[str, Any]) -> dict[str, Any]:
        subject = Subject.from_json(command["subject"])
        self._core, self._home = command["cores"]
        self._roam = command["roam"]
        _pin(command["start"])
        tags = [Tags(*values) for values in command["tags"]]
        lines = list(zip(command["lines"], tags, strict=True))
        self._heap = prepare_heap(subject)
        if subject.own_module:
            gc.enable()  # the user's code is imported as in the user's program
        body = build(subject)
        gc.enable()
        if body.sink is not None:
            # It inherited this process's processor.
            _pin(self._home, body.sink.pid)
        self._worker = Worker(body, lines)
        if subject.threads == 1:
            # With threads, the creation of series during recording is part of what is measured.
            self._worker.populate(list(dict.fromkeys(tags)))
        bound = self._serve(body, command["port"])
        per_line = self._worker.warm_up()
        # The blocks shall not pay for garbage from before.
        gc.collect()
        if self._roam:
            _pin(self._home)
        return {
            "ready": os.getpid(),
            "ns_per_line": per_line,
            "calls_per_line": body.calls_per_line,
            "port": bound,
            "loaded": loaded_libraries(subject.own_module),
            "search": sys.path,
        }

    def _serve(self, body: Body, port: int | None) -> int:
        if port is None or body.sink is not None:
            return 0
        if body.registry is None:
            raise UsageError("this subject has no page to be scraped")
        from harness.scrape.endpoint import serve

        endpoint = serve(body.registry, "127.0.0.1", port)
        self._stop = endpoint.stop
        self._served = lambda: [(window.start_ns, window.end_ns) for window in endpoint.windows]
        return endpoint.port

    def _pace(self, worker: Worker, command: dict[str, Any]) -> dict[str, Any]:
        """Run the schedule in the command's `file`, offsets in ns as int64; write starts, then ends to ``file.out``.

        Without a `start_ns` it begins as soon as the schedule is read.
        """
        from array import array

        due = array("q")
        with open(command["file"], "rb") as file:  # noqa: PTH123 - array reads from a plain file
            due.frombytes(file.read())
        offsets = due.tolist()
        start_ns = command["start_ns"]
        if start_ns is None:
            # The lead covers the time that adding the start to each offset takes.
            start_ns = time.monotonic_ns() + _HEAD_START_NS + len(offsets) * _HEAD_START_A_LINE_NS
        due_ns = [start_ns + offset for offset in offsets]
        trace = worker.pace(due_ns, command["give_up_ns"], sleep=command.get("sleep", False))
        with open(f"{command['file']}.out", "wb") as file:  # noqa: PTH123 - array writes to a plain file
            array("q", trace.starts).tofile(file)
            array("q", trace.ends).tofile(file)
        return {
            "start_ns": start_ns,
            "lines": len(trace.starts),
            "raised": trace.raised,
            "served": self._served(),
            "cpu_ns": trace.cpu_ns,
        }

    def _run(self, worker: Worker, count: int, *, timed: bool) -> dict[str, int]:
        if not self._roam:
            return worker.run(count, timed=timed)
        # Scrapes of a waiting side would take time from the other side: it waits on the other core.
        _pin(self._core)
        try:
            return worker.run(count, timed=timed)
        finally:
            _pin(self._home)


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when its `parent` ends; end it now where that has already happened."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # the parent died before the call above


def private_output() -> BinaryIO:
    """Return the stream to the parent, and redirect standard output to standard error: a user's function may print."""
    private = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return private


def main() -> None:
    """Serve commands from standard input until it ends."""
    # All objects created by the following imports stay alive, so that collections during them would be useless.
    gc.disable()
    die_with_parent(int(sys.argv[1]))
    output = private_output()
    session = _Session()
    for line in sys.stdin.buffer:
        try:
            answer = session.answer(json.loads(line))
        except HarnessError as error:
            answer = to_answer(error)
        output.write(json.dumps(answer).encode() + b"\n")
        if "error" in answer:
            break


if __name__ == "__main__":
    main()

"""The parent's end of one side of a pair: a fresh worker process, its commands and answers, and its end."""

import fcntl
import json
import os
import random
import select
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from types import TracebackType
from typing import IO, Any, Self

from harness.children import (
    GRACE_S,
    ISOLATED,
    PROJECT,
    end_group,
    has_ended,
    kill_group,
    own_folder,
    python_path,
)
from harness.errors import RunError, from_answer
from harness.host.topology import Cores, current_cores
from harness.interrupts import uninterrupted
from harness.measure.deadlines import answer_within_s
from harness.measure.pairs.answers import AnswerError, answer_in
from harness.measure.subject import Subject
from harness.views import Tags

__all__ = ["PROJECT", "Cores", "Lines", "Side", "apart", "cores", "start_sides", "surroundings", "tags_of"]

_MOST_PADDING = 4096
_MOST_SEED = 4_294_967_295
# Time for a process that has closed its output to end.
_ENDING_S = 5.0
_CHUNK = 65536
# Bytes of an answer; the longest lists the scrapes of a run.
_MOST_ANSWER = 64 << 20
# Pipe capacity in bytes: the lines fit in, so that sending does not wait for the process to read.
_ROOM = 1 << 20
# Not by ``-m``, which would add a tenth to the time until the first line.
_WORKER = "from harness.measure.worker import main; main()"


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines that both sides of a comparison process, in this order and cyclically, with their tags."""

    texts: tuple[str, ...]
    tags: tuple[Tags, ...]


def cores() -> Cores:
    """Return the cores to use; see `harness.host.topology.current_cores`."""
    return current_cores()


@contextmanager
def apart(which: Cores) -> Iterator[None]:
    """Keep this process and its children off the measured core and its siblings; restore the affinity afterwards."""
    before = os.sched_getaffinity(0)
    others = before & which.others if which.others else before - {which.measured}
    os.sched_setaffinity(0, others or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def surroundings(subject: Subject) -> dict[str, str]:
    """Return the environment variables that let a subject's process import our packages and its own."""
    own = "" if subject.python and subject.path else own_folder()
    return {"PYTHONPATH": python_path(subject.path, own)}


class Side:
    """A worker process with its subject; a context manager that ends it.

    Its hash seed and the size of its environment, which shifts its stack (Mytkowicz et al. 2009), are drawn from `rng`:
    properties that vary between two starts of the user's program vary between processes here as well, and add to the
    spread of the pairs instead of biasing all of them alike. It starts, loads and warms up on the processor `start`,
    where one is given. Every answer has a deadline, `grace_s` seconds beyond the plan (`harness.measure.deadlines`).
    Methods raise `RunError`, or the worker's `HarnessError`.
    """

    def __init__(
        self,
        subject: Subject,
        rng: random.Random,
        *,
        hash_seed: int | None = None,
        start: int | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        self.subject = subject
        self.hash_seed = rng.randint(1, _MOST_SEED) if hash_seed is None else hash_seed
        self.ns_per_line = 0.0
        self.calls_per_line: int | None = None
        self.port = 0
        self._start, self._grace_s = start, grace_s
        self._within_s, self._doing = grace_s, "starting"
        self._asked: deque[str] = deque()
        self._received = b""
        environment = {**os.environ, **surroundings(subject)}
        environment["PYTHONHASHSEED"] = str(self.hash_seed)
        environment["HARNESS_PADDING"] = "x" * rng.randrange(_MOST_PADDING)
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        self._process = subprocess.Popen(  # noqa: S603 - our own module, or the interpreter the user names
            [subject.python or sys.executable, *ISOLATED, "-c", _WORKER, str(os.getpid())],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=environment,
            cwd=subject.folder or None,
            # Ctrl-C goes to the whole foreground group; only the parent handles it.
            process_group=0,
        )
        with suppress(OSError):  # a smaller pipe works as well
            fcntl.fcntl(_pipe(self._process.stdin), fcntl.F_SETPIPE_SZ, _ROOM)
        if start is not None:
            with suppress(ProcessLookupError):  # its end is reported by the next `receive`
                os.sched_setaffinity(self._process.pid, {start})

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def send(self, command: dict[str, Any], encoded: str = "") -> None:
        """Send a command without waiting for its answer; `encoded` has further members of the command, as JSON."""
        self._within_s = answer_within_s(
            command, ns_per_line=self.ns_per_line, series=self.subject.series, grace_s=self._grace_s
        )
        self._doing = _DOING.get(command["do"], command["do"])
        self._asked.append(command["do"])
        stream = _pipe(self._process.stdin).fileno()
        os.set_blocking(stream, False)
        text = json.dumps(command)
        data = memoryview((f"{text[:-1]}, {encoded}}}\n" if encoded else f"{text}\n").encode())
        deadline = time.monotonic() + self._within_s
        try:
            while data:
                self._await(stream, select.POLLOUT, deadline)
                data = data[os.write(stream, data) :]
        except BrokenPipeError:
            raise self._died() from None

    def receive(self) -> dict[str, Any]:
        """Return the answer to the oldest pending command; raise `RunError` when its deadline passes."""
        stream = _pipe(self._process.stdout).fileno()
        deadline = time.monotonic() + self._within_s
        while b"\n" not in self._received:
            self._await(stream, select.POLLIN, deadline)
            chunk = os.read(stream, _CHUNK)
            if not chunk:
                raise self._died()
            self._received += chunk
            if len(self._received) > _MOST_ANSWER:
                raise self._not_understood("it does not end")
        line, _, self._received = self._received.partition(b"\n")
        try:
            answer = answer_in(line, self._asked.popleft() if self._asked else "")
        except AnswerError as error:
            raise self._not_understood(str(error)) from error
        if "error" in answer:
            raise from_answer(answer)
        return answer

    def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """Send a command and return its answer."""
        self.send(command)
        return self.receive()

    def load(self, lines: Lines, which: Cores, *, port: int | None = None, roam: bool = False) -> None:
        """Start loading and warming up the subject; `loaded` waits for its end.

        With a `port` its page is served there (0: on any free port). With `roam` the process waits for its blocks off
        the measured core, so that scrapes in the meantime do not disturb the other side.
        """
        self.send(
            {
                "do": "load",
                "subject": self.subject.to_json(),
                "cores": (which.measured, which.home),
                "start": which.home if self._start is None else self._start,
                "roam": roam,
                "port": port,
            },
            _encode(lines),
        )

    def loaded(self) -> dict[str, Any]:
        """Wait until the subject is warm; return the worker's whole answer."""
        answer = self.receive()
        self.ns_per_line = answer["ns_per_line"]
        self.calls_per_line = answer.get("calls_per_line")
        self.port = answer["port"]
        return answer

    def _await(self, stream: int, event: int, deadline: float) -> None:
        """Wait until `stream` can be read or written; raise `RunError` when the deadline passes."""
        poller = select.poll()
        poller.register(stream, event)
        while not poller.poll(max(0.0, deadline - time.monotonic()) * 1e3):
            if time.monotonic() >= deadline:
                self.stop()
                raise RunError(
                    f"{self.subject.name} gave no answer within {self._within_s:.3g} s while {self._doing}: it hangs, "
                    "or a line takes far longer than before; its processes were ended"
                )

    def _not_understood(self, reason: str) -> RunError:
        self.stop()
        return RunError(
            f"what the process measuring {self.subject.name} answered while {self._doing} is not understood: {reason}"
        )

    def _died(self) -> RunError:
        has_ended(self._process, _ENDING_S)
        code = end_group(self._process)
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return RunError(
            f"the process measuring {self.subject.name} ended with {code}: {lines[-1] if lines else 'no output'}"
        )

    def kill(self) -> None:
        """Kill the process and its group without waiting for the end; `stop` has to follow."""
        kill_group(self._process)

    def stop(self) -> None:
        """End the process and its group at once; may be called twice."""
        end_group(self._process)
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


_DOING = {
    "load": "loading and warming up",
    "pin": "moving to the measured core",
    "run": "evaluating a block of lines",
    "pace": "evaluating lines on schedule",
    "finish": "showing what it recorded",
}


@lru_cache(maxsize=8)
def _encode(lines: Lines) -> str:
    """Return lines as members of a JSON object; cached, since every process gets the same few pools."""
    return json.dumps({"lines": lines.texts, "tags": lines.tags})[1:-1]


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101 - Popen is called with PIPE
    return stream


def start_sides(
    stack: ExitStack,
    subjects: Sequence[Subject],
    rng: random.Random,
    starts: Sequence[int | None] = (),
    grace_s: float = GRACE_S,
) -> list[Side]:
    """Start a worker for each subject, on its processor in `starts` where there is one; closing `stack` ends them."""
    with uninterrupted():
        return [
            stack.enter_context(Side(subject, rng, start=start, grace_s=grace_s))
            for subject, start in zip_longest(subjects, starts[: len(subjects)])
        ]


def tags_of(series: int, methods: Sequence[str], count: int) -> tuple[Tags, ...]:
    """Return the tags of `count` lines, cycling through the first `series` methods so that all are equally frequent."""
    sets = [Tags(method) for method in methods[:series]]
    return tuple(sets[i % len(sets)] for i in range(count))

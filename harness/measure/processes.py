"""Starts one side of a pair as a fresh process, talks to it, and makes sure that it does not outlive us."""

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness import errors
from harness.errors import HarnessError, RunError
from harness.interrupts import uninterrupted
from harness.measure.subjects import Subject
from harness.views import Tags

__all__ = ["PROJECT", "Cores", "Lines", "Side", "apart", "cores", "start_sides", "surroundings", "tags_of"]

PROJECT = str(Path(__file__).resolve().parents[2])
_MOST_PADDING = 4096
_MOST_SEED = 4_294_967_295


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines both sides of a comparison process, in this order and then from the start again, with their tags."""

    texts: tuple[str, ...]
    tags: tuple[Tags, ...]


@dataclass(frozen=True, slots=True)
class Cores:
    """Where is measured, and where everything else happens; the same on a machine with one core."""

    measured: int
    home: int


def cores() -> Cores:
    """Return the cores to use: of those we may use the last is measured, since the first serves most interrupts."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(measured=allowed[-1], home=allowed[0])


@contextmanager
def apart(which: Cores) -> Iterator[None]:
    """Keep this process and what it starts off the measured core, and go back afterwards."""
    before = os.sched_getaffinity(0)
    others = before - {which.measured}
    os.sched_setaffinity(0, others or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def surroundings(subject: Subject) -> dict[str, str]:
    """Return the environment variables by which a subject's process finds our packages and the subject's own.

    A process with a folder of its own does not search that folder before everything else, as ``-m`` would have it:
    what a revision installs comes before what lies in its tree.
    """
    own = "" if subject.python and subject.path else PROJECT
    search = [subject.path, own, os.environ.get("PYTHONPATH", "")]
    found = {"PYTHONPATH": os.pathsep.join(part for part in search if part)}
    return {**found, "PYTHONSAFEPATH": "1"} if subject.folder else found


class Side:
    """A worker process with its subject loaded and warmed up; a context manager that ends it.

    Its hash seed and the size of its environment, which moves its stack (Mytkowicz et al. 2009), are drawn from `rng`:
    what may differ between two starts of the user's program differs between processes here as well, and so is part of
    the pairs' spread instead of a bias common to them all. Raises `RunError`, or the `HarnessError` the worker met.
    """

    def __init__(self, subject: Subject, rng: random.Random, *, hash_seed: int | None = None) -> None:
        self.subject = subject
        self.hash_seed = rng.randint(1, _MOST_SEED) if hash_seed is None else hash_seed
        environment = {**os.environ, **surroundings(subject)}
        environment["PYTHONHASHSEED"] = str(self.hash_seed)
        environment["HARNESS_PADDING"] = "x" * rng.randrange(_MOST_PADDING)
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        self._process = subprocess.Popen(  # noqa: S603 - our own module, or the interpreter the user names
            [subject.python or sys.executable, "-m", "harness.measure.worker", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=environment,
            cwd=subject.folder or None,
            # Ctrl-C goes to the whole foreground group; the parent alone decides what it means.
            process_group=0,
        )
        self.ns_per_line = 0.0
        self.calls_per_line: int | None = None
        self.port = 0

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    def send(self, command: dict[str, Any]) -> None:
        """Send a command without waiting for its answer."""
        assert self._process.stdin is not None  # noqa: S101 - opened above
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None

    def receive(self) -> dict[str, Any]:
        """Wait for the answer to the oldest command not answered yet."""
        assert self._process.stdout is not None  # noqa: S101 - opened above
        line = self._process.stdout.readline()
        if not line:
            raise self._died()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            kind = getattr(errors, answer["kind"], RunError)
            raise (kind if issubclass(kind, HarnessError) else RunError)(answer["error"])
        return answer

    def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """Send a command and return its answer."""
        self.send(command)
        return self.receive()

    def load(self, lines: Lines, which: Cores, *, port: int | None = None, roam: bool = False) -> None:
        """Start loading and warming up the subject; `loaded` waits for the end of it.

        `port` has its page served there (0: on any free one). One that may `roam` waits for its turns off the measured
        core, so that what happens to it meanwhile does not disturb the other side.
        """
        self.send(
            {
                "do": "load",
                "subject": self.subject.to_json(),
                "lines": lines.texts,
                "tags": lines.tags,
                "cores": (which.measured, which.home),
                "roam": roam,
                "port": port,
            }
        )

    def loaded(self) -> None:
        """Wait until the subject is warm."""
        answer = self.receive()
        self.ns_per_line = answer["ns_per_line"]
        self.calls_per_line = answer["calls_per_line"]
        self.port = answer["port"]

    def _died(self) -> RunError:
        code = self._process.wait()
        self._complaints.seek(0)
        said = self._complaints.read().decode(errors="replace").strip().splitlines()
        return RunError(
            f"the process measuring {self.subject.name} ended with {code}: {said[-1] if said else 'no word'}"
        )

    def stop(self) -> None:
        """End the process, at once; may be called twice."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue  # what was still buffered for a process that is gone

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def start_sides(stack: ExitStack, subjects: Sequence[Subject], rng: random.Random) -> list[Side]:
    """Start a worker for each subject; leaving `stack` ends them, whenever Ctrl-C strikes."""
    with uninterrupted():
        return [stack.enter_context(Side(subject, rng)) for subject in subjects]


def tags_of(series: int, methods: Sequence[str], count: int) -> tuple[Tags, ...]:
    """Return the tags of `count` lines, going round the first `series` methods so that each is met equally often."""
    sets = [Tags(method) for method in methods[:series]]
    return tuple(sets[i % len(sets)] for i in range(count))

"""The parent's end of a process of this package: its start, its commands and answers, and its end."""

import json
import os
import random
import select
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import Any, Literal, Self

from harness.children import ISOLATED, end_group, has_ended, own_folder, python_path
from harness.errors import RunError, from_answer
from harness.interrupts import uninterrupted

__all__ = ["ChildProcess"]

_ENDING_S = 5.0
_CHUNK = 65536
_MOST_SEED = 4_294_967_295
# It would put prometheus-client into multiprocess mode in every process.
_UNWANTED = "PROMETHEUS_MULTIPROC_DIR"


class ChildProcess:
    """A fresh process that runs ``main`` of a module of this package; a context manager that ends it and its group.

    `what` names it in errors; its hash seed is drawn from `rng`. Raise `RunError` where it ends or has no answer in
    time, or the `HarnessError` that it answers with.
    """

    def __init__(self, module: Literal["process", "sender"], what: str, rng: random.Random) -> None:
        self._what = what
        self._received = b""
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        environment = {name: value for name, value in os.environ.items() if name != _UNWANTED}
        environment |= {
            "PYTHONPATH": python_path(own_folder()),
            "PYTHONHASHSEED": str(rng.randint(1, _MOST_SEED)),
        }
        code = f"from harness.measure.service.{module} import main; main()"
        with uninterrupted():
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, *ISOLATED, "-c", code, str(os.getpid())],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env=environment,
                # Ctrl-C goes to the whole foreground group; only the parent handles it.
                process_group=0,
            )

    def tell(self, command: dict[str, Any]) -> None:
        """Send a command without waiting for its answer."""
        assert self._process.stdin is not None  # noqa: S101 - Popen is called with PIPE
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
        except BrokenPipeError:
            raise self._died() from None

    def hear(self, within_s: float) -> dict[str, Any]:
        """Return the answer to the oldest pending command."""
        assert self._process.stdout is not None  # noqa: S101 - Popen is called with PIPE
        stream = self._process.stdout.fileno()
        deadline = time.monotonic() + within_s
        while b"\n" not in self._received:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                raise RunError(f"{self._what} gave no answer within {within_s:.3g} s and was ended")
            chunk = os.read(stream, _CHUNK)
            if not chunk:
                raise self._died()
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise from_answer(answer)
        return answer

    def ask(self, command: dict[str, Any], within_s: float) -> dict[str, Any]:
        """Send a command and return its answer."""
        self.tell(command)
        return self.hear(within_s)

    def _died(self) -> RunError:
        has_ended(self._process, _ENDING_S)
        code = end_group(self._process)
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        return RunError(f"{self._what} ended with {code}: {lines[-1].strip() if lines else 'no output'}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end_group(self._process)
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            if stream is not None:
                stream.close()

"""The fresh process of one worker, as the Dask task that starts it sees it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from harness.children import ISOLATED, end_group, has_ended, kill_group, own_folder, python_path
from harness.errors import RunError

__all__ = ["WorkerProcess"]

# Dask sets it for its own processes; it would change how the memory of what is measured is managed.
_NOT_INHERITED = ("MALLOC_TRIM_THRESHOLD_",)


class WorkerProcess:
    """Runs `harness.distributed.worker` in a process group of its own until that ends or `end` is called.

    `about` is what the worker reads from its standard input; raises `RunError` where no process can be started.
    """

    def __init__(self, about: Mapping[str, Any]) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, *ISOLATED, "-m", "harness.distributed.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._complaints,
                env={**environment, "PYTHONPATH": python_path(own_folder())},
                process_group=0,
            )
        except OSError as error:
            self._complaints.close()
            raise RunError(f"worker {about['number']} does not start: {error.strerror}") from error
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.write(json.dumps(about).encode() + b"\n")
                self._process.stdin.close()

    def has_ended(self, within_s: float = 0.0) -> bool:
        """Wait for its end, for so long at most, and return whether it has come."""
        return has_ended(self._process, within_s)

    def reason(self) -> str:
        """Return how it ended, with its last words; empty while it runs."""
        if not self.has_ended():
            return ""
        code = end_group(self._process)
        self._complaints.seek(0)
        lines = [line for line in self._complaints.read().decode(errors="replace").splitlines() if line.strip()]
        how = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"{how}: {lines[-1].strip()}" if lines else how

    def kill(self) -> None:
        """Kill it and what it started, without waiting; from any thread."""
        kill_group(self._process)

    def end(self) -> None:
        """Kill it and what it started, and wait for its end; may be called again, and `reason` may not."""
        end_group(self._process)
        self._complaints.close()

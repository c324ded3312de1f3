"""Workers as processes of this machine: nothing else has to be installed."""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import IO, Any

from harness.children import ISOLATED, end_group, has_ended, own_folder, python_path
from harness.errors import RunError
from harness.interrupts import uninterrupted
from harness.run.spec import RunSpec

__all__ = ["LocalLauncher"]

# How long workers that were told to end may take before they are killed, and then the process that started them.
_END_S, _KILL_S = 1.0, 2.0
_NAP_S = 0.005


class LocalLauncher:
    """Starts workers as copies of one process that has imported everything; see `harness.distributed.forking`.

    `spec` says what they will need, so that it is imported before they are copied.
    """

    address = "127.0.0.1"

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec.model_dump(mode="json")
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: list[IO[bytes]] = []
        self._said = b""
        self._count = 0

    def start(self, port: int, token: str, count: int) -> None:
        """Start `count` workers that dial `port` of this machine; raises `RunError`."""
        about = {"address": self.address, "port": port, "token": token}
        request = {"workers": [{**about, "number": number} for number in range(count)], "spec": self._spec}
        # The last one is for the process that starts them.
        self._complaints = [tempfile.TemporaryFile() for _ in range(count + 1)]  # noqa: SIM115 - closed by `close`
        files = [complaints.fileno() for complaints in self._complaints[:-1]]
        try:
            with uninterrupted():
                self._process = process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    [sys.executable, *ISOLATED, "-m", "harness.distributed.forking", *map(str, files)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._complaints[-1],
                    env={**os.environ, "PYTHONPATH": python_path(own_folder())},
                    pass_fds=files,
                    process_group=0,
                )
        except OSError as error:
            raise RunError(f"no worker can be started: {error.strerror}") from error
        self._count = count
        if process.stdin is not None and process.stdout is not None:
            os.set_blocking(process.stdout.fileno(), False)
            with suppress(OSError):
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()

    def reason(self, number: int) -> str:
        """Return why a worker is gone, as far as it is known; empty while it runs."""
        code = self._codes().get(number)
        if code is not None:
            return self._words(code, number)
        process = self._process
        if process is None or not has_ended(process, 0.0):
            return ""
        return self._words(end_group(process), self._count)

    def _words(self, code: int, number: int) -> str:
        complaints = self._complaints[number]
        complaints.seek(0)
        lines = [line for line in complaints.read().decode(errors="replace").splitlines() if line.strip()]
        how = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"{how}: {lines[-1].strip()}" if lines else how

    def _codes(self) -> dict[int, int]:
        """Return how each worker has ended that has."""
        process = self._process
        if process is not None and process.stdout is not None:
            with suppress(OSError, ValueError):
                while piece := os.read(process.stdout.fileno(), 4096):
                    self._said += piece
        pairs: list[Any] = [line.split() for line in self._said.splitlines(keepends=True) if line.endswith(b"\n")]
        return {int(number): int(code) for number, code in pairs}

    def close(self) -> None:
        """End every worker and what it started; may be called again."""
        process, self._process = self._process, None
        if process is not None:
            self._process = process
            until_s = time.monotonic() + _END_S
            while len(self._codes()) < self._count and not has_ended(process, _NAP_S) and time.monotonic() < until_s:
                continue
            self._process = None
            if process.stdin is not None:
                with suppress(OSError):
                    process.stdin.close()
            has_ended(process, _KILL_S)
            end_group(process)
            if process.stdout is not None:
                process.stdout.close()
        for complaints in self._complaints:
            complaints.close()
        self._complaints = []

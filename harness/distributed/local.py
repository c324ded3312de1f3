"""Workers as processes of this machine: nothing else has to be installed."""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import IO

from harness.children import ISOLATED, end_group, has_ended, own_folder, python_path
from harness.errors import RunError
from harness.interrupts import uninterrupted

__all__ = ["LocalLauncher"]

# How long a worker that was told to end may take before it is killed.
_END_S = 1.0


class LocalLauncher:
    """Starts each worker as a fresh process; see `harness.distributed.coordinator.WorkerLauncher`."""

    address = "127.0.0.1"

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self._complaints: list[IO[bytes]] = []

    def start(self, port: int, token: str, count: int) -> None:
        """Start `count` workers that dial `port` of this machine; raises `RunError`."""
        for number in range(count):
            about = {"address": self.address, "port": port, "token": token, "number": number}
            complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
            self._complaints.append(complaints)
            try:
                with uninterrupted():
                    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                        [sys.executable, *ISOLATED, "-m", "harness.distributed.worker"],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.DEVNULL,
                        stderr=complaints,
                        env={**os.environ, "PYTHONPATH": python_path(own_folder())},
                        process_group=0,
                    )
                    self._processes.append(process)
            except OSError as error:
                raise RunError(f"worker {number} does not start: {error.strerror}") from error
            if process.stdin is not None:
                with suppress(OSError):
                    process.stdin.write(json.dumps(about).encode() + b"\n")
                    process.stdin.close()

    def reason(self, number: int) -> str:
        """Return why a worker is gone, as far as it is known; empty while it runs."""
        process = self._processes[number]
        if not has_ended(process, 0.0):
            return ""
        code = end_group(process)
        complaints = self._complaints[number]
        complaints.seek(0)
        lines = [line for line in complaints.read().decode(errors="replace").splitlines() if line.strip()]
        how = f"killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"{how}: {lines[-1].strip()}" if lines else how

    def close(self) -> None:
        """End every worker and what it started; may be called again."""
        until_s = time.monotonic() + _END_S
        for process in self._processes:
            has_ended(process, max(0.0, until_s - time.monotonic()))
        for process in self._processes:
            end_group(process)
        for complaints in self._complaints:
            complaints.close()
        self._processes, self._complaints = [], []

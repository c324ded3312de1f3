"""Workers as processes of this machine: nothing else has to be installed."""

import time

from harness.distributed.process import WorkerProcess
from harness.interrupts import uninterrupted

__all__ = ["LocalLauncher"]

# How long a worker that was told to end may take before it is killed.
_END_S = 1.0


class LocalLauncher:
    """Starts each worker as a fresh process; see `harness.distributed.coordinator.WorkerLauncher`."""

    address = "127.0.0.1"

    def __init__(self) -> None:
        self._processes: list[WorkerProcess] = []

    def start(self, port: int, token: str, count: int) -> None:
        """Start `count` workers that dial `port` of this machine; raises `RunError`."""
        for number in range(count):
            about = {"address": self.address, "port": port, "token": token, "number": number}
            with uninterrupted():
                self._processes.append(WorkerProcess(about))

    def reason(self, number: int) -> str:
        """Return why a worker is gone, as far as it is known; empty while it runs."""
        return self._processes[number].reason()

    def close(self) -> None:
        """End every worker and what it started; may be called again."""
        until_s = time.monotonic() + _END_S
        for process in self._processes:
            process.has_ended(max(0.0, until_s - time.monotonic()))
        for process in self._processes:
            process.end()
        self._processes = []

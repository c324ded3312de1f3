"""Real Dask schedulers and workers as processes of their own, on this machine or in a network namespace."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from harness.children import PROJECT
from tests.harness.cli.commands import PATIENCE_S


class DaskProcess:
    """One process of Dask with its log, ended with everything that it started."""

    def __init__(
        self,
        folder: Path,
        name: str,
        arguments: Sequence[str],
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        search = os.pathsep.join(filter(None, [(environment or {}).get("PYTHONPATH", ""), PROJECT]))
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "dask", *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                env={**os.environ, **(environment or {}), "PYTHONPATH": search},
            )  # fmt: skip

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, words: str) -> None:
        """Wait until its log has these words; fails when it ends first."""
        deadline = time.monotonic() + PATIENCE_S
        while words not in self.log:
            assert self.process.poll() is None, self.log[-2000:]
            assert time.monotonic() < deadline, self.log[-2000:]
            time.sleep(0.02)

    def family(self) -> list[psutil.Process]:
        """Return the process and all that it started and that are alive."""
        try:
            top = psutil.Process(self.process.pid)
            return [top, *top.children(recursive=True)]
        except psutil.Error:
            return []

    def harness_workers(self) -> list[psutil.Process]:
        """Return the processes of the harness that run beside this Dask worker."""
        found = []
        for each in self.family():
            try:
                if "harness.distributed.worker" in each.cmdline():
                    found.append(each)
            except psutil.Error:
                continue
        return found

    def end(self) -> None:
        family = self.family()
        for each in family:
            try:
                each.kill()
            except psutil.Error:
                continue
        self.process.wait()
        psutil.wait_procs(family, timeout=PATIENCE_S)


class DaskCluster:
    """A scheduler and its workers; `address` is where the scheduler answers, `options` are flags of both."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self._options = options
        self._folder = folder
        self._file = folder / "scheduler.json"
        self._processes: list[DaskProcess] = []
        self.workers: list[DaskProcess] = []
        self.address = ""

    def start_scheduler(self, host: str = "127.0.0.1", prefix: Sequence[str] = ()) -> None:
        arguments = ["scheduler", "--host", host, "--port", "0", "--no-dashboard", "--scheduler-file", str(self._file)]
        scheduler = DaskProcess(self._folder, "scheduler", [*arguments, *self._options], prefix)
        self._processes.append(scheduler)
        scheduler.wait_for("Scheduler at")
        deadline = time.monotonic() + PATIENCE_S
        while not self.address:
            assert time.monotonic() < deadline, scheduler.log
            try:
                self.address = json.loads(self._file.read_text(encoding="utf-8"))["address"]
            except (OSError, ValueError, KeyError):
                time.sleep(0.02)

    def start_worker(
        self,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> DaskProcess:
        """Start a Dask worker; `ready` waits for it."""
        number = len(self.workers)
        arguments = [
            "worker", self.address, "--host", host, "--worker-port", str(port), "--nthreads", "1", "--no-nanny",
            "--no-dashboard", "--local-directory", str(self._folder / f"scratch-{number}"),
        ]  # fmt: skip
        worker = DaskProcess(self._folder, f"worker-{number}", [*arguments, *self._options], prefix, environment)
        self.workers.append(worker)
        self._processes.append(worker)
        return worker

    def ready(self) -> None:
        for worker in self.workers:
            worker.wait_for("Registered to")

    def end(self) -> None:
        for process in reversed(self._processes):
            process.end()


@contextmanager
def dask_cluster(folder: Path, workers: int, options: Sequence[str] = ()) -> Iterator[DaskCluster]:
    """Yield a scheduler with so many workers, all of this machine."""
    folder.mkdir(exist_ok=True)
    cluster = DaskCluster(folder, options)
    try:
        cluster.start_scheduler()
        for _ in range(workers):
            cluster.start_worker()
        cluster.ready()
        yield cluster
    finally:
        cluster.end()

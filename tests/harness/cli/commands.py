"""Commands as real processes that can be interrupted at chosen moments, and what may be left of them: nothing."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

COMMAND = [sys.executable, "-m", "harness.cli"]
# A test waits this long for what a command does at its own pace, before it is taken to hang.
PATIENCE_S = 120.0


class Command:
    """A running command with a temporary folder and a history of its own, and its output in files."""

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str],
        *,
        grace_s: float | None = None,
        store: Path | None = None,
        stdout: int | None = None,
        prefix: Sequence[str] = (),
        **options: Any,
    ) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.store = store or folder / "runs"
        self._printed, self._told = folder / "printed", folder / "told"
        environment = {**os.environ, "TMPDIR": str(self.temporary), "HARNESS_STORE": str(self.store)}
        if grace_s is not None:
            environment["HARNESS_GRACE"] = str(grace_s)
        with self._printed.open("wb") as printed, self._told.open("wb") as told:
            self.process = subprocess.Popen(
                [*prefix, *COMMAND, *arguments],
                stdin=options.pop("stdin", subprocess.DEVNULL),
                stdout=printed if stdout is None else stdout,
                stderr=options.pop("stderr", told),
                cwd=folder,
                env=environment,
                **options,
            )
        self._seen: dict[int, psutil.Process] = {}

    @property
    def printed(self) -> str:
        """What it wrote to standard output so far."""
        return self._printed.read_text(encoding="utf-8", errors="replace")

    @property
    def told(self) -> str:
        """What it wrote to standard error so far."""
        return self._told.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, condition: Callable[[], bool], what: str) -> bool:
        """Return whether it came to that while the command was running."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            if condition():
                return True
            assert time.monotonic() < deadline, f"no {what} after {PATIENCE_S} s: {self.told[-500:]}"
            time.sleep(0.005)
        return False

    def wait_until_ready(self) -> bool:
        """Wait until it handles signals by itself."""
        return self.wait_for(lambda: _handles(self.process.pid, signal.SIGTERM, signal.SIGHUP), "handler")

    def wait_until_used(self, cpu_s: float, words: str = "") -> bool:
        """Wait until it and what it started have used so much processor time: progress, at whatever pace.

        One that then waits for somebody says so in `words`, and makes no more progress.
        """
        return self.wait_for(lambda: self.family_cpu_s() >= cpu_s or (bool(words) and words in self.told), "progress")

    def wait_until_told(self, words: str) -> bool:
        """Wait until standard error has something that matches these words, a regular expression."""
        return self.wait_for(lambda: re.search(words, self.told) is not None, f"{words!r}")

    def family_cpu_s(self) -> float:
        """Return the processor time of the command, its children and theirs."""
        total = 0.0
        try:
            family = [psutil.Process(self.process.pid), *self._descendants()]
        except psutil.Error:
            return 0.0
        for each in family:
            try:
                times = each.cpu_times()
            except psutil.Error:
                continue
            total += times.user + times.system + times.children_user + times.children_system
        return total

    def _descendants(self) -> list[psutil.Process]:
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.Error:
            return []
        self._seen |= {each.pid: each for each in found}
        return found

    def has_children(self) -> bool:
        """Return whether it has started anything that is alive."""
        return bool(self._descendants())

    def interrupt(self, *numbers: int) -> None:
        """Remember what it has started, and send the signals one after the other."""
        self._descendants()
        for number in numbers:
            self.process.send_signal(number)

    def ended(self, within_s: float = PATIENCE_S) -> int:
        """Return its exit code; fails when it takes longer, and then ends it."""
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it had not ended after {within_s} s: {self.told[-500:]}") from None

    def leaves_nothing(self) -> None:
        """Assert that no process it started is alive and that its temporary folder is empty."""
        deadline = time.monotonic() + PATIENCE_S
        while left := [*filter(_alive, self._seen.values()), *self.temporary.iterdir()]:
            assert time.monotonic() < deadline, left
            time.sleep(0.02)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _handles(pid: int, *numbers: int) -> bool:
    """Return whether a process catches or ignores all of the signals."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return False
    masks = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigCgt:", "SigIgn:"))]
    return all(any(mask >> (number - 1) & 1 for mask in masks) for number in numbers)


@contextmanager
def running(folder: Path, arguments: Sequence[str], **options: Any) -> Iterator[Command]:
    """Yield a running command, and end it when the block is left before it has ended."""
    command = Command(folder, arguments, **options)
    try:
        yield command
    finally:
        if command.process.poll() is None:
            command.process.kill()
            command.process.wait()
        if command.process.stdin is not None:
            command.process.stdin.close()


def code_of(number: int) -> int:
    """Return the exit code of a command that a signal ended."""
    return 128 + number

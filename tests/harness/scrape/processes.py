"""Watching processes come and go."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil

PATIENCE_S = 30


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait for other processes; only a broken promise makes this last."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Tell whether a process has ended; one that nobody has waited for yet has."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def assert_gone(*pids: int) -> None:
    for pid in pids:
        eventually(lambda pid=pid: gone(pid), f"process {pid} ends")


def assert_removed(*folders: str) -> None:
    for folder in folders:
        eventually(lambda folder=folder: not Path(folder).exists(), f"{folder} is removed")

"""What a command may leave behind: processes, found by a mark in their environment, their ports, temporary files."""

import os
import time
from collections.abc import Collection
from pathlib import Path

import psutil

__all__ = ["MARK", "described", "files_below", "gone", "kill_marked", "listening", "marked"]

# Inherited by everything a command starts, grandchildren included.
MARK = "HARNESS_FAULT"


def marked(mark: str, besides: Collection[int] = ()) -> list[psutil.Process]:
    """Return the living processes whose environment has `mark`, or one that goes on after it with a dot."""
    words = [f"{MARK}={mark}{end}".encode() for end in ("\0", ".")]
    result = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) in besides:
            continue
        try:
            environment = (folder / "environ").read_bytes() + b"\0"
            if any(word in environment for word in words):
                process = psutil.Process(int(folder.name))
                if process.status() != psutil.STATUS_ZOMBIE:
                    result.append(process)
        except (OSError, psutil.Error):
            continue
    return result


def listening(processes: Collection[psutil.Process]) -> list[int]:
    """Return the TCP ports on which these processes listen."""
    ports = set()
    for process in processes:
        try:
            ports |= {each.laddr.port for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
        except psutil.Error:
            continue
    return sorted(ports)


def described(process: psutil.Process) -> str:
    """Return the number and the command line of a process."""
    try:
        return f"{process.pid} {' '.join(process.cmdline())[:120]}"
    except psutil.Error:
        return str(process.pid)


def gone(mark: str, within_s: float, besides: Collection[int] = ()) -> tuple[float, list[str]]:
    """Wait until no process has `mark`; return the seconds that took, and the processes that are left all the same."""
    began = time.monotonic()
    while left := marked(mark, besides):
        if time.monotonic() - began > within_s:
            ports = listening(left)
            return time.monotonic() - began, [*map(described, left), *(f"port {port}" for port in ports)]
        time.sleep(0.05)
    return time.monotonic() - began, []


def kill_marked(mark: str, besides: Collection[int] = ()) -> None:
    """Kill the processes that have `mark`, and wait for their end."""
    processes = marked(mark, {os.getpid(), *besides})
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(processes, 5)


def files_below(folder: Path) -> list[str]:
    """Return the names of everything in a folder, empty where there is none."""
    return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []

"""Commands that run for long: watched with a deadline, ended cleanly on Ctrl-C, their figures published."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.endurance.usage import COMMAND, Usage
from benchmarks.stored_block import ROOT, store, write_block
from harness.children import end_group
from harness.host.environment import environment

PAGE = ROOT / "docs" / "reliability.md"
# How long a command may take to end once it was asked to.
STOP_S = 120.0
_GLANCE_S = 0.2
_TOLD_S = 60.0


@dataclass
class Watched:
    """A command that has ended: its exit code (None where it was killed), what it told, and its usage meanwhile."""

    code: int | None
    told: str
    usage: Usage
    took_s: float
    interrupted: bool = False
    overdue: bool = False
    notes: list[str] = field(default_factory=list)


def end_on_termination() -> None:
    """Let SIGTERM end this process as Ctrl-C does: what was started is ended, and what was measured is stored."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def child_environment(**more: str) -> dict[str, str]:
    """Return the environment of a command of this checkout."""
    search = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    return {**os.environ, "PYTHONPATH": search, **more}


def watch(command: Sequence[str], *, what: str, within_s: float, every_s: float, folder: Path) -> Watched:
    """Run a command to its end and sample its usage every `every_s` seconds.

    After `within_s` seconds, or on Ctrl-C, it is interrupted as by Ctrl-C and given `STOP_S` to end; then it is killed,
    with its process group. A line on standard error says each minute how far it is.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile(dir=folder) as told:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=told, stderr=told, env=child_environment(), process_group=0
        )
        usage = Usage(process.pid)
        result = Watched(None, "", usage, 0.0)
        try:
            try:
                result.overdue = not _sampled(process, usage, what, began, within_s, every_s)
            except KeyboardInterrupt:
                result.interrupted = True
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            result.code = process.wait(STOP_S)
        except (KeyboardInterrupt, subprocess.TimeoutExpired) as error:
            result.interrupted |= isinstance(error, KeyboardInterrupt)
        finally:
            end_group(process)
            result.took_s = time.monotonic() - began
        told.seek(0)
        result.told = told.read().decode(errors="replace").strip()
    return result


def _sampled(
    process: "subprocess.Popen[bytes]", usage: Usage, what: str, began: float, within_s: float, every_s: float
) -> bool:
    """Sample until the process has ended; return False where it has not by the deadline."""
    sampled = told = began - 2 * _TOLD_S
    while process.poll() is None:
        now = time.monotonic()
        if now - began > within_s:
            return False
        if now - sampled >= every_s:
            sampled = now
            usage.sample(now - began)
        if now - told >= _TOLD_S:
            told = now
            memory = ", ".join(f"{role} {each.rss_kb[-1] // 1000} MB" for role, each in usage.readings.items())
            tell(f"{what}: {now - began:.0f} s, ends by {within_s:.0f} s at the latest; {memory}")
        time.sleep(_GLANCE_S)
    return True


def tell(text: str) -> None:
    """Write a line of progress to standard error."""
    print(text, file=sys.stderr, flush=True)


def about(script: str, *, seed: int, budget: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a stored result says of its origin: command, environment, date, seed and budget."""
    return {
        "command": " ".join(["python", f"benchmarks/{script}", *sys.argv[1:]]),
        "environment": environment().model_dump(mode="json"),
        "made": time.strftime("%Y-%m-%d", time.gmtime()),
        "seed": seed,
        "budget": dict(budget),
    }


def origin(figures: Mapping[str, Any]) -> str:
    """Return the line under a table: date, machine and command."""
    here = figures["environment"]
    machine = f"{here['cpu']}, {here['cpu_count']} cores, {here['kernel']}, {here['python']}"
    return f"Measured on {figures['made']} by `{figures['command']}` on {machine}."


def publish(part: str, figures: Mapping[str, Any], text: str, *, docs: bool, render: bool) -> None:
    """Store what was measured, print its block, and write it into the page if asked to.

    What was interrupted is stored in .benchmarks and never goes into the page.
    """
    docs = docs and not figures.get("interrupted", False)
    if not render:
        folder = ROOT / "docs" / "data" if docs else ROOT / ".benchmarks"
        tell(f"stored in {store(f'reliability-{part}', dict(figures), folder).relative_to(ROOT)}")
    print(text)
    if docs or render:
        write_block(part, text, page=PAGE)


def harness(*arguments: str) -> list[str]:
    """Return the command line of a command of the harness."""
    return [sys.executable, "-P", "-m", "harness.cli", *arguments]


__all__ = [
    "COMMAND",
    "PAGE",
    "STOP_S",
    "Watched",
    "about",
    "child_environment",
    "end_on_termination",
    "harness",
    "origin",
    "publish",
    "tell",
    "watch",
]

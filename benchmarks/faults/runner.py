"""The runner: each fault in a process of its own with a deadline, and the proof that nothing was left running."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.faults.fault import Fault
from benchmarks.faults.leftovers import MARK, files_below, gone, kill_marked
from benchmarks.faults.one import REPORT
from benchmarks.stored_block import ROOT

__all__ = ["run_fault"]

# After its process has ended, within which everything of a fault is gone.
_GONE_S = 10.0


def run_fault(fault: Fault, seed: int, kills: int) -> dict[str, Any]:
    """Run a fault and return its report: `state`, `observed`, `codes`, `kept`, `seconds` and others; never raises."""
    folder = Path(tempfile.mkdtemp(prefix="harness-fault-"))
    temporary = folder / "tmp"
    temporary.mkdir()
    mark = secrets.token_hex(8)
    try:
        report = _performed(fault, folder, mark, seed, kills)
        took_s, left = gone(mark, _GONE_S)
        kill_marked(mark)
        files = files_below(temporary)
        if left or files:
            report["state"] = "failed"
            report["observed"] += f"; left running: {left}; left in the temporary folder: {files}"
        report["left_s"] = max(report["left_s"], round(took_s, 2))
        return {"family": fault.family, "done": fault.done, "expected": fault.expected, **report}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _performed(fault: Fault, folder: Path, mark: str, seed: int, kills: int) -> dict[str, Any]:
    deadline_s = fault.deadline_s * (kills if fault.kills else 1)
    began = time.monotonic()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.faults.one", fault.name, str(folder), str(seed), str(kills)],
            cwd=ROOT,
            env={**os.environ, MARK: mark, "TMPDIR": str(folder / "tmp")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            kill_marked(mark)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    report = folder / REPORT
    if report.is_file():
        answer: dict[str, Any] = json.loads(report.read_text())
        return answer
    said = (folder / "log").read_text(errors="replace").strip()[-600:]
    why = f"no report after {time.monotonic() - began:.0f} s of {deadline_s:.0f} s: {said}"
    seconds = round(time.monotonic() - began, 1)
    nothing = {"codes": [], "commands": 0, "kept": "not known", "longest_s": seconds, "left_s": 0.0}
    return {"name": fault.name, "state": "failed", "observed": why, "seconds": seconds, **nothing}

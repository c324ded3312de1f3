"""The process of one fault: ``python -m benchmarks.faults.one NAME FOLDER SEED KILLS`` leaves its report in FOLDER."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.faults.catalog import FAULTS, SkippedError
from benchmarks.faults.trial import Trial

__all__ = ["REPORT", "try_fault"]

REPORT = "report.json"


def try_fault(name: str, folder: Path, seed: int = 1, kills: int = 3) -> dict[str, Any]:
    """Perform a fault and return what was observed; `state` is passed, failed or skipped."""
    began = time.monotonic()
    trial = Trial(folder, seed, kills)
    try:
        observed = FAULTS[name].act(trial)
        trial.intact()
        state = "passed"
    except SkippedError as why:
        state, observed = "skipped", str(why)
    except AssertionError as wrong:
        state, observed = "failed", " ".join(str(wrong).split())[:1500]
    return {
        "name": name,
        "state": state,
        "observed": observed.replace(f"{folder}/", ""),
        "seconds": round(time.monotonic() - began, 1),
        **trial.document(),
    }


def main() -> None:
    name, folder, seed, kills = sys.argv[1:]
    report = try_fault(name, Path(folder), int(seed), int(kills))
    (Path(folder) / REPORT).write_text(json.dumps(report))


if __name__ == "__main__":
    main()

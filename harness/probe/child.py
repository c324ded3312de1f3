"""The process of one experiment, which prints its result as one line of JSON: ``child NAME INSTRUMENT``."""

import json
import sys
import warnings
from typing import Any

from harness.probe.exporting import EXPORTING, CannotProbe
from harness.probe.recording import RECORDING
from harness.probe.subject import ProbeSubject

__all__ = ["EXPERIMENTS", "main"]

EXPERIMENTS = {**RECORDING, **EXPORTING}


def main(name: str, instrument: str) -> dict[str, Any]:
    """Run the experiment `name` on `instrument` and return its result as a JSON object."""
    warnings.simplefilter("ignore")
    try:
        present, evidence, data = EXPERIMENTS[name](ProbeSubject(instrument))
    except CannotProbe as reason:
        return {"present": None, "evidence": str(reason), "data": {}}
    return {"present": bool(present), "evidence": evidence, "data": data}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:3])) + "\n")

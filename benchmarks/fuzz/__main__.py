"""Try inputs made at random on everything that reads something from outside; run as ``python -m benchmarks.fuzz``.

Each input has to end with a documented exit code, or in an error of one clear line, within 5 s and 500 MB: no
traceback, no exception of another kind. Inputs are samples that were spoilt, made by hypothesis from the seed that is
printed, so that the same seed tries the same again. Batches run in processes of their own, whose memory is limited.

An input that failed is written to ``.benchmarks/fuzz``; once the defect is fixed it is moved to ``tests/data/fuzz``,
whose inputs `make test` tries again (`tests/benchmarks/test_fuzz.py`).
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.fuzz.attempt import MEGABYTES, ROOT, SECONDS
from benchmarks.fuzz.block import rendered
from benchmarks.fuzz.surfaces import SURFACES, parts
from benchmarks.stored_block import add_options, load, store, write_block
from harness.host.environment import environment

_PAGE = ROOT / "docs" / "reliability.md"
_FAILED = ROOT / ".benchmarks" / "fuzz"
_NAME = "reliability-fuzz"
_BATCH = 500
# A batch whose process neither answers nor dies is ended after so long.
_BATCH_S = 1800.0
_PATIENT_S = 60.0


def try_inputs(surface: str, inputs: Sequence[Any], folder: Path, seconds: float) -> dict[str, Any]:
    """Return what became of given inputs, tried in a process of their own."""
    return _batch(surface, folder, seconds, count=len(inputs), inputs=inputs)


def _batch(surface: str, folder: Path, seconds: float, **which: Any) -> dict[str, Any]:
    """Return what became of one batch; a process that died is a defect of the input it died of."""
    current = folder / "current"
    request = {"surface": surface, "seconds": seconds, "megabytes": MEGABYTES, "current": str(current), **which}
    command = [sys.executable, "-m", "benchmarks.fuzz.batch", json.dumps(request)]
    # Arenas of many threads would count as address space that nobody uses.
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "MALLOC_ARENA_MAX": "2"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=surroundings, capture_output=True, timeout=_BATCH_S, check=False
        )  # fmt: skip
        if done.returncode == 0 and done.stdout:
            answer: dict[str, Any] = json.loads(done.stdout)
            return answer
        reason = f"the process ended with {done.returncode}: {done.stderr.decode(errors='replace')[-1500:]}"
    except subprocess.TimeoutExpired:
        reason = f"the process did not end within {_BATCH_S:.0f} s"
    tried = json.loads(current.read_text(encoding="ascii")) if current.exists() and current.stat().st_size else None
    defect = {"input": tried, "reason": reason, "where": ""}
    return {"outcomes": {"defect": 1}, "slowest_s": 0.0, "most_megabytes": 0.0, "defects": [defect]}


def _surface(name: str, count: int, draw: random.Random, seconds: float) -> dict[str, Any]:
    """Try `count` inputs of one surface, batch by batch."""
    outcomes: Counter[str] = Counter()
    defects: dict[str, dict[str, Any]] = {}
    slowest = most = 0.0
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="harness-fuzz-") as folder:
        while (left := count - sum(outcomes.values())) > 0:
            batch = _batch(name, Path(folder), seconds, count=min(left, _BATCH), seed=draw.randrange(2**32))
            outcomes.update(batch["outcomes"])
            slowest, most = max(slowest, batch["slowest_s"]), max(most, batch["most_megabytes"])
            for defect in batch["defects"]:
                defects.setdefault(defect["where"] or defect["reason"][:60], defect)
    return {
        "about": SURFACES[name].about, "tried": sum(outcomes.values()), "accepted": outcomes["accepted"],
        "refused": outcomes["refused"], "defect": outcomes["defect"], "slowest_s": slowest, "most_megabytes": most,
        "elapsed_s": time.monotonic() - begun, "defects": list(defects.values()),
    }  # fmt: skip


def _keep_failed(name: str, defects: list[dict[str, Any]]) -> None:
    """Write the inputs that failed, to be tried again and kept as examples."""
    for defect in defects:
        text = json.dumps(
            {"surface": name, "about": defect["where"] or defect["reason"][:200], "input": defect["input"]}
        )
        _FAILED.mkdir(parents=True, exist_ok=True)
        path = _FAILED / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.json"
        path.write_text(text + "\n", encoding="ascii")
        print(f"  {defect['reason'][:400]}")
        print(f"    at {defect['where'] or 'no line of ours'}; kept in {path.relative_to(ROOT)}")


def _measured(arguments: argparse.Namespace) -> dict[str, Any]:
    chosen = [SURFACES[name] for name in arguments.surface or SURFACES]
    draw = random.Random(arguments.seed)  # noqa: S311 - no secret
    found: dict[str, Any] = {}
    seconds = _PATIENT_S if arguments.patient else SECONDS
    for name, count in parts(arguments.inputs, chosen).items():
        found[name] = result = _surface(name, count, draw, seconds)
        print(
            f"{name}: {result['tried']:,} tried, {result['accepted']:,} accepted, {result['refused']:,} refused, "
            f"{result['defect']:,} defects; slowest {result['slowest_s']:.2f} s, {result['most_megabytes']:.0f} MB, "
            f"{result['elapsed_s']:.0f} s in all", flush=True,
        )  # fmt: skip
        _keep_failed(name, result["defects"])
    return {
        "command": arguments.command, "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "seed": arguments.seed,
        "budget": arguments.inputs, "limits": {"seconds": seconds, "megabytes": MEGABYTES}, "surfaces": found,
        "environment": environment().model_dump(mode="json"),
    }  # fmt: skip


def main(given: list[str] | None = None) -> int:
    """Try, print, store; return 1 where an input failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--inputs", type=int, default=50_000, help="number of inputs")
    parser.add_argument("--seed", type=int, default=None, help="seed of all inputs; drawn where it is not given")
    parser.add_argument("--surface", action="append", choices=list(SURFACES), help="only this one; may be repeated")
    parser.add_argument("--patient", action="store_true", help="give each input a minute, on a machine that is busy")
    add_options(parser, _PAGE)
    arguments = parser.parse_args(given)
    if arguments.render:
        write_block("fuzz", rendered(load(_NAME)), page=_PAGE)
        return 0
    if arguments.inputs < 1:
        parser.error("--inputs: at least one")
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(2**32)
    arguments.command = f"make fuzz FUZZ='--inputs {arguments.inputs} --seed {arguments.seed}'"
    print(f"{arguments.inputs:,} inputs, seed {arguments.seed}: {arguments.command}", flush=True)
    figures = _measured(arguments)
    store(_NAME, figures, ROOT / "docs" / "data" if arguments.docs else ROOT / ".benchmarks")
    text = rendered(figures)
    print(text)
    if arguments.docs:
        write_block("fuzz", text, page=_PAGE)
    return int(any(each["defect"] for each in figures["surfaces"].values()))


if __name__ == "__main__":
    sys.exit(main())

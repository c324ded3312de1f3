"""The same experiments with other tools and this project: false alarms, detections and time of each.

Each trial compares a function with itself, or with itself and 1, 2 or 5 % more work, once with every tool, in random
order, so that temporary slowdowns of the machine affect all tools alike. The tools are pytest-benchmark, pyperf, asv,
pytest-codspeed and this project. All get about the same wall time: pytest-benchmark as many rounds, pyperf as many
processes, asv as many samples, and this project as many pairs as fit into it. All measure on the same core, and each
alternates the two sides as far as it can (see `PROCEDURES`). asv and pytest-codspeed are installed by this script into
environments of their own under .benchmarks/tools (see `tools/environments.py`). The slowdown is a share of the
time of a line on this machine, approximated by a number of turns of an empty loop. The time of a turn is measured
before by the standard library's timeit, which is not among the compared tools.

    python benchmarks/cost/compare_tools.py --trials 12 --seconds 10

Every result is stored as soon as it exists; after an interruption the same command resumes. The table is printed, and
with --docs written into the marked block of docs/compare.md, with all measurements beside it.
"""

import argparse
import gzip
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.cost.tools.environments import AsvProject, interpreter, tool_versions
from benchmarks.cost.tools.table import SHARES, STORED, block, write_docs
from benchmarks.cost.tools.trials import BY, COST, TOOLS, calibrate
from harness.host.environment import environment

# Incremented whenever the measurement changes.
VERSION = 4
# Identical code gets more trials, since a rate near zero needs them.
IDENTICAL_FACTOR = 2.5


@dataclass(frozen=True)
class Trial:
    """One experiment for every tool: the injected share, and a number that determines the seed."""

    share: float
    number: int


def schedule(trials: int) -> list[Trial]:
    """Return all trials, those of each share spread evenly over the whole time."""
    placed = []
    for share in SHARES:
        count = trials if share else round(trials * IDENTICAL_FACTOR)
        placed += [((i + 0.5) / count, Trial(share, i)) for i in range(count)]
    return [trial for _, trial in sorted(placed, key=lambda place: (place[0], place[1].share))]


def turns_of(share: float, turn_share: float) -> int:
    """Return the number of turns that take `share` of a line."""
    return round(share / turn_share)


def prepare(turn_share: float) -> None:
    """Make the environments of the tools that need their own, so that no trial includes an installation."""
    AsvProject().prepare(turns_of(share, turn_share) for share in SHARES)
    interpreter("pytest-codspeed")


def run_trial(trial: Trial, turn_share: float, seconds: float, missing: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a record of each missing tool, in a random order that the trial determines."""
    seed = 1 + 10 * trial.number + SHARES.index(trial.share)
    turns = turns_of(trial.share, turn_share)
    order = list(TOOLS)
    random.Random(seed).shuffle(order)  # noqa: S311 - no secret
    for tool in order:
        if tool not in missing:
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="compare-tools-") as folder:
            verdicts, raw = BY[tool](turns, seconds, seed, Path(folder))
        yield {
            "tool": tool,
            "share": trial.share,
            "number": trial.number,
            "turns": turns,
            "wall_s": time.monotonic() - began,
            "slower": verdicts,
            "raw": raw,
        }


def load(path: Path, seconds: float) -> dict[str, Any]:
    """Return the stored document, or an empty one; raise `SystemExit` for one with other settings."""
    if not path.exists():
        here = environment().model_dump(mode="json")
        return {
            "version": VERSION,
            "seconds": seconds,
            "environment": here,
            "tools": tool_versions(),
            "calibration": None,
            "turn_share": 0.0,
            "records": [],
        }
    document: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    if document["version"] != VERSION:
        raise SystemExit(f"{path} was measured by another version of this script; name another --results, or --fresh")
    if document["seconds"] != seconds:
        raise SystemExit(f"{path} holds trials of {document['seconds']} s; name another --results, or --fresh")
    if (document["environment"], document["tools"]) != (environment().model_dump(mode="json"), tool_versions()):
        raise SystemExit(f"{path} was measured elsewhere or with other versions; name another --results, or --fresh")
    return document


def save(path: Path, document: dict[str, Any]) -> None:
    """Write all records, completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(gzip.compress(json.dumps(document).encode(), mtime=0))
    part.replace(path)


def measure(path: Path, document: dict[str, Any], trials: int) -> None:
    """Make the missing trials and store each record."""
    # Once for the whole session: a calibration for each trial would add its own noise to the injected share.
    document["calibration"] = document["calibration"] or calibrate()
    document["turn_share"] = document["calibration"]["turn_share"]
    save(path, document)
    prepare(document["turn_share"])
    records: list[dict[str, Any]] = document["records"]
    done = {(record["share"], record["number"], record["tool"]) for record in records}
    plan = schedule(trials)
    began = time.monotonic()
    for i, trial in enumerate(plan):
        missing = [tool for tool in TOOLS if (trial.share, trial.number, tool) not in done]
        if not missing:
            continue
        print(f"trial {i + 1} of {len(plan)}, {time.monotonic() - began:.0f} s", file=sys.stderr)
        for record in run_trial(trial, document["turn_share"], document["seconds"], missing):
            records.append(record)
            save(path, document)


def main() -> None:
    """Make the missing trials and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=12, help="of each slowdown; identical code gets 2.5 times")
    parser.add_argument("--seconds", type=float, default=10.0, help="wall time of a trial for each tool")
    parser.add_argument("--results", type=Path, default=COST.parents[1] / ".benchmarks" / "compare_tools.json.gz")
    parser.add_argument("--fresh", action="store_true", help="start again instead of resuming")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/compare.md as well")
    options = parser.parse_args()
    if options.trials < 1 or options.seconds < 5:
        parser.error("at least one trial, and five seconds for each tool")
    if options.fresh:
        options.results.unlink(missing_ok=True)
    document = load(options.results, options.seconds)
    try:
        measure(options.results, document, options.trials)
    except KeyboardInterrupt:
        print("interrupted; the same command resumes", file=sys.stderr)
    print(block(document))
    if options.docs:
        write_docs(block(document))
        save(STORED, document)


if __name__ == "__main__":
    main()

"""Measures the time to list and check a history of 10 000 runs, process start included; prints medians and ranges.

    python benchmarks/scale/history_scale.py [--runs 10000] [--repeats 7] [--store FOLDER]

The runs have 6 experiments of 10 raw pairs each. The commands are timed as a user starts them; the first line is the
time to build the index from nothing. Exits with 1 where a command's median exceeds --bar seconds.
"""

import argparse
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.history.fingerprint import fingerprint
from harness.history.store import Store
from harness.host.environment import environment

HEADS = ("opencensus", "opencensus-lean", "prometheus-client")
START = datetime(2025, 1, 1, tzinfo=UTC)

COMMANDS = {
    "harness history": ["history"],
    "harness history, filtered": ["history", "--instrument", "opencensus", "--since", "2025-02-01", "--limit", "20"],
    "harness history --json": ["history", "--json"],
    "harness history export --format csv": ["history", "export", "--format", "csv"],
    "harness check": ["check", "--no-remeasure"],
    "harness report": ["report", "--output", os.devnull],
    "harness report --terminal": ["report", "--terminal"],
}
# The commands to which --bar applies.
LIMITED = ("harness history", "harness check", "harness report")
# Exit codes of pass, regressed and undecided: the decision on the last of the random runs does not matter here.
VERDICTS = (0, 1, 3)
CHANGE_POINTS = (
    "import math, sys\n"
    "from harness.history.checking.change_points import change_points\nfrom harness.history.index import Index\n"
    "from harness.history.store import Store\n"
    "with Index(Store(sys.argv[1])) as index:\n"
    "    for key in index.keys():\n"
    "        change_points([math.log(point.metric.ratio) for point in index.points(key)])"
)


def document(draw: random.Random) -> dict[str, Any]:
    """Return one complete, small result as `harness overhead` writes it."""
    experiments = [experiment(draw, head, series) for head in HEADS for series in (1, 100)]
    terms = {"precision": None, "budget_s": 60.0, "rounds": 10, "block_ns": 6_000_000, "seed": 1, "tolerance": 0.01}
    part = {"what": "comparison", "first": 0, "end": len(experiments), "terms": terms, "elapsed_s": 60.0}
    return {
        "schema_version": 1, "kind": "overhead", "mode": "comparison", "environment": environment().model_dump(),
        "terms": terms, "elapsed_s": 60.0, "experiments": experiments, "parts": [part],
    }  # fmt: skip


def experiment(draw: random.Random, head: str, series: int) -> dict[str, Any]:
    ratio = 5 * math.exp(draw.gauss(0, 0.015))
    interval = [ratio / 1.012, ratio * 1.012]
    cost = [480 * (ratio - 1), 520 * (ratio - 1)]
    return {
        "axis": "wall_ns", "base": "none", "head": head, "factors": {"series": series}, "pairs": 10,
        "base_per_line": 500.0, "head_per_line": 500 * ratio, "cost_per_line": 500 * (ratio - 1),
        "cost_interval": cost, "ratio": ratio, "ratio_interval": interval, "minimal_detectable_effect": 0.02,
        "null": {"ratio": 1.0, "ratio_interval": [0.98, 1.02], "confidence": 0.99, "pairs": 5}, "verdict": "slower",
        "conclusion": "costs more", "confidence": 0.95, "looks": 1, "log_ratio_sd": 0.02, "void_pairs": 0,
        "bootstrap": {"ratio_interval": interval, "cost_interval": cost},
        "raw_pairs": [pair(draw, ratio) for _ in range(10)], "raw_null": [pair(draw, 1.0) for _ in range(5)],
    }  # fmt: skip


def pair(draw: random.Random, ratio: float) -> dict[str, Any]:
    base, head = ([draw.randrange(10**6, 2 * 10**6) for _ in range(10)] for _ in range(2))
    return {
        "base_blocks": base, "base_lines": 1000, "head_blocks": head, "head_lines": 1000, "base_cpu": base,
        "head_cpu": head, "order": "bhhb", "hash_seeds": [1, 2], "base_per_line": 500.0, "head_per_line": 500 * ratio,
        "log_ratio": math.log(ratio) + draw.gauss(0, 0.02), "difference": 500 * (ratio - 1),
    }  # fmt: skip


def fill(store: Store, runs: int) -> None:
    """Store `runs` results, an hour apart, without waiting for the disk each time."""
    draw, here = random.Random(1), fingerprint()  # noqa: S311 - test data
    sync, os.fsync = os.fsync, lambda _: None
    try:
        for i in range(len(store.names()), runs):
            store.save("overhead", document(draw), fingerprint=here, label="scale", created=START + timedelta(hours=i))
    finally:
        os.fsync = sync


def timed(*command: str) -> float:
    """Return the duration of a command in seconds, from start to end; exit where it fails."""
    begin = time.perf_counter()
    process = subprocess.run([sys.executable, *command], capture_output=True, check=False)
    took = time.perf_counter() - begin
    if process.returncode not in VERDICTS:
        sys.exit(process.stderr.decode(errors="replace"))
    return took


def report(name: str, repeats: int, *command: str) -> float:
    """Print the median and the range of `repeats` durations of a command, and return the median."""
    took = sorted(timed(*command) for _ in range(repeats))
    print(f"{name:40} {statistics.median(took):7.2f} s  [{took[0]:.2f}, {took[-1]:.2f}]", flush=True)
    return statistics.median(took)


def main() -> int:
    """Fill a store and measure the commands on it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--bar", type=float, default=2.0)
    parser.add_argument("--store", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        store = Store(options.store or Path(scratch) / "runs")
        fill(store, options.runs)
        size = sum(about[0] for about in store.names().values())
        print(f"{options.runs} runs, {size / 2**20:.0f} MiB, {len(HEADS) * 2} figures each")
        medians = {}
        cli, where = ("-m", "harness.cli"), ("--store", str(store.folder))
        report("harness history, index built from nothing", 1, *cli, "history", *where)
        report("bare interpreter", options.repeats, "-c", "pass")
        for name, command in COMMANDS.items():
            medians[name] = report(name, options.repeats, *cli, *command, *where)
        report("change points of all figures, all runs", options.repeats, "-c", CHANGE_POINTS, str(store.folder))
    over = [name for name in LIMITED if medians[name] > options.bar]
    print(f"over {options.bar:g} s: {', '.join(over) or 'none'}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())

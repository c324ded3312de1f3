"""Measures listing and checking a history of 10 000 runs, process start included; prints medians and spread.

    python benchmarks/history_scale.py [--runs 10000] [--repeats 7] [--store FOLDER]

The runs hold 6 experiments of 10 raw pairs each. The first line is the time to build the index from nothing.
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

HEADS = ("opencensus", "opencensus-lean", "prometheus-client")
START = datetime(2025, 1, 1, tzinfo=UTC)

ACTIONS = {
    "bare interpreter": "pass",
    "list all": (
        "from harness.history.listing import list_runs\nfrom harness.history.store import Store\n"
        "assert len(list_runs(Store(sys.argv[1])).rows) == int(sys.argv[2])"
    ),
    "list, filtered": (
        "from harness.history.listing import list_runs\nfrom harness.history.store import Store\n"
        "assert list_runs(Store(sys.argv[1]), instrument='opencensus', since='2025-02-01', newest=20).rows"
    ),
    "check the newest": (
        "from harness.history.index import Index\nfrom harness.history.store import Store\n"
        "from harness.history.verdict import check\n"
        "with Index(Store(sys.argv[1])) as index:\n    assert len(check(index).findings) == 6"
    ),
    "change points of all figures, all runs": (
        "import math\nfrom harness.history.detect import change_points\nfrom harness.history.index import Index\n"
        "from harness.history.store import Store\n"
        "with Index(Store(sys.argv[1])) as index:\n"
        "    for key in index.keys():\n"
        "        change_points([math.log(point.metric.ratio) for point in index.points(key)])"
    ),
}


def document(draw: random.Random) -> dict[str, Any]:
    """Return one result such as `harness overhead` writes, in small."""
    experiments = []
    for head in HEADS:
        for series in (1, 100):
            ratio = 5 * math.exp(draw.gauss(0, 0.015))
            pairs = [
                {"log_ratio": math.log(ratio) + draw.gauss(0, 0.02), "head_per_line": 500 * ratio, "void": "",
                 "base_blocks": [draw.randrange(10**6) for _ in range(20)], "hash_seeds": [1, 2]}
                for _ in range(10)
            ]  # fmt: skip
            experiments.append({
                "axis": "wall_ns", "base": "none", "head": head, "factors": {"series": series}, "pairs": 10,
                "cost_per_line": 500 * (ratio - 1), "cost_interval": [480 * (ratio - 1), 520 * (ratio - 1)],
                "ratio": ratio, "ratio_interval": [ratio / 1.012, ratio * 1.012], "verdict": "slower",
                "minimal_detectable_effect": 0.02, "raw_pairs": pairs,
            })  # fmt: skip
    return {"schema_version": 1, "kind": "overhead", "experiments": experiments}


def fill(store: Store, runs: int) -> None:
    """Keep `runs` results, an hour apart, without waiting for the disk each time."""
    draw, here = random.Random(1), fingerprint()  # noqa: S311 - test data
    sync, os.fsync = os.fsync, lambda _: None
    try:
        for i in range(len(store.names()), runs):
            store.save("overhead", document(draw), fingerprint=here, label="scale", created=START + timedelta(hours=i))
    finally:
        os.fsync = sync


def timed(program: str, *arguments: str) -> float:
    """Return the seconds that a fresh interpreter takes for `program`."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import sys\n" + program, *arguments], check=True)
    return time.perf_counter() - begin


def main() -> None:
    """Fill a store, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--store", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        store = Store(asked.store or Path(scratch) / "runs")
        fill(store, asked.runs)
        size = sum(about[0] for about in store.names().values())
        print(f"{asked.runs} runs, {size / 2**20:.0f} MiB, {len(HEADS) * 2} figures each")
        begin = time.perf_counter()
        timed(ACTIONS["list all"], str(store.folder), str(asked.runs))
        print(f"{'list all, index built from nothing':40} {time.perf_counter() - begin:7.2f} s (once)")
        for name, program in ACTIONS.items():
            took = sorted(timed(program, str(store.folder), str(asked.runs)) for _ in range(asked.repeats))
            print(f"{name:40} {statistics.median(took):7.2f} s  [{took[0]:.2f}, {took[-1]:.2f}]", flush=True)


if __name__ == "__main__":
    main()

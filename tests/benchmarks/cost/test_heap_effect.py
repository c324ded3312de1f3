"""What the measurement of a big program's heap promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cost.heap_effect import comparisons, row
from harness.measure.result import RawPair
from harness.measure.verdict import experiment_of

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "cost" / "heap_effect.py"


def test_each_way_is_compared_with_itself_beside_a_heap() -> None:
    """The two sides differ in the heap and in nothing else."""
    found = comparisons(["none", "opencensus"], [1, 100], 5000)
    assert [(pair.base.instrument, pair.base.series) for pair in found] == [
        ("none", 1), ("opencensus", 1), ("none", 100), ("opencensus", 100),
    ]  # fmt: skip
    for pair in found:
        assert (pair.base.heap, pair.head.heap) == (0, 5000)
        assert (pair.base.instrument, pair.base.series) == (pair.head.instrument, pair.head.series)
    pair = RawPair(
        base_blocks=[1], head_blocks=[1], base_lines=1, head_lines=1, order="b", hash_seeds=(1, 2),
        base_per_line=6120.0, head_per_line=6180.0, log_ratio=0.01, difference=60.0,
    )  # fmt: skip
    experiment = experiment_of(found[0], [pair] * 3, [pair] * 2, tolerance=0.02)
    assert experiment.factors["heap"] == 5000
    assert "1.010" in row(experiment)


@pytest.mark.slow
@pytest.mark.parametrize("heap", [0, 50_000])
def test_collections_are_counted_in_a_process_of_its_own(heap: int) -> None:
    """OpenCensus at a hundred series sets collections off, and the heap lives until the count is done."""
    described = json.dumps({"instrument": "opencensus", "series": 100, "heap": heap})
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--child", described], capture_output=True, text=True, check=True, timeout=300
    )
    found = json.loads(done.stdout)
    assert found["number"][0] > 0
    assert 0 < sum(found["share"]) < 1
    assert (found["heap"] > 0) == bool(heap)

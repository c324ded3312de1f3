"""What the measurement of the coordinator promises: real records from fake workers, bars, and a line."""

import json
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.scale import coordinator_scale
from benchmarks.scale.coordinator_scale import block, line, missed
from benchmarks.stored_block import SCALE, load

pytestmark = pytest.mark.system


def run_of(count: int, **more: float) -> dict[str, float]:
    plain = {
        "workers": count, "start_s": 0.5 + count / 1_000, "lead_s": 0.2, "results_s": 0.1 + count / 2_000,
        "sum_up_s": 0.2,
        "cpu_s": 1.0, "base_mb": 80.0, "peak_mb": 80.0 + count / 10, "audits_s": 1.0, "samples": 100,
        "page_bytes": 8_000, "record_bytes": 50_000, "report_bytes": 5_000,
    }  # fmt: skip
    return {**plain, **more}


def figures(*runs: dict[str, float]) -> dict[str, Any]:
    rows = list(runs) or [run_of(count) for count in (10, 100, 1_000) for _ in range(2)]
    about = {"made": "2026-01-01", "machine": "a machine"}
    return {**about, "runs": rows, "share_ns": {"1": 500.0, "100": 9_000.0}, "proof_ns": 900.0}


def test_the_cost_per_worker_is_the_slope_of_a_line() -> None:
    """Of the three parts that are the coordinator's; the lead is a wait for the workers."""
    slope, constant = line(figures(), "seconds")
    assert slope == pytest.approx(1 / 1_000 + 1 / 2_000)
    assert constant == pytest.approx(0.8)
    slope, constant = line(figures(), "peak_mb")
    assert (slope, constant) == (pytest.approx(0.1), pytest.approx(80))


def test_the_table_goes_on_to_where_nobody_measured() -> None:
    """And says that it is by the line."""
    text = block(figures())
    assert "0.80 s and 1.50 ms a worker" in text
    assert "| workers, by the line |" in text
    assert "| 10,000 | 15.8 | 1,080 | 1,000,000 |" in text
    assert "| 1 of 100 | 9.00 |" in text


def test_a_missed_bar_is_told() -> None:
    """At 1 000 workers, by the medians; a short trial has no bar."""
    assert missed(figures()) == []
    assert "5.9 s of 5 s" in missed(figures(run_of(1_000, start_s=5.1)))[0]
    assert "200 MB of 200 MB" in missed(figures(run_of(1_000, peak_mb=200.0)))[0]
    assert missed(figures(run_of(10, start_s=50.0))) == []


@pytest.mark.slow
def test_a_real_coordinator_takes_in_the_fakes_records() -> None:
    """Every share is proven, every worker is in the document, and each part took its time."""
    command = [sys.executable, coordinator_scale.__file__, "--one", "5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert measured["workers"] == 5
    assert all(measured[part] > 0 for part in (*coordinator_scale.PARTS, "lead_s", "cpu_s", "peak_mb", "record_bytes"))


def test_the_page_shows_the_stored_session() -> None:
    """What is in docs/data is what docs/scale.md says."""
    assert block(load(coordinator_scale.NAME)).strip() in SCALE.read_text(encoding="utf-8")

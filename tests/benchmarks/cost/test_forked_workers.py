"""The figures of docs/forked-workers.md: small real measurements, and the block rendered from them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cost.forked_workers import (
    IN_MEMORY,
    MULTIPROCESS,
    NAME,
    PAGE,
    Plan,
    increase_of,
    laws,
    measure_rates,
    pages_table,
    rates_table,
)
from benchmarks.stored_block import write_block

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("values", "increase"),
    [([], (0, 0)), ([5], (0, 0)), ([5, 7, 7, 9], (4, 0)), ([5, 7, 3, 4], (6, 1)), ([9, 1, 9, 1], (10, 2))],
)
def test_increase_is_that_of_prometheus(values: list[float], increase: tuple[float, int]) -> None:
    """A fall is taken for a restart from 0: the whole value is added."""
    assert increase_of(values) == increase


@pytest.mark.parametrize(("live", "dead"), [(2, 0), (0, 3)])
def test_a_page_of_live_or_dead_processes_is_timed(live: int, dead: int) -> None:
    """Each page in milliseconds, and its size, which does not depend on how many processes there are."""
    command = [sys.executable, "-m", "benchmarks.cost.forked_pages", str(live), str(dead), "2", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=120)
    answer = json.loads(done.stdout)
    assert len(answer["page_ms"]) == 3
    assert min(answer["page_ms"]) > 0
    assert answer["page_bytes"] > 1000


def pages(*means: float) -> list[dict[str, Any]]:
    """Return a point for each mean, with six processes around it."""
    spread = (-0.1, -0.05, 0.0, 0.0, 0.05, 0.1)
    return [
        {
            "kind": "dead",
            "processes": 10**place,
            "series": 30,
            "page_ms": [mean + one for one in spread],
            "page_bytes": 2048,
        }
        for place, mean in enumerate(means)
    ]


def test_the_law_of_a_page_is_a_line_by_processes() -> None:
    """Named with its interval; where there are too few points, why there is none."""
    assert laws(pages(2.5, 7.0, 52.0))[0].startswith(
        "dead processes, 30 values of `method`: page = 2 ms + 0.5 ms × processes (0."
    )
    assert "no law" in laws(pages(2.5, 7.0))[0]


def test_the_page_has_a_place_for_the_block(tmp_path: Path) -> None:
    """Tables as Markdown, between the markers."""
    rates = [{"instrument": MULTIPROCESS, "recycle": 1000, "increase": [0.99, 1.0], "falls": [0, 0]}]
    text = pages_table(pages(2.5)) + rates_table(rates)
    assert f"| {MULTIPROCESS} | after 1000 lines | 0.99 to 1.00 | 0 |" in text
    assert "| dead | 1 | 30 | 2.0 | 2.50 ±" in text
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    write_block(NAME, text, page)
    assert text.strip() in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_what_rate_sees_is_measured() -> None:
    """Multiprocess mode never falls; counters in memory add what was not sent, or lack what was."""
    rows = measure_rates(Plan(runs=1, run_s=3))
    multiprocess = [row for row in rows if row["instrument"] == MULTIPROCESS]
    assert [row["falls"] for row in multiprocess] == [[0], [0]]
    assert [row["increase"] for row in multiprocess] == [[1.0], [1.0]]
    in_memory = [row for row in rows if row["instrument"] == IN_MEMORY and row["recycle"] is None]
    assert in_memory[0]["increase"] != [1.0]
    assert len(rows) == 8

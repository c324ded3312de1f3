"""What the measurement of several workers promises: its ratios, its bars, its table."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scale import workers
from benchmarks.scale.workers import bare_rate, block, interval, missed, rate_share, ratio
from benchmarks.stored_block import SCALE, load, store, write_block


def figures(**more: Any) -> dict[str, Any]:
    schedule = [{"rate_error": 0.0001, "lag_p99_ns": 200_000, "verdict": "valid"}] * 3
    plain = {
        "made": "2026-01-01",
        "machine": "a machine",
        "seconds": 5.0,
        "rates": {
            "workers_1": [100.0, 110.0, 105.0],
            "workers_2": [196.0, 217.0, 206.0],
            "loops_1": [10.0, 11.0, 10.5],
            "loops_2": [20.0, 22.0, 21.0],
        },
        "schedule": {"workers_1": schedule, "workers_2": schedule, "runs_2": schedule},
        "start": {
            "none_1": [[1.0, 2.0], [1.1, 2.1], [1.0, 2.0]], "none_8": [[2.0, 5.0], [2.2, 5.2], [2.1, 5.1]],
            "builtin_1": [[1.0, 3.0], [1.1, 3.1], [1.0, 3.0]], "builtin_8": [[2.0, 4.0], [2.1, 4.1], [2.2, 4.2]]
        },
    }  # fmt: skip
    return {**plain, **more}


def lags(**each: list[int]) -> dict[str, Any]:
    """Return schedules with these p99 lags in microseconds."""
    told = {"rate_error": 0.0001, "verdict": "valid"}
    return {name: [{**told, "lag_p99_ns": value * 1000} for value in values] for name, values in each.items()}


def test_the_share_is_that_within_repeats() -> None:
    """A session in which the machine slows down for all four does not change it."""
    both, loops, share = rate_share(figures()["rates"])
    assert both.value == pytest.approx(1.965, abs=0.01)
    assert loops.value == pytest.approx(2.0)
    assert share.value == pytest.approx(both.value / 2.0)
    assert share.low < share.value < share.high


def test_one_repeat_has_no_interval() -> None:
    """Nothing is known of the spread."""
    only = interval([3.0])
    assert (only.value, only.low, only.high) == (3.0, -math.inf, math.inf)
    assert ratio([2.0], [1.0])[0] == pytest.approx(2.0)
    assert "| – |" in block(figures(rates={name: [1.0] for name in figures()["rates"]}))


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("limit", {"rates": {**figures()["rates"], "workers_2": [150.0, 166.0, 157.0]}}),
        ("times what one does", {"rates": {**figures()["rates"], "workers_2": [150.0, 166.0, 157.0]}}),
        ("2.00 times that of two separate runs", {"schedule": lags(workers_2=[400, 410, 390], runs_2=[200, 205, 195])}),
        ("rate is off", {"schedule": {"workers_1": [], "workers_2": [{"rate_error": 0.01}]}}),
        ("add 6.0 s", {"start": {**figures()["start"], "none_8": [[7.0, 8.0], [7.1, 8.1], [7.0, 8.0]]}}),
    ],
)
def test_a_bar_missed_beyond_its_interval_is_told(what: str, change: dict[str, Any]) -> None:
    """And none that is met, or undecided."""
    assert any(what in text for text in missed(figures(**change)))
    assert missed(figures()) == []
    assert missed(figures(schedule=lags(workers_2=[400, 210, 190], runs_2=[200, 205, 195]))) == []
    undecided = {**figures()["rates"], "workers_2": [190.0, 150.0, 220.0]}
    assert missed(figures(rates=undecided)) == []


def test_the_start_and_the_whole_command_are_told_apart() -> None:
    """The bar is that of the start alone: eight workers whose pages take long to audit do not miss it."""
    text = block(figures())
    assert "| to the start, 8 workers add without a scraper, s | 1.07 |" in text
    assert "| to the whole command, 8 workers add without a scraper, s | 3.07 |" in text
    assert missed(figures()) == []


def test_a_bare_loop_counts_in_each_process() -> None:
    """It is a real process, and ends."""
    assert bare_rate(2, 0.05) > 0


def test_stored_figures_are_rendered_between_the_markers(tmp_path: Path) -> None:
    """The page's other text stays, and what is stored comes back."""
    assert json.loads(store("workers", figures(), tmp_path).read_text()) == load("workers", tmp_path) == figures()
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- workers: begin -->\nold\n<!-- workers: end -->\nafter\n")
    write_block("workers", block(figures()), page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "share of the machine's limit" in text
    with pytest.raises(SystemExit, match="markers"):
        write_block("others", "", page)
    with pytest.raises(SystemExit, match="measure first"):
        load("nosuch", tmp_path)


def test_the_page_has_the_markers() -> None:
    """Both benchmarks write into it."""
    text = SCALE.read_text(encoding="utf-8")
    for name in (workers.NAME, "coordinator-scale"):
        assert f"<!-- {name}: begin -->" in text
        assert f"<!-- {name}: end -->" in text


def test_the_page_shows_the_stored_session() -> None:
    """And the page on several workers gives the rate of one from it, rounded."""
    figures = load(workers.NAME)
    assert block(figures).strip() in SCALE.read_text(encoding="utf-8")
    page = SCALE.with_name("distributed.md").read_text(encoding="utf-8")
    found = re.search(r"one worker sent\s+some (\d+) 000 lines/s", page)
    assert found is not None
    assert int(found[1]) * 1000 == pytest.approx(
        sum(figures["rates"]["workers_1"]) / len(figures["rates"]["workers_1"]), rel=0.05
    )


@pytest.mark.slow
def test_a_real_run_is_measured() -> None:
    """Two workers in a closed loop, and what both came to together."""
    assert workers.closed_rate(2, 0.3) > 0
    each = workers.measure_schedule(1, 0.3)
    assert {row["verdict"] for rows in each.values() for row in rows} <= {"valid", "invalid"}
    result, took_s = workers.run(1, "--duration", "200ms", "--arrivals", "constant:rate=100", "--scraper", "none")
    assert 0 < result["start_s"] < took_s - 0.1

"""What the comparison of runs with and without a live page concludes."""

import re

import pytest

from benchmarks.scale.live_cost import FIGURES, NAME, PAGE, WATCHED, WAYS, Repeat, block, dearer, ratio
from benchmarks.stored_block import load


def repeats(*factors: float) -> list[Repeat]:
    """Return repeats in which the watched run's figures are so many times those of the others."""
    names = [f"{name}.{statistic}" for name, statistic in FIGURES]
    return [
        {way: dict.fromkeys(names, 1000.0 * each * (factor if way == WATCHED else 1)) for way in WAYS}
        for each, factor in enumerate(factors, start=1)
    ]


def test_the_ratio_is_taken_within_a_repeat() -> None:
    """A machine that becomes slower from repeat to repeat does not widen the interval."""
    estimate = ratio(repeats(1.1, 1.1, 1.1), WATCHED, "lag_ns.p99")
    assert estimate.value == pytest.approx(1.1)
    assert estimate.low == pytest.approx(estimate.high)


def test_only_what_all_of_the_interval_says_is_dearer() -> None:
    """A ratio that may as well be 1 is none."""
    assert dearer(repeats(1.2, 1.21, 1.19)) == [WATCHED]
    assert dearer(repeats(1.5, 0.7, 1.1)) == []
    assert dearer(repeats(0.8, 0.81, 0.79)) == []


def test_the_table_has_a_line_for_each_figure_and_way() -> None:
    """With the medians, and ratios for all but the run without a page."""
    plan = {"duration": "10s", "arrivals": "constant:rate=10", "instrument": "none"}
    text = block({"repeats": repeats(1.0, 1.2), "plan": plan, "made": "2026-01-01", "machine": "a machine"})
    assert text.count(" µs |") == 4 * len(FIGURES)
    assert len(re.findall(r"\d to \d", text)) == 3 * len(FIGURES)
    assert "| lag p99, without a page | 1.5 µs |  |" in text
    assert "2 repeats of 10s at constant:rate=10 through none, 2026-01-01: a machine." in text


def test_the_page_shows_the_stored_session() -> None:
    """What is in docs/data is what docs/live.md says."""
    assert block(load(NAME)).strip() in PAGE.read_text(encoding="utf-8")

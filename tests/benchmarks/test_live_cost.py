"""What the comparison of runs with and without a live page concludes."""

import pytest

from benchmarks.live_cost import ALONE, FIGURES, WATCHED, WITHOUT, Repeat, dearer, ratio, rows


def repeats(*factors: float) -> list[Repeat]:
    """Return repeats in which the watched run's figures are so many times those of the others."""
    names = [f"{name}.{statistic}" for name, statistic in FIGURES]
    return [
        {
            way: dict.fromkeys(names, 1000.0 * each * (factor if way == WATCHED else 1))
            for way in (WITHOUT, ALONE, WATCHED)
        }
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
    table = rows(repeats(1.0, 1.2))
    assert len(table) == 1 + 3 * len(FIGURES)
    assert sum("to" in line for line in table[1:]) == 2 * len(FIGURES)
    assert "1.5 µs" in table[1]

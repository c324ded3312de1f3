"""What the comparison of opencensus-lean with prometheus-client promises: its ratio, its bar, its table."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.cost import lean_cost
from benchmarks.cost.lean_cost import (
    BAR,
    DOCS,
    LEAN,
    MOST_REPEATS,
    OTHER,
    SERIES,
    STORED,
    against_bar,
    block,
    newest,
    ratio_of_means,
    read,
    rows,
    session,
    write_docs,
)
from harness.measure.pairs.measure import comparisons_for
from harness.measure.pairs.schedule import Terms, run_experiments
from harness.measure.result import Experiments, RawPair
from harness.measure.stats import Estimate
from harness.measure.subject import Subject


@pytest.mark.parametrize("spread", [0.05, 0.3])
def test_the_ratio_s_interval_covers_the_truth_as_often_as_it_says(spread: float) -> None:
    """Of 4 000 simulated comparisons 94 to 97 in a hundred; unequal spreads and numbers of pairs included."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(4000):
        above = rng.normal(3.0, 3.0 * spread, 20)
        below = rng.normal(5.0, 5.0 * spread * 1.5, 24)
        covered += ratio_of_means(above.tolist(), below.tolist()).covers(0.6)
    assert 0.94 <= covered / 4000 <= 0.97


def test_the_ratio_is_that_of_the_means() -> None:
    """With the interval around it, narrower for more pairs."""
    few = ratio_of_means([2.0, 3.0, 4.0], [5.0, 6.0, 7.0])
    many = ratio_of_means([2.0, 3.0, 4.0] * 5, [5.0, 6.0, 7.0] * 5)
    assert few.value == many.value == 0.5
    assert few.low < many.low < 0.5 < many.high < few.high


@pytest.mark.parametrize(
    ("case", "above", "below", "width"),
    [
        ("no spread at all", [1.0, 1.0], [2.0, 2.0], 0.0),
        ("one value", [1.0], [2.0, 2.1], math.inf),
        ("nothing", [], [], math.inf),
        ("a divisor that may be zero", [1.0, 1.1], [-1.0, 1.2], math.inf),
    ],
)
def test_what_bounds_nothing_is_unbounded(
    case: str, above: Sequence[float], below: Sequence[float], width: float
) -> None:
    found = ratio_of_means(above, below)
    assert found.high - found.low == width, case


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.5, BAR, "met"), (0.5, 0.66, "undecided"), (BAR, 0.7, "undecided"), (0.651, 0.7, "missed")],
)
def test_the_bar_is_met_by_the_whole_interval_only(low: float, high: float, said: str) -> None:
    assert against_bar(Estimate(0.6, low, high, 20, 0.95)) == said


PER_LINE = {"none": 1000.0, LEAN: 3500.0, OTHER: 6000.0}


def document(series: Sequence[int], drift: float = 1.0, null: float = 1.0) -> Experiments:
    """Return what the pipeline makes of pairs of a machine that drifts, and of a base that differs from itself."""
    drawn = np.random.default_rng(3)
    now = iter(range(1000))

    def pair(base: Subject, head: Subject) -> RawPair:
        slow = float(drawn.uniform(1, drift)) if drift > 1 else 1.0
        low = PER_LINE[base.instrument] * slow * float(drawn.normal(1, 0.002))
        high = PER_LINE[head.instrument] * slow * (null if head == base else 1.0)
        return RawPair(
            base_blocks=[1], head_blocks=[1], base_lines=1, head_lines=1, order="b", hash_seeds=(1, 2),
            base_per_line=low, head_per_line=high, log_ratio=math.log(high / low), difference=high - low,
        )  # fmt: skip

    comparisons = comparisons_for([LEAN, OTHER], series)
    return run_experiments(comparisons, Terms(budget_s=90), pair, now=lambda: float(next(now)))


def test_the_ratio_holds_on_a_machine_that_slows_down_and_back() -> None:
    """Spells of three times the time widen the microseconds, not the ratio."""
    (row,) = rows([document([1], drift=3.0)])
    low, high = (float(each) for each in row[3].partition("(")[2].rstrip(")").split(" to "))
    assert low <= 0.5 <= high
    assert high - low < 0.01
    assert float(row[1].partition("±")[2]) > 0.3


def test_a_void_experiment_has_no_figures_and_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its place, twice at most; the others are not."""
    asked: list[list[int]] = []

    def measure(series: Sequence[int], budget_s: float, seed: int = 1) -> Experiments:
        asked.append(list(series))
        return document(series, null=1.2)

    monkeypatch.setattr(lean_cost, "measure", measure)
    documents = session([1, 10], 60)
    assert len(asked) == len(documents) == 1 + MOST_REPEATS
    assert rows(documents) == [["1", "void", "void", "", "", ""], ["10", "void", "void", "", "", ""]]

    def settled(series: Sequence[int], budget_s: float, seed: int = 1) -> Experiments:
        found = document(series, null=1.2 if seed == 1 else 1.0)
        if seed > 1:
            return found
        good = [each for each in document(series).experiments if each.factors["series"] == 1]
        bad = [each for each in found.experiments if each.factors["series"] != 1]
        return found.model_copy(update={"experiments": good + bad})

    monkeypatch.setattr(lean_cost, "measure", settled)
    documents = session([1, 10], 60)
    assert [sorted({each.factors["series"] for each in one.experiments}) for one in documents] == [[1, 10], [10]]
    assert [row[0] for row in rows(documents)] == ["1", "10"]
    assert "void" not in block(documents).partition("\n\n")[0]
    assert "(2 rounds)" in block(documents)


def test_the_table_in_the_docs_is_what_was_measured(tmp_path: Path) -> None:
    """Written anew from the stored session, the page comes out as it is, to the letter."""
    page = tmp_path / "page.md"
    shutil.copy(DOCS, page)
    write_docs(block(read(STORED)), page)
    assert page.read_text(encoding="utf-8") == DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize("series", SERIES)
def test_the_stored_session_has_both_ways_at_every_number_of_series(series: int) -> None:
    """In one session, and the lines that were recorded all arrived."""
    documents = read(STORED)
    for name in (LEAN, OTHER):
        experiment: Any = newest(documents, name, series)
        assert experiment.base == "none"
        assert experiment.lost == experiment.raised == 0

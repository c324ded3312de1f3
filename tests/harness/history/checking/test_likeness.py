"""What is promised of runs measured on a busy machine: they are told from slower libraries by what every run stores."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.history.checking.likeness import RECENT, Limits, limits_of
from harness.history.figures import Figure, metrics_of
from harness.history.processor import processor_of
from tests.harness.history.makers import experiment

QUIET = Figure(
    "x", "ns", 1.0, ratio=2.0, pairs=30, off_cpu=0.004, base_per_line=500.0, spread=0.02, processor=2.0,
    processor_error=0.004, processor_spread=0.02,
)  # fmt: skip


@pytest.mark.parametrize(
    ("why", "told", "changed"),
    [
        ("it is as quiet as ever", "", {}),
        ("a housekeeping process ran", "", {"off_cpu": 0.04}),
        ("two busy loops ran beside it", "the machine was busy: 40% of", {"off_cpu": 0.4}),
        ("the clock rate is a little lower", "", {"base_per_line": 580.0}),
        ("a neighbour shares the core", "the control itself was slower", {"base_per_line": 900.0}),
        ("a neighbour has gone", "the control itself was faster", {"base_per_line": 300.0}),
        ("chance", "", {"spread": 0.05}),
        ("some pairs were hit", "its pairs scatter by 15.0%", {"spread": 0.15}),
        ("few pairs scatter widely by chance", "", {"spread": 0.15, "pairs": 3}),
        ("it says nothing of its machine", "", {"off_cpu": None, "base_per_line": None, "spread": None}),
    ],
)
def test_a_run_is_told_from_those_before_by_its_own_words(why: str, told: str, changed: dict[str, Any]) -> None:
    """Where {why}, the reason is given or there is none."""
    found = limits_of([QUIET] * 9).exceeded(replace(QUIET, **changed))
    assert found.startswith(told), why
    assert bool(found) is bool(told), why


def test_a_machine_that_is_always_busy_is_its_own_measure() -> None:
    """Runs of a shared machine are not all thrown away: each is held against the others."""
    busy = replace(QUIET, off_cpu=0.3, spread=0.15)
    limits = limits_of([busy] * 20)
    assert limits.exceeded(replace(busy, off_cpu=0.5)) == ""
    assert limits.exceeded(replace(busy, off_cpu=0.95)) != ""


def test_a_machine_of_two_speeds_is_like_itself_at_both() -> None:
    """Speeds that changed before may change again."""
    runs = [replace(QUIET, base_per_line=500.0 * (1 + i % 2)) for i in range(20)]
    limits = limits_of(runs)
    assert [limits.exceeded(run) for run in runs] == [""] * 20


def test_a_machine_that_stays_changed_becomes_the_measure() -> None:
    """After the change has lasted, it is the runs before that are unlike the rest."""
    slow = replace(QUIET, base_per_line=1000.0)
    assert limits_of([QUIET] * 50).exceeded(slow) != ""
    after = limits_of([QUIET] * 50 + [slow] * RECENT)
    assert (after.exceeded(slow), after.exceeded(QUIET) != "") == ("", True)


def test_one_busy_run_among_those_before_sets_no_limit() -> None:
    """What was undecided then does not make the next busy run an ordinary one."""
    busy = replace(QUIET, off_cpu=0.4, base_per_line=900.0, spread=0.15)
    assert limits_of([*[QUIET] * 8, busy]).exceeded(busy) != ""


def test_nothing_before_sets_the_limit_of_an_idle_machine() -> None:
    """The first run on a machine may have been measured on a busy one, too."""
    assert limits_of([]) == Limits()
    assert limits_of([]).exceeded(replace(QUIET, off_cpu=0.4)) != ""


def test_an_unchanged_machine_is_seldom_called_another() -> None:
    """Of 2 000 runs of machines whose speed varies by 2 and by 20 %, at most 2 % are unlike the nine before them."""
    rng = np.random.default_rng(1)
    for varies in (0.02, 0.2):
        unlike = 0
        for _ in range(1000):
            runs = [
                replace(
                    QUIET, base_per_line=500 * math.exp(varies * rng.standard_normal()),
                    off_cpu=0.01 * rng.exponential(), spread=0.02 * math.sqrt(rng.chisquare(29) / 29),
                )
                for _ in range(10)
            ]  # fmt: skip
            unlike += bool(limits_of(runs[:9]).exceeded(runs[9]))
        assert unlike <= 20, varies


def pair(base_cpu: list[int], head_cpu: list[int], **more: Any) -> dict[str, Any]:
    """Return a kept pair of two rounds whose blocks took 1 000 and 3 000 ns."""
    return {
        "base_blocks": [1000, 1000], "head_blocks": [3000, 3000], "base_lines": 10, "head_lines": 15, "off_cpu": 0.5,
        "base_cpu": base_cpu, "head_cpu": head_cpu, "log_ratio": math.log(2), "void": "", **more,
    }  # fmt: skip


def _processor(*pairs: dict[str, Any], terms: dict[str, Any] | None = None, **factors: Any) -> Any:
    return processor_of({"factors": factors, "raw_pairs": pairs, "raw_null": [], "off_cpu": 0.7}, terms or {})


def test_processor_time_leaves_out_what_others_took() -> None:
    """By hand: 900 of 1 000 ns and 2 700 of 3 000 ns for 10 and 15 lines are a ratio of 2, with a tenth taken away."""
    found = _processor(*[pair([900, 900], [2700, 2700])] * 3)
    assert (found.ratio, found.error, found.waits) == (pytest.approx(2.0), pytest.approx(0.0), False)
    assert found.off_cpu == pytest.approx(0.1)


def test_a_head_that_waits_is_told() -> None:
    """Half of the head's time was spent waiting; processor time alone would not see it, and it is no busy machine."""
    found = _processor(*[pair([1000, 1000], [1500 + i, 1500 + i]) for i in range(5)])
    assert (found.waits, found.off_cpu) == (True, 0.0)
    assert found.ratio == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("not kept", _processor(*[pair([], [])] * 5)),
        ("kept by some pairs only", _processor(pair([], []), *[pair([900, 900], [2700, 2700])] * 5)),
        ("of too few pairs", _processor(*[pair([900, 900], [2700, 2700])] * 2)),
        ("shared by threads", _processor(*[pair([900, 900], [2700, 2700])] * 5, threads=4)),
        ("malformed", _processor(*[pair([900, "x"], [2700, 2700])] * 5)),  # type: ignore[list-item]
        ("zero", _processor(*[pair([900, 0], [2700, 2700])] * 5)),
    ],
)
def test_processor_time_that_says_nothing_is_not_kept(what: str, found: Any) -> None:
    """Where it is {what} there is no ratio of it, and the share off the processor comes from what there is."""
    assert (found.ratio, found.error, found.waits) == (None, None, False), what
    assert found.off_cpu is not None


def test_void_pairs_and_lumps_are_heeded() -> None:
    """Void pairs count nowhere; where costs come in lumps totals are taken, elsewhere a disturbed round is left out."""
    rounds = [pair([1000] * 10, [2000] * 9 + [20_000], base_lines=1, head_lines=1)] * 3
    void = pair([1, 1], [9, 9], void="lost lines")
    assert _processor(*rounds, void).ratio == pytest.approx(2.0)
    assert _processor(*rounds, scraped=True).ratio == pytest.approx(3.8)
    assert _processor(*rounds, terms={"lumpy": True}).ratio == pytest.approx(3.8)


def test_kept_documents_say_what_their_machine_was_like() -> None:
    """The figure has the control's speed, the spread and the share off the processor; other axes have none of them."""
    logs = (0.70, 0.71, 0.69, 0.7, 5.0)
    kept = {**experiment(), "raw_pairs": [pair([900, 900], [2700, 2700], log_ratio=log) for log in logs]}
    (found,) = metrics_of("overhead", {"experiments": [kept]})
    # The median absolute deviation is 0.01; the wild pair does not move it.
    assert (found.base_per_line, found.spread) == (100.0, pytest.approx(0.014826))
    assert (found.off_cpu, found.processor_spread) == (pytest.approx(0.1), pytest.approx(0.0))
    (bare,) = metrics_of("overhead", {"experiments": [{**experiment(), "raw_pairs": [], "log_ratio_sd": 0.03}]})
    assert bare.spread == 0.03
    assert found.processor == pytest.approx(2.0)
    (counted,) = metrics_of("overhead", {"experiments": [{**kept, "axis": "instructions"}]})
    assert (counted.base_per_line, counted.spread, counted.off_cpu, counted.processor) == (None,) * 4


def test_a_wild_pair_moves_neither_ratio_nor_error() -> None:
    """By hand: of ten log-ratios two are left out at each end, and count as their neighbours in the error."""
    logs = [0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 3.0]
    heads = [round(1e6 * math.exp(log)) for log in logs]
    pairs = [pair([1_000_000] * 2, [head] * 2, base_lines=1, head_lines=1) for head in heads]
    found = _processor(*pairs)
    drawn_in = [0.02, 0.02, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.07, 0.07]
    assert math.log(found.ratio) == pytest.approx(0.045, abs=1e-5)
    assert found.error == pytest.approx(np.std(drawn_in, ddof=1) * 10 / 6 / math.sqrt(10), rel=1e-3)

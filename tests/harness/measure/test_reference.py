"""What the reference speed promises: costs that do not depend on how fast the machine was when they were measured."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.questions.answer import outcome_of, renewed
from harness.measure.reference import at_reference_speed
from harness.measure.result import Experiment, Experiments, RawPair
from harness.measure.subject import Subject
from harness.measure.verdict import Comparison, experiment_of
from tests.harness.report.samples import document

BARE, CHEAP, DEAR = Subject(), Subject(instrument="opencensus-lean"), Subject(instrument="opencensus")
speeds = st.lists(st.floats(0.2, 5.0), min_size=4, max_size=12)


def pair(base: float, head: float) -> RawPair:
    return RawPair(
        base_blocks=[1000], head_blocks=[1000], base_lines=1, head_lines=1, order="b", hash_seeds=(1, 1),
        base_per_line=base, head_per_line=head, log_ratio=math.log(head / base), difference=head - base,
    )  # fmt: skip


def measured(base: Subject, head: Subject, times: tuple[float, float], speeds: list[float]) -> Experiment:
    """Return an experiment whose sides take `times` ns a line in the mean, each two pairs at another speed."""
    noise = [math.exp(0.001 * (-1) ** i) for i in range(2 * len(speeds))]
    pairs = [
        pair(times[0] * speed, times[1] * speed * each) for speed, each in zip(speeds * 2, noise, strict=True)
    ]  # fmt: skip
    return experiment_of(Comparison(base, head), pairs, [pair(1, 1)] * 4, tolerance=0.03)


@given(speeds, speeds)
def test_costs_on_one_base_are_comparable_whenever_they_were_measured(early, late):
    """One at a slow hour and one at a quick one have the ratio of their true costs, and the machine's speed no part."""
    cheap, dear = at_reference_speed(
        [measured(BARE, CHEAP, (1000, 3000), early), measured(BARE, DEAR, (1000, 101_000), late)]
    )
    assert dear.cost_per_line == pytest.approx(50 * cheap.cost_per_line)
    assert cheap.reference_per_line == pytest.approx(dear.reference_per_line)
    mean = math.exp(math.fsum(map(math.log, early + late)) / len(early + late))
    assert cheap.reference_per_line == pytest.approx(1000 * mean)
    assert cheap.cost_interval[0] < cheap.cost_per_line < cheap.cost_interval[1] < 1.01 * cheap.cost_per_line


@pytest.mark.slow
def test_intervals_hold_the_cost_at_the_reference_speed_and_are_narrow():
    """Where the machine's speed moves by 30 % they cover 95 % of the time; mean differences are ten times as wide."""
    source = random.Random(5)  # noqa: S311 - a simulation
    held, widths = 0, []
    for _ in range(400):
        pairs = []
        for _ in range(12):
            speed, noise = math.exp(source.gauss(0, 0.3)), math.exp(source.gauss(0, 0.02))
            pairs.append(pair(1000 * speed, 9000 * speed * noise))
        plain = experiment_of(Comparison(BARE, CHEAP), pairs, [pair(1, 1)] * 4, tolerance=0.03)
        (found,) = at_reference_speed([plain])
        low, high = found.cost_interval
        held += low <= 8 * found.reference_per_line <= high
        widths.append((plain.cost_interval[1] - plain.cost_interval[0]) / (high - low))
    assert 0.92 * 400 <= held <= 0.98 * 400
    assert sorted(widths)[200] > 10


def test_the_bare_line_is_the_same_whatever_others_record():
    """Its time at 1 and at 100 series, and with 1 and 4 views, is pooled; scraped, it is another."""
    few, many = Subject(series=100, views=("demo_latency",)), Subject(scraped=True, interval_ms=100)
    heads = [Subject(**{**kind, "instrument": "opencensus"}) for kind in ({}, {"series": 100}, {"scraped": True})]
    first, second, third = at_reference_speed(
        [
            measured(BARE, heads[0], (1000, 2000), [1.0] * 4),
            measured(few, heads[1], (1000, 2000), [4.0] * 4),
            measured(many, heads[2], (1000, 2000), [3.0] * 4),
        ]
    )
    assert first.reference_per_line == second.reference_per_line == pytest.approx(2000)
    assert third.reference_per_line == pytest.approx(3000)


@given(st.lists(speeds, min_size=2, max_size=5), st.lists(st.floats(1.01, 3.0), min_size=5, max_size=5))
def test_steps_of_a_ladder_add_up(moments, factors):
    """Each rung takes its time from the one below it, so that the costs sum to the whole."""
    rungs = [Subject(rung=name) for name in ("bare", "clock", "map", "no-view", "1-view", "2-views")]
    times = [math.prod(factors[:i]) * 400 for i in range(len(rungs))]
    steps = at_reference_speed(
        [
            measured(rungs[i], rungs[i + 1], (times[i], times[i + 1]), moment)
            for i, moment in enumerate(moments)
        ]
    )  # fmt: skip
    whole = steps[0].reference_per_line * (math.prod(factors[: len(moments)]) - 1)
    assert math.fsum(step.cost_per_line for step in steps) == pytest.approx(whole)


def test_doing_it_again_changes_nothing_and_void_ones_stay_as_they_are():
    """An answer that is read again has the same costs; an experiment without a figure gets none."""
    sound = measured(BARE, CHEAP, (1000, 3000), [1.0, 2.0, 3.0, 4.0])
    void = sound.model_copy(update={"verdict": "void", "head": "x"})
    once = at_reference_speed([sound, void])
    assert at_reference_speed(once) == once
    assert once[1] == void


def test_delays_of_the_self_test_are_kept_by_the_clock():
    """They are the same at every speed of the machine, so their mean differences stay."""
    slowed = measured(BARE, CHEAP, (1000, 1100), [1.0, 2.0])
    both: dict[str, Experiments] = {"comparison": document([slowed]), "self-test": document([slowed])}
    answer = renewed(outcome_of("full", both))
    assert answer.experiments[0].cost_per_line == pytest.approx(100 * math.sqrt(2))
    assert (answer.experiments[1].cost_per_line, answer.experiments[1].reference_per_line) == (
        pytest.approx(150, rel=0.01),
        None,
    )

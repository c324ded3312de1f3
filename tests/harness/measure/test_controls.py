"""The A/A control: its level, its power, who shares one, and what becomes of experiments that it voids."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.method import control_rates as rates
from harness.measure.controls import (
    AGAIN,
    FAMILY,
    POWER,
    control_subject,
    controls_of,
    count_controls,
    level_of,
    pairs_needed,
)
from harness.measure.pairs.measure import comparisons_for
from harness.measure.pairs.schedule import Comparison, Terms
from harness.measure.questions.full import FullPlan, paired_parts
from harness.measure.questions.ladder import rung_comparisons
from harness.measure.questions.laws import law_comparisons
from harness.measure.result import Experiment, Experiments
from harness.measure.stats import power_of
from harness.measure.subject import Subject
from harness.measure.verdict import ControlPairs, bounds_of, counting, experiment_of
from tests.harness.measure.simulated import HEAD, NONE, PAIR, Pairs, biased, identical, pair

SCRAPED = Subject(scraped=True)
TABLE = comparisons_for(["a", "b", "c"]) + comparisons_for(["a", "b", "c"], common=SCRAPED)


@given(st.integers(1, 500))
def test_all_controls_of_a_call_share_one_percent(controls):
    """However many there are, the chance that any of them misses on an honest machine is at most 1 %."""
    assert controls * level_of(controls) == pytest.approx(FAMILY) == pytest.approx(0.01)


@pytest.mark.parametrize("controls", [1, 2, 15, 40, 100])
def test_a_control_has_the_power_that_it_is_said_to_have(controls):
    """A bias of one standard deviation is found at the control's level and again twice; fewer pairs would not do."""

    def found(count):
        return power_of(1.0, 1.0, count, level_of(controls)) * power_of(1.0, 1.0, count, AGAIN) ** 2

    needed = pairs_needed(level_of(controls))
    assert found(needed) >= POWER > found(needed - 1)
    assert POWER >= 0.8


@pytest.mark.parametrize(
    ("comparisons", "groups", "says"),
    [
        ([PAIR], [1], "a single comparison has a control of its own base"),
        (comparisons_for(["a", "b"]), [1], "two heads against one base share it"),
        (TABLE, [1, 1], "scraped pairs are measured in another way and have their own"),
        (rung_comparisons(), [10, 1], "the ladder: all rungs but the scraped one, which is its own control"),
        (law_comparisons(["a", "b"], "series"), [7], "the bases of a law are measured alike and share one"),
        (law_comparisons(["a"], "threads"), [1, 2], "several threads share the lines in another way than one"),
    ],
)
def test_comparisons_measured_alike_share_a_control(comparisons, groups, says):
    """What shares a control is what is measured in the same way; its pairs come from all the bases it stands for."""
    assert sorted(len(subjects) for subjects in controls_of(comparisons).values()) == sorted(groups), says


def test_a_head_that_is_measured_in_another_way_than_its_base_is_its_own_control():
    """The pairs of a scraped head against an unscraped base are scraped, so the control has to be."""
    assert control_subject(Comparison(NONE, SCRAPED)) == SCRAPED
    assert control_subject(PAIR) == NONE


def test_the_whole_matrix_is_one_family():
    """Each part of --full is judged at the level that all controls of the call leave it."""
    parts = paired_parts(FullPlan())
    assert count_controls(*(comparisons for comparisons, _ in parts.values())) == 15
    assert {terms.controls for _, terms in parts.values()} == {15}
    found = Pairs(identical).run(budget_s=60, controls=15).experiments[0].null
    assert (found.confidence, found.controls) == (pytest.approx(1 - 0.01 / 15), 15)


def entries(document: Experiments, scraped: bool = False) -> list[Experiment]:
    return [each for each in document.experiments if bool(each.factors["scraped"]) is scraped]


@pytest.mark.parametrize(
    ("comparisons", "terms"),
    [
        ([PAIR], {"budget_s": 60}),
        ([PAIR], {"budget_s": 300}),
        ([PAIR], {"precision": 0.01}),
        ([PAIR], {"precision": 0.002, "most": 64}),
        (TABLE, {"budget_s": 130}),
        (TABLE, {"precision": 0.01, "budget_s": 500}),
        (rung_comparisons(), {"budget_s": 300}),
        (law_comparisons(["a", "b"], "series"), {"budget_s": 200}),
    ],
)
def test_a_control_has_its_pairs_and_half_as_many_as_its_comparisons(comparisons, terms):
    """In the time of a usual call every control gets what its power takes, and each base half the pairs beside it."""
    bench = Pairs(identical, seed=4)
    document = bench.run(comparisons, **terms, repetitions=0)
    assert all(each.null.pairs >= each.null.needed > 0 for each in document.experiments)
    assert all(each.null.detectable < 0.05 for each in document.experiments)
    for comparison, each in zip(comparisons, document.experiments, strict=True):
        side = control_subject(comparison)
        assert bench.calls.count((side, side)) >= each.pairs / 2
    if "budget_s" in terms:
        assert bench.time <= terms["budget_s"]


def test_control_pairs_stand_among_the_others():
    """They come at random places from the beginning to the end, never all of them first or last."""
    bench = Pairs(identical)
    bench.run(budget_s=200)
    places = [i for i, (base, head) in enumerate(bench.calls) if base == head]
    thirds = [sum(low <= place / len(bench.calls) < low + 1 / 3 for place in places) for low in (0, 1 / 3, 2 / 3)]
    assert min(thirds) >= len(places) / 6
    assert len({b - a for a, b in itertools.pairwise(places)}) > 2


@pytest.mark.parametrize(
    ("effect", "verdict"),
    [(0.5, "slower"), (-0.5, "faster"), (0.03, "undecided"), (0.0, "undecided")],
)
def test_a_control_of_too_few_pairs_leaves_only_what_exceeds_it(effect, verdict):
    """Where the time was too short for the control's power, a bias as large as its interval may have been missed."""
    few = ControlPairs([pair(0.03), pair(-0.03), pair(0.01), pair(-0.01)], needed=20)
    logs = [pair(effect + shift) for shift in (-0.001, 0.001) * 6]
    found = experiment_of(PAIR, logs, few, tolerance=0.02)
    assert found.verdict == verdict
    assert "4 of the 20 A/A pairs" in found.conclusion
    enough = ControlPairs(few.pairs, needed=4)
    assert experiment_of(PAIR, logs, enough, tolerance=0.02).verdict == (
        "indistinguishable" if effect == 0 else "slower" if effect > 0 else "faster"
    )


def test_a_short_time_is_kept_although_the_control_would_want_more():
    """A budget for a few pairs is not overrun for the control's sake: its pairs are then fewer than it should have."""
    bench = Pairs(lambda base, head, _n: 0.0 if base == head else 1.0)
    found = bench.run(budget_s=12).experiments[0]
    assert bench.time <= 12
    assert found.null.pairs < found.null.needed
    assert found.verdict == "slower"


class TestMeasuredAgain:
    """A void experiment is measured again in its place."""

    def test_what_was_disturbed_is_measured_again_and_stands(self):
        """The second measurement is the result; the first is kept, pairs and reason, and used for nothing."""
        found = Pairs(biased(60)).run(budget_s=60).experiments[0]
        assert (found.verdict, found.attempts) == ("indistinguishable", 2)
        (before,) = found.earlier
        assert before.conclusion.startswith("void: none against itself")
        assert before.raw_pairs
        assert before.raw_null
        assert not set(map(id, before.raw_pairs)) & set(map(id, found.raw_pairs))
        assert abs(math.log(found.ratio)) < 0.02
        assert "void once before" in found.conclusion
        assert Experiments.model_validate_json(Pairs(biased(60)).run(budget_s=60).model_dump_json()).experiments == [
            found
        ]

    def test_what_stays_void_says_so_after_three_measurements(self):
        """A measuring that always prefers one side never gives a result."""
        bench = Pairs(biased(10**9))
        found = bench.run(budget_s=60).experiments[0]
        assert (found.verdict, found.attempts, len(found.earlier)) == ("void", 3, 2)
        assert "measured 3 times" in found.conclusion
        assert 170 < bench.time <= 180

    def test_only_what_is_void_is_measured_again_in_its_share_of_the_time(self):
        """Of a table whose scraped control failed the rest is left alone, and each row stays in its place."""
        bench = Pairs(lambda base, _head, number: 0.2 if base.scraped and number < 120 else 0.0)
        document = bench.run(TABLE, budget_s=120)
        assert [each.attempts for each in document.experiments] == [1, 1, 1, 2, 2, 2]
        assert [each.head for each in document.experiments] == ["a", "b", "c"] * 2
        assert all(base.scraped for base, _ in bench.calls[120:])
        assert len(bench.calls) <= 180
        assert all(each.verdict != "void" for each in document.experiments)

    def test_its_control_is_judged_at_95_percent(self):
        """Being less strict, it misses a bias that is there much less often; honest calls seldom get so far."""
        found = Pairs(biased(60)).run(budget_s=60).experiments[0]
        assert found.earlier[0].null.confidence == pytest.approx(0.99)
        assert found.null.confidence == pytest.approx(0.95)
        assert found.null.needed == found.earlier[0].null.needed

    def test_a_head_that_loses_every_line_is_not_measured_again(self):
        """Nothing would change: where no pair counts it is the head that loses lines, not the machine."""
        bench = Pairs(identical)

        def losing(base, head):
            made = bench(base, head)
            return made if base == head else made.model_copy(update={"void": "it shows 9 of 10 lines"})

        from harness.measure.pairs.schedule import run_experiments

        found = run_experiments([PAIR], Terms(budget_s=40), losing, now=lambda: bench.time).experiments[0]
        assert (found.verdict, found.attempts) == ("void", 1)
        assert bench.time <= 40

    def test_ctrl_c_meanwhile_keeps_the_whole_measurement(self):
        """Half of a second measurement does not take the place of the first, void as that is."""
        bench = Pairs(biased(10**9))
        bench.stop_at = 70
        document = bench.run(budget_s=60)
        (found,) = document.experiments
        assert document.interrupted
        assert (found.verdict, found.attempts) == ("void", 1)
        assert len(counting(found.raw_pairs)) + len(found.raw_null) == 60

    def test_progress_says_so_and_never_goes_back(self):
        """The plan is done by then; what comes on top has a note of its own and the time that is left."""
        steps = []
        Pairs(biased(60)).run([PAIR], steps.append, budget_s=60)
        shares = [step.done for step in steps]
        assert shares == sorted(shares)
        assert {step.note.endswith("(void before, measured again)") for step in steps[60:]} == {True}
        assert shares[60:] == [1.0] * (len(shares) - 60)

    def test_it_can_be_left_out(self):
        """Whoever measures again by themselves asks for none of it."""
        found = Pairs(biased(10**9)).run(budget_s=60, repetitions=0).experiments[0]
        assert (found.verdict, found.attempts) == ("void", 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([{"budget_s": 40}, {"precision": 0.02}, {"budget_s": 6}]))
def test_a_decision_never_rests_on_more_than_interval_and_control_bear(seed, terms):
    """Whatever the pairs: a void experiment has no bounds to decide by, and a weak control only widens them."""
    found = Pairs(identical, seed=seed).run(**terms, repetitions=0).experiments[0]
    bounds = bounds_of(found)
    if found.verdict == "void":
        assert bounds is None
    elif bounds is not None:
        low, high = (math.log(end) for end in found.ratio_interval)
        assert bounds[0] <= low + 1e-12
        assert bounds[1] >= high - 1e-12
        assert (found.verdict == "slower") == (bounds[0] > 0)


class TestSimulated:
    """The rates that `make control-rates` prints, from fewer calls and fixed seeds."""

    CALLS = {call.name: call for call in rates.calls()}  # noqa: RUF012 - never changed

    def test_honest_calls_are_hardly_ever_measured_again_and_never_void(self):
        """At most 1 % of honest calls; nine of 300 or more would come one time in 300 from 1 %."""
        found = rates.simulate(self.CALLS["harness compare"], 300, rates.normal, bias=0.0)
        assert found.repeated <= 8
        assert found.void == 0

    @pytest.mark.parametrize(
        ("name", "count"),
        [("harness overhead (the default table)", 20), ("harness compare", 60), ("harness overhead full", 2)],
    )
    @pytest.mark.parametrize("noise", [pytest.param("normal", marks=pytest.mark.slow), "recorded"])
    def test_a_bias_of_one_standard_deviation_voids_what_rests_on_it(self, name, count, noise):
        """At least 80 % of the controls catch it, also through the repetitions, with real noise as with normal."""
        draw = rates.normal if noise == "normal" else rates.recorded()
        found = rates.simulate(self.CALLS[name], count, draw, bias=1.0)
        assert found.controls_void >= 0.8 * found.controls

    @pytest.mark.slow
    def test_a_slow_machine_decides_little_instead_of_wrongly(self):
        """Where the time holds half of the A/A pairs, identical code is hardly ever called different for the bias."""
        found = rates.simulate(self.CALLS["the same where a pair takes 1.3 s"], 40, rates.normal, bias=1.0)
        assert found.different <= 0.02 * found.comparisons

    @pytest.mark.parametrize("mode", list(rates.MODES))
    def test_every_way_of_stopping_keeps_the_level(self, mode):
        """The command runs each mode; over 60 experiments more than 13 alarms come one time in 30 000 at 6 %."""
        assert rates.false_alarms(rates.MODES[mode], 0.02, 60) <= 13

    @pytest.mark.slow
    def test_the_command_prints_every_plan_and_mode(self, capsys):
        """One line of each share, with its exact interval."""
        assert rates.main(["--calls", "4", "--experiments", "2", "--noise", "normal"]) == 0
        printed = capsys.readouterr().out
        for words in (*self.CALLS, *rates.MODES, "15 controls at 99.933%, 28 A/A pairs each", "void in the end"):
            assert words in printed


def test_heads_are_compared_with_bases_only():
    """A pair of the head with itself is measured only where the head is the control."""
    bench = Pairs(identical)
    bench.run(budget_s=50)
    assert (HEAD, HEAD) not in bench.calls


def test_what_is_measured_one_after_another_shares_one_family():
    """`harness check` measures what is scraped at different intervals apart; their controls share the one percent."""
    from harness.history.checking.remeasure import FigureGroup, measure

    seen = []

    def paired(comparisons, terms, _progress):
        seen.append((len(comparisons), terms.controls))
        return Pairs(identical).run(comparisons, budget_s=40)

    subjects = [Subject(scraped=True, interval_ms=interval) for interval in (100, 200)]
    first, *others = [tuple(comparisons_for(["a"], common=each)) for each in (Subject(), *subjects)]
    groups = [FigureGroup("wall_ns", together, Terms(budget_s=60)) for together in (first + others[0], others[1])]
    measure(groups, lambda _step: None, paired)
    assert seen == [(2, 3), (1, 3)]

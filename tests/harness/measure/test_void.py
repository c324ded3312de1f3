"""A void experiment is in no law, no ladder, no self-test, no validation and no comparison; and is said to be void."""

import math
import random
from pathlib import Path

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.compare.compare import judge
from harness.measure.questions.answer import outcome_of, renewed
from harness.measure.questions.ladder import rung_comparisons
from harness.measure.questions.laws import FEWEST_PAIRS, fit_line, law_comparisons, laws_of
from harness.measure.questions.selftest import SelfTest, recovered
from harness.measure.questions.validation import (
    METHOD,
    Record,
    ValidationPlan,
    alarms_bound,
    detection_bound,
    read_records,
    summarise,
    validate,
)
from harness.measure.result import Experiment, Experiments
from harness.measure.stats import t_interval
from harness.measure.steps import RUNGS
from harness.report.numbers import NOT_KNOWN
from harness.report.sections.ladder import ladders_of
from harness.report.sections.laws import law_sentence
from tests.harness.measure.simulated import PAIR, Pairs

REASON = "void: none against itself came out at 1.0123 to 1.0456 times its own cost"


def voided(document: Experiments, *which: int, factor: float = 3.0) -> Experiments:
    """Return a document some of whose experiments are void, with figures that are far from what they should be."""
    experiments = list(document.experiments)
    for index in which:
        each = experiments[index]
        experiments[index] = each.model_copy(
            update={
                "verdict": "void", "conclusion": REASON, "cost_per_line": (each.cost_per_line or 0) * factor,
                "raw_pairs": [p.model_copy(update={"difference": p.difference * factor}) for p in each.raw_pairs],
            }
        )  # fmt: skip
    return document.model_copy(update={"experiments": experiments})


def sweep(heads: int = 1, pairs: float = 12, spread: float = 0.01) -> Experiments:
    """Return a simulated law by series: 20 µs and 10 ns a series, above a base of 1 µs."""
    bench = Pairs(lambda base, head, _n: 0.0 if base == head else math.log(21 + 0.01 * head.series), spread)
    names = [f"way{i}" for i in range(heads)]
    comparisons = law_comparisons(names, "series")
    return bench.run(comparisons, budget_s=(pairs * len(comparisons)) + 40, repetitions=0)


def test_the_interval_at_a_point_is_its_experiments_own():
    """Student's with the pairs behind it, not the normal distribution's: with seven pairs that is a quarter wider."""
    document = sweep(pairs=7)
    (law,) = laws_of(document, "series")
    for point, experiment in zip(law.points, document.experiments, strict=True):
        differences = [pair.difference for pair in experiment.raw_pairs]
        assert point.interval == experiment.cost_interval
        assert point.interval == pytest.approx((t_interval(differences).low, t_interval(differences).high))
        assert point.pairs == len(differences)
        normal = 1.96 * point.error
        assert (point.interval[1] - point.interval[0]) / 2 > normal


def test_a_void_point_is_named_and_fits_nothing():
    """The law is that of the other points, says how many it leaves out and which, and the point has no figure."""
    document = sweep()
    (whole,), (law,) = laws_of(document, "series"), laws_of(voided(document, 4), "series")
    assert (law.points[4].cost, law.points[4].error, law.points[4].interval) == (None, None, (None, None))
    assert law.points[4].void == REASON
    assert law.left_out == 1
    assert "; void at 100, and left out" in law_sentence(law)
    assert law.fit.b == pytest.approx(whole.fit.b, rel=0.1)
    rest = [point for point in law.points if not point.void]
    assert law.fit == fit_line(*zip(*((p.x, p.cost, p.error, p.pairs) for p in rest), strict=True))


@pytest.mark.parametrize(("void", "left"), [((0, 1, 2, 3, 4), 2), (range(7), 0)])
def test_too_few_points_that_are_left_make_no_law(void, left):
    """A line takes three points; with fewer the reason stands in its place."""
    (law,) = laws_of(voided(sweep(), *void), "series")
    assert law.fit is None
    assert (law.formula, sum(not point.void for point in law.points)) == ("", left)
    assert "no law against series: a line takes three points; void at 1, 3" in law_sentence(law)


def test_points_of_too_few_pairs_are_left_out_and_counted():
    """Of three pairs the error of the error is not known, and the weight of such a point would be luck."""
    document = sweep()
    first = document.experiments[0]
    short = first.model_copy(update={"raw_pairs": first.raw_pairs[:3], "pairs": 3})
    document = document.model_copy(update={"experiments": [short, *document.experiments[1:]]})
    (law,) = laws_of(document, "series")
    assert FEWEST_PAIRS == 4
    assert "; 1 more points of too few pairs left out" in law_sentence(law)
    assert law.fit is not None


@pytest.mark.parametrize("pairs", [4, pytest.param(6, marks=pytest.mark.slow), 12])
@pytest.mark.parametrize("xs", [(1, 3, 10, 30, 100, 300, 1000), (1, 2, 3, 4)], ids=["series", "views"])
def test_coefficients_hold_the_truth_as_often_as_they_say(pairs, xs):
    """With errors estimated from a few pairs the intervals hold a and b in 95 % of 600 sweeps, or hardly fewer."""
    source = random.Random(6)  # noqa: S311 - a simulation
    held = [0, 0]
    for _ in range(600):
        costs, errors = [], []
        for x in xs:
            true = 20 + 0.5 * x
            found = t_interval([source.gauss(true, 0.03 * true) for _ in range(pairs)])
            costs.append(found.value)
            errors.append(found.half_width / scipy.stats.t.ppf(0.975, pairs - 1))
        fit = fit_line(xs, costs, errors, [pairs] * len(xs))
        held[0] += fit.a_interval[0] <= 20 <= fit.a_interval[1]
        held[1] += fit.b_interval[0] <= 0.5 <= fit.b_interval[1]
    assert min(held) >= 0.94 * 600
    assert max(held) <= 0.999 * 600


def test_a_fit_refuses_points_of_fewer_than_four_pairs():
    """Their variance is not known."""
    with pytest.raises(ValueError, match="at least 4 pairs"):
        fit_line([1, 2, 3], [1, 2, 3], [1, 1, 1], [4, 3, 9])


def climb() -> Experiments:
    """Return a simulated ladder, each rung 100 ns above the one below."""
    heights = {rung.name: 100.0 * (i + 1) for i, rung in enumerate(RUNGS)}
    bench = Pairs(lambda base, head, _n: math.log(heights[head.rung] / heights[base.rung]), 0.001)
    return bench.run(rung_comparisons(), budget_s=200, repetitions=0)


def test_a_void_rung_adds_nothing_and_stands_where_it_stood():
    """It keeps its verdict and its name, and has neither an increment nor a total."""
    (ladder,) = ladders_of(voided(climb(), 4))
    rung = ladder.rungs[5]
    assert (rung.name, rung.verdict, rung.increment, rung.total) == (RUNGS[5].name, "void", NOT_KNOWN, NOT_KNOWN)
    assert all(each.increment.value is not None for each in ladder.rungs if each is not rung)
    # The lowest is known by the experiment of the one above it alone.
    (ladder,) = ladders_of(voided(climb(), 0))
    assert [each.name for each in ladder.rungs] == [each.name for each in RUNGS[1:]]


def test_a_void_trial_of_the_self_test_neither_finds_nor_misses():
    """What is recovered is that of the first trial that counts; the shares are of those that do."""
    documents = [Pairs(lambda b, h, _n: 0.0 if b == h else 0.05, 0.005, seed=i).run(budget_s=60) for i in range(3)]
    found = recovered(50.0, 0.05, 0, [voided(documents[0], 0), *documents[1:]])
    assert (found.trials, found.found, found.void) == (2, 2, 1)
    assert found.recovered == documents[1].experiments[0].cost_per_line
    nothing = recovered(50.0, 0.05, 0, [voided(document, 0) for document in documents])
    assert (nothing.trials, nothing.found, nothing.void) == (0, 0, 3)
    assert (nothing.recovered, nothing.covered, nothing.close) == (None, None, None)


def test_a_void_comparison_is_undecided():
    """Its interval is not looked at."""
    experiment = Pairs(lambda b, h, _n: 0.0 if b == h else 0.5).run(budget_s=60).experiments[0]
    assert judge(experiment, 0.03)[0] == "regressed"
    assert judge(experiment.model_copy(update={"verdict": "void", "conclusion": REASON}), 0.03) == ("undecided", REASON)


def test_what_an_earlier_version_concluded_is_derived_anew():
    """A stored outcome's laws and self-test are those of its experiments; fits through void points do not survive."""
    document = sweep(heads=2)
    stale = laws_of(document, "series")
    outcome = outcome_of("laws", {"laws:series": voided(document, 8)}, laws=stale)
    first, second = renewed(outcome).laws
    assert first.left_out == 1
    assert first.points[4].cost is None
    assert second.fit.b == pytest.approx(stale[1].fit.b, rel=0.05)
    trials = [Pairs(lambda b, h, _n: 0.0 if b == h else 0.05, 0.005, seed=i).run(budget_s=60) for i in range(2)]
    told = SelfTest(subject="x", subject_ns=1e3, delays=[recovered(50.0, 0.05, 0, trials)], documents=[])
    together = trials[0].model_copy(update={"experiments": [*voided(trials[0], 0).experiments, *trials[1].experiments]})
    again = renewed(outcome_of("self-test", {"self-test": together}, self_test=told)).self_test
    assert (again.delays[0].trials, again.delays[0].void) == (1, 1)
    assert renewed(renewed(outcome)) == renewed(outcome)


class TestValidation:
    """The stored proof: its bounds, and what it does with void experiments and with those of an earlier method."""

    @given(st.integers(1, 600))
    def test_a_bound_bears_what_it_claims(self, count):
        """A true rate as claimed keeps it 19 times in 20 or more; the rate refused misses it four times in five."""
        alarms, found = alarms_bound(count), detection_bound(count)
        binom = scipy.stats.binom
        assert binom.cdf(alarms.limit, count, 0.05) >= 0.95 - 1e-9
        assert binom.cdf(alarms.limit - 1, count, 0.05) < 0.95
        assert binom.sf(found.limit - 1, count, 0.95) >= 0.95 - 1e-9
        if alarms.limit < count:
            assert binom.cdf(alarms.limit, count, alarms.refused) == pytest.approx(0.2, abs=1e-6)
        if found.limit:
            assert binom.sf(found.limit - 1, count, found.refused) == pytest.approx(0.2, abs=1e-6)

    def record(self, kind: str, number: int, experiment: Experiment, method: int = METHOD) -> Record:
        share = {"identical": 0.0, "slowdown": 0.01, "small": 0.005}[kind]
        return Record(kind=kind, number=number, injected_share=share, elapsed_s=1, experiment=experiment, method=method)

    def test_void_experiments_are_counted_and_in_no_rate(self):
        """Neither alarms nor misses, of whatever kind; those measured again are counted as well."""
        quiet = Pairs(lambda _b, _h, _n: 0.0, seed=3).run(budget_s=60).experiments[0]
        slow = Pairs(lambda b, h, _n: 0.0 if b == h else 0.5).run(budget_s=60).experiments[0]
        lost = slow.model_copy(update={"verdict": "void", "attempts": 3})
        found = summarise([
            self.record("identical", 0, quiet), self.record("identical", 1, lost), self.record("slowdown", 0, slow),
            self.record("slowdown", 1, lost), self.record("small", 0, slow), self.record("small", 1, quiet),
        ])  # fmt: skip
        assert (found.identical, found.false_alarms, found.slowdowns, found.found) == (1, 0, 1, 1)
        assert (found.small, found.small_found) == (2, 1)
        assert (found.experiments, found.voided, found.repeated, found.earlier) == (6, 2, 2, 0)

    def test_the_plan_is_what_is_promised(self):
        """200 on identical code, 80 of 1 %, 40 of 0.5 %, all with seeds of their own."""
        plan = ValidationPlan()
        assert [plan.count(kind) for kind in ("identical", "slowdown", "small")] == [200, 80, 40]
        assert [plan.injected(kind) for kind in ("identical", "slowdown", "small")] == [0.0, 0.01, 0.005]
        seeds = [
            plan.terms(kind, i).seed for kind in ("identical", "slowdown", "small") for i in range(plan.count(kind))
        ]
        assert len(set(seeds)) == len(seeds)

    def test_experiments_of_an_earlier_method_are_replaced(self, tmp_path: Path):
        """They stay until the first of the new method is there, are then gone, and nothing of both is added up."""
        path = tmp_path / "v.jsonl.gz"
        plan = ValidationPlan(identical=2, slowdowns=0, small=1, trial_s=30)

        def overhead(comparisons, terms):
            return Pairs(lambda _b, _h, _n: 0.0, seed=terms.seed).run(comparisons, budget_s=30)

        def stopped(comparisons, terms):
            return overhead(comparisons, terms).model_copy(update={"interrupted": True})

        validate(path, plan, overhead=overhead)
        fresh = read_records(path)[0]
        assert {record.method for record in fresh} == {METHOD}
        import gzip

        stale = [record.model_copy(update={"method": METHOD - 1}) for record in fresh]
        path.write_bytes(b"".join(gzip.compress(each.model_dump_json().encode() + b"\n") for each in stale))
        validate(path, plan, overhead=stopped)
        assert read_records(path)[0] == stale
        assert validate(path, ValidationPlan(identical=0, slowdowns=0, small=0)).earlier == 3
        assert validate(path, plan, overhead=overhead).earlier == 0
        assert [record.method for record in read_records(path)[0]] == [METHOD] * 3


def test_a_document_of_an_earlier_version_opens():
    """Without needed, subjects, attempts and the rest an experiment is what it was."""
    experiment = Pairs(lambda _b, _h, _n: 0.0, seed=3).run([PAIR], budget_s=60).experiments[0]
    stored = experiment.model_dump(mode="json")
    for name in ("attempts", "earlier", "repeat_spread"):
        del stored[name]
    for name in ("needed", "controls", "subjects", "detectable"):
        del stored["null"][name]
    opened = Experiment.model_validate(stored)
    assert (opened.attempts, opened.earlier, opened.null.needed) == (1, [], 0)
    assert judge(opened, 0.03)[0] == judge(experiment, 0.03)[0]

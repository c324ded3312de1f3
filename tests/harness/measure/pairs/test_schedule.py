import itertools
import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.method.control_rates import MODES, false_alarms
from harness.errors import UsageError
from harness.measure.pairs.campaign import LOOKS_AT
from harness.measure.pairs.schedule import Comparison, Terms, run_experiments
from harness.measure.result import Experiments, RawPair
from harness.measure.sequential import Looks, t_critical
from harness.measure.stats import binomial_interval
from harness.measure.subject import Subject
from harness.progress import Step

NONE = Subject()
LEAN = Subject(instrument="opencensus")


def pair(log_ratio: float, base: float = 1000.0, void: str = "") -> RawPair:
    """Return a pair with that log-ratio, base in ns a line."""
    head = base * math.exp(log_ratio)
    return RawPair(
        base_blocks=[round(base * 10)],
        head_blocks=[round(head * 10)],
        base_lines=10,
        head_lines=10,
        order="b",
        hash_seeds=(1, 2),
        base_per_line=base,
        head_per_line=head,
        log_ratio=log_ratio,
        difference=head - base,
        void=void,
    )


class Bench:
    """Measures nothing: hands out pairs of a known effect and spread, each taking a second of a clock of its own."""

    def __init__(self, effect: float = 0.0, spread: float = 0.02, null: float = 0.0, seed: int = 5) -> None:
        self.rng = np.random.default_rng(seed)
        self.effect, self.spread, self.null = effect, spread, null
        self.time = 0.0
        self.calls: list[tuple[Subject, Subject]] = []
        self.stop_after: int | None = None
        self.void = ""

    def __call__(self, base: Subject, head: Subject, /) -> RawPair:
        if self.stop_after is not None and len(self.calls) >= self.stop_after:
            raise KeyboardInterrupt
        self.calls.append((base, head))
        self.time += 1.0
        centre = self.null if base == head else self.effect
        return pair(float(self.rng.normal(centre, self.spread)), void=self.void if base != head else "")

    def now(self) -> float:
        return self.time

    def run(self, comparisons: list[Comparison] | None = None, **terms: object) -> Experiments:
        chosen = comparisons or [Comparison(NONE, LEAN)]
        return run_experiments(chosen, Terms(**terms), self, now=self.now)


def test_the_budget_is_kept_and_used():
    """Pairs are measured as long as one more fits into the time allowed, and no longer."""
    bench = Bench()
    document = bench.run(budget_s=40)
    assert 39 <= bench.time <= 40
    assert document.experiments[0].pairs + document.experiments[0].null.pairs == len(bench.calls)


def test_the_fewest_pairs_are_measured_whatever_the_budget():
    """A budget too small for any conclusion still gives the few pairs an interval needs."""
    assert Bench().run(budget_s=0.1, fewest=4).experiments[0].pairs == 4


@pytest.mark.parametrize("precision", [0.005, 0.01, 0.03])
def test_the_precision_asked_for_is_reached(precision):
    """The interval's half-width is at most what was asked, and not bought with many times the pairs it takes."""
    found = Bench(effect=0.1).run(precision=precision).experiments[0]
    low, high = (math.log(end) for end in found.ratio_interval)
    assert (high - low) / 2 <= math.log1p(precision) + 1e-12
    assert found.pairs <= max(12, 2 * (1.96 * 0.02 / precision) ** 2)


def test_a_precision_out_of_reach_ends_at_the_most_pairs():
    """Without a budget the number of pairs is bounded, and the verdict says what they allow."""
    found = Bench().run(precision=0.0001, most=20).experiments[0]
    assert found.pairs == 20
    assert found.minimal_detectable_effect > 0.0001


def test_some_pairs_compare_the_base_with_itself():
    """Half as many as the others, at random places among them, and all of them are in the document."""
    bench = Bench()
    found = bench.run(budget_s=120).experiments[0]
    controls = [i for i, (base, head) in enumerate(bench.calls) if base == head]
    assert len(controls) == found.null.pairs == len(found.raw_null)
    assert len(controls) >= found.pairs / 2
    gaps = {b - a for a, b in itertools.pairwise(controls)}
    assert len(gaps) > 2


def test_comparisons_with_one_base_share_its_controls():
    """Three heads against one base are measured in turn, and the base's A/A pairs serve all three."""
    heads = [Subject(instrument=name) for name in ("a", "b", "c")]
    document = Bench().run([Comparison(NONE, head) for head in heads], budget_s=60)
    assert [found.head for found in document.experiments] == ["a", "b", "c"]
    counts = {found.pairs for found in document.experiments}
    assert max(counts) - min(counts) <= 1
    assert len({tuple(found.null.ratio_interval) for found in document.experiments}) == 1


def test_a_biased_pipeline_voids_the_experiment():
    """When the base against itself comes out different, no verdict on the head is given."""
    found = Bench(effect=0.5, null=0.05, spread=0.005).run(budget_s=40).experiments[0]
    assert found.verdict == "void"
    assert "against itself" in found.conclusion


@pytest.mark.parametrize(
    ("effect", "spread", "verdict"),
    [(0.1, 0.02, "slower"), (-0.1, 0.02, "faster"), (0.0, 0.005, "indistinguishable"), (0.0, 0.2, "undecided")],
)
def test_verdicts(effect, spread, verdict):
    """Each verdict follows from where the interval lies, and its sentence names the sides or the smallest effect."""
    found = Bench(effect=effect, spread=spread, seed=6).run(budget_s=60).experiments[0]
    assert found.verdict == verdict
    assert "opencensus" in found.conclusion or "four times in five" in found.conclusion


def test_interrupting_keeps_the_pairs_so_far():
    """Ctrl-C gives a document of the pairs measured, says so, and draws the conclusion that they allow."""
    bench = Bench(effect=0.5)
    bench.stop_after = 9
    document = bench.run(budget_s=600)
    found = document.experiments[0]
    assert document.interrupted
    assert found.pairs + found.null.pairs == 9
    assert found.verdict == "slower"


@pytest.mark.parametrize("after", [0, 1, 2])
def test_interrupting_at_once_allows_no_conclusion(after):
    """With no pair, or only one or two of them, the document is whole and concludes nothing."""
    bench = Bench(effect=0.5)
    bench.stop_after = after
    found = bench.run(budget_s=600).experiments[0]
    assert found.verdict == "undecided"
    assert "no conclusion" in found.conclusion


def test_void_pairs_are_left_out_and_counted():
    """A head that loses lines gives no figures: its pairs are kept, counted and named as the reason."""
    bench = Bench(effect=0.5)
    bench.void = "opencensus shows 9 of 10 lines in demo_latency"
    found = bench.run(budget_s=30).experiments[0]
    assert (found.verdict, found.pairs) == ("void", 0)
    assert found.void_pairs == len(found.raw_pairs) > 0
    assert "9 of 10" in found.conclusion
    assert found.cost_per_line is None
    assert found.ratio_interval == (None, None) or found.ratio_interval == (0.0, None)


def test_the_document_survives_json_with_unbounded_intervals():
    """Written and read back the document is the same, infinite ends included, and plain JSON."""
    bench = Bench()
    bench.stop_after = 1
    document = bench.run(budget_s=60)
    text = document.model_dump_json()
    assert "Infinity" not in text
    assert "NaN" not in text
    assert Experiments.model_validate_json(text) == document


def test_settled_experiments_end_early_and_keep_the_level():
    """An obvious difference ends the experiment at the first look; without one it goes on to the end."""
    assert Bench(effect=0.5).run(budget_s=200, settled=True).experiments[0].pairs == 12
    assert Bench(effect=0.0, seed=6).run(budget_s=100, settled=True).experiments[0].pairs > 60


@pytest.mark.parametrize("spread", [0.01, 0.02, 0.05])
def test_the_last_look_at_the_most_pairs_spends_all_that_is_left(spread):
    """An experiment that ends at the most pairs is judged at its full level there, not at that of the look before."""
    found = Bench(effect=0.0, spread=spread, seed=21).run(budget_s=1e6, most=64, settled=True).experiments[0]
    assert found.pairs == 64
    assert found.looks == 6
    spent = Looks(0.05)
    for count in LOOKS_AT[:5]:
        spent.look(count, 64 * 1.5 / 1e6)
    half = math.log(found.ratio_interval[1] / found.ratio_interval[0]) / 2
    critical = half * math.sqrt(64) / found.log_ratio_sd
    # Hardly anything was spent before, so the last look costs almost what a single one would.
    assert critical == pytest.approx(t_critical(spent.look(64, 1.0), 64), rel=1e-3)
    assert critical < 2.02


@pytest.mark.parametrize("spread", [0.005, 0.02, 0.05])
def test_looks_that_decide_nothing_cost_nothing(spread):
    """Asking whether the interval is narrow enough is no look at the effect: it has one critical value in all."""
    found = Bench(spread=spread, seed=2).run(precision=0.01, most=256).experiments[0]
    assert found.looks == 1
    half = math.log(found.ratio_interval[1] / found.ratio_interval[0]) / 2
    critical = half * math.sqrt(found.pairs) / found.log_ratio_sd
    assert critical == pytest.approx(stats.t.isf(0.0215, found.pairs - 1), rel=1e-6)


def test_a_time_alone_needs_no_more_than_students_interval():
    """With nothing but a budget the end depends on the clock, and the interval is Student's at 95 %."""
    found = Bench(seed=2).run(budget_s=60).experiments[0]
    half = math.log(found.ratio_interval[1] / found.ratio_interval[0]) / 2
    assert half * math.sqrt(found.pairs) / found.log_ratio_sd == pytest.approx(stats.t.isf(0.025, found.pairs - 1))


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("spread", [0.01, 0.02])
def test_identical_code_is_called_different_at_the_nominal_rate(mode, spread):
    """4 to 6 % is within the 99 % interval of 1500 simulated experiments, whatever ends them; the seed is fixed.

    `make control-rates` makes as many as are wanted.
    """
    low, high = binomial_interval(false_alarms(MODES[mode], spread, 1500, seed=77), 1500, 0.99)
    assert low <= 0.06
    assert high >= 0.04


def test_progress_runs_to_the_end_and_names_the_pair():
    """The share done never falls, ends near one, and the time left shrinks with the budget."""
    steps: list[Step] = []
    bench = Bench()
    run_experiments([Comparison(NONE, LEAN)], Terms(budget_s=50), bench, steps.append, bench.now)
    shares = [step.done for step in steps]
    assert shares == sorted(shares)
    assert shares[-1] > 0.9
    assert steps[-1].left_s < 5
    assert steps[0].note.startswith(("opencensus against none", "none against itself"))


@pytest.mark.parametrize(
    ("terms", "says", "field"),
    [
        ({}, "--precision 1%", ""),
        ({"precision": 1.5}, "not a share", "precision"),
        ({"precision": 0.0}, "not a share", "precision"),
        ({"budget_s": 0.0}, "no time", "budget"),
        ({"budget_s": math.nan}, "no time", "budget"),
        ({"budget_s": 5.0, "fewest": 9, "most": 4}, "no such number", ""),
    ],
)
def test_terms_are_checked(terms, says, field):
    """A precision, time or number of pairs that cannot be meant is refused by name."""
    with pytest.raises(UsageError, match=says) as caught:
        Terms(**terms)
    assert caught.value.field == field


def test_pairs_that_agree_exactly_are_no_accident_to_stumble_over():
    """Instruction counts repeat exactly; without any spread the interval has no width and the verdict stands."""
    found = Bench(effect=0.1, spread=0.0).run(precision=0.01).experiments[0]
    assert found.verdict == "slower"
    assert found.ratio_interval == (pytest.approx(math.exp(0.1)), pytest.approx(math.exp(0.1)))

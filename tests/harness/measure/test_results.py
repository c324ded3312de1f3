import gzip
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InstrumentError, RunError, SaveError, UsageError
from harness.history.figures import metrics_of
from harness.measure.compare.compare import judge
from harness.measure.counts import instructions
from harness.measure.counts.instructions import Counted, lines_to_count, parse_parts, run_instructions
from harness.measure.pairs.measure import comparisons_for, measure_overhead, target_comparison
from harness.measure.pairs.pair import BlockPlan
from harness.measure.pairs.schedule import Comparison, Terms, run_experiments
from harness.measure.pairs.side import Lines
from harness.measure.questions import table
from harness.measure.questions.ladder import rung_comparisons
from harness.measure.questions.laws import CostLaw, Point, fit_line, law_comparisons, laws_of
from harness.measure.questions.pages import exposition_diff
from harness.measure.questions.selftest import measure_self_test
from harness.measure.questions.validation import ValidationPlan, read_records, summarise, validate
from harness.measure.result import Experiments, RawPair
from harness.measure.steps import RUNGS
from harness.measure.subject import Subject
from harness.progress import Step
from harness.report.sections.ladder import ladders_of
from harness.report.sections.laws import law_sentence
from harness.views import Tags

LINES = Lines(("a", "hello", "x" * 20, ""), (Tags("a"), Tags("b"), Tags("a"), Tags("b")))


class Costs:
    """Measures nothing: a line costs what a formula says, times a little noise."""

    def __init__(self, cost, spread: float = 0.01, seed: int = 3) -> None:
        self.cost, self.spread = cost, spread
        self.rng = np.random.default_rng(seed)
        self.time = 0.0

    def __call__(self, base: Subject, head: Subject, /) -> RawPair:
        self.time += 1.0
        low, high = (self.cost(side) * math.exp(self.rng.normal(0, self.spread)) for side in (base, head))
        return RawPair(
            base_blocks=[1000], head_blocks=[1000], base_lines=1, head_lines=1, order="b", hash_seeds=(1, 1),
            base_per_line=low, head_per_line=high, log_ratio=math.log(high / low), difference=high - low,
        )  # fmt: skip

    def overhead(self, comparisons, terms: Terms, progress=lambda _step: None) -> Experiments:
        self.time = 0.0
        return run_experiments(comparisons, terms, self, progress, lambda: self.time)


@given(st.floats(-100, 100), st.floats(-10, 10), st.lists(st.integers(0, 1000), min_size=3, max_size=8, unique=True))
def test_a_line_without_noise_is_fitted_exactly(a, b, xs):
    """Points on a line give that line, wherever they lie and whatever their errors."""
    found = fit_line(xs, [a + b * x for x in xs], [0.5 + 0.01 * x for x in xs])
    assert (found.a, found.b) == (pytest.approx(a, abs=1e-5), pytest.approx(b, abs=1e-6))
    assert found.b_interval[0] <= found.b + 1e-12
    assert found.misfit == pytest.approx(0, abs=1e-6)


def test_fitted_intervals_cover_the_truth_as_often_as_they_say():
    """Of 1000 simulated sweeps about 95 % of the slope's intervals hold the slope, also with errors told too small."""
    rng = np.random.default_rng(8)
    xs, errors = [1, 10, 30, 100, 300], [1.0, 2.0, 4.0, 10.0, 30.0]
    held = 0
    for _ in range(1000):
        ys = [5 + 2 * x + rng.normal(0, 3 * e) for x, e in zip(xs, errors, strict=True)]
        low, high = fit_line(xs, ys, errors).b_interval
        held += low <= 2 <= high
    assert 0.92 < held / 1000 <= 1.0


@pytest.mark.parametrize(
    ("x", "errors"), [([1, 2], [1, 1]), ([1, 1, 1], [1, 1, 1]), ([1, 2, 3], [1, 0, 1]), ([1, 2, 3], [1, math.nan, 1])]
)
def test_lines_that_nothing_determines_are_refused(x, errors):
    """Two points, points at one place, and points without error have no interval."""
    with pytest.raises(ValueError, match=r"a line|each point"):
        fit_line(x, x, errors)


@pytest.mark.parametrize(
    ("slope", "says"),
    [
        (70_000.0, r"cost = .* µs \(.*\) \+ .* µs \(.*\) × series"),
        (0.0, "flat in series"),
        (1.0, "flat in series"),
    ],
)
def test_laws_say_what_grows(slope, says):
    """A cost that grows with the series is a formula with intervals; one that does not is called flat."""
    bench = Costs(lambda side: 400.0 if side.instrument == "none" else 20_000 + slope * side.series, 0.002)
    document = bench.overhead(law_comparisons(["x"], "series"), Terms(budget_s=100))
    (law,) = laws_of(document, "series")
    assert len(law.points) == 7
    assert pytest.approx(slope, rel=0.1, abs=20) == law.fit.b
    assert re.search(says, law_sentence(law)), law_sentence(law)
    assert eval(law.formula, {"series": 10}) == pytest.approx(law.fit.a + 10 * law.fit.b, rel=1e-4)  # noqa: S307


def test_a_law_too_noisy_to_tell_is_undecided():
    """When growth can neither be shown nor excluded the sentence says so and does not call it flat."""
    bench = Costs(lambda side: 400.0 if side.instrument == "none" else 20_000 + 30 * side.series, 0.8)
    document = bench.overhead(law_comparisons(["x"], "series", (1, 10, 100)), Terms(budget_s=20))
    assert "undecided" in law_sentence(laws_of(document, "series")[0])


def test_losses_under_threads_stand_beside_the_time():
    """Lines lost or raised are part of the law's text."""
    point = Point(x=4, cost=1000.0, error=1.0, lost=2, raised=7, evaluated=100)
    law = CostLaw(instrument="x", factor="threads", points=[point], fit=None, formula="")
    assert law_sentence(law) == "x: threads 4: lost 2 of 100 lines (2\u202f%), raised 7 of 100 lines (7\u202f%)"


@pytest.mark.parametrize("factor", ["views", "tags", "buckets", "threads"])
def test_every_factor_is_swept_on_both_sides(factor):
    """The base is measured at the same value of the factor as the head."""
    for pair in law_comparisons(["opencensus"], factor):
        assert pair.base.factors == pair.head.factors


def test_an_unknown_factor_is_refused():
    """A factor that does not exist is named with those that do."""
    with pytest.raises(UsageError, match=r"weather.*series"):
        law_comparisons(["x"], "weather")


def test_the_ladder_takes_each_rung_against_the_one_below():
    """Increments belong to their rungs in order, and the lowest is what its line costs in all."""
    heights = {rung.name: 100.0 * 2**i for i, rung in enumerate(RUNGS)}
    document = Costs(lambda side: heights[side.rung], 0.001).overhead(rung_comparisons(), Terms(budget_s=80))
    (ladder,) = ladders_of(document)
    assert [rung.name for rung in ladder.rungs] == [rung.name for rung in RUNGS]
    assert ladder.rungs[0].increment.value == pytest.approx(100.0, rel=0.05)
    for i, rung in enumerate(ladder.rungs[1:], 1):
        assert rung.increment.value == pytest.approx(100.0 * 2 ** (i - 1), rel=0.05)


def test_the_self_test_recovers_what_it_injects():
    """Delays of a percent of the subject and of 5 µs come back, and the power follows from the spread."""
    bench = Costs(lambda side: 4000.0 + side.delay_ns, 0.005)
    found = measure_self_test(Terms(budget_s=400), instrument="x", trials=3, overhead=bench.overhead)
    assert found.subject_ns == pytest.approx(5000, rel=0.02)
    assert [delay.found for delay in found.delays[2:]] == [3, 3, 3, 3]
    absolute = found.delays[-1]
    assert absolute.recovered == pytest.approx(5000, rel=0.02)
    powers = [delay.predicted_power for delay in found.delays]
    assert powers == sorted(powers)


class TestValidation:
    """The stored experiment on identical code and known slowdowns."""

    PLAN = ValidationPlan(identical=6, slowdowns=3, small=0, precision=0.02, trial_s=30)

    def bench(self) -> Costs:
        return Costs(lambda side: 4000.0 + (side.delay_ns or 0), 0.003)

    def test_it_runs_to_the_end_and_keeps_every_pair(self, tmp_path):
        """All experiments are in the file with their pairs, and the summary counts them."""
        path = tmp_path / "v.jsonl.gz"
        found = validate(path, self.PLAN, overhead=self.bench().overhead)
        records, damaged = read_records(path)
        assert (len(records), damaged) == (9, False)
        assert all(record.experiment.raw_pairs and record.experiment.raw_null for record in records)
        assert found.identical + found.slowdowns + sum(r.experiment.verdict == "void" for r in records[:6]) >= 9
        assert found.found == 3
        assert (tmp_path / "v.jsonl.gz.environment.json").exists()

    def test_it_goes_on_where_it_stopped(self, tmp_path):
        """After an interruption the missing experiments are measured, and only those."""
        path = tmp_path / "v.jsonl.gz"
        calls = []

        def stopping(comparisons, terms):
            calls.append(terms.seed)
            if len(calls) == 4:
                return Costs(lambda _: 1.0).overhead(comparisons, terms).model_copy(update={"interrupted": True})
            return self.bench().overhead(comparisons, terms)

        validate(path, self.PLAN, overhead=stopping)
        first = read_records(path)[0]
        assert 0 < len(first) < 9
        validate(path, self.PLAN, overhead=self.bench().overhead)
        records = read_records(path)[0]
        assert records[: len(first)] == first
        assert len({(record.kind, record.number) for record in records}) == len(records) == 9

    @pytest.mark.parametrize("kept", [1, 100, -1, -9])
    def test_a_kill_while_writing_costs_one_experiment(self, tmp_path, kept):
        """Whatever part of the last record reached the disk, the others are read, and it is measured again."""
        path = tmp_path / "v.jsonl.gz"
        validate(path, self.PLAN, overhead=self.bench().overhead)
        whole = path.read_bytes()
        records = read_records(path)[0]
        last = len(gzip.compress(records[-1].model_dump_json().encode() + b"\n", mtime=0))
        path.write_bytes(whole[: len(whole) - last] + whole[len(whole) - last :][:kept])
        assert read_records(path) == (records[:-1], True)
        validate(path, self.PLAN, overhead=self.bench().overhead)
        assert len(read_records(path)[0]) == 9

    def test_nothing_measured_yet_promises_nothing(self, tmp_path):
        """An empty summary has rates of 0 to 1 and holds no promise."""
        assert read_records(tmp_path / "none") == ([], False)
        found = summarise([])
        assert found.false_alarm_rate == (0.0, 1.0)
        assert not found.found_holds

    def test_a_file_that_cannot_be_read_is_told(self, tmp_path):
        """A folder in place of the file is one clear line."""
        with pytest.raises(SaveError, match="cannot be read"):
            read_records(tmp_path)


class TestInstructions:
    """Counting with callgrind."""

    def test_dumps_become_parts(self):
        """The first dump is start-up, then N and 2N parts alternate, and what follows them is the end."""
        texts = [f"x\ntotals: {n}\n" for n in (999, 100, 190, 101, 191, 5)]
        assert parse_parts(texts, 2) == ((100, 190), (101, 191))
        assert Counted(10, ((100, 190), (101, 191))).per_line == pytest.approx(9.0)

    def test_missing_dumps_are_told(self):
        """Fewer dumps than boundaries is an error and no figure."""
        with pytest.raises(RunError, match="2 dumps instead of 3"):
            parse_parts(["totals: 1\n", "totals: 2\n", "no total\n"], 1)

    def test_a_missing_valgrind_says_how_to_get_it(self, monkeypatch):
        """Without valgrind on PATH the message names the package."""
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(RunError, match="apt install valgrind"):
            instructions.count_instructions(Subject(), lines=lambda _s: LINES)

    def test_the_document_has_the_axis_and_shows_how_far_counts_repeat(self):
        """Counts that agree within a ten-thousandth decide, and claim no control: their spread stands in its place."""
        counts = iter([1000.0, 9000.0, 1000.1, 9000.2, 999.9, 9000.1])

        def count(_subject, lines):
            return Counted(1, ((0, round(next(counts) * 10)),))

        pair = Comparison(Subject(), Subject(instrument="opencensus"))
        (found,) = run_instructions([pair], count=count).experiments
        assert (found.axis, found.verdict, found.pairs) == ("instructions", "slower", 3)
        assert (found.null.pairs, found.null.ratio, found.null.ratio_interval) == (0, None, (None, None))
        assert found.raw_null == []
        assert found.repeat_spread == pytest.approx(0.2 / 1000)
        assert found.ratio == pytest.approx(9, rel=1e-3)

    def test_counts_from_the_start_of_a_process_are_another_figure(self):
        """Where the counting begins moves a count by some thousandths, so the two are never compared in a history."""

        def count(_subject, lines):
            return Counted(1, ((0, 9),))

        pair = Comparison(Subject(), Subject(instrument="opencensus"))
        document = run_instructions([pair], count=count).model_dump(mode="json")
        (now,) = metrics_of("overhead", document)
        del document["terms"]["counted_from"]
        (earlier,) = metrics_of("overhead", document)
        assert now.key == f"{earlier.key} counted=lines"

    def test_counts_that_drift_evenly_void_nothing(self):
        """Three counts of the base at equal distances once made a control of one degree of freedom miss by chance."""
        counts = iter([1000.0, 9000.0, 1001.0, 9000.0, 1002.0, 9000.0])

        def count(_subject, lines):
            return Counted(1, ((0, round(next(counts) * 10)),))

        pair = Comparison(Subject(), Subject(instrument="opencensus"))
        (found,) = run_instructions([pair], count=count).experiments
        assert found.verdict == "slower"
        assert found.repeat_spread == pytest.approx(2 / 1001)
        assert judge(found, 0.03)[0] == "regressed"

    @pytest.mark.slow
    def test_counts_repeat(self):
        """Two counts of the same subject agree within 0.05 %, and more work counts more."""
        first, second = (instructions.count_instructions(Subject(), lines=lambda _s: LINES).per_line for _ in "ab")
        assert first == pytest.approx(second, rel=0.0005)
        rung = Subject(rung="1-view")
        assert instructions.count_instructions(rung, lines=lambda _s: LINES).per_line > 2 * first

    def test_slow_subjects_run_fewer_lines(self):
        """Where each line takes millions of instructions a few of them must do."""
        assert lines_to_count(Subject()) > lines_to_count(Subject(instrument="opencensus")) >= 2
        assert lines_to_count(Subject(instrument="opencensus", series=1000)) == 2


def test_pages_differ_in_what_a_dashboard_would_notice():
    """The quickstart's page and the lean one differ in the bounds' side and the repeated descriptions alone."""
    found = exposition_diff("opencensus", "opencensus-lean", LINES)
    assert "a value at its bound counts in that bucket: no / yes" in found.differences["demo_line_lengths"]
    assert found.differences["demo_lines_in"] == ["HELP and TYPE lines: 4 / 2"]
    assert found.left.views["demo_line_lengths"].count == 4
    assert exposition_diff("opencensus-lean", "opencensus-lean", LINES).differences == {}


def test_a_library_that_shows_nothing_is_told():
    """The page of `none` lacks every view that the other side shows."""
    found = exposition_diff("none", "prometheus-client", LINES)
    assert found.differences["demo_latency"] == ["only prometheus-client shows it"]


def test_comparisons_cover_instruments_and_series():
    """Every instrument is compared at every number of series, under the common conditions."""
    found = comparisons_for(["a:b", "c:d"], (1, 100), "none", Subject(threads=2))
    assert [(pair.head.instrument, pair.head.series) for pair in found] == [
        ("a:b", 1), ("c:d", 1), ("a:b", 100), ("c:d", 100),
    ]  # fmt: skip
    assert all(pair.base.threads == 2 for pair in found)
    assert target_comparison("m:f").head.name == "m:f (as it is)"
    with pytest.raises(UsageError, match="nothing to compare") as caught:
        comparisons_for([])
    assert caught.value.field == "instrument"


@pytest.mark.system
def test_a_real_small_experiment_end_to_end():
    """From comparisons to a verdict with real processes, scraped by the poller; every page shows every line."""
    steps: list[Step] = []
    scraped = Subject(scraped=True, interval_ms=20)
    # A control misses in one call of a hundred, and would make this one measure again.
    terms = Terms(budget_s=0.01, fewest=3, plan=BlockPlan(rounds=3, block_ns=500_000), repetitions=0)
    document = measure_overhead(
        comparisons_for(["opencensus"], common=scraped), terms, steps.append, scraper="builtin", lines=lambda _s: LINES
    )
    (found,) = document.experiments
    assert found.pairs == 3
    assert found.void_pairs == 0
    assert found.ratio > 2
    assert found.factors["scrape_interval_ms"] == 20
    assert found.scrapes == sum(pair.head_scrapes for pair in found.raw_pairs)
    assert found.scrapes >= 1
    assert document.scraper == "the built-in scraper"
    assert len(steps) == 3 + found.null.pairs


def test_an_instrument_that_fails_is_told_by_the_experiment():
    """What a worker cannot build ends the call with that one line."""
    terms = Terms(budget_s=0.01)
    with pytest.raises(InstrumentError, match="could not be built"):
        measure_overhead(comparisons_for(["harness.views:View"]), terms, lines=lambda _s: LINES)


@pytest.mark.slow
def test_the_table_has_every_column():
    """A short table over two ways of recording: costs, rates, instructions and the audit, each from a real run."""
    plan = table.TablePlan(
        instruments=("opencensus", "nothing-such"), pairs_s=0.1, fewest=3, scraper="builtin", rates_s=2, rate_run_s=0.2
    )
    found = table.measure_table(plan)
    row, absent = found.rows
    assert row.cost.pairs >= 3
    assert row.cost_scraped.factors["scraped"]
    assert row.saturation.closed_loop > 0
    assert "bucket_bound_exclusive" in row.audit.findings
    assert row.instructions_per_line > 100_000 or "instructions" in row.missing
    assert "nothing-such" in absent.missing["instrument"]

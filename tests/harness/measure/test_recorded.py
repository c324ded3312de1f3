"""The statistics on pairs that were really measured: those of the stored validation, `make validate`."""

import itertools
import math
import random
from pathlib import Path

import pytest
from scipy import stats as scipy_stats

from benchmarks.method.validate import BEGIN, END, main, stored_block
from harness.measure.pairs.pair import figures
from harness.measure.pairs.schedule import Comparison, Terms, run_experiments
from harness.measure.questions.validation import METHOD, Record, read_records, summarise
from harness.measure.result import Experiments, RawPair
from harness.measure.stats import Estimate, t_interval
from harness.measure.subject import Subject
from harness.measure.verdict import ControlPairs, counting, experiment_of, verdict_of

FILE = Path(__file__).resolve().parents[3] / "docs" / "data" / "validation.jsonl.gz"
BASE, HEAD = Subject(), Subject(instrument="prometheus-client")


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """Return every stored experiment; the file is whole."""
    found, damaged = read_records(FILE)
    assert not damaged
    return found


def logs(pairs: list[RawPair]) -> list[float]:
    return [pair.log_ratio for pair in counting(pairs)]


def test_each_pair_follows_from_its_blocks(records):
    """The statistic kept with a pair is that of its blocks: nothing else went in, and nothing was left out."""
    for pair in itertools.chain.from_iterable(r.experiment.raw_pairs + r.experiment.raw_null for r in records):
        found = figures(pair.base_blocks, pair.head_blocks, pair.base_lines, pair.head_lines)
        assert found.log_ratio == pytest.approx(pair.log_ratio, abs=1e-12)
        assert found.difference == pytest.approx(pair.difference, abs=1e-6)
        assert len(pair.order) == len(pair.base_blocks) == len(pair.head_blocks)


def test_each_interval_follows_from_its_pairs(records):
    """With one look it is Student's own, at 95.7 % where a precision may end it; with more it is wider."""
    for record in records:
        kept = record.experiment
        low, high = (math.log(end) for end in kept.ratio_interval)
        student = t_interval(logs(kept.raw_pairs))
        assert (low + high) / 2 == pytest.approx(student.value, abs=1e-9)
        if kept.looks == 1:
            chosen = 0.957 if record.method == METHOD and record.kind == "identical" else 0.95
            assert (high - low) / 2 == pytest.approx(t_interval(logs(kept.raw_pairs), chosen).half_width, rel=1e-4)
        else:
            assert (high - low) / 2 > student.half_width * (1 - 1e-9)


def test_each_verdict_follows_from_its_intervals(records):
    """What was written down as found is what interval and control say, by the rule of today."""
    for record in records:
        kept = record.experiment
        low, high = (math.log(end) for end in kept.ratio_interval)
        ratio = Estimate(math.log(kept.ratio), low, high, kept.pairs, kept.confidence)
        null = t_interval(logs(kept.raw_null), kept.null.confidence)
        void = 1 - kept.pairs / len(kept.raw_pairs)
        assert kept.verdict == verdict_of(ratio, null, 0.02, void, kept.null.needed), (record.kind, record.number)


def test_an_entry_is_made_anew_from_its_pairs_alone(records):
    """The pairs of an experiment looked at once give its whole entry again, bootstrap and smallest effect included."""
    once = [record for record in records if record.experiment.looks == 1]
    for record in once[:: max(1, len(once) // 10)]:
        kept, chosen = record.experiment, record.method == METHOD and record.kind == "identical"
        z = float(scipy_stats.norm.isf(0.0215 if chosen else 0.025))
        control = ControlPairs(kept.raw_null, kept.null.confidence, kept.null.needed, kept.null.controls)
        again = experiment_of(Comparison(HEAD, HEAD), kept.raw_pairs, control, tolerance=0.02, z=z, looks=1)
        told = {"ratio", "ratio_interval", "cost_interval", "minimal_detectable_effect", "bootstrap"}
        found, expected = again.model_dump(include=told), kept.model_dump(include=told)
        for name in told:
            assert _flat(found[name]) == pytest.approx(_flat(expected[name]), rel=1e-6), name
        for name in ("ratio", "ratio_interval", "confidence", "pairs"):
            assert _flat(getattr(again.null, name)) == pytest.approx(_flat(getattr(kept.null, name)), rel=1e-6), name


def _flat(value: object) -> list[float]:
    if isinstance(value, dict):
        return [number for part in value.values() for number in _flat(part)]
    return [number for part in value for number in _flat(part)] if isinstance(value, list | tuple) else [float(value)]


def test_the_trimmed_figure_is_not_one_sided(records):
    """Over all pairs on identical code the two sides come out alike: which one is called the head does not matter."""
    same = [
        log for r in records if r.kind == "identical" for log in logs(r.experiment.raw_pairs + r.experiment.raw_null)
    ]
    assert t_interval(same, 0.99).covers(0.0)


class Recorded:
    """Hands out pairs really measured on identical code, drawn anew, the sides changed at random; no time passes."""

    def __init__(self, pairs: list[RawPair], seed: int, share: float = 0.0) -> None:
        self.pairs, self.rng, self.share = pairs, random.Random(seed), share  # noqa: S311 - nothing secret
        self.time = 0.0

    def __call__(self, base: Subject, head: Subject, /) -> RawPair:
        drawn = self.rng.choice(self.pairs)
        self.time += 0.8
        added = math.log1p(self.share) if base != head else 0.0
        return drawn.model_copy(update={"log_ratio": self.rng.choice((-1, 1)) * drawn.log_ratio + added})

    def run(self, **terms: object) -> Experiments:
        return run_experiments([Comparison(BASE, HEAD)], Terms(**terms), self, now=lambda: self.time)


def shares(records: list[Record], count: int, share: float, **terms: object) -> int:
    """Return how many of `count` experiments on recorded noise call the head slower or faster."""
    pairs = [p for r in records if r.kind == "identical" for p in counting(r.experiment.raw_pairs)]
    found = 0
    for seed in range(count):
        experiment = Recorded(pairs, seed, share).run(seed=seed, **terms).experiments[0]
        found += experiment.verdict in {"slower", "faster"}
    return found


@pytest.mark.slow
def test_real_noise_raises_no_more_alarms_than_the_level_allows(records):
    """Identical code, at the default settings, drawn from real pairs: a true 5 % has no more 99 times in 100."""
    count = 400
    assert shares(records, count, 0.0, precision=0.01, budget_s=120.0) <= scipy_stats.binom.ppf(0.99, count, 0.05)


@pytest.mark.slow
def test_one_percent_is_found_in_real_noise(records):
    """A slowdown of 1 %, put into real pairs, is found in at least 95 % of trials of two minutes."""
    count = 100
    assert shares(records, count, 0.01, budget_s=120.0, settled=True) >= 0.95 * count


def test_the_page_quotes_what_is_stored():
    """The block in docs/overhead.md is what the file amounts to, to the letter."""
    page = (FILE.parents[1] / "overhead.md").read_text(encoding="utf-8")
    assert f"{BEGIN}\n{stored_block(FILE)}{END}" in page


def test_the_stored_proof_holds(records, capsys):
    """Whoever calls the script again gets what was found, from the file: both bounds are kept."""
    found = summarise(records)
    assert (found.alarms_hold, found.found_holds) == (True, True)
    assert main([str(FILE), "--identical", "0", "--slowdowns", "0", "--small", "0"]) == 0
    assert f" {found.false_alarms} {found.identical} " in " ".join(capsys.readouterr().out.split())

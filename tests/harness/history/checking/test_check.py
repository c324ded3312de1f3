import math
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import RunError, UsageError
from harness.history.checking.check import RECENT, Basis, CheckResult, Decision, Question, check
from harness.history.figures import Figure, metrics_of
from harness.history.index import Index
from harness.history.store import Store
from tests.harness.history.makers import HERE, START, THERE, experiment, keep_series, overhead


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def _check(store: Store, question: Question | None = None, **options: str) -> CheckResult:
    with Index(store) as index:
        return check(index, question, **options)


def _noise(runs: int, seed: int = 1, spread: float = 0.005) -> list[float]:
    return [float(2 * math.exp(x)) for x in np.random.default_rng(seed).normal(0, spread, runs)]


@pytest.mark.parametrize(
    ("newest", "outcome", "code"),
    [
        (2.0, Decision.PASS, 0),
        (2.02, Decision.PASS, 0),
        (2.06, Decision.UNDECIDED, 3),
        (2.2, Decision.REGRESSED, 1),
        (1.8, Decision.IMPROVED, 0),
    ],
)
def test_where_the_interval_lies_decides(store: Store, newest: float, outcome: Decision, code: int) -> None:
    """Beyond the tolerance is a regression, over it undecided, below it a pass, beyond it downward improved."""
    kept = keep_series(store, [*_noise(30), newest])
    found = _check(store)
    (finding,) = found.findings
    assert (found.run, found.outcome, found.outcome.exit_code) == (kept[-1].id, outcome, code)
    assert finding.effect == pytest.approx(newest / 2 - 1, abs=0.01)
    assert finding.interval is not None
    assert finding.interval[0] < finding.effect < finding.interval[1]
    assert finding.minimal_detectable_effect is not None
    assert 0.03 < finding.minimal_detectable_effect < 0.1
    assert (finding.departs_from, finding.compared, finding.basis) == (kept[-2].id, 30, Basis.RATIO)


def test_the_first_run_is_undecided_and_says_what_to_do(store: Store) -> None:
    """Without history nothing is claimed."""
    keep_series(store, [2.0])
    found = _check(store)
    assert (found.outcome, found.outcome.exit_code) == (Decision.UNDECIDED, 3)
    assert "measure and keep more runs" in found.findings[0].reason


def test_an_empty_history_is_one_clear_line(store: Store) -> None:
    """Checking nothing tells how to get something."""
    with pytest.raises(UsageError, match="`harness overhead` measures and keeps one"):
        _check(store)


@pytest.mark.parametrize("newest", [1.7, 2.0, 2.12, 3.0])
@pytest.mark.parametrize("before", [1, 4, 7])
def test_fewer_than_eight_runs_before_decide_nothing(store: Store, before: int, newest: float) -> None:
    """How much runs differ is not known yet: whatever the newest says it is undecided, and nothing is measured."""

    def never(_run: str, _keys: Sequence[str]) -> tuple[Figure, ...]:
        raise AssertionError

    keep_series(store, [*_noise(before), newest])
    (finding,) = _check(store, Question(remeasure=never)).findings
    assert (finding.outcome, finding.interval, finding.confidence) == (Decision.UNDECIDED, None, None)
    assert finding.effect == pytest.approx(newest / 2 - 1, abs=0.02)
    assert f"runs before it: {before}; 8 are needed" in finding.reason


def test_eight_runs_before_are_enough_to_decide(store: Store) -> None:
    """From the ninth run on a clear regression is one."""
    keep_series(store, [*_noise(8), 2.3])
    assert _check(store).outcome is Decision.REGRESSED


def test_noisy_runs_widen_what_their_own_intervals_promise(store: Store) -> None:
    """Runs that scatter more than their pairs say make the same shift undecided."""
    keep_series(store, [*_noise(30, spread=0.04), 2.16])
    assert _check(store).outcome is Decision.UNDECIDED


def test_a_change_some_runs_ago_is_reported_with_the_run_it_began_at(store: Store) -> None:
    """A regression stays news while few runs followed it, and names its first run."""
    kept = keep_series(store, [*_noise(40), *(1.1 * r for r in _noise(6, seed=2))])
    (finding,) = _check(store).findings
    assert (finding.outcome, finding.departs_from) == (Decision.REGRESSED, kept[40].id)
    assert finding.effect == pytest.approx(0.1, abs=0.01)
    assert [run for run, _ in finding.changes] == [kept[40].id]


def test_an_old_change_is_the_new_normal(store: Store) -> None:
    """Once enough runs followed, the later level is what is compared with."""
    keep_series(store, [*_noise(40), *(1.1 * r for r in _noise(RECENT + 10, seed=2))])
    assert _check(store).outcome is Decision.PASS


def test_a_slow_drift_regresses_though_no_run_stands_out(store: Store) -> None:
    """One percent a run over 20 runs is found, as a regression over the level before it."""
    drift = [r * 1.01 ** (i + 1) for i, r in enumerate(_noise(19, seed=3))]
    keep_series(store, [*_noise(40), *drift])
    found = _check(store)
    assert found.outcome is Decision.REGRESSED


def test_a_suspicion_is_measured_again_and_dropped_when_it_does_not_hold(store: Store) -> None:
    """A first figure that was high by chance is no regression when the second is not."""
    keep_series(store, [*_noise(30), 2.2])
    calls: list[int] = []

    def again(_run: str, _keys: Sequence[str]) -> tuple[Figure, ...]:
        calls.append(1)
        return metrics_of("overhead", overhead(2.0))

    found = _check(store, Question(remeasure=again))
    assert (found.outcome, found.remeasured, len(calls)) == (Decision.UNDECIDED, 1, 1)
    assert "did not when it was measured again" in found.findings[0].reason


def test_a_suspicion_that_holds_is_reported_as_confirmed(store: Store) -> None:
    """A regression seen twice says that it was measured again."""
    keep_series(store, [*_noise(30), 2.2])
    found = _check(store, Question(remeasure=lambda _run, _keys: metrics_of("overhead", overhead(2.21))))
    (finding,) = found.findings
    assert (finding.outcome, finding.confirmed) == (Decision.REGRESSED, True)
    assert "measured again" in finding.reason


def test_nothing_is_measured_again_without_suspicion(store: Store) -> None:
    """A run that passes costs no second measurement."""

    def never(_run: str, _keys: Sequence[str]) -> tuple[Figure, ...]:
        raise AssertionError

    keep_series(store, _noise(31))
    assert _check(store, Question(remeasure=never)).outcome is Decision.PASS


def _three_figures(store: Store, *last: float) -> None:
    rng = np.random.default_rng(4)
    for i in range(31):
        ratios = 2 * np.exp(rng.normal(0, 0.005, 3)) * (last if i == 30 else [1, 1, 1])
        store.save("overhead", overhead(*ratios), fingerprint=HERE, created=START + timedelta(hours=i))


def test_only_what_is_suspected_is_measured_again(store: Store) -> None:
    """Figures that passed keep what they had: a second look at them would be another chance of a false alarm."""
    _three_figures(store, 1, 1.2, 1)
    asked: list[Sequence[str]] = []

    def again(_run: str, keys: Sequence[str]) -> tuple[Figure, ...]:
        asked.append(keys)
        return metrics_of("overhead", overhead(9.0, 2.4, 9.0))

    found = _check(store, Question(remeasure=again))
    assert asked == [("wall_ns b/none series=1",)]
    assert [finding.outcome for finding in found.findings] == [Decision.PASS, Decision.REGRESSED, Decision.PASS]


def _void(head: str) -> dict[str, Any]:
    return {**experiment(2.0, head=head), "verdict": "void", "conclusion": "void: the control failed"}


@pytest.mark.parametrize(
    ("fresh", "outcome", "times", "reason"),
    [
        ([[2.0]], Decision.PASS, 1, "no slower"),
        ([[2.4], [2.41]], Decision.REGRESSED, 2, "slower than the tolerance allows, measured again"),
        ([[2.4], [2.0]], Decision.UNDECIDED, 2, "did not when it was measured again"),
        ([[None]], Decision.UNDECIDED, 1, "void, so nothing is known of it"),
        ([[]], Decision.UNDECIDED, 1, "void, so nothing is known of it"),
    ],
    ids=["holds", "slower twice", "slower once", "void again", "not measured"],
)
def test_what_is_void_is_measured_in_its_place(
    store: Store, fresh: list[list[float | None]], outcome: Decision, times: int, reason: str
) -> None:
    """A void experiment is repeated; the second one is judged as if it were the first, suspicion included."""
    keep_series(store, _noise(30))
    store.save("overhead", {"experiments": [_void("a")]}, fingerprint=HERE, created=START + timedelta(hours=40))
    asked: list[Sequence[str]] = []

    def again(_run: str, keys: Sequence[str]) -> tuple[Figure, ...]:
        ratios = fresh[len(asked)]
        asked.append(list(keys))
        return metrics_of(
            "overhead", {"experiments": [_void("a") if r is None else experiment(r, head="a") for r in ratios]}
        )

    found = _check(store, Question(remeasure=again))
    (finding,) = found.findings
    assert asked == [["wall_ns a/none series=1"]] * times
    assert (found.outcome, found.remeasured) == (outcome, times)
    assert reason in finding.reason


def test_a_void_run_in_the_past_is_passed_over(store: Store) -> None:
    """It says nothing about the level: the run before it is the one departed from."""
    kept = keep_series(store, _noise(20))
    store.save("overhead", {"experiments": [_void("a")]}, fingerprint=HERE, created=START + timedelta(hours=30))
    keep_series(store, [2.0], first=40)
    (finding,) = _check(store).findings
    assert (finding.outcome, finding.compared, finding.departs_from) == (Decision.PASS, 20, kept[-1].id)


def _fails(_run: str, _keys: Sequence[str]) -> tuple[Figure, ...]:
    raise RunError("the scraper did not start")


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (Question(unconfirmed="it was measured on another machine"), "on another machine"),
        (Question(remeasure=_fails), "the scraper did not start"),
        (Question(remeasure=lambda _run, _keys: ()), "measured again is void"),
    ],
)
def test_one_run_that_cannot_be_confirmed_is_undecided(store: Store, question: Question, said: str) -> None:
    """A suspicion nobody could measure again is told as one, with the reason, and is no regression."""
    keep_series(store, [*_noise(30), 2.2])
    (finding,) = _check(store, question).findings
    assert (finding.outcome, finding.suspected, finding.confirmed) == (Decision.UNDECIDED, True, False)
    assert said in finding.reason


def test_several_runs_at_the_new_level_confirm_one_another(store: Store) -> None:
    """A lasting change of some runs is reported also where nothing can be measured again."""
    keep_series(store, [*_noise(40), *(1.1 * r for r in _noise(6, seed=2))])
    assert _check(store, Question(unconfirmed="another machine")).outcome is Decision.REGRESSED


def test_the_level_is_shared_between_figures(store: Store) -> None:
    """By Holm, the clearest of K figures is tested at alpha/K, and what is left shares the rest."""
    _three_figures(store, 1, 1.2, 1)
    found = _check(store)
    assert [finding.outcome for finding in found.findings] == [Decision.PASS, Decision.REGRESSED, Decision.PASS]
    assert [finding.confidence for finding in found.findings] == pytest.approx([0.975, 1 - 0.05 / 3, 0.975])


@pytest.mark.slow
def test_unchanged_figures_are_called_changed_at_most_as_often_as_stated(tmp_path: Path) -> None:
    """Of 60 unchanged histories of 5 figures, with no tolerance at all, at most 5 % plus chance are called anything."""
    called = 0
    for seed in range(60):
        store = Store(tmp_path / str(seed))
        rng = np.random.default_rng(seed)
        for i in range(16):
            document = overhead(*(2 * np.exp(rng.normal(0, 0.01, 5))))
            store.save("overhead", document, fingerprint=HERE, created=START + timedelta(hours=i))
        found = _check(store, Question(tolerance=0.0))
        called += any(finding.outcome in {Decision.REGRESSED, Decision.IMPROVED} for finding in found.findings)
    # The exact 99 % binomial bound for 60 trials at 5 %.
    assert called <= 8


def test_nanoseconds_of_another_machine_are_never_compared(store: Store) -> None:
    """A figure without a control in its run is compared on the same machine only."""
    suite = {"benchmarks": [{"fullname": "b", "stats": {"mean": 1e-6, "stddev": 1e-8, "rounds": 9}}]}
    for hour in range(12):
        store.save("suite", suite, fingerprint=THERE, created=START + timedelta(hours=hour))
    store.save("suite", suite, fingerprint=HERE, created=START + timedelta(hours=20))
    assert _check(store, kind="suite").outcome is Decision.UNDECIDED
    store.save("suite", suite, fingerprint=THERE, created=START + timedelta(hours=21))
    (finding,) = _check(store, kind="suite").findings
    assert (finding.outcome, finding.basis, finding.compared) == (Decision.PASS, Basis.ABSOLUTE, 12)


def test_a_baseline_replaces_the_history(store: Store) -> None:
    """A run named as the baseline is what the newest is compared with."""
    kept = keep_series(store, [*_noise(20), 2.2, 2.2])
    (finding,) = _check(store, Question(baseline=kept[-2].id)).findings
    assert (finding.outcome, finding.compared, finding.departs_from) == (Decision.PASS, 1, kept[-2].id)


def test_any_kept_run_can_be_checked_as_it_was_then(store: Store) -> None:
    """Runs that came later do not change what a check of an earlier one says."""
    kept = keep_series(store, [*_noise(20), 2.2])
    then = _check(store)
    keep_series(store, _noise(20, seed=9), first=40)
    assert _check(store, run=kept[-1].id) == then


@pytest.mark.parametrize("options", [{"tolerance": 1.0}, {"alpha": 0.0}])
def test_a_question_that_makes_no_sense_names_its_field(options: dict[str, float]) -> None:
    """Bad settings are usage errors."""
    with pytest.raises(UsageError) as raised:
        Question(**options)  # type: ignore[arg-type]
    assert [raised.value.field] == list(options)


def test_malformed_experiments_are_left_out_and_void_ones_have_a_name_only() -> None:
    """What is no experiment gives nothing, the same one twice gives one figure, and a void one says why it has none."""
    document = {"experiments": [experiment(2.0), experiment(3.0), _void("v"), 5, {}]}
    found = metrics_of("overhead", document)
    assert [(metric.head, metric.value, metric.ratio) for metric in found] == [("x", 200.0, 3.0), ("v", None, None)]
    assert [metric.void for metric in found] == ["", "the control failed"]
    assert metrics_of("overhead", {"experiments": "none"}) == ()
    assert metrics_of("tomorrow", {}) == ()

"""What `harness check` promises: a verdict, an exit code, and words that a person, a program and GitHub can use."""

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.cli import _run
from harness.errors import RunError, UsageError
from harness.history import fingerprint
from harness.history.checking import remeasure as again
from harness.history.queries import keep
from harness.history.store import Store
from harness.measure.pairs import measure as measuring
from harness.measure.pairs.measure import comparisons_for
from harness.measure.pairs.pair import BlockPlan
from harness.measure.pairs.schedule import Terms, run_experiments
from harness.measure.questions.answer import outcome_of
from harness.measure.result import Experiments, RawPair
from harness.measure.subject import Subject
from harness.measure.verdict import Comparison
from harness.progress import Progress
from tests.harness.history.makers import HERE, START, experiment, keep_series, overhead

SUBJECTS = comparisons_for(["opencensus", "prometheus-client"])
GIT = {"revision": "abc", "branch": "main", "dirty": False}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


@pytest.fixture(autouse=True)
def _not_on_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


def check(store: Store, *arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = _run(["check", "--store", str(store.folder), *map(str, arguments)])
    return code, *capsys.readouterr()


def noise(runs: int) -> list[float]:
    draw = random.Random(1)  # noqa: S311 - test data
    return [2 * math.exp(draw.gauss(0, 0.005)) for _ in range(runs)]


def paired(ratios: Mapping[str, float]) -> Any:
    """Return what measures pairs without processes: each head costs `ratios` times its base, within a percent."""
    draw = random.Random(2)  # noqa: S311 - test data

    def measure_pair(base: Subject, head: Subject) -> RawPair:
        ratio = (ratios[head.instrument] if head != base else 1.0) * math.exp(draw.gauss(0, 0.005))
        return RawPair(
            base_blocks=[100], head_blocks=[100], base_lines=1, head_lines=1, order="b", hash_seeds=(1, 2),
            base_per_line=100.0, head_per_line=100 * ratio, log_ratio=math.log(ratio), difference=100 * (ratio - 1),
        )  # fmt: skip

    def measure(
        comparisons: Sequence[Comparison], terms: Terms, progress: Progress = lambda _step: None, **_: object
    ) -> Experiments:
        short = Terms(budget_s=1e-9, fewest=12, seed=terms.seed)
        return run_experiments(comparisons, short, measure_pair, progress)

    return measure


def measured(store: Store, ratios: Mapping[str, float], runs: int = 1) -> None:
    """Keep runs of this very machine."""
    measure = paired(ratios)
    for _ in range(runs):
        keep(store, "overhead", measure(SUBJECTS, Terms(budget_s=1.0)).model_dump(mode="json"))


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The project stands at one revision, whoever commits meanwhile, and no other program runs."""
    monkeypatch.setattr("harness.history.checking.quiet.processors", lambda _seconds: 0.0)
    monkeypatch.setattr("harness.history.queries.git_state", lambda: GIT)
    monkeypatch.setattr(fingerprint, "git_state", lambda: GIT)


@pytest.mark.parametrize(
    ("newest", "verdict", "code"),
    [(2.0, "pass", 0), (2.06, "undecided", 3), (2.3, "regressed", 1), (1.7, "improved", 0)],
)
def test_the_verdict_is_the_last_line_and_the_exit_code(
    store: Store, capsys: pytest.CaptureFixture[str], newest: float, verdict: str, code: int
) -> None:
    """Effect, interval, smallest effect, the run departed from and the family-wise level stand above it."""
    kept = keep_series(store, [*noise(20), newest])
    found, out, err = check(store, "--no-remeasure", capsys=capsys)
    assert (found, err) == (code, "")
    assert out.splitlines()[-1].startswith(f"{verdict}: 1 of 1 figures of run {kept[-1].id}")
    assert kept[-2].id in out
    assert "at most 5 % a check for all 1 figures together (Holm)" in out
    (finding,) = json.loads(check(store, "--no-remeasure", "--json", capsys=capsys)[1])["findings"]
    low, high = finding["interval"]
    assert low < finding["effect"] < high
    assert (finding["outcome"], finding["departs_from"], finding["compared"]) == (verdict, kept[-2].id, 20)
    assert 0 < finding["minimal_detectable_effect"] < 0.1
    assert finding["confidence"] == pytest.approx(0.95)


def test_a_run_without_a_figure_is_undecided_and_says_why(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is nothing to compare nothing passes."""
    keep_series(store, [2.0, 2.0])
    store.save("overhead", {"experiments": []}, fingerprint=HERE)
    code, out, _ = check(store, capsys=capsys)
    assert (code, "holds no figure to compare" in out) == (3, True)


def test_a_void_experiment_does_not_pass_beside_one_that_does(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """A way of recording that began to lose lines cannot be measured; the gate says so and does not sleep."""
    for hour in range(20):
        store.save("overhead", overhead(2.0, 2.0), fingerprint=HERE, created=START + timedelta(hours=hour))
    lost = {
        **experiment(2.0, head="b"),
        "verdict": "void",
        "conclusion": "void: 9 of 9 pairs do not count (2 lines lost)",
    }
    document = {"experiments": [experiment(2.0, head="a"), lost]}
    kept = store.save("overhead", document, fingerprint=HERE, created=START + timedelta(hours=30))
    code, out, _ = check(store, capsys=capsys)
    assert (code, "void, so nothing is known of it" in out, "2 lines lost" in out) == (3, True, True)
    assert "could not be measured again" in out
    assert out.splitlines()[-1].startswith(f"undecided: 1 of 2 figures of run {kept.id}")


def test_change_points_are_told_with_the_run_they_began_at(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """A level that changed some runs ago is named, and confirmed by the runs since: no machine is needed for that."""
    kept = keep_series(store, [*noise(40), *(1.1 * ratio for ratio in noise(6))])
    code, out, _ = check(store, capsys=capsys)
    assert code == 1
    assert f"step at {kept[40].id}: +" in out
    assert "chosen by search" in out


def test_the_tolerance_and_the_level_are_the_users(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """What is regressed at 3 % passes at 40 %; the level asked for is the one stated."""
    keep_series(store, [*noise(20), 2.3])
    code, out, _ = check(store, "--tolerance", "40%", "--alpha", "1%", capsys=capsys)
    assert code == 0
    assert "(tolerance 40 %)" in out
    assert "at most 1 % a check" in out


def test_any_run_is_checked_against_any_other(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """--run and --baseline take ids or parts of them."""
    kept = keep_series(store, [*noise(20), 2.3, 2.3])
    found = json.loads(
        check(store, "--run", kept[20].id[-8:], "--baseline", kept[3].id, "--no-remeasure", "--json", capsys=capsys)[1]
    )
    assert (found["run"], found["outcome"]) == (kept[20].id, "regressed")
    assert found["findings"][0]["departs_from"] == kept[3].id


def test_a_suspicion_of_another_machine_is_undecided(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """One slow run that cannot be measured again here is a warning with the reason, not a regression."""
    keep_series(store, [*noise(20), 2.3])
    code, out, _ = check(store, capsys=capsys)
    assert code == 3
    assert "could not be measured again: it was measured on another machine" in out


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(("second", "code", "verdict"), [(2.3, 1, "regressed"), (2.0, 3, "undecided")])
def test_a_suspicion_of_this_machine_is_measured_again(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, second: float, code: int,
    verdict: str,
) -> None:  # fmt: skip
    """It is measured again as it was first, and of that only what looked slower counts; what holds is reported."""
    measured(store, {"opencensus": 2.0, "prometheus-client": 1.5}, runs=9)
    measured(store, {"opencensus": 2.3, "prometheus-client": 1.5})
    asked: list[Comparison] = []

    def measure(comparisons: Sequence[Comparison], terms: Terms, progress: Progress) -> Experiments:
        asked.extend(comparisons)
        found: Experiments = paired({"opencensus": second, "prometheus-client": 9.0})(comparisons, terms, progress)
        return found

    monkeypatch.setattr(again, "measure_overhead", measure)
    found, out, err = check(store, "--json", capsys=capsys)
    verdicts = {f["key"].split()[1]: (f["outcome"], f["confirmed"]) for f in json.loads(out)["findings"]}
    # Side by side with what was measured beside it then.
    assert asked == SUBJECTS
    assert (found, verdicts["prometheus-client/none"]) == (code, ("pass", False))
    assert verdicts["opencensus/none"] == (verdict, verdict == "regressed")
    assert "1 of the figures look slower, are void, or were measured on a busy machine" in err


@pytest.mark.usefixtures("still")
def test_measuring_again_that_fails_is_a_reason_not_a_crash(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a scraper does not start, the suspicion stays one."""

    def fail(*_: object) -> Experiments:
        raise RunError("no core is free")

    measured(store, {"opencensus": 2.0, "prometheus-client": 1.5}, runs=9)
    measured(store, {"opencensus": 2.3, "prometheus-client": 1.5})
    monkeypatch.setattr(again, "measure_overhead", fail)
    code, out, _ = check(store, capsys=capsys)
    assert (code, "could not be measured again: no core is free" in out) == (3, True)


@pytest.mark.usefixtures("still")
def test_a_fresh_run_is_measured_kept_and_checked(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It measures what the newest run did, or what is named, and what it found is in the history."""
    monkeypatch.setattr(again, "measure_overhead", paired({"opencensus": 2.0, "prometheus-client": 1.5}))
    arguments = ("--fresh", "--label", "fresh", "--json")
    code, out, err = check(store, *arguments, "--instruments", "opencensus, prometheus-client", capsys=capsys)
    assert (code, json.loads(out)["outcome"], "kept as" in err) == (3, "undecided", True)
    code, out, _ = check(store, *arguments, capsys=capsys)
    findings = json.loads(out)["findings"]
    assert (code, len(store.names())) == (3, 2)
    assert [(f["key"].split()[1], f["compared"]) for f in findings] == [
        ("opencensus/reference", 1), ("prometheus-client/reference", 1),
    ]  # fmt: skip


def test_a_comparison_is_rebuilt_from_its_description_or_refused() -> None:
    """Series, threads, scraping and own functions come back as they were; what is not told in full is refused."""
    beside = Subject(instrument="opencensus", series=7, interval_ms=300)
    pairs = [
        *comparisons_for(["opencensus"], series=(1, 10), common=Subject(threads=4, buckets="fine", tags=2)),
        Comparison(beside, replace(beside, scraped=True)),
        measuring.target_comparison("package.module:function"),
        Comparison(Subject(rung="bare"), Subject(rung="clock")),
    ]
    measure = paired({"opencensus": 2.0, "own": 2.0, "none": 1.1})
    document = measure(pairs, Terms(budget_s=1.0)).model_dump(mode="json")
    groups = again.groups_in(document)
    # What is scraped at different intervals cannot be measured in one go; what is not goes with the first of them.
    assert [pair for group in groups for pair in group.comparisons] == pairs
    vague = measure(comparisons_for(["opencensus"], common=Subject(views=("demo_latency",))), Terms(budget_s=1.0))
    with pytest.raises(UsageError, match="not told in full"):
        again.groups_in(vague.model_dump(mode="json"))
    with pytest.raises(UsageError, match="which side"):
        again.groups_in({"experiments": [experiment(delay_ns=5.0)]})


@pytest.mark.usefixtures("still")
def test_a_fresh_run_goes_on_with_the_plan_of_the_newest(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks and comparisons are those of the newest run with figures, so that both are of one series."""
    seen: list[tuple[int, Terms]] = []
    measure = paired({"opencensus": 2.0, "prometheus-client": 1.5})

    def measuring_again(comparisons: Sequence[Comparison], terms: Terms, progress: Progress) -> Experiments:
        seen.append((len(comparisons), terms))
        document: Experiments = measure(comparisons, terms, progress)
        blocks = {"rounds": terms.plan.rounds, "block_ns": terms.plan.block_ns}
        return document.model_copy(update={"terms": document.terms.model_copy(update=blocks)})

    plan = BlockPlan(rounds=10, block_ns=6_000_000)
    for _ in range(9):
        document = measuring_again(SUBJECTS, Terms(budget_s=80.0, plan=plan), lambda _step: None)
        keep(store, "overhead", outcome_of("table", {"table": document}).document())
    keep(store, "overhead", outcome_of("saturation").document())
    monkeypatch.setattr(again, "measure_overhead", measuring_again)
    code, out, _ = check(store, "--fresh", "--budget", "30s", "--json", capsys=capsys)
    assert [(count, terms.plan, terms.budget_s) for count, terms in seen[9:]] == [(2, plan, 30.0)]
    assert (code, [finding["compared"] for finding in json.loads(out)["findings"]]) == (0, [9, 9])


@pytest.mark.usefixtures("still")
def test_parts_measured_one_after_another_keep_their_own_terms(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh run of two groups is one document that reads as what `harness overhead` keeps, report included."""
    from harness.report.collect import read_document

    measure = paired({"opencensus": 2.0, "prometheus-client": 1.5})
    parts = {"table": measure(SUBJECTS, Terms(budget_s=9.0)), "laws:series": measure(SUBJECTS[:1], Terms(budget_s=9.0))}
    keep(store, "overhead", outcome_of("full", parts).document())
    monkeypatch.setattr(again, "measure_overhead", measure)
    check(store, "--fresh", "--json", capsys=capsys)
    kept = store.load(sorted(store.names())[-1].removesuffix(".json"))
    assert [(part["what"], part["first"], part["end"]) for part in kept.document["parts"]] == [
        ("comparison", 0, 2), ("comparison:1", 2, 3),
    ]  # fmt: skip
    (found,) = read_document(kept.document, "here")
    assert found.what == "comparison"


@pytest.mark.usefixtures("still")
def test_a_suspicion_waits_for_a_quiet_moment_no_longer_than_allowed(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is none, nothing is measured, and the figure is undecided with the reason."""

    def never(*_: object) -> Experiments:
        raise AssertionError

    measured(store, {"opencensus": 2.0, "prometheus-client": 1.5}, runs=9)
    measured(store, {"opencensus": 2.3, "prometheus-client": 1.5})
    monkeypatch.setattr(again, "measure_overhead", never)
    monkeypatch.setattr("harness.history.checking.quiet.processors", lambda _seconds: 0.97)
    code, out, _ = check(store, "--wait", "1ms", capsys=capsys)
    assert code == 3
    assert "could not be measured again: there was no quiet moment in 1 ms: a processor was 97% busy" in out


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], "`harness overhead` or --fresh"),
        (["--kind", "suite"], "kind suite"),
        (["--tolerance", "150%"], "--tolerance"),
        (["--tolerance", "100%"], "--tolerance"),
        (["--alpha", "0"], "--alpha"),
        (["--run", "nope"], "'nope'"),
        (["--fresh", "--run", "x"], "--fresh"),
        (["--instruments", "none"], "--instruments"),
        (["--base", "none"], "--base"),
        (["--fresh", "--base", "nonsense"], "nonsense"),
        (["--wait", "soon"], "--wait"),
        (["--budget", "10"], "--budget"),
        (["--fresh", "--instruments", "nonsense"], "nonsense"),
    ],
)
def test_wrong_usage_is_one_line(
    store: Store, capsys: pytest.CaptureFixture[str], arguments: list[str], names: str
) -> None:
    """Exit code 2, never one that could be taken for a verdict, and a line that names what is wrong."""
    if "--tolerance" in arguments or "--alpha" in arguments:
        keep_series(store, [2.0])
    code, out, err = check(store, *arguments, capsys=capsys)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert names in err


def test_what_could_be_decided_stands_above_the_verdict(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Identical code's spread in the run that is checked is told in words, and in no JSON."""
    measured(store, {"opencensus": 9.0, "prometheus-client": 3.0}, 2)
    _, out, _ = check(store, capsys=capsys)
    assert out.startswith("This machine could decide differences of ")
    _, out, _ = check(store, "--json", capsys=capsys)
    assert "machine could" not in out

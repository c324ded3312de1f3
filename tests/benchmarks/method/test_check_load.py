"""What the experiment of a busy machine promises: known slowdowns, loops that end, and trials that are kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from benchmarks.method import check_load, slowable_subject
from benchmarks.method.check_load import HISTORY, KINDS, Experiment, Trial, busy_loops, end, environment, held, summary
from benchmarks.method.slowable_subject import EVERY, SLOWED, Slowable, Slower
from harness.history.checking.check import check
from harness.history.index import Index
from harness.history.store import Store
from harness.measure.worker.body import page_counts
from harness.report.commands.check import check_document
from harness.views import QUICKSTART_VIEWS, Tags
from tests.harness.history.makers import HERE, experiment


@pytest.mark.parametrize(
    ("why", "slowed", "subject", "more"),
    [
        ("nobody asks for it", "", Slowable, 0),
        ("the environment asks for it", "1", Slowable, 5),
        ("it always is", "", Slower, 5),
    ],
)
def test_every_nineteenth_line_is_recorded_twice(
    monkeypatch: pytest.MonkeyPatch, why: str, slowed: str, subject: type[Slowable], more: int
) -> None:
    """The page shows each line once, so that no pair is void, whether it is slower because {why} or not."""
    monkeypatch.setenv(SLOWED, slowed)
    made = subject(QUICKSTART_VIEWS)
    lines = 5 * EVERY + 3
    for _ in range(lines):
        made.record(1.0, 7, Tags())
    shown = page_counts(generate_latest(made.registry).decode(), QUICKSTART_VIEWS[:3])
    assert (made.beside, set(shown.values())) == (more, {lines}), why
    made.close()


def test_only_the_slower_trial_sees_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a shell around it says changes no trial."""
    monkeypatch.setenv(SLOWED, "1")
    assert check_load.SLOWED == slowable_subject.SLOWED
    assert {kind: SLOWED in environment(kind) for kind in KINDS} == {
        "loaded": False, "released": False, "slower": True, "same": False,
    }  # fmt: skip
    assert environment()["PYTHONPATH"].startswith(check_load.BENCHMARKS)


def test_busy_loops_end_with_their_block_or_before() -> None:
    """Nothing started here goes on, whatever happens in between."""
    with busy_loops(2) as loops:
        assert [loop.poll() for loop in loops] == [None, None]
        end(loops[:1])
        assert (loops[0].poll() is None, loops[1].poll() is None) == (False, True)
    assert None not in [loop.poll() for loop in loops]
    with pytest.raises(RuntimeError), busy_loops(1) as loops:
        raise RuntimeError
    assert loops[0].poll() is not None


def _trial(kind: str, outcome: str, *, quiet: bool = True) -> Trial:
    return Trial(kind, 0, outcome, False, 0, 0.05, (0.0, 0.1), "", quiet)


@pytest.mark.parametrize(
    ("kind", "trials", "regressed", "kept"),
    [
        ("loaded", 20, 0, True), ("loaded", 20, 1, True), ("loaded", 20, 2, False), ("same", 40, 3, False),
        ("slower", 20, 20, True), ("slower", 20, 19, True), ("slower", 20, 18, False), ("slower", 2, 1, True),
    ],
)  # fmt: skip
def test_one_of_twenty_may_go_wrong(kind: str, trials: int, regressed: int, kept: bool) -> None:
    """At most one false alarm, and at most one slowdown missed."""
    assert held(kind, trials, regressed) is kept


def test_the_table_counts_outcomes_and_tells_of_noise() -> None:
    """A row for each kind of trial, and a line where the machine was not quiet."""
    trials = [_trial("slower", "regressed")] * 19 + [_trial("slower", "undecided", quiet=False)]
    rows = list(
        summary([*trials, _trial("same", "pass"), _trial("loaded", "regressed"), _trial("loaded", "regressed")])
    )
    assert rows[3].startswith("| slower | 20 | 19 | 75% to 100% | 1 | 0 | 0 | at least 19 of 20: held |")
    assert rows[2].endswith("at most 1 of 20: MISSED |")
    assert rows[4].startswith("| same | 1 | 0 |")
    assert "Before 1 of 23 trials there was no quiet moment" in rows[5]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let `fresh` keep a made-up run instead of measuring one, and check it for real; returns the kinds measured."""
    kinds: list[str] = []

    def fresh(store: Path, kind: str, budget: str, wait: str, loops: Sequence[Any]) -> dict[str, Any]:
        assert (budget, wait, len(loops)) == ("9s", "1s", 2 if kind in {"loaded", "released"} else 0)
        assert len(list(store.glob("*.json"))) <= HISTORY
        kinds.append(kind)
        ratio = 2.0 + 0.001 * (len(kinds) % 5) + (0.3 if kind == "slower" else 0.0)
        busy = {"off_cpu": 0.4} if kind in {"loaded", "released"} else {"off_cpu": 0.01}
        kept = Store(store).save("overhead", {"experiments": [{**experiment(ratio), **busy}]}, fingerprint=HERE)
        with Index(Store(store)) as index:
            return check_document(check(index, run=kept.id))

    monkeypatch.setattr(check_load, "fresh", fresh)
    monkeypatch.setattr(Experiment, "quiet", lambda _self: True)
    return kinds


def test_trials_stand_on_nine_quiet_runs_and_are_kept(tmp_path: Path, measured: list[str]) -> None:
    """The history is measured once, an unchanged run joins it, and an interrupted experiment goes on."""
    experiment_ = Experiment(tmp_path, "9s", "1s", 0.0)
    outcomes = {kind: experiment_.run(kind, 0).outcome for kind in KINDS}
    assert outcomes == {"loaded": "undecided", "released": "undecided", "slower": "regressed", "same": "pass"}
    assert measured == ["same"] * HISTORY + list(KINDS)
    assert len(list(experiment_.quiet_runs.glob("*.json"))) == HISTORY + 1
    again = Experiment(tmp_path, "9s", "1s", 0.0)
    assert [(trial.kind, trial.outcome) for trial in again.trials()] == list(outcomes.items())
    assert again.history() == sorted(experiment_.quiet_runs.glob("*.json"))[1:]

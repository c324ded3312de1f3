"""What `check` promises of several questions: each is answered by its own newest run, and none hides another."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.history.checking.check import CheckResult, Decision, check
from harness.history.index import Index, NewestRun
from harness.history.store import Store
from harness.report.commands.check import check_document, check_section, conclusion
from harness.report.writers.github import write_summary
from harness.report.writers.plain import write_plain
from tests.harness.history.makers import HERE, START, experiment


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def keep(store: Store, hour: int, mode: str, **ratios: float) -> str:
    """Keep one run that answers a question; returns its id."""
    document = {"mode": mode, "experiments": [experiment(ratio, head=head) for head, ratio in ratios.items()]}
    return store.save("overhead", document, fingerprint=HERE, created=START + timedelta(hours=hour)).id


def checked(store: Store, **options: Any) -> CheckResult:
    with Index(store) as index:
        return check(index, **options)


def _noise(runs: int) -> list[float]:
    return [float(2 * np.exp(x)) for x in np.random.default_rng(1).normal(0, 0.005, runs)]


def test_a_ladder_does_not_hide_the_table_of_yesterday(store: Store) -> None:
    """The table regressed, then a ladder was measured: both are answered, each by its own newest run."""
    for hour, ratio in enumerate([*_noise(10), 2.4]):
        table = keep(store, hour, "table", a=ratio)
    for hour, ratio in enumerate(_noise(10), 20):
        ladder = keep(store, hour, "ladder", clock=ratio)
    found = checked(store)
    assert found.runs == (("table", table), ("ladder", ladder))
    assert {finding.key.split()[1]: (finding.run, finding.outcome) for finding in found.findings} == {
        "a/none": (table, Decision.REGRESSED), "clock/none": (ladder, Decision.PASS),
    }  # fmt: skip
    assert (found.outcome, found.run) == (Decision.REGRESSED, ladder)
    lines = list(write_plain([check_section(found)]))
    assert f"checked: table: {table}; ladder: {ladder}" in lines
    assert lines[-1].startswith("regressed: 1 of 2 figures of 2 runs")


@pytest.mark.parametrize("mode", ["saturation", "scrape", "table"])
def test_a_newest_run_without_figures_is_skipped_and_named(store: Store, mode: str) -> None:
    """After `--saturation` or an interrupted table, the newest run with figures is checked, and a line says so."""
    for hour, ratio in enumerate(_noise(10)):
        table = keep(store, hour, "table", a=ratio)
    empty = keep(store, 20, mode)
    found = checked(store)
    assert (found.outcome, found.runs, found.skipped) == (Decision.PASS, (("table", table),), ((mode, empty),))
    said = f"skipped: run {empty} ({mode}) holds no figure to compare"
    assert said in list(write_plain([check_section(found)]))
    assert "\nskipped: run " in write_summary(check_section(found))
    assert check_document(found)["skipped"] == [{"question": mode, "run": empty}]


def test_runs_without_any_figure_decide_nothing_and_are_named(store: Store) -> None:
    """Nothing is claimed where nothing was measured; asked for by its id, such a run says what is wrong with it."""
    empty = keep(store, 0, "saturation")
    found = checked(store)
    assert (found.outcome, found.findings, found.run) == (Decision.UNDECIDED, (), "")
    assert list(write_plain([check_section(found)])) == [
        f"skipped: run {empty} (saturation) holds no figure to compare",
        "undecided: no run holds a figure to compare",
    ]
    named = checked(store, run=empty)
    assert "holds no figure to compare: it is invalid, or measured none" in conclusion(named)


def test_a_figure_of_two_questions_is_that_of_the_newest(store: Store) -> None:
    """A comparison that was made after the table answers for what both measured."""
    for hour, ratio in enumerate(_noise(10)):
        keep(store, hour, "table", a=ratio, b=ratio)
    newest = keep(store, 20, "comparison", a=2.4)
    runs = {finding.key.split()[1]: finding.run for finding in checked(store).findings}
    assert (runs["a/none"], runs["b/none"] != newest) == (newest, True)


def test_the_level_is_shared_between_questions(store: Store) -> None:
    """One check makes one promise about false alarms, however many runs it looks at."""
    for hour, ratio in enumerate(_noise(10)):
        keep(store, hour, "table", a=ratio)
        keep(store, 20 + hour, "ladder", b=ratio)
    assert [finding.confidence for finding in checked(store).findings] == pytest.approx([0.975, 0.975])


def test_a_run_that_is_named_is_checked_alone(store: Store) -> None:
    """`--run` asks about one run, whatever question it answers."""
    for hour, ratio in enumerate(_noise(10)):
        table = keep(store, hour, "table", a=ratio)
    keep(store, 20, "ladder", clock=2.0)
    found = checked(store, run=table)
    assert ([finding.run for finding in found.findings], found.skipped) == ([table], ())


def test_the_newest_run_of_each_question_is_found_in_the_index(store: Store) -> None:
    """Older runs with figures stand in for newer ones without; the answers come oldest first."""
    first = keep(store, 0, "ladder", a=2.0)
    table = keep(store, 1, "table", a=2.0)
    skipped = [keep(store, hour, "ladder") for hour in (2, 3)]
    rates = keep(store, 4, "saturation")
    with Index(store) as index:
        assert index.answers("overhead") == [
            NewestRun("saturation", None, rates), NewestRun("ladder", first, skipped[-1]), NewestRun("table", table),
        ]  # fmt: skip
        assert index.answers("suite") == []

"""What "measured again on its own plan" promises: the same blocks, beside the same comparisons, of the same code."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.history.checking import remeasure as again
from harness.history.envelope import Envelope
from harness.history.figures import key_of, measured_in, metrics_of
from harness.history.fingerprint import epoch_of
from harness.history.store import Store
from harness.measure.pairs.measure import comparisons_for
from harness.measure.pairs.pair import BlockPlan
from harness.measure.pairs.schedule import Terms, run_experiments
from harness.measure.questions.answer import outcome_of
from harness.measure.questions.table import TablePlan
from harness.measure.result import Experiments
from harness.measure.subject import Subject
from harness.measure.verdict import Comparison
from harness.progress import Progress
from tests.harness.history.makers import HERE, START, experiment

PAIRS = comparisons_for(["opencensus", "prometheus-client", "opencensus-lean"])


def _measure(comparisons: Sequence[Comparison], terms: Terms, progress: Progress = lambda _step: None) -> Experiments:
    """Measure nothing: the document holds the experiments and the terms."""

    def never(_base: Subject, _head: Subject) -> Any:
        raise KeyboardInterrupt

    return run_experiments(comparisons, terms, never, progress).model_copy(update={"interrupted": False})


def _kept(document: dict[str, Any], **more: Any) -> Envelope:
    values = {"id": "r", "kind": "overhead", "created": "", "label": "", "fingerprint": HERE, "git": {}}
    return Envelope(**{**values, "document": document, **more})


PLANS = {
    "the default comparison": Terms(precision=0.01, budget_s=120.0),
    "the table of make bench": Terms(budget_s=80.0, fewest=3, plan=BlockPlan(TablePlan().rounds, TablePlan().block_ns)),
    "lumps": Terms(budget_s=30.0, lumpy=True, seed=7),
    "settled": Terms(precision=0.02, budget_s=30.0, settled=True, most=64, seed=9),
}


@pytest.mark.parametrize("name", PLANS)
def test_the_plan_is_the_one_that_was_kept(name: str) -> None:
    """Rounds, block length, lumps, fewest and most pairs, precision and budget come back; only the seed is another."""
    terms = PLANS[name]
    document = _measure(PAIRS, terms).model_dump(mode="json")
    (group,) = again.groups_in(document)
    assert group.terms == replace(terms, seed=terms.seed + 1, tolerance=group.terms.tolerance)
    assert document["terms"]["comparisons"] == len(PAIRS)


def test_a_figure_is_measured_beside_what_was_measured_beside_it_then() -> None:
    """All comparisons of the call take turns again; the figure that is wanted is the only one to come back."""
    document = _measure(PAIRS, PLANS["the table of make bench"]).model_dump(mode="json")
    wanted = measured_in(document)[1].key
    seen: list[tuple[Sequence[Comparison], Terms]] = []

    def paired(comparisons: Sequence[Comparison], terms: Terms, progress: Progress) -> Experiments:
        seen.append((comparisons, terms))
        return _measure(comparisons, terms, progress)

    found = again.measure_again(_kept(document), [wanted], lambda _step: None, paired=paired)
    ((comparisons, terms),) = seen
    assert list(comparisons) == PAIRS
    assert (terms.plan, terms.budget_s, terms.precision) == (BlockPlan(10, 6_000_000), 80.0, None)
    assert [metric.key for metric in found] == [wanted]


def test_each_part_of_a_long_measurement_has_its_own_plan() -> None:
    """What was measured for the table and for a law goes back to its own blocks and its own neighbours."""
    law = comparisons_for(["opencensus"], series=(10, 100))
    parts = {
        "table": _measure(PAIRS, PLANS["the table of make bench"]),
        "laws:series": _measure(law, Terms(budget_s=210.0, fewest=3, plan=BlockPlan(10, 5_000_000))),
    }
    document = outcome_of("full", parts).document()
    groups = again.groups_in(document)
    assert [list(group.comparisons) for group in groups] == [PAIRS, law]
    assert [(group.terms.plan.block_ns, group.terms.budget_s) for group in groups] == [
        (6_000_000, 80.0),
        (5_000_000, 210.0),
    ]
    (only,) = again.groups_in(document, [groups[1].keys[0]])
    assert (list(only.comparisons), only.keys) == (law, groups[1].keys[:1])


def test_the_time_allowed_is_shared_out_and_spent() -> None:
    """A budget given replaces what was spent then; the blocks stay."""
    parts = {
        "table": _measure(PAIRS, PLANS["the default comparison"]),
        "comparison": _measure(PAIRS[:1], PLANS["lumps"]),
    }
    groups = again.shared(again.groups_in(outcome_of("full", parts).document()), 100.0, seed=5)
    assert [(g.terms.budget_s, g.terms.precision, g.terms.seed, g.terms.lumpy) for g in groups] == [
        (75.0, None, 5, False), (25.0, None, 5, True),
    ]  # fmt: skip


def test_a_precision_without_a_budget_is_bounded_by_what_it_took() -> None:
    """In a restless hour a precision is never reached; twice the time of then is enough to say so."""
    document = _measure(PAIRS, Terms(precision=0.01)).model_dump(mode="json")
    assert again.groups_in({**document, "elapsed_s": 40.0})[0].terms.budget_s == 80.0
    assert again.groups_in({**document, "elapsed_s": 0.5})[0].terms.budget_s == 10.0


def test_documents_of_earlier_versions_have_the_plan_that_they_store() -> None:
    """Terms without the newer fields are read, and give the rounds and blocks that they hold."""
    document = _measure(PAIRS, PLANS["the table of make bench"]).model_dump(mode="json")
    for name in ("fewest", "most", "lumpy", "settled", "comparisons"):
        del document["terms"][name]
    Experiments.model_validate(document)
    (group,) = again.groups_in(document)
    assert (group.terms.plan, group.terms.lumpy, group.terms.fewest) == (BlockPlan(10, 6_000_000), False, 4)
    assert {metric.key.rpartition(" ")[2] for metric in metrics_of("overhead", document)} == {"plan=10x6ms"}


def test_runs_of_different_plans_never_share_a_series() -> None:
    """The same comparison in other blocks, or by totals, is another figure; counts have no blocks."""
    kept = {"rounds": 20, "block_ns": 10_000_000, "precision": 0.01, "budget_s": 9.0, "seed": 1, "tolerance": 0.02}
    changes = ({}, {"rounds": 10}, {"block_ns": 6_000_000}, {"lumpy": True})
    keys = {key_of(experiment(), {**kept, **change}) for change in changes}
    assert len(keys) == 4
    same = ({"seed": 2}, {"budget_s": 60.0}, {"precision": None}, {"comparisons": 9})
    assert {key_of(experiment(), {**kept, **change}) for change in same} == {key_of(experiment(), kept)}
    assert "plan" not in key_of({**experiment(), "axis": "instructions"}, {**kept, "block_ns": 0})


def test_what_stood_beside_a_figure_and_cannot_be_told_is_left_out() -> None:
    """A wanted figure whose description does not tell it in full is refused; one beside it costs nothing."""
    vague = Comparison(Subject(views=("demo_latency",)), Subject(instrument="opencensus", views=("demo_latency",)))
    document = _measure([PAIRS[0], vague], Terms(budget_s=9.0)).model_dump(mode="json")
    plain, other = (measured.key for measured in measured_in(document))
    assert list(again.groups_in(document, [plain])[0].comparisons) == PAIRS[:1]
    with pytest.raises(UsageError, match="not told in full"):
        again.groups_in(document, [other])


MACHINE = {"cpu": "x", "kernel": "Linux 6.8.0-1-azure"}
PLACE = {"machine": MACHINE, "epoch": epoch_of(MACHINE), "versions": {"prometheus-client": "0.26.0"}}
GIT = {"revision": "abc", "branch": "main", "dirty": False}


@pytest.mark.parametrize(
    ("what", "here", "git", "kept", "reason"),
    [
        ("all is as it was", {}, {}, {}, ""),
        ("the branch has another name", {}, {"branch": "x"}, {}, ""),
        ("the kernel was patched", {"machine": {**MACHINE, "kernel": "Linux 6.8.0-2-azure"}}, {}, {}, ""),
        ("another machine", {"machine": {**MACHINE, "cpu": "y"}}, {}, {}, "another machine"),
        ("another library", {"versions": {"prometheus-client": "0.27.0"}}, {}, {}, "other versions"),
        ("another commit", {}, {"revision": "def"}, {}, "another revision"),
        ("edited since", {}, {"dirty": True}, {}, "not committed"),
        ("edited then, clean now", {}, {}, {"dirty": True}, "not committed"),
        ("edited then and now", {}, {"dirty": True}, {"dirty": True}, "not committed"),
        ("no repository", {}, {"revision": None, "dirty": None}, {"revision": None, "dirty": None}, ""),
    ],
)
def test_only_the_same_code_on_the_same_machine_is_measured_again(
    what: str, here: dict[str, Any], git: dict[str, Any], kept: dict[str, Any], reason: str
) -> None:
    """Where {what} it is refused with the reason; a tree with changes is never the same code, not even as itself."""
    run = _kept({}, fingerprint=PLACE, git={**GIT, **kept})
    told = again.why_not(run, {**PLACE, **here}, {**GIT, **git})
    assert reason in told, what
    assert bool(told) is bool(reason), what


def test_results_without_pairs_are_not_measured_again() -> None:
    """A load run has no paired experiments."""
    assert "not made of paired experiments" in again.why_not(_kept({}, kind="run"), PLACE, GIT)


def test_two_plans_in_one_store_are_two_series(tmp_path: Path) -> None:
    """Runs of `make bench` and of a comparison do not become each other's history."""
    from harness.history.index import Index

    store = Store(tmp_path)
    for hour, plan in enumerate([BlockPlan(10, 6_000_000), BlockPlan(20, 10_000_000)] * 3):
        document = _measure(PAIRS[:1], Terms(budget_s=1.0, plan=plan)).model_dump(mode="json")
        store.save("overhead", document, fingerprint=HERE, created=START.replace(hour=hour))
    with Index(store) as index:
        assert [len(index.points(key)) for key in sorted(index.trending())] == [3, 3]

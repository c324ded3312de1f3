"""What a measurement could decide, and what it says about that."""

import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.host.environment import environment
from harness.measure.compare.compare import Compared, ComparedSide, Judged
from harness.measure.pairs.schedule import Terms, run_experiments
from harness.measure.questions.answer import outcome_of
from harness.measure.resolution import Resolution, advice, advice_on, document_notes, resolution, resolution_of
from harness.measure.result import Experiments, Loaded, RawPair, TermsUsed
from harness.measure.stats import power_of
from harness.measure.subject import Subject
from harness.measure.verdict import Comparison, experiment_of
from harness.report.answer import answer_markdown, answer_view
from harness.report.commands.compare import compared_section
from harness.report.text import markdown
from harness.report.writers.terminal import write_terminal

PAIR = Comparison(Subject(), Subject(instrument="opencensus"))
OTHER = Comparison(Subject(), Subject(instrument="prometheus-client"))


def raw(log_ratio, seed=1):
    return RawPair(
        base_blocks=[1], head_blocks=[1], base_lines=1, head_lines=1, order="b", hash_seeds=(seed, seed),
        base_per_line=1000.0, head_per_line=1000.0, log_ratio=log_ratio, difference=1.0,
    )  # fmt: skip


def experiment(spread, pairs=12, controls=6, comparison=PAIR, axis="wall_ns"):
    nulls = [raw(spread if i % 2 else -spread, seed=i) for i in range(controls)]
    return experiment_of(comparison, [raw(0.1)] * pairs, nulls, tolerance=0.02, axis=axis)


def document(*experiments, **more):
    terms = TermsUsed(precision=None, budget_s=1, rounds=1, block_ns=1, seed=1, tolerance=0.02)
    here = environment().model_copy(update={"cpu_note": "", **more.pop("here", {})})
    return Experiments(environment=here, terms=terms, elapsed_s=1, experiments=list(experiments), **more)


@given(st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=30), st.integers(2, 100))
def test_the_effect_is_found_four_times_in_five(logs, pairs):
    """The smallest difference decidable has power 0.8 at the spread of identical code and that many pairs."""
    found = resolution([logs], [pairs])
    if found.spread > 1e-6:
        assert power_of(math.log1p(found.effect), found.spread, pairs) == pytest.approx(0.8, abs=1e-6)


def test_variances_are_pooled_within_bases():
    """Two bases that differ in their mean, not in their spread, are as noisy together as each alone."""
    alone, both = resolution([[0.0, 0.1]], [9]), resolution([[0.0, 0.1], [5.0, 5.1], [7.0]], [9])
    assert both.spread == pytest.approx(alone.spread)
    assert both.controls == 4
    assert resolution([[0.0, 0.1]], [3, 9, 100]).pairs == 9


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (resolution([], [12]), "no control"),
        (resolution([[0.1], [0.2]], [12]), "one pair of each base bounds nothing"),
        (resolution([[0.1, 0.2]], []), "no comparison"),
        (resolution_of([]), "nothing"),
        (resolution_of([experiment(0.1, axis="instructions")]), "counted, not timed"),
    ],
)
def test_without_controls_nothing_is_said(found, says):
    """Where no A/A pairs were timed there is no line."""
    assert found is None, says


def test_comparisons_that_share_a_base_share_its_controls():
    """A control counts once, however many comparisons carry it."""
    shared = resolution_of([experiment(0.05), experiment(0.05, comparison=OTHER)])
    assert shared == resolution_of([experiment(0.05)])
    assert shared.controls == 6


@pytest.mark.parametrize(
    ("found", "expected", "not_said"),
    [
        (Resolution(0.012, 0.01, 24, 12), "could decide differences of 1.2 % and more today", "For smaller ones"),
        (Resolution(0.05, 0.04, 8, 4), "more time (--budget, 6.1 times as much for 2 %)", "\n"),
        (Resolution(0.4, 0.19, 6, 3), "a quieter machine, more time (--budget), or counting (--axis", "times"),
        (Resolution(0.4, 0.19, 6, 3), "(identical code: 19 % from pair to pair, 6 pairs)", "times"),
        (Resolution(math.inf, 0.19, 1, 3), "give it more time (--budget)", "inf"),
    ],
)  # fmt: skip
def test_it_is_said_in_one_line_with_what_to_do(found, expected, not_said):
    """A noisy machine's line says what it could decide and what would help; a quiet one's only the former."""
    line = advice(found)
    assert expected in line
    assert not_said not in line


def test_notes_stand_above_the_figures():
    """Noise, processors that share a core, and a library from elsewhere: a line each, each once."""
    loaded = {side: [Loaded(library="prometheus-client", version="", file="/c/p.py")] for side in ("none", "x")}
    libraries = {"prometheus-client": "from /c/p.py"}
    found = list(document_notes(document(
        experiment(0.05), loaded=loaded, here={"cpu_note": "CPUs 0 and 1 are one", "libraries": libraries}
    )))  # fmt: skip
    assert [line.split(" ", 2)[0] for line in found] == ["This", "Note:", "Note:"]
    assert found[1] == "Note: CPUs 0 and 1 are one."
    assert found[2] == "Note: prometheus-client was loaded from /c/p.py, which is no installed version."
    assert list(document_notes(document())) == []


def test_a_stored_document_says_the_same():
    """What was kept is told as what was just measured; a document of another kind tells nothing."""
    whole = document(experiment(0.05))
    assert advice_on(whole.model_dump(mode="json")) == next(document_notes(whole))
    assert advice_on({"experiments": [{"axis": "wall_ns"}]}) == ""
    assert advice_on({"kind": "run"}) == ""


def test_every_rendering_says_it_first():
    """Terminal, Markdown and the summary of a comparison have the line above their tables."""
    whole = document(experiment(0.05))
    line = next(document_notes(whole))
    outcome = outcome_of("comparison", {"comparison": whole})
    assert answer_markdown(outcome).startswith(markdown(line))
    side = ComparedSide(role="BASE", given="a", kind="instrument", drives="a", python="3", libraries={})
    compared = Compared(
        base=side, head=side, tolerance=0.03, outcome="pass", documents=[whole],
        judged=[Judged(axis="wall_ns", outcome="pass", reason="")],
    )  # fmt: skip
    for view, heading in (
        (answer_view(outcome), "What a line costs"),
        (write_terminal(compared_section(compared).parts), "per line"),
    ):
        console = Console(width=400, file=io.StringIO())
        console.print(view)
        text = console.file.getvalue()
        assert 0 <= text.index(line) < text.index(heading)


def test_it_follows_from_real_experiments():
    """The line rests on the A/A pairs that the experiments themselves measured."""
    logs = iter(0.03 * (-1) ** i for i in range(1000))
    found = run_experiments([PAIR], Terms(budget_s=1e-9, fewest=12), lambda _base, _head: raw(next(logs)))
    assert resolution_of(found.experiments).pairs == 12

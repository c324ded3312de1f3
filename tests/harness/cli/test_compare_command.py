import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from harness import cli
from harness.cli.commands.compare import compare
from harness.host.environment import environment
from harness.measure.compare import compare as measured
from harness.measure.compare.compare import AXES, Compared, ComparedSide, Judged
from harness.measure.result import Experiments, RawPair, TermsUsed
from harness.measure.subject import Subject
from harness.measure.verdict import Comparison, experiment_of


def result(outcome="pass", *, interrupted=False):
    pair = RawPair(
        base_blocks=[1], head_blocks=[1], base_lines=1, head_lines=1, order="b", hash_seeds=(1, 2),
        base_per_line=6120.0, head_per_line=6180.0, log_ratio=0.01, difference=100.0,
    )  # fmt: skip
    same = pair.model_copy(update={"log_ratio": 0.0})
    found = experiment_of(Comparison(Subject(), Subject(label="x")), [pair] * 3, [same] * 2, tolerance=0.03)
    terms = TermsUsed(precision=0.01, budget_s=1, rounds=1, block_ns=1, seed=1, tolerance=0.03)
    document = Experiments(
        environment=environment(), terms=terms, elapsed_s=1, experiments=[found], interrupted=interrupted
    )
    sides = [
        ComparedSide(
            role=role, given="[red]a==1", kind="requirements", drives="none", python="CPython 3", libraries=has
        )
        for role, has in (("BASE", {"a": "1"}), ("HEAD", {"a": "2"}))
    ]
    judged = [Judged(axis="wall_ns", outcome=outcome, reason="because")]
    return Compared(base=sides[0], head=sides[1], tolerance=0.03, outcome=outcome, judged=judged, documents=[document])


def invoke(monkeypatch, *arguments, found=None):
    monkeypatch.setattr(measured, "compare", lambda *_args, **_kwargs: found or result())
    return CliRunner().invoke(compare, ["none", "none", *arguments], standalone_mode=False)


@pytest.mark.parametrize(("outcome", "code"), [("pass", 0), ("improved", 0), ("regressed", 1), ("undecided", 3)])
def test_the_exit_code_is_the_verdict(monkeypatch, outcome, code):
    """Scripts read the verdict from the exit code, people from the last line."""
    done = invoke(monkeypatch, found=result(outcome))
    assert done.return_value == code
    assert done.output.rstrip().endswith(f"verdict: {outcome}")


def test_an_interrupted_comparison_exits_with_130(monkeypatch):
    """Ctrl-C shows what was measured, and is told by the exit code."""
    done = invoke(monkeypatch, found=result(interrupted=True))
    assert done.return_value == 130
    assert "interrupted" in done.output


def test_the_summary_shows_costs_libraries_and_words_as_given(monkeypatch):
    """A row per axis in readable units, the libraries that differ, and nothing of the user's taken for markup."""
    done = invoke(monkeypatch)
    for expected in ("[red]a==1", "wall time, µs", "6.12", "6.18", "1.01 (1.01–1.01)", "a 1 → 2", "because"):
        assert expected in done.output


def test_the_json_holds_everything(monkeypatch, tmp_path):
    """The file holds sides, verdicts and raw pairs, and reads back as what was found."""
    path = tmp_path / "found.json"
    invoke(monkeypatch, "--json", str(path))
    assert Compared.model_validate(json.loads(path.read_text())) == result()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["compare"], "BASE: it is missing"),
        (["compare", "none"], "HEAD: it is missing"),
        (["compare", "none", "nosuch"], "HEAD: 'nosuch' is no instrument"),
        (["compare", "none", "none", "--axis", "wall,heat"], "--axis': 'heat' is not one of"),
        (["compare", "none", "none", "--tolerance", "x"], "--tolerance': "),
        (["compare", "none", "none", "--tolerance", "100%"], "--tolerance: "),
        (["compare", "none", "none", "--precision", "0"], "--precision: "),
        (["compare", "none", "none", "--budget", "5"], "--budget"),
        (["compare", "none", "none", "--instrument", "none", "--target", "a:b"], "choose one"),
        (["compare", "none", "none", "--json", "/no/such/folder/x"], "--json: "),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(capsys, arguments, word):
    """A mistake is told in one line that names the side or the flag, before anything is measured."""
    assert cli._run(arguments) == 2
    said = capsys.readouterr().err
    assert word in said
    assert said.count("\n") == 1


def test_clearing_an_empty_cache_needs_no_sides(tmp_path):
    """`--clear-cache` stands alone and says what it did."""
    done = CliRunner().invoke(compare, ["--clear-cache", "--cache", str(tmp_path / "none")], standalone_mode=False)
    assert (done.return_value, done.output) == (0, "0 environments removed\n")


@pytest.mark.slow
def test_two_instruments_are_compared_by_the_real_command():
    """The command as a user types it: recording against not recording is a regression, and exits with 1."""
    command = [sys.executable, "-m", "harness.cli", "compare", "none", "prometheus-client", "--budget", "4s"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    assert "verdict: regressed" in done.stdout


def test_every_axis_there_is_can_be_chosen() -> None:
    """The command knows the axes without importing what measures them."""
    (option,) = [each for each in compare.params if each.name == "axis"]
    assert option.type.convert(",".join(AXES), option, None) == AXES

import shutil
import subprocess

import pytest

from harness.errors import RunError
from harness.measure.compare.compare import compare, gravest, judge
from harness.measure.compare.sides import SideCode
from harness.measure.compare.venvs import Cache
from harness.measure.counts.allocations import count_allocated, parse_total
from harness.measure.pairs.pair import BlockPlan
from harness.measure.pairs.schedule import Terms, run_experiments
from harness.measure.result import RawPair
from harness.measure.subject import Subject
from harness.measure.verdict import Comparison, experiment_of

PAIR = Comparison(Subject(label="old"), Subject(label="new"))


def raw(log_ratio):
    return RawPair(
        base_blocks=[1], head_blocks=[1], base_lines=1, head_lines=1, order="b", hash_seeds=(1, 2),
        base_per_line=1000.0, head_per_line=1000.0, log_ratio=log_ratio, difference=1.0,
    )  # fmt: skip


def experiment(centre, spread=0.001, null=0.0):
    logs = [centre - spread, centre + spread] * 4
    nulls = [raw(null - 0.001), raw(null + 0.001)] * 3
    return experiment_of(PAIR, [raw(log) for log in logs], nulls, tolerance=0.03)


@pytest.mark.parametrize(
    ("found", "outcome", "says"),
    [
        (experiment(0.10), "regressed", "the whole interval lies above the tolerance"),
        (experiment(-0.10), "improved", "the whole interval lies below it"),
        (experiment(0.0), "pass", "no difference"),
        (experiment(0.01), "pass", "slower, by less than matters"),
        (experiment(-0.01, 0.06), "undecided", "it reaches above the tolerance"),
        (experiment(-0.02, 0.015), "pass", "it reaches below the tolerance only: no slower than allowed"),
        (experiment(0.10, null=0.05), "undecided", "the base differs from itself: nothing is to be believed"),
        (experiment_of(PAIR, [raw(0.1)], [raw(0.0)] * 3, tolerance=0.03), "undecided", "one pair bounds nothing"),
        (experiment_of(PAIR, [raw(0.1)] * 3, [], tolerance=0.03), "undecided", "without a control nothing is said"),
    ],
)
def test_the_interval_decides(found, outcome, says):
    """The verdict is the place of the ratio's interval beside the tolerance."""
    assert judge(found, 0.03)[0] == outcome, says


@pytest.mark.parametrize(
    ("found", "expected"),
    [(["pass", "improved"], "improved"), (["pass", "undecided", "regressed"], "regressed"),
     (["undecided", "improved"], "undecided"), ([], "undecided")],
)  # fmt: skip
def test_the_gravest_verdict_stands_for_all(found, expected):
    """One axis that regressed is a regression."""
    assert gravest(found) == expected


def test_documents_call_the_sides_as_they_were_written(tmp_path):
    """Sides, conclusion and verdict carry the user's own words; each axis has its document; all survive JSON."""
    probed, logs = [], iter([0.2, 0.21] * 40)

    def measured(comparison, axis, terms, progress):
        found = run_experiments(
            [comparison], terms, lambda base, head: raw(0.0 if base == head else next(logs)), progress
        )
        assert axis == "wall"
        return found

    found = compare(
        "none", "prometheus-client", SideCode(), Terms(precision=0.01, most=12, seed=3), Cache(tmp_path),
        measure=measured, probe=lambda side: probed.append(side.spec.role) or (),
    )  # fmt: skip
    assert probed == ["BASE", "HEAD"]
    assert (found.outcome, found.judged[0].axis) == ("regressed", "wall_ns")
    assert found.documents[0].experiments[0].head == "prometheus-client"
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_a_label_and_a_folder_stay_with_the_parent():
    """Workers of earlier revisions know neither; what they are told is what they always were."""
    sent = Subject("none", label="x", folder="/f").to_json()
    assert "label" not in sent
    assert "folder" not in sent
    assert Subject.from_json(sent) == Subject("none")
    assert Subject("none", label="x").name == "x"


def test_valgrinds_total_is_read():
    """The bytes are those of the closing words, thousands separated."""
    assert parse_total("==1==   total heap usage: 1,2 allocs, 3 frees, 50,700,780 bytes allocated\n") == 50_700_780
    with pytest.raises(RunError, match="reported no total: killed"):
        parse_total("==1== x\nkilled\n")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is missing")
def test_recording_allocates_more_than_not_recording():
    """What a line allocates is counted although it is freed again, and the count nearly repeats."""
    bare, again, recording = (count_allocated(Subject(name)) for name in ("none", "none", "prometheus-client"))
    assert bare.per_line == pytest.approx(again.per_line, rel=0.1)
    assert recording.per_line > 2 * bare.per_line


@pytest.mark.slow
def test_two_revisions_of_a_users_function_are_compared_with_each_other(tmp_path, monkeypatch):
    """From checking out to the verdict: the later revision of a function takes ten times as long, and that is found."""
    repository = tmp_path / "shop"
    repository.mkdir()
    for number, turns in enumerate((200, 2000)):
        # An empty loop grows with its turns alone; numbers above 256 are dearer than those that Python keeps ready.
        code = f"import itertools\ndef handle(line):\n    for _ in itertools.repeat(None, {turns}):\n        pass\n"
        (repository / "shop_code.py").write_text(code)
        for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", str(number)]):
            who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
            subprocess.run(["git", "-C", repository, *who, *arguments], check=True)
    (repository / "shop_code.py").write_text("raise RuntimeError('the work tree is no side')\n")
    monkeypatch.chdir(repository)
    terms = Terms(budget_s=1, fewest=4, plan=BlockPlan(rounds=5, block_ns=1_000_000))
    found = compare("git:HEAD~1", "git:HEAD", SideCode(target="shop_code:handle"), terms, Cache(tmp_path / "cache"))
    assert 5 < found.documents[0].experiments[0].ratio < 20
    assert found.base.commit != found.head.commit

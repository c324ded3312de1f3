"""What the comparison with other tools promises: its table follows from what was measured, which is kept."""

import gzip
import json
import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import compare_tools
from benchmarks.compare_tools import BEGIN, DOCS, END, RULES, SHARES, STORED, TOOLS, Trial, block, schedule, write_docs
from harness.measure.compared import judge
from harness.measure.document import Experiment


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    """Return the whole session whose table is in the docs."""
    found: dict[str, Any] = json.loads(gzip.decompress(STORED.read_bytes()))
    return found


def records(stored: dict[str, Any], tool: str) -> list[dict[str, Any]]:
    return [each for each in stored["records"] if each["tool"] == tool]


def test_the_table_in_the_docs_is_what_was_measured(stored: dict[str, Any], tmp_path: Path) -> None:
    """Written anew from the stored session, the page comes out as it is, to the letter."""
    page = tmp_path / "compare.md"
    shutil.copy(DOCS, page)
    write_docs(block(stored), page)
    assert page.read_text(encoding="utf-8") == DOCS.read_text(encoding="utf-8")


def test_every_tool_made_every_trial_in_the_one_session(stored: dict[str, Any]) -> None:
    """No trial is left out, of no tool, and each tool was given the same work."""
    made = {tool: sorted((each["share"], each["number"]) for each in records(stored, tool)) for tool in TOOLS}
    count = sum(each[0] == SHARES[1] for each in made[TOOLS[0]])
    planned = sorted((trial.share, trial.number) for trial in schedule(count))
    assert made == dict.fromkeys(TOOLS, planned)
    for one in planned:
        same = [each for each in stored["records"] if (each["share"], each["number"]) == one]
        assert len({each["turns"] for each in same}) == 1


def test_the_work_that_was_added_is_the_share_it_is_called(stored: dict[str, Any]) -> None:
    """Whole turns of the loop come within half a turn of 1, 2 or 5 % of a line, and identical code got none."""
    turn = stored["turn_share"]
    for each in stored["records"]:
        assert abs(each["turns"] * turn - each["share"]) <= turn / 2
        assert (each["turns"] == 0) == (each["share"] == 0)


def test_the_added_work_is_in_the_fastest_call_too(stored: dict[str, Any]) -> None:
    """Rules that look at the minimum have something to find: with 5 % more it is higher, in most of the trials."""
    slowed = [each["raw"] for each in records(stored, "pytest-benchmark") if each["share"] == SHARES[-1]]
    assert statistics.median(head["min"] / base["min"] - 1 for base, head in slowed) > SHARES[-1] / 2


def test_our_verdicts_follow_from_their_intervals(stored: dict[str, Any]) -> None:
    """What stands for this project is what `harness compare` says of these pairs today."""
    for record in records(stored, "this project"):
        experiment = Experiment.model_validate(record["raw"])
        said = [judge(experiment, tolerance)[0] == "regressed" for tolerance in (0.0, 0.03)]
        assert said == list(record["slower"].values())


def test_verdicts_of_pytest_benchmark_follow_from_its_figures(stored: dict[str, Any]) -> None:
    """Each rule fired just when the head's mean or minimum is that much above the base's."""
    for record in records(stored, "pytest-benchmark"):
        base, head = record["raw"]
        for rule, fired in record["slower"].items():
            field, _, limit = rule.partition("=")[2].rstrip("%").partition(":")
            assert fired == (head[field] / base[field] - 1 > float(limit) / 100), rule


def test_verdicts_of_pyperf_are_what_it_said(stored: dict[str, Any]) -> None:
    """It says how much slower where it finds a significant difference, and hides the benchmark where it does not."""
    (rule,) = RULES["pyperf"]
    for record in records(stored, "pyperf"):
        assert record["slower"][rule] == ("x slower" in record["raw"]["said"])


def test_each_slowdown_is_spread_over_the_whole_session() -> None:
    """Trials of one kind never stand together at one end, where a spell of the machine would be theirs alone."""
    plan = schedule(12)
    assert len(plan) == len(set(plan)) == 30 + 3 * 12
    for share in SHARES:
        places = [place for place, trial in enumerate(plan) if trial.share == share]
        assert places[0] < len(plan) / 5
        assert places[-1] > len(plan) * 4 / 5
    assert all(isinstance(trial, Trial) for trial in plan)


def test_a_page_without_the_markers_is_left_alone(tmp_path: Path) -> None:
    """The table has its place, or the page stays as it is and one line says what is missing."""
    page = tmp_path / "page.md"
    page.write_text(f"{END}\n{BEGIN}\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="markers"):
        write_docs("table", page)
    assert page.read_text(encoding="utf-8") == f"{END}\n{BEGIN}\n"


def test_an_interrupted_session_goes_on_with_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are saved one by one, and the same command makes the others only."""
    made: list[tuple[float, int, str]] = []

    def trial(which: Trial, turn_share: float, seconds: float, missing: list[str]) -> Iterator[dict[str, Any]]:
        for tool in missing:
            made.append((which.share, which.number, tool))
            if len(made) == 6:
                raise KeyboardInterrupt
            yield {"tool": tool, "share": which.share, "number": which.number, "given": (turn_share, seconds)}

    monkeypatch.setattr(compare_tools, "run_trial", trial)
    shares = iter([0.001])
    monkeypatch.setattr(compare_tools, "calibrate", lambda: next(shares))
    path = tmp_path / "results.json.gz"
    with pytest.raises(KeyboardInterrupt):
        compare_tools.measure(path, compare_tools.load(path, 10.0), 1)
    again = compare_tools.load(path, 10.0)
    assert len(again["records"]) == 5
    compare_tools.measure(path, again, 1)
    # The one that was interrupted is made once more.
    assert (len(made), len(set(made))) == (16, 15)
    # And with the same amount of work: what a turn takes was found once.
    assert {tuple(each["given"]) for each in again["records"]} == {(0.001, 10.0)}


@pytest.mark.parametrize(
    ("changed", "says"),
    [("version", "another version"), ("seconds", "holds trials of"), ("environment", "measured elsewhere")],
)
def test_sessions_are_never_mixed(tmp_path: Path, changed: str, says: str) -> None:
    """Results of another length or another machine are not gone on with."""
    path = tmp_path / "results.json.gz"
    compare_tools.save(path, {**compare_tools.load(path, 10.0), changed: 20.0})
    with pytest.raises(SystemExit, match=says):
        compare_tools.load(path, 10.0)

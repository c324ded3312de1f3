"""What the comparison with other tools promises: its table follows from what was measured, which is kept."""

import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cost import compare_tools
from benchmarks.cost.compare_tools import VERSION, Trial, schedule
from benchmarks.cost.tools.table import BEGIN, DOCS, END, PROCEDURES, SHARES, STORED, block, table, write_docs
from benchmarks.cost.tools.trials import RULES, TOOLS
from harness.measure.compare.compare import judge
from harness.measure.result import Experiment


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
    tools = {each["tool"] for each in stored["records"]}
    made = {tool: sorted((each["share"], each["number"]) for each in records(stored, tool)) for tool in tools}
    count = sum(each[0] == SHARES[1] for each in made[TOOLS[0]])
    planned = sorted((trial.share, trial.number) for trial in schedule(count))
    assert made == dict.fromkeys(tools, planned)
    for one in planned:
        same = [each for each in stored["records"] if (each["share"], each["number"]) == one]
        assert len({each["turns"] for each in same}) == 1
    # Sessions before version 4 had no asv and no pytest-codspeed.
    assert tools == (set(TOOLS) if stored["version"] >= 4 else set(TOOLS) - {"asv", "pytest-codspeed"})


def test_a_tool_that_a_session_lacks_has_no_row() -> None:
    """A table never has a row without any measurement."""
    verdicts = dict.fromkeys(RULES["asv"], True)
    session = {"records": [{"tool": "asv", "share": 0.01, "wall_s": 9.0, "slower": verdicts}]}
    rows = table(session).splitlines()[2:]
    assert len(rows) == len(RULES["asv"])
    assert all(row.startswith("| asv, ") and "| 1/1 (" in row for row in rows)


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
    prepared: list[float] = []

    def trial(which: Trial, turn_share: float, seconds: float, missing: list[str]) -> Iterator[dict[str, Any]]:
        for tool in missing:
            made.append((which.share, which.number, tool))
            if len(made) == 8:
                raise KeyboardInterrupt
            yield {"tool": tool, "share": which.share, "number": which.number, "given": (turn_share, seconds)}

    monkeypatch.setattr(compare_tools, "run_trial", trial)
    found = iter([{"tool": "timeit", "turns": 600, "ratios": [1.6], "turn_share": 0.001}])
    monkeypatch.setattr(compare_tools, "calibrate", lambda: next(found))
    monkeypatch.setattr(compare_tools, "prepare", lambda turn_share: prepared.append(turn_share))
    path = tmp_path / "results.json.gz"
    with pytest.raises(KeyboardInterrupt):
        compare_tools.measure(path, compare_tools.load(path, 10.0), 1)
    again = compare_tools.load(path, 10.0)
    assert len(again["records"]) == 7
    compare_tools.measure(path, again, 1)
    # The one that was interrupted is made once more.
    every = len(schedule(1)) * len(TOOLS)
    assert (len(made), len(set(made))) == (every + 1, every)
    # The environments of the tools are looked after before the trials, not within one.
    assert prepared == [0.001, 0.001]
    # And with the same amount of work: what a turn takes was found once, and is kept with how.
    assert again["calibration"]["tool"] == "timeit"
    assert {tuple(each["given"]) for each in again["records"]} == {(0.001, 10.0)}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ("version", "another version"),
        ("seconds", "holds trials of"),
        ("environment", "measured elsewhere"),
        ("tools", "measured elsewhere"),
    ],
)
def test_sessions_are_never_mixed(tmp_path: Path, changed: str, says: str) -> None:
    """Results of another length or another machine are not gone on with."""
    path = tmp_path / "results.json.gz"
    compare_tools.save(path, {**compare_tools.load(path, 10.0), changed: 20.0})
    with pytest.raises(SystemExit, match=says):
        compare_tools.load(path, 10.0)


def test_the_page_says_how_the_tools_were_used_in_the_session_it_shows(stored: dict[str, Any]) -> None:
    """Word for word what holds for the version that made it, not what the script would do today."""
    page = DOCS.read_text(encoding="utf-8")
    assert all(line in page for line in PROCEDURES[stored["version"]])
    others = {line for lines in PROCEDURES.values() for line in lines} - set(PROCEDURES[stored["version"]])
    assert not any(line in page for line in others)
    assert VERSION in PROCEDURES


@pytest.mark.slow
def test_a_small_session_is_made_stored_and_gone_on_with(tmp_path: Path) -> None:
    """The real tools, one trial of each slowdown: every record is there, with how a turn was measured."""
    path = tmp_path / "session.json.gz"
    command = [sys.executable, str(compare_tools.COST / "compare_tools.py"), "--trials", "1", "--seconds", "5"]
    # pytest-benchmark measures nothing where it takes itself for a part of a distributed run of tests.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, "--results", str(path)], env=clean, capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    session = json.loads(gzip.decompress(path.read_bytes()))
    assert len(session["records"]) == 5 * len(TOOLS)
    assert session["version"] == VERSION
    assert session["turn_share"] == session["calibration"]["turn_share"] > 0
    assert all(line in done.stdout for line in PROCEDURES[VERSION][1:])
    assert all(f"{tool}, `{rule}`" in done.stdout for tool, rules in RULES.items() for rule in rules)
    # What was measured is the function, which takes some microseconds, and not an import or nothing.
    for record in session["records"]:
        if record["tool"] == "asv":
            assert all(1e-6 < record["raw"][side]["result"][0] < 1e-3 for side in ("base", "head"))
        if record["tool"] == "pytest-codspeed":
            assert all(1e3 < stats["median_ns"] < 1e6 for stats in record["raw"])

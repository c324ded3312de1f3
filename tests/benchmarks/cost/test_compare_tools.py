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
from benchmarks.cost.compare_tools import (
    BEGIN,
    DOCS,
    END,
    PROCEDURES,
    RULES,
    SHARES,
    STORED,
    TOOLS,
    TURNS,
    VERSION,
    Trial,
    block,
    schedule,
    write_docs,
)
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
    found = iter([{"tool": "timeit", "turns": 600, "ratios": [1.6], "turn_share": 0.001}])
    monkeypatch.setattr(compare_tools, "calibrate", lambda: next(found))
    path = tmp_path / "results.json.gz"
    with pytest.raises(KeyboardInterrupt):
        compare_tools.measure(path, compare_tools.load(path, 10.0), 1)
    again = compare_tools.load(path, 10.0)
    assert len(again["records"]) == 5
    compare_tools.measure(path, again, 1)
    # The one that was interrupted is made once more.
    assert (len(made), len(set(made))) == (16, 15)
    # And with the same amount of work: what a turn takes was found once, and is kept with how.
    assert again["calibration"]["tool"] == "timeit"
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


def test_the_page_says_how_the_tools_were_used_in_the_session_it_shows(stored: dict[str, Any]) -> None:
    """Word for word what holds for the version that made it, not what the script would do today."""
    page = DOCS.read_text(encoding="utf-8")
    assert all(line in page for line in PROCEDURES[stored["version"]])
    others = [line for version, lines in PROCEDURES.items() if version != stored["version"] for line in lines]
    assert not any(line in page for line in others)
    assert VERSION in PROCEDURES


class Commands:
    """Takes the place of `compare_tools.call`: notes what would be run, and leaves the files that it would."""

    def __init__(self) -> None:
        self.made: list[tuple[list[str], int, bool]] = []

    def __call__(self, arguments: list[Any], turns: int, folder: Path, *, pinned: bool = False) -> str:
        told = [str(each) for each in arguments]
        self.made.append((told, turns, pinned))
        stats = {"mean": 1.0 + turns / 1000, "min": 1.0 + turns / 500, "data": []}
        for each in told:
            if each.startswith("--benchmark-json="):
                (folder / each.partition("=")[2]).write_text(json.dumps({"benchmarks": [{"stats": stats}]}))
        if "--append" in told:
            (folder / told[-1]).write_text(json.dumps({"benchmarks": []}))
        return "1.02x slower" if "compare_to" in told else ""


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    found = Commands()
    monkeypatch.setattr(compare_tools, "call", found)
    return found


def test_every_tool_measures_on_the_same_core(commands: Commands, tmp_path: Path) -> None:
    """pytest-benchmark and timeit by taskset, pyperf by its own flag, and this project as ever."""
    compare_tools.by_pytest_benchmark(60, 10.0, 1, tmp_path)
    compare_tools.by_pyperf(60, 10.0, 1, tmp_path)
    core = compare_tools.cores().measured
    for told, _, pinned in commands.made:
        assert pinned == ("pytest" in told)
        assert (f"--affinity={core}" in told) == ("--append" in told)


def test_a_pinned_command_runs_on_that_core_alone(tmp_path: Path) -> None:
    """Asked of the process itself."""
    script = tmp_path / "where.py"
    script.write_text("import os\nprint(sorted(os.sched_getaffinity(0)), os.environ['COMPARED_TURNS'])\n")
    said = compare_tools.call([script], 7, tmp_path, pinned=True)
    assert said.split() == [f"[{compare_tools.cores().measured}]", "7"]
    assert TURNS == "COMPARED_TURNS"


def test_the_sides_take_turns(commands: Commands, tmp_path: Path) -> None:
    """Pyperf measures both sides several times in turn, and which of them is first is drawn for each trial."""
    compare_tools.by_pyperf(60, 10.0, 1, tmp_path)
    turns = [turns for told, turns, _ in commands.made if "--append" in told]
    assert [sorted(turns[i : i + 2]) for i in range(0, len(turns), 2)] == [[0, 60]] * compare_tools.ALTERNATIONS
    first = set()
    for seed in range(20):
        commands.made.clear()
        compare_tools.by_pytest_benchmark(60, 10.0, seed, tmp_path)
        first.add(commands.made[0][1])
    assert first == {0, 60}


@pytest.mark.parametrize(
    ("turns", "fires"),
    [(0, []), (60, ["mean:5%", "min:5%", "min:10%"]), (120, ["mean:5%", "mean:10%", "min:5%", "min:10%"])],
)
def test_pytest_benchmark_s_own_checks_judge(commands: Commands, tmp_path: Path, turns: int, fires: list[str]) -> None:
    """Whichever side ran first, the head is held against the base."""
    for seed in range(4):
        verdicts, _ = compare_tools.by_pytest_benchmark(turns, 10.0, seed, tmp_path)
        assert [rule.partition("=")[2] for rule, fired in verdicts.items() if fired] == fires


def test_what_a_turn_takes_is_found_by_a_tool_that_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library's timeit, in processes of its own; the median of them stands."""
    ratios = iter(["1.6", "1.2", "1.3"])

    def call(arguments: list[Any], turns: int, _folder: Path, *, pinned: bool = False) -> str:
        assert (arguments[1:], turns, pinned) == (["timeit"], compare_tools.MANY_TURNS, True)
        return next(ratios)

    monkeypatch.setattr(compare_tools, "call", call)
    found = compare_tools.calibrate(3)
    assert found["ratios"] == [1.6, 1.2, 1.3]
    assert found["turn_share"] == pytest.approx(0.3 / compare_tools.MANY_TURNS)


@pytest.mark.slow
def test_timeit_sees_a_head_of_twice_the_work() -> None:
    """The function of the script itself, in a real process: with many more turns head takes longer."""
    said = compare_tools.call([compare_tools.SUBJECT, "timeit"], 20 * compare_tools.MANY_TURNS, compare_tools.HERE)
    assert float(json.loads(said)) > 1.5


@pytest.mark.slow
def test_a_small_session_is_made_stored_and_gone_on_with(tmp_path: Path) -> None:
    """The real tools, one trial of each slowdown: every record is there, with how a turn was measured."""
    path = tmp_path / "session.json.gz"
    command = [sys.executable, str(compare_tools.HERE / "compare_tools.py"), "--trials", "1", "--seconds", "5"]
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

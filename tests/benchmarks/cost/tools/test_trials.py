"""What a trial with each tool promises: its own commands, the same core, the sides in turn, what its output says."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cost.tools import trials
from benchmarks.cost.tools.trials import RULES, TURNS

# Outputs of the tools: asv of two commits alike and of two of which the second has 1 700 more turns, with the stored
# result of the latter; pytest-codspeed of the same two functions, without the description of the interpreter.
DATA = Path(__file__).parent / "data"
STORED_COMMIT = next((DATA / "results" / "here").iterdir()).name.partition("-")[0]


class Commands:
    """Takes the place of `trials.call`: notes what would be run, and leaves the files that it would."""

    def __init__(self) -> None:
        self.made: list[tuple[list[str], int, bool]] = []

    def __call__(self, arguments: list[Any], turns: int, folder: Path, *, pinned: bool = False, **rest: Any) -> str:
        told = [str(each) for each in arguments]
        self.made.append((told, turns, pinned))
        stats = {"mean": 1.0 + turns / 1000, "min": 1.0 + turns / 500, "data": []}
        for each in told:
            if each.startswith("--benchmark-json="):
                (folder / each.partition("=")[2]).write_text(json.dumps({"benchmarks": [{"stats": stats}]}))
        if "--append" in told:
            (folder / told[-1]).write_text(json.dumps({"benchmarks": []}))
        if "--codspeed" in told:
            shutil.copytree(DATA / ("head" if turns else "base"), folder, dirs_exist_ok=True)
        if "continuous" in told:
            shutil.copytree(DATA / "results", folder / "results")
        return "1.02x slower" if "compare_to" in told else ""


class Project:
    """Takes the place of the repository of asv, whose commits are all the one with stored results."""

    python = Path("python")

    def write_settings(self, folder: Path) -> None:
        (folder / "asv.conf.json").touch()

    def environment(self) -> dict[str, str]:
        return {}

    def commit(self, name: str) -> str:
        return STORED_COMMIT


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    found = Commands()
    monkeypatch.setattr(trials, "call", found)
    monkeypatch.setattr(trials, "AsvProject", Project)
    monkeypatch.setattr(trials, "interpreter", lambda _tool: Path("python"))
    return found


def test_every_tool_measures_on_the_same_core(commands: Commands, tmp_path: Path) -> None:
    """The two plugins of pytest by taskset, pyperf and asv by their own flags, and this project as ever."""
    for measure in (trials.by_pytest_benchmark, trials.by_pyperf, trials.by_asv, trials.by_pytest_codspeed):
        measure(60, 10.0, 1, tmp_path)
    core = trials.cores().measured
    assert {word for told, _, _ in commands.made for word in told} >= {"--append", "continuous", "--codspeed"}
    for told, _, pinned in commands.made:
        assert pinned == ("pytest" in told)
        assert (f"--affinity={core}" in told) == ("--append" in told)
        assert (f"--cpu-affinity={core}" in told) == ("continuous" in told)


def test_a_pinned_command_runs_on_that_core_alone(tmp_path: Path) -> None:
    """Asked of the process itself."""
    script = tmp_path / "where.py"
    script.write_text("import os\nprint(sorted(os.sched_getaffinity(0)), os.environ['COMPARED_TURNS'])\n")
    said = trials.call([script], 7, tmp_path, pinned=True)
    assert said.split() == [f"[{trials.cores().measured}]", "7"]
    assert TURNS == "COMPARED_TURNS"


def test_the_sides_take_turns(commands: Commands, tmp_path: Path) -> None:
    """Pyperf measures both sides several times in turn, and which of them is first is drawn for each trial."""
    trials.by_pyperf(60, 10.0, 1, tmp_path)
    turns = [turns for told, turns, _ in commands.made if "--append" in told]
    assert [sorted(turns[i : i + 2]) for i in range(0, len(turns), 2)] == [[0, 60]] * trials.ALTERNATIONS
    first = set()
    for seed in range(20):
        commands.made.clear()
        trials.by_pytest_benchmark(60, 10.0, seed, tmp_path)
        first.add(commands.made[0][1])
    assert first == {0, 60}


@pytest.mark.parametrize(
    ("turns", "fires"),
    [(0, []), (60, ["mean:5%", "min:5%", "min:10%"]), (120, ["mean:5%", "mean:10%", "min:5%", "min:10%"])],
)
def test_pytest_benchmark_s_own_checks_judge(commands: Commands, tmp_path: Path, turns: int, fires: list[str]) -> None:
    """Whichever side ran first, the head is held against the base."""
    for seed in range(4):
        verdicts, _ = trials.by_pytest_benchmark(turns, 10.0, seed, tmp_path)
        assert [rule.partition("=")[2] for rule, fired in verdicts.items() if fired] == fires


def test_what_a_turn_takes_is_found_by_a_tool_that_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library's timeit, in processes of its own; the median of them stands."""
    ratios = iter(["1.6", "1.2", "1.3"])

    def call(arguments: list[Any], turns: int, _folder: Path, *, pinned: bool = False) -> str:
        assert (arguments[1:], turns, pinned) == (["timeit"], trials.MANY_TURNS, True)
        return next(ratios)

    monkeypatch.setattr(trials, "call", call)
    found = trials.calibrate(3)
    assert found["ratios"] == [1.6, 1.2, 1.3]
    assert found["turn_share"] == pytest.approx(0.3 / trials.MANY_TURNS)


@pytest.mark.slow
def test_timeit_sees_a_head_of_twice_the_work() -> None:
    """The function of the script itself, in a real process: with many more turns head takes longer."""
    said = trials.call([trials.SUBJECT, "timeit"], 20 * trials.MANY_TURNS, trials.COST)
    assert float(json.loads(said)) > 1.5


@pytest.mark.parametrize(("named", "slower"), [("same", False), ("slower", True)])
@pytest.mark.parametrize("command", ["continuous", "compare"])
def test_asv_s_table_says_what_became_slower(command: str, named: str, slower: bool) -> None:
    """Both commands print the rows that changed, and mark a slower one with a plus; one that got faster is none."""
    output = (DATA / f"asv-{command}-{named}.txt").read_text(encoding="utf-8")
    assert trials.asv_slower(output) == slower
    assert not trials.asv_slower(output.replace("| + ", "| - "))
    if command == "continuous":
        assert slower == ("PERFORMANCE DECREASED" in output)


def test_asv_s_stored_result_is_read_by_its_commit(tmp_path: Path) -> None:
    """The figure that its table shows, with every sample; a commit without a result has none."""
    shutil.copytree(DATA / "results", tmp_path / "results")
    found = trials.asv_result(tmp_path, STORED_COMMIT + "0" * 32)
    assert found is not None
    output = (DATA / "asv-compare-slower.txt").read_text(encoding="utf-8")
    assert f"{found['result'][0] * 1e6:.1f}±" in output
    assert len(found["samples"][0]) == found["stats_repeat"][0]
    assert trials.asv_result(tmp_path, "f" * 40) is None


def test_a_benchmark_that_failed_under_asv_has_no_result(tmp_path: Path) -> None:
    """It stores a null for one, which is not taken for a measured time."""
    shutil.copytree(DATA / "results", tmp_path / "results")
    (path,) = (tmp_path / "results" / "here").iterdir()
    document = json.loads(path.read_text(encoding="utf-8"))
    (columns,) = document["results"].values()
    columns[document["result_columns"].index("result")] = [None]
    path.write_text(json.dumps(document), encoding="utf-8")
    assert trials.asv_result(tmp_path, STORED_COMMIT) is None


def test_asv_fills_the_time_with_samples(commands: Commands, tmp_path: Path) -> None:
    """Longer trials have more samples; the second factor judges the same results, without another measurement."""
    repeats = []
    for seconds in (5.0, 10.0, 20.0):
        folder = tmp_path / str(seconds)
        folder.mkdir()
        commands.made.clear()
        trials.by_asv(60, seconds, 1, folder)
        (continuous, _, _), (compare, _, _) = commands.made
        repeats += [int(each.partition("repeat=")[2]) for each in continuous if "repeat=" in each]
        assert ["--factor=1.1" in continuous, "--factor=1.02" in compare, compare[2]] == [True, True, "compare"]
        assert {"base", "head-60"} <= set(continuous) & set(compare)
    assert repeats == sorted(set(repeats))


def test_medians_of_stored_codspeed_results_are_compared() -> None:
    """More than twice the time is above both limits, the other way round is not, and what is between is above one."""
    base, head = (trials.codspeed_stats(DATA / side) for side in ("base", "head"))
    assert base is not None
    assert head is not None
    assert list(trials.codspeed_verdicts(base, head).values()) == [True, True]
    assert list(trials.codspeed_verdicts(head, base).values()) == [False, False]
    between = {"median_ns": 1.07 * base["median_ns"]}
    assert list(trials.codspeed_verdicts(base, between).values()) == [True, False]
    assert tuple(trials.codspeed_verdicts(base, head)) == RULES["pytest-codspeed"]


def test_pytest_codspeed_s_runs_are_taken_for_their_sides(commands: Commands, tmp_path: Path) -> None:
    """Whichever side ran first, the head is held against the base; each is first in some trials."""
    first = set()
    for seed in range(20):
        commands.made.clear()
        folder = tmp_path / str(seed)
        folder.mkdir()
        verdicts, _ = trials.by_pytest_codspeed(60, 10.0, seed, folder)
        assert all(verdicts.values())
        first.add(commands.made[0][1])
    assert first == {0, 60}


def test_a_tool_that_stored_nothing_ends_the_session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its output is shown, and no verdict is made up."""
    monkeypatch.setattr(trials, "call", lambda *_arguments, **_rest: "no space left")
    monkeypatch.setattr(trials, "AsvProject", Project)
    monkeypatch.setattr(trials, "interpreter", lambda _tool: Path("python"))
    with pytest.raises(SystemExit, match="asv did not run:\nno space left"):
        trials.by_asv(60, 10.0, 1, tmp_path)
    with pytest.raises(SystemExit, match="pytest-codspeed did not run:\nno space left"):
        trials.by_pytest_codspeed(60, 10.0, 1, tmp_path)

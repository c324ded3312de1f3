"""One trial with each tool of `compare_tools.py`: the commands, as its documentation advises, and the verdicts."""

import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.cost.tools.environments import DEADLINE_S, MACHINE, AsvProject, interpreter, search_path
from harness.measure.pairs.measure import measure_overhead
from harness.measure.pairs.schedule import Comparison, Terms
from harness.measure.pairs.side import PROJECT, cores
from harness.measure.subject import Subject

COST = Path(__file__).resolve().parents[1]
SUBJECT = COST / "compared_subject.py"
BASE, HEAD = (
    Subject("own", target=f"benchmarks.cost.compared_subject:{side}", label=side) for side in ("base", "head")
)
# The environment variable with the head's additional turns; the same name is in compared_subject.py.
TURNS = "COMPARED_TURNS"
# Enough turns to measure a single one: about a third of a line.
MANY_TURNS = 600
TOOLS = ("pytest-benchmark", "pyperf", "asv", "pytest-codspeed", "this project")
THRESHOLDS = ("mean:5%", "mean:10%", "min:5%", "min:10%")
# The factors of asv: its default, and one below most of the slowdowns. The test of significance is the same.
FACTORS = {"continuous: performance decreased": "1.1", "continuous --factor 1.02: performance decreased": "1.02"}
# By how much the median of the head's run is above the base's. 10 % is the default of CodSpeed's service.
MEDIANS = {"medians of two runs: 5% apart": 0.05, "medians of two runs: 10% apart": 0.10}
RULES = {
    "pytest-benchmark": tuple(f"--benchmark-compare-fail={threshold}" for threshold in THRESHOLDS),
    "pyperf": ("compare_to: significant and slower",),
    "asv": tuple(FACTORS),
    "pytest-codspeed": tuple(MEDIANS),
    "this project": ("harness compare --tolerance 0: regressed", "harness compare --tolerance 3%: regressed"),
}
# The number of alternations of the sides with pyperf, and of asv's rounds, each with a process of either side.
ALTERNATIONS, ASV_ROUNDS = 3, 4
# Measured durations of a start-up, a round and a process, by which the tools get the requested time.
PYTEST_START_S, ROUND_S, PYPERF_PROCESS_S = 1.8, 9e-6, 0.65
# asv: its start, discovery and comparisons; the change to a commit with the start and warm-up of its process; a sample.
ASV_START_S, ASV_PROCESS_S, ASV_SAMPLE_S = 2.5, 0.6, 0.0115
# pytest-codspeed: start-up, and its own default of the time for warming up.
CODSPEED_START_S, CODSPEED_WARMUP_S = 1.0, 1.0

Verdicts = dict[str, bool]


def calibrate(processes: int = 15) -> dict[str, Any]:
    """Return the calibration by timeit: the ratio with `MANY_TURNS` more turns in each process, and a turn's share.

    The share is the median over processes, each of which gives the median ratio of many alternating timings.
    """
    ratios = [float(json.loads(call([SUBJECT, "timeit"], MANY_TURNS, COST, pinned=True))) for _ in range(processes)]
    share = (statistics.median(ratios) - 1) / MANY_TURNS
    return {"tool": "timeit", "turns": MANY_TURNS, "ratios": ratios, "turn_share": share}


@contextmanager
def more_work(turns: int) -> Iterator[None]:
    """Make the head of every process started in the context do `turns` more turns."""
    os.environ[TURNS] = str(turns)
    try:
        yield
    finally:
        del os.environ[TURNS]


def call(
    arguments: Sequence[str | Path],
    turns: int,
    folder: Path,
    *,
    pinned: bool = False,
    python: Path = Path(sys.executable),
    more: Mapping[str, str] | None = None,
) -> str:
    """Run one tool's command in `folder` and return its output; its exit code is its verdict, not an error.

    A tool that cannot pin itself to the measured core is `pinned` by taskset. `python` is the interpreter with the
    tool, and `more` are additional environment variables.
    """
    search = os.pathsep.join(part for part in (PROJECT, os.environ.get("PYTHONPATH", "")) if part)
    before = ["taskset", "--cpu-list", str(cores().measured)] if pinned else []
    command = [*before, str(python), *map(str, arguments)]
    try:
        process = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, TURNS: str(turns), "PYTHONPATH": search, **(more or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SystemExit(f"{' '.join(command)} did not end within {DEADLINE_S} s") from None
    return process.stdout


def sides(turns: int, rng: random.Random) -> list[tuple[str, int]]:
    """Return base and head with their turns, in random order."""
    both = [("base", 0), ("head", turns)]
    rng.shuffle(both)
    return both


def by_pytest_benchmark(turns: int, seconds: float, seed: int, folder: Path) -> tuple[Verdicts, Any]:
    """Run both sides once; all four rules evaluate the same two runs, by the plugin's own checks."""
    from pytest_benchmark.utils import parse_compare_fail

    rounds = max(1000, int((seconds / 2 - PYTEST_START_S) / ROUND_S))
    common = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", SUBJECT]
    stats = {}
    for name, more in sides(turns, random.Random(seed)):  # noqa: S311 - no secret
        arguments = [*common, f"--benchmark-min-rounds={rounds}", f"--benchmark-json={name}.json"]
        output = call(arguments, more, folder, pinned=True)
        if not (folder / f"{name}.json").is_file():
            raise SystemExit(f"pytest-benchmark did not run:\n{output}")
        stats[name] = _without_data(json.loads((folder / f"{name}.json").read_text()))
    checks = {rule: parse_compare_fail(rule.partition("=")[2]) for rule in RULES["pytest-benchmark"]}
    verdicts = {rule: bool(check.fails(stats["head"], stats["base"])) for rule, check in checks.items()}
    return verdicts, [stats["base"], stats["head"]]


def _without_data(document: dict[str, Any]) -> dict[str, Any]:
    stats: dict[str, Any] = document["benchmarks"][0]["stats"]
    return {key: value for key, value in stats.items() if key != "data"}


def by_pyperf(turns: int, seconds: float, seed: int, folder: Path) -> tuple[Verdicts, Any]:
    """Run pyperf on both sides in turn, append to a file for each, and run compare_to."""
    processes = max(1, int(seconds / 2 / ALTERNATIONS / PYPERF_PROCESS_S))
    options = ["-q", "-p", str(processes), f"--affinity={cores().measured}", f"--inherit-environ={TURNS},PYTHONPATH"]
    rng = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(ALTERNATIONS):
        for name, more in sides(turns, rng):
            output = call([SUBJECT, *options, "--append", f"{name}.json"], more, folder)
            if not (folder / f"{name}.json").is_file():
                raise SystemExit(f"pyperf did not run:\n{output}")
    output = call(["-m", "pyperf", "compare_to", "base.json", "head.json"], 0, folder)
    raw = {name: json.loads((folder / f"{name}.json").read_text())["benchmarks"] for name in ("base", "head")}
    return {RULES["pyperf"][0]: "slower" in output and "not significant" not in output}, {"said": output, **raw}


def by_asv(turns: int, seconds: float, _seed: int, folder: Path) -> tuple[Verdicts, Any]:
    """Run `asv continuous`, which alternates the commits by itself, and `asv compare` for the second factor."""
    project = AsvProject()
    project.write_settings(folder)
    processes = 2 * ASV_ROUNDS
    samples = max(5, int(((seconds - ASV_START_S) / processes - ASV_PROCESS_S) / ASV_SAMPLE_S))
    both = ["--machine", MACHINE, "base", f"head-{turns}"]
    attributes = [f"--cpu-affinity={cores().measured}", f"--attribute=rounds={ASV_ROUNDS}"]
    first, second = FACTORS.values()
    commands = [
        ["continuous", *both, f"--factor={first}", "--show-stderr", *attributes, f"--attribute=repeat={samples}"],
        ["compare", *both, f"--factor={second}", "--only-changed"],
    ]
    outputs = [
        call(["-m", "asv", *command], 0, folder, python=project.python, more=project.environment())
        for command in commands
    ]
    results = {name: asv_result(folder, project.commit(name)) for name in both[2:]}
    if None in results.values():
        raise SystemExit(f"asv did not run:\n{outputs[0]}")
    verdicts = dict(zip(FACTORS, map(asv_slower, outputs), strict=True))
    return verdicts, {"said": outputs, "base": results["base"], "head": results[f"head-{turns}"]}


def asv_slower(output: str) -> bool:
    """Return whether asv's table has a row of a benchmark that became slower, which it marks with a plus."""
    return any(line.startswith("| +") for line in output.splitlines())


def asv_result(folder: Path, commit: str) -> dict[str, Any] | None:
    """Return the columns of the only benchmark in asv's stored results of `commit`; `None` without a measured one."""
    for path in (folder / "results" / MACHINE).glob(f"{commit[:8]}-*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        for columns in document["results"].values():
            found = dict(zip(document["result_columns"], columns, strict=False))
            if found["result"] and found["result"][0] is not None:
                return found
    return None


def by_pytest_codspeed(turns: int, seconds: float, seed: int, folder: Path) -> tuple[Verdicts, Any]:
    """Run both sides once in wall time mode and compare the medians of the stored results."""
    python = interpreter("pytest-codspeed")
    max_time = max(0.5, seconds / 2 - CODSPEED_START_S - CODSPEED_WARMUP_S)
    common = ["-m", "pytest", "-q", "-p", "pytest_codspeed.plugin", "-p", "no:cacheprovider", "-c", os.devnull]
    timing = [f"--codspeed-warmup-time={CODSPEED_WARMUP_S}", f"--codspeed-max-time={max_time}"]
    stats = {}
    for name, more_turns in sides(turns, random.Random(seed)):  # noqa: S311 - no secret
        place = folder / name
        place.mkdir()
        arguments = [*common, "--rootdir", ".", "--codspeed", "--codspeed-mode=walltime", *timing, SUBJECT]
        output = call(arguments, more_turns, place, pinned=True, python=python, more=codspeed_environment())
        stats[name] = codspeed_stats(place)
        if stats[name] is None:
            raise SystemExit(f"pytest-codspeed did not run:\n{output}")
    return codspeed_verdicts(stats["base"], stats["head"]), [stats["base"], stats["head"]]


def codspeed_environment() -> dict[str, str]:
    """Return the environment variables that give pytest-codspeed the measured libraries, but no other plugin."""
    return {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.pathsep.join(search_path())}


def codspeed_stats(folder: Path) -> dict[str, Any] | None:
    """Return the statistics that a run has stored below `folder`; `None` where it stored none."""
    for path in (folder / ".codspeed").glob("results_*.json"):
        for benchmark in json.loads(path.read_text(encoding="utf-8"))["benchmarks"]:
            stats: dict[str, Any] = benchmark["stats"]
            return stats
    return None


def codspeed_verdicts(base: dict[str, Any], head: dict[str, Any]) -> Verdicts:
    """Return for each rule whether the head's median is that much above the base's."""
    apart = head["median_ns"] / base["median_ns"] - 1
    return {rule: apart > limit for rule, limit in MEDIANS.items()}


def by_this_project(turns: int, seconds: float, seed: int, _folder: Path) -> tuple[Verdicts, Any]:
    """Measure pairs of fresh processes until the time is over, and decide by the ratio's interval like `compare`."""
    from harness.measure.compare.compare import judge

    terms = Terms(budget_s=seconds, seed=seed)
    with more_work(turns):
        document = measure_overhead([Comparison(BASE, HEAD)], terms)
    if document.interrupted:
        raise KeyboardInterrupt
    experiment = document.experiments[0]
    verdicts = [judge(experiment, tolerance)[0] == "regressed" for tolerance in (0.0, 0.03)]
    return dict(zip(RULES["this project"], verdicts, strict=True)), experiment.model_dump(mode="json")


BY: dict[str, Callable[[int, float, int, Path], tuple[Verdicts, Any]]] = {
    "pytest-benchmark": by_pytest_benchmark,
    "pyperf": by_pyperf,
    "asv": by_asv,
    "pytest-codspeed": by_pytest_codspeed,
    "this project": by_this_project,
}

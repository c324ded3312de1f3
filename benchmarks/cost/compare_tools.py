"""The same experiments with pytest-benchmark, pyperf and this project: false alarms, detections and time of each.

Each trial compares a function with itself, or with itself and 1, 2 or 5 % more work, once with every tool, in random
order, so that temporary slowdowns of the machine affect all tools alike. All tools get about the same wall time:
pytest-benchmark as many rounds, pyperf as many processes, and this project as many pairs as fit into it. All measure on
the same core, and each alternates the two sides as far as it can (see `PROCEDURES`). The slowdown is a share of the
time of a line on this machine, approximated by a number of turns of an empty loop. The time of a turn is measured
before by the standard library's timeit, which is not among the compared tools.

    python benchmarks/cost/compare_tools.py --trials 12 --seconds 10

Every result is stored as soon as it exists; after an interruption the same command resumes. The table is printed, and
with --docs written into the marked block of docs/compare.md, with all measurements beside it.
"""

import argparse
import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from harness.host.environment import environment
from harness.measure.pairs.measure import measure_overhead
from harness.measure.pairs.schedule import Comparison, Terms
from harness.measure.pairs.side import PROJECT, cores
from harness.measure.stats import binomial_interval
from harness.measure.subject import Subject

HERE = Path(__file__).resolve().parent
SUBJECT = HERE / "compared_subject.py"
BASE, HEAD = (
    Subject("own", target=f"benchmarks.cost.compared_subject:{side}", label=side) for side in ("base", "head")
)
# The environment variable with the head's additional turns; the same name is in compared_subject.py.
TURNS = "COMPARED_TURNS"
# Incremented whenever the measurement changes.
VERSION = 3
# Enough turns to measure a single one: about a third of a line.
MANY_TURNS = 600
DOCS = HERE.parents[1] / "docs" / "compare.md"
STORED = DOCS.parent / "data" / "compare-tools.json.gz"
SHARES = (0.0, 0.01, 0.02, 0.05)
# Identical code gets more trials, since a rate near zero needs them.
IDENTICAL_FACTOR = 2.5
TOOLS = ("pytest-benchmark", "pyperf", "this project")
THRESHOLDS = ("mean:5%", "mean:10%", "min:5%", "min:10%")
RULES = {
    "pytest-benchmark": tuple(f"--benchmark-compare-fail={threshold}" for threshold in THRESHOLDS),
    "pyperf": ("compare_to: significant and slower",),
    "this project": ("harness compare --tolerance 0: regressed", "harness compare --tolerance 3%: regressed"),
}
# The number of alternations of the sides with pyperf.
ALTERNATIONS = 3
# Measured durations of a start-up, a round and a process, by which the tools get the requested time.
PYTEST_START_S, ROUND_S, PYPERF_PROCESS_S = 1.8, 9e-6, 0.65
# The use of each tool in sessions of a version, for the page. A change requires an increment of VERSION.
PROCEDURES: dict[int, tuple[str, ...]] = {
    2: (
        (
            "What a turn takes was found by this project itself, from pairs of processes with 600 more turns in one of "
            "them, so the slowdowns are shares as it sees them."
        ),
        (
            "pytest-benchmark, not pinned to a core: a run of the base saved, then a run of the head with "
            "`--benchmark-compare` and `--benchmark-compare-fail`."
        ),
        "pyperf, not pinned to a core: all processes of the base, then all of the head (`-p`), then `compare_to`.",
        (
            "This project, as it always measures: pairs of processes pinned to one core, in alternating blocks. "
            "Pinning and alternation, which the other two leave to their users, were so had by this project alone."
        ),
        (
            "So this session flatters this project. `make compare-tools` measures anew, with a turn by the standard "
            "library's timeit, every tool on the same core and the sides in turn as far as each tool allows, and "
            "replaces table and list."
        ),
    ),
    3: (
        (
            "What a turn takes was found by the standard library's `timeit`, in fresh processes on the same core that "
            "time the two functions in turn."
        ),
        (
            "pytest-benchmark, under `taskset` on that core: one run of each side, which of them first drawn for each "
            "trial, judged by the plugin's own checks of `--benchmark-compare-fail`. Its rules compare two runs, so "
            "the sides cannot alternate within one."
        ),
        (
            "pyperf, with `--affinity` of that core: the sides in turn, three times a third of the processes each "
            "(`-p`, `--append`), which of them first drawn anew each time, then `compare_to`."
        ),
        "This project, as it always measures: pairs of processes pinned to that core, in alternating blocks.",
    ),
}
BEGIN, END = "<!-- compare-tools: begin -->", "<!-- compare-tools: end -->"

Verdicts = dict[str, bool]


@dataclass(frozen=True)
class Trial:
    """One experiment for every tool: the injected share, and a number that determines the seed."""

    share: float
    number: int


def schedule(trials: int) -> list[Trial]:
    """Return all trials, those of each share spread evenly over the whole time."""
    placed = []
    for share in SHARES:
        count = trials if share else round(trials * IDENTICAL_FACTOR)
        placed += [((i + 0.5) / count, Trial(share, i)) for i in range(count)]
    return [trial for _, trial in sorted(placed, key=lambda place: (place[0], place[1].share))]


def calibrate(processes: int = 15) -> dict[str, Any]:
    """Return the calibration by timeit: the ratio with `MANY_TURNS` more turns in each process, and a turn's share.

    The share is the median over processes, each of which gives the median ratio of many alternating timings.
    """
    ratios = [float(json.loads(call([SUBJECT, "timeit"], MANY_TURNS, HERE, pinned=True))) for _ in range(processes)]
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


def call(arguments: Sequence[str | Path], turns: int, folder: Path, *, pinned: bool = False) -> str:
    """Run one tool's command in `folder` and return its output; its exit code is its verdict, not an error.

    A tool that cannot pin itself to the measured core is `pinned` by taskset.
    """
    search = os.pathsep.join(part for part in (PROJECT, os.environ.get("PYTHONPATH", "")) if part)
    before = ["taskset", "--cpu-list", str(cores().measured)] if pinned else []
    process = subprocess.run(
        [*before, sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, TURNS: str(turns), "PYTHONPATH": search},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
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
    "this project": by_this_project,
}


def run_trial(trial: Trial, turn_share: float, seconds: float, missing: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a record of each missing tool, in a random order that the trial determines."""
    seed = 1 + 10 * trial.number + SHARES.index(trial.share)
    turns = round(trial.share / turn_share)
    order = list(TOOLS)
    random.Random(seed).shuffle(order)  # noqa: S311 - no secret
    for tool in order:
        if tool not in missing:
            continue
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="compare-tools-") as folder:
            verdicts, raw = BY[tool](turns, seconds, seed, Path(folder))
        yield {
            "tool": tool,
            "share": trial.share,
            "number": trial.number,
            "turns": turns,
            "wall_s": time.monotonic() - began,
            "slower": verdicts,
            "raw": raw,
        }


def load(path: Path, seconds: float) -> dict[str, Any]:
    """Return the stored document, or an empty one; raise `SystemExit` for one with other settings."""
    if not path.exists():
        here = environment().model_dump(mode="json")
        return {
            "version": VERSION,
            "seconds": seconds,
            "environment": here,
            "calibration": None,
            "turn_share": 0.0,
            "records": [],
        }
    document: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    if document["version"] != VERSION:
        raise SystemExit(f"{path} was measured by another version of this script; name another --results, or --fresh")
    if document["seconds"] != seconds:
        raise SystemExit(f"{path} holds trials of {document['seconds']} s; name another --results, or --fresh")
    if document["environment"] != environment().model_dump(mode="json"):
        raise SystemExit(f"{path} was measured elsewhere or with other versions; name another --results, or --fresh")
    return document


def save(path: Path, document: dict[str, Any]) -> None:
    """Write all records, completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(gzip.compress(json.dumps(document).encode(), mtime=0))
    part.replace(path)


def measure(path: Path, document: dict[str, Any], trials: int) -> None:
    """Make the missing trials and store each record."""
    # Once for the whole session: a calibration for each trial would add its own noise to the injected share.
    document["calibration"] = document["calibration"] or calibrate()
    document["turn_share"] = document["calibration"]["turn_share"]
    save(path, document)
    records: list[dict[str, Any]] = document["records"]
    done = {(record["share"], record["number"], record["tool"]) for record in records}
    plan = schedule(trials)
    began = time.monotonic()
    for i, trial in enumerate(plan):
        missing = [tool for tool in TOOLS if (trial.share, trial.number, tool) not in done]
        if not missing:
            continue
        print(f"trial {i + 1} of {len(plan)}, {time.monotonic() - began:.0f} s", file=sys.stderr)
        for record in run_trial(trial, document["turn_share"], document["seconds"], missing):
            records.append(record)
            save(path, document)


def table(document: dict[str, Any]) -> str:
    """Return the table as Markdown: for each rule the false alarms, the detections and the wall time of a trial."""
    heads = ["rule", "false alarms", *(f"{100 * share:.0f} % found" for share in SHARES if share), "s a trial"]
    rows = [heads, [":--", *["--:"] * (len(heads) - 1)]]
    for tool in TOOLS:
        mine = [record for record in document["records"] if record["tool"] == tool]
        walls = [record["wall_s"] for record in mine]
        wall = f"{statistics.median(walls):.1f}" if walls else "–"
        for rule in RULES[tool]:
            cells = [_rate([record["slower"][rule] for record in mine if record["share"] == share]) for share in SHARES]
            rows.append([f"{tool}, `{rule}`", *cells, wall])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _rate(alarms: Sequence[bool]) -> str:
    if not alarms:
        return "–"
    low, high = binomial_interval(sum(alarms), len(alarms))
    return f"{sum(alarms)}/{len(alarms)} ({100 * low:.0f}–{100 * high:.0f} %)"


def block(document: dict[str, Any]) -> str:
    """Return the table with its environment and procedure."""
    here = document["environment"]
    about = (
        f"{here['cpu']}, {here['cpu_count']} cores, {here['kernel']}, {here['python']}, "
        f"prometheus-client {here['libraries']['prometheus-client']}; about {document['seconds']:g} s a trial for "
        "each tool. In brackets: exact 95 % intervals."
    )
    return f"{table(document)}\n{about}\n{repeated(document)}\n{procedure(document)}"


def procedure(document: dict[str, Any]) -> str:
    """Return the use of the tools in this session, as a list."""
    calibration = document.get("calibration")
    items = [f"- {line}" for line in PROCEDURES[document["version"]]]
    if calibration:
        low, high = min(calibration["ratios"]), max(calibration["ratios"])
        items[0] += (
            f" Its {len(calibration['ratios'])} processes put {calibration['turns']} turns at {low - 1:.1%} to "
            f"{high - 1:.1%} of a line."
        )
    return "How the tools were used in this session:\n\n" + "\n".join(items) + "\n"


def repeated(document: dict[str, Any]) -> str:
    """Return a sentence on the differences of two runs of identical code with pytest-benchmark; empty without any."""
    records = document["records"]
    same = [record["raw"] for record in records if record["tool"] == TOOLS[0] and record["share"] == 0]
    apart = sorted(abs(head["mean"] / base["mean"] - 1) for base, head in same)
    if not apart:
        return ""
    middle = 100 * statistics.median(apart)
    return (
        f"\nMeans of two runs of identical code under pytest-benchmark were {middle:.1f} % apart "
        f"at the median of {len(apart)} trials, and {100 * apart[-1]:.1f} % at most.\n"
    )


def write_docs(text: str, path: Path = DOCS) -> None:
    """Write `text` between the markers of `path`; raise `SystemExit` where they are missing."""
    page = path.read_text(encoding="utf-8")
    places = [page.find(BEGIN), page.find(END)]
    if -1 in places or any(later < earlier for earlier, later in pairwise(places)):
        raise SystemExit(f"{path}: the markers {BEGIN} and {END} are missing")
    path.write_text(f"{page[: places[0]]}{BEGIN}\n{text}{page[places[1] :]}", encoding="utf-8")


def main() -> None:
    """Make the missing trials and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=12, help="of each slowdown; identical code gets 2.5 times")
    parser.add_argument("--seconds", type=float, default=10.0, help="wall time of a trial for each tool")
    parser.add_argument("--results", type=Path, default=HERE.parents[1] / ".benchmarks" / "compare_tools.json.gz")
    parser.add_argument("--fresh", action="store_true", help="start again instead of resuming")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/compare.md as well")
    options = parser.parse_args()
    if options.trials < 1 or options.seconds < 5:
        parser.error("at least one trial, and five seconds for each tool")
    if options.fresh:
        options.results.unlink(missing_ok=True)
    document = load(options.results, options.seconds)
    try:
        measure(options.results, document, options.trials)
    except KeyboardInterrupt:
        print("interrupted; the same command resumes", file=sys.stderr)
    print(block(document))
    if options.docs:
        write_docs(block(document))
        save(STORED, document)


if __name__ == "__main__":
    main()

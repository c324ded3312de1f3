"""The same experiments through the tools people have today and through this one: false alarms, hits and time of each.

Each trial compares a function with itself, or with itself and 1, 2 or 5 % more work, once with every tool, in an order
drawn anew, so that no spell of the machine meets one tool alone. All tools get about the same wall time:
pytest-benchmark as many rounds, pyperf as many processes, and this project as many pairs as fit into it. The slowdown
is a share of what a line takes on this machine: as many turns of an empty loop as come nearest to it.

    python benchmarks/compare_tools.py --trials 12 --seconds 10

Every result is saved as soon as it exists; the same command goes on after an interruption. The table is printed, and
written into the marked block of docs/compare.md when --docs is given, with everything measured beside it.
"""

import argparse
import gzip
import json
import os
import random
import re
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

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.measure.experiment import Comparison, Terms
from harness.measure.overhead import measure_overhead
from harness.measure.processes import PROJECT
from harness.measure.stats import binomial_interval
from harness.measure.subjects import Subject
from harness.run.environment import environment

HERE = Path(__file__).resolve().parent
SUBJECT = HERE / "compared_subject.py"
BASE, HEAD = (Subject("own", target=f"benchmarks.compared_subject:{side}", label=side) for side in ("base", "head"))
# What tells the head how much more it has to do; the same name is in compared_subject.py.
TURNS = "COMPARED_TURNS"
# Counts up whenever what is measured changes.
VERSION = 2
# Enough of them to see what one takes: about a third of a line.
MANY_TURNS = 600
DOCS = HERE.parent / "docs" / "compare.md"
STORED = DOCS.parent / "data" / "compare-tools.json.gz"
SHARES = (0.0, 0.01, 0.02, 0.05)
# Identical code gets more trials: a rate near nothing needs them.
IDENTICAL_FACTOR = 2.5
TOOLS = ("pytest-benchmark", "pyperf", "this project")
THRESHOLDS = ("mean:5%", "mean:10%", "min:5%", "min:10%")
RULES = {
    "pytest-benchmark": tuple(f"--benchmark-compare-fail={each}" for each in THRESHOLDS),
    "pyperf": ("compare_to: significant and slower",),
    "this project": ("harness compare --tolerance 0: regressed", "harness compare --tolerance 3%: regressed"),
}
# What starting up takes, and a round and a process: measured here, so that the time is what was asked for.
PYTEST_START_S, ROUND_S, PYPERF_PROCESS_S = 1.8, 9e-6, 0.65
FAILED = re.compile(r"Field '(\w+)' has failed PercentageRegressionCheck: [-\d.]+ > ([\d.]+)")
BEGIN, END = "<!-- compare-tools: begin -->", "<!-- compare-tools: end -->"

Verdicts = dict[str, bool]


@dataclass(frozen=True)
class Trial:
    """One experiment, which every tool makes: a share injected, and a number that seeds it."""

    share: float
    number: int


def schedule(trials: int) -> list[Trial]:
    """Return all trials, those of each share spread evenly over the whole time."""
    placed = []
    for share in SHARES:
        count = trials if share else round(trials * IDENTICAL_FACTOR)
        placed += [((i + 0.5) / count, Trial(share, i)) for i in range(count)]
    return [trial for _, trial in sorted(placed, key=lambda each: (each[0], each[1].share))]


def calibrate(seconds: float = 60.0) -> float:
    """Return the share of a line that a turn of the loop takes, from pairs of processes with `MANY_TURNS` more of them.

    What a process says of its own speed while it warms up would not do: it put a turn 13 % too high.
    """
    with more_work(MANY_TURNS):
        found = measure_overhead([Comparison(BASE, HEAD)], Terms(budget_s=seconds, seed=0))
    if found.interrupted:
        raise KeyboardInterrupt
    if found.experiments[0].verdict == "void":
        raise SystemExit(f"the calibration is void, measure when less runs here: {found.experiments[0].conclusion}")
    return (found.experiments[0].ratio - 1) / MANY_TURNS


@contextmanager
def more_work(turns: int) -> Iterator[None]:
    """Have the head of every process that is started meanwhile do so many more turns."""
    os.environ[TURNS] = str(turns)
    try:
        yield
    finally:
        del os.environ[TURNS]


def call(arguments: Sequence[str | Path], turns: int, folder: Path) -> str:
    """Run one tool's command in `folder` and return all it said; how it exits is its verdict, not an error."""
    search = os.pathsep.join(part for part in (PROJECT, os.environ.get("PYTHONPATH", "")) if part)
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, TURNS: str(turns), "PYTHONPATH": search},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def by_pytest_benchmark(turns: int, seconds: float, _seed: int, folder: Path) -> tuple[Verdicts, Any]:
    """Save a run of the base, and compare one of the head with it; all four rules judge the same two runs."""
    rounds = max(1000, int((seconds / 2 - PYTEST_START_S) / ROUND_S))
    common = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ".", SUBJECT]
    common += [f"--benchmark-min-rounds={rounds}", "--benchmark-storage=saved"]
    call([*common, "--benchmark-save=base", "--benchmark-json=base.json"], 0, folder)
    said = call(
        [*common, "--benchmark-json=head.json", "--benchmark-compare=0001", "--benchmark-compare-fail", *THRESHOLDS],
        turns,
        folder,
    )
    if not (folder / "head.json").is_file():
        raise SystemExit(f"pytest-benchmark did not run:\n{said}")
    failed = {f"{field}:{float(limit):g}%" for field, limit in FAILED.findall(said)}
    raw = [_without_data(json.loads((folder / f"{name}.json").read_text())) for name in ("base", "head")]
    return {rule: rule.partition("=")[2] in failed for rule in RULES["pytest-benchmark"]}, raw


def _without_data(document: dict[str, Any]) -> dict[str, Any]:
    stats: dict[str, Any] = document["benchmarks"][0]["stats"]
    return {key: value for key, value in stats.items() if key != "data"}


def by_pyperf(turns: int, seconds: float, _seed: int, folder: Path) -> tuple[Verdicts, Any]:
    """Run pyperf on both sides, one after the other, and ask compare_to."""
    processes = max(2, int(seconds / 2 / PYPERF_PROCESS_S))
    options = ["-q", "-p", str(processes), f"--inherit-environ={TURNS},PYTHONPATH"]
    for name, more in (("base", 0), ("head", turns)):
        said = call([SUBJECT, *options, "-o", f"{name}.json"], more, folder)
        if not (folder / f"{name}.json").is_file():
            raise SystemExit(f"pyperf did not run:\n{said}")
    said = call(["-m", "pyperf", "compare_to", "base.json", "head.json"], 0, folder)
    raw = {name: json.loads((folder / f"{name}.json").read_text())["benchmarks"] for name in ("base", "head")}
    return {RULES["pyperf"][0]: "slower" in said and "not significant" not in said}, {"said": said, **raw}


def by_this_project(turns: int, seconds: float, seed: int, _folder: Path) -> tuple[Verdicts, Any]:
    """Measure pairs of fresh processes until the time is over, and place the ratio's interval as `compare` does."""
    from harness.measure.compared import judge

    terms = Terms(budget_s=seconds, seed=seed)
    with more_work(turns):
        found = measure_overhead([Comparison(BASE, HEAD)], terms)
    if found.interrupted:
        raise KeyboardInterrupt
    experiment = found.experiments[0]
    verdicts = [judge(experiment, tolerance)[0] == "regressed" for tolerance in (0.0, 0.03)]
    return dict(zip(RULES["this project"], verdicts, strict=True)), experiment.model_dump(mode="json")


BY: dict[str, Callable[[int, float, int, Path], tuple[Verdicts, Any]]] = {
    "pytest-benchmark": by_pytest_benchmark,
    "pyperf": by_pyperf,
    "this project": by_this_project,
}


def run_trial(trial: Trial, turn_share: float, seconds: float, missing: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield a record of each tool that is still missing, in an order drawn from the trial."""
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
    """Return what was measured so far, or an empty document; refuse one with other settings."""
    if not path.exists():
        here = environment().model_dump(mode="json")
        return {"version": VERSION, "seconds": seconds, "environment": here, "turn_share": 0.0, "records": []}
    found: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    if found["version"] != VERSION:
        raise SystemExit(f"{path} was measured by another version of this script; name another --results, or --fresh")
    if found["seconds"] != seconds:
        raise SystemExit(f"{path} holds trials of {found['seconds']} s; name another --results, or --fresh")
    if found["environment"] != environment().model_dump(mode="json"):
        raise SystemExit(f"{path} was measured elsewhere or with other versions; name another --results, or --fresh")
    return found


def save(path: Path, document: dict[str, Any]) -> None:
    """Write all records whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(gzip.compress(json.dumps(document).encode(), mtime=0))
    part.replace(path)


def measure(path: Path, document: dict[str, Any], trials: int) -> None:
    """Make the trials that are missing, saving each record."""
    # Once for the whole session: a share taken anew for each trial would add its own noise to what is to be found.
    document["turn_share"] = document["turn_share"] or calibrate()
    records: list[dict[str, Any]] = document["records"]
    done = {(each["share"], each["number"], each["tool"]) for each in records}
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
    """Return the table as Markdown: for each rule the false alarms, the hits and the wall time of a trial."""
    heads = ["rule", "false alarms", *(f"{100 * share:.0f} % found" for share in SHARES if share), "s a trial"]
    rows = [heads, [":--", *["--:"] * (len(heads) - 1)]]
    for tool in TOOLS:
        mine = [each for each in document["records"] if each["tool"] == tool]
        walls = [each["wall_s"] for each in mine]
        wall = f"{statistics.median(walls):.1f}" if walls else "–"
        for rule in RULES[tool]:
            cells = [_rate([each["slower"][rule] for each in mine if each["share"] == share]) for share in SHARES]
            rows.append([f"{tool}, `{rule}`", *cells, wall])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _rate(said: Sequence[bool]) -> str:
    if not said:
        return "–"
    low, high = binomial_interval(sum(said), len(said))
    return f"{sum(said)}/{len(said)} ({100 * low:.0f}–{100 * high:.0f} %)"


def block(document: dict[str, Any]) -> str:
    """Return the table with what it was measured on."""
    found = document["environment"]
    about = (
        f"{found['cpu']}, {found['cpu_count']} cores, {found['kernel']}, {found['python']}, "
        f"prometheus-client {found['libraries']['prometheus-client']}; about {document['seconds']:g} s a trial for "
        "each tool. In brackets: exact 95 % intervals."
    )
    return f"{table(document)}\n{about}\n{repeated(document)}"


def repeated(document: dict[str, Any]) -> str:
    """Return a sentence on how far two runs of pytest-benchmark on identical code were apart; empty without any."""
    same = [each["raw"] for each in document["records"] if each["tool"] == TOOLS[0] and each["share"] == 0]
    apart = sorted(abs(head["mean"] / base["mean"] - 1) for base, head in same)
    if not apart:
        return ""
    middle = 100 * statistics.median(apart)
    return (
        f"\nMeans of two runs of identical code under pytest-benchmark were {middle:.1f} % apart "
        f"at the median of {len(apart)} trials, and {100 * apart[-1]:.1f} % at most.\n"
    )


def write_docs(text: str, path: Path = DOCS) -> None:
    """Put `text` between the markers of `path`; raises `SystemExit` where they are missing."""
    page = path.read_text(encoding="utf-8")
    places = [page.find(BEGIN), page.find(END)]
    if -1 in places or any(later < earlier for earlier, later in pairwise(places)):
        raise SystemExit(f"{path}: the markers {BEGIN} and {END} are missing")
    path.write_text(f"{page[: places[0]]}{BEGIN}\n{text}{page[places[1] :]}", encoding="utf-8")


def main() -> None:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=12, help="of each slowdown; identical code gets 2.5 times")
    parser.add_argument("--seconds", type=float, default=10.0, help="wall time of a trial for each tool")
    parser.add_argument("--results", type=Path, default=HERE.parent / ".benchmarks" / "compare_tools.json.gz")
    parser.add_argument("--fresh", action="store_true", help="begin anew instead of going on")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/compare.md as well")
    chosen = parser.parse_args()
    if chosen.trials < 1 or chosen.seconds < 5:
        parser.error("at least one trial, and five seconds for each tool")
    if chosen.fresh:
        chosen.results.unlink(missing_ok=True)
    document = load(chosen.results, chosen.seconds)
    try:
        measure(chosen.results, document, chosen.trials)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
    print(block(document))
    if chosen.docs:
        write_docs(block(document))
        save(STORED, document)


if __name__ == "__main__":
    main()

"""Compares this tree with an earlier revision by pairs per minute and A/A spread, alternating in one session.

    python benchmarks/method/pair_rate.py                             a quarter of an hour, against the revision d0d70ba
    python benchmarks/method/pair_rate.py --turns 2 --seconds 3 --goals 1 a short trial
    python benchmarks/method/pair_rate.py --revision HEAD~1           against another revision

In each turn both trees measure A/A pairs for the same time, each in a process of its own, in random order. The revision
is checked out into a git worktree in the temporary folder, which is removed afterwards; both trees run on this
interpreter and with the same libraries. It prints for each way of recording:

- pairs per minute, and their ratio with a t interval over turns;
- the standard deviation of the pairs' log-ratio with its chi-square interval, the ratio of both trees' with a bootstrap
  interval, and the same by the median absolute deviation, which is insensitive to outliers;
- the ratio of the first timed block to the later ones: 1 where the interpreter had specialised before;

and for the goal of 1 %, the time until the interval of an experiment on identical code is within ±1 %. All measurements
are written to .benchmarks/pair_rate.json.
"""

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

HERE = Path(__file__).resolve().parents[2]
STORED = HERE / ".benchmarks" / "pair_rate.json"
REVISION = "d0d70ba"
PLANS = {"table": (10, 6_000_000), "compare": (20, 10_000_000)}
# Code that runs on both trees, from that revision on.
PAIRS = """
import json, sys, time
import harness
from harness.measure.pairs.launcher import Launcher
from harness.measure.pairs.pair import BlockPlan
from harness.measure.subject import Subject

name, seconds, seed, rounds, block_ns = sys.argv[1], float(sys.argv[2]), *map(int, sys.argv[3:6])
side, pairs = Subject(instrument=name), []
with Launcher(BlockPlan(rounds, block_ns), seed) as launch:
    launch(side, side)
    began = time.monotonic()
    while (spent := time.monotonic() - began) < seconds:
        pair = launch(side, side)
        if not pair.void:
            pairs.append([pair.log_ratio, pair.base_blocks, pair.head_blocks])
print(json.dumps({"tree": harness.__file__, "seconds": spent, "pairs": pairs}))
"""
GOAL = """
import json, sys
import harness
from harness.measure.pairs.schedule import Comparison, Terms
from harness.measure.pairs.measure import measure_overhead
from harness.measure.subject import Subject

side = Subject(instrument=sys.argv[1])
terms = Terms(precision=0.01, budget_s=float(sys.argv[2]), seed=int(sys.argv[3]))
document = measure_overhead([Comparison(side, side)], terms)
experiment = document.experiments[0]
print(json.dumps({"tree": harness.__file__, "seconds": document.elapsed_s, "pairs": experiment.pairs,
                  "interval": experiment.ratio_interval, "verdict": experiment.verdict}))
"""


@dataclass
class Tree:
    """One tree and its measurements."""

    name: str
    folder: Path
    turns: list[dict[str, Any]] = field(default_factory=list)
    goals: list[dict[str, Any]] = field(default_factory=list)

    def run(self, code: str, *arguments: object) -> dict[str, Any]:
        """Run `code` on this tree in a fresh process; raise `RuntimeError` with its last line where it fails."""
        process = subprocess.run(
            [sys.executable, "-P", "-c", code, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode:
            raise RuntimeError(f"{self.name}: {(process.stderr.strip().splitlines() or ['no output'])[-1]}")
        answer: dict[str, Any] = json.loads(process.stdout)
        assert Path(answer.pop("tree")).is_relative_to(self.folder)
        return answer

    def of(self, name: str) -> list[dict[str, Any]]:
        """Return the turns of one way of recording."""
        return [turn for turn in self.turns if turn["instrument"] == name]

    def logs(self, name: str) -> list[float]:
        """Return the pairs' log-ratios of one way of recording."""
        return [pair[0] for turn in self.of(name) for pair in turn["pairs"]]


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """Yield a git worktree of `revision`, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="harness-pair-rate-") as folder:
        tree = Path(folder) / "tree"
        git = ["git", "-C", str(HERE), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), revision], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def rates(old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> tuple[float, float, list[float]]:
    """Return the pairs per minute of both trees and the log-ratios of their rates, turn by turn."""

    def rate(turns: Sequence[dict[str, Any]]) -> float:
        return 60 * sum(len(turn["pairs"]) for turn in turns) / sum(turn["seconds"] for turn in turns)

    logs = [math.log(rate([b]) / rate([a])) for a, b in zip(old, new, strict=True) if a["pairs"] and b["pairs"]]
    return rate(old), rate(new), logs


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean with its t interval, unbounded for fewer than two values."""
    mean = statistics.fmean(values) if values else math.nan
    if len(values) < 2:
        return mean, -math.inf, math.inf
    half = float(scipy.stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def spread_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the standard deviation with its 95 % interval by the chi-square distribution."""
    spread, freedom = statistics.stdev(values), len(values) - 1
    low, high = (math.sqrt(freedom / float(scipy.stats.chi2.ppf(p, freedom))) for p in (0.975, 0.025))
    return spread, spread * low, spread * high


def mad(values: Any) -> Any:
    """Return 1.4826 times the median absolute deviation along the last axis: the deviation of a normal distribution."""
    centre = np.median(values, axis=-1, keepdims=True)
    return 1.4826 * np.median(np.abs(values - centre), axis=-1)


def ratio_interval(old: Sequence[float], new: Sequence[float], spread: Any) -> tuple[float, float, float]:
    """Return the ratio of two samples' spreads with its 95 % percentile bootstrap interval."""
    rng = np.random.default_rng(1)
    drawn = [spread(rng.choice(np.array(values), (4000, len(values)))) for values in (old, new)]
    quotient = drawn[1] / np.maximum(drawn[0], 1e-12)
    low, high = np.quantile(quotient, [0.025, 0.975])
    return float(spread(np.array(new)) / spread(np.array(old))), float(low), float(high)


def first_blocks(turns: Sequence[dict[str, Any]]) -> list[float]:
    """Return, for each side of each pair, the log-ratio of its first timed block to the median of the later half."""
    return [
        math.log(blocks[0] / statistics.median(blocks[len(blocks) // 2 :]))
        for turn in turns for _, *sides in turn["pairs"] for blocks in sides
    ]  # fmt: skip


def percent(estimate: tuple[float, float, float]) -> str:
    """Return a share with its interval."""
    return f"{100 * estimate[0]:.2f} % ({100 * estimate[1]:.2f} to {100 * estimate[2]:.2f})"


def times(estimate: tuple[float, float, float]) -> str:
    """Return a ratio with its interval."""
    return f"{estimate[0]:.3f} ({estimate[1]:.3f} to {estimate[2]:.3f})"


def report(trees: Sequence[Tree], instruments: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the report."""
    old, new = trees
    for name in instruments:
        before, after, logs = rates(old.of(name), new.of(name))
        yield f"{name} against itself"
        gain = tuple(math.exp(value) for value in mean_interval(logs))
        yield f"  pairs a minute     {old.name} {before:.1f}, {new.name} {after:.1f}; ratio {times(gain)}"
        a, b = old.logs(name), new.logs(name)
        if min(len(a), len(b)) < 3:
            yield "  too few pairs for a spread"
            continue
        yield f"  A/A sd a pair      {old.name} {percent(spread_interval(a))}, {new.name} {percent(spread_interval(b))}"
        spreads = (times(ratio_interval(a, b, lambda values: np.std(values, axis=-1, ddof=1))),
                   times(ratio_interval(a, b, mad)))  # fmt: skip
        yield f"  its ratio          {spreads[0]}; by the median absolute deviation {spreads[1]}"
        bias = (f"{tree.name} {times(_exp(mean_interval(tree.logs(name))))}" for tree in trees)
        yield f"  mean ratio         {', '.join(bias)}"
        first = (f"{tree.name} {times(_exp(mean_interval(first_blocks(tree.of(name)))))}" for tree in trees)
        yield f"  first timed block  {', '.join(first)}"
    for tree in trees:
        if tree.goals:
            seconds = sorted(goal["seconds"] for goal in tree.goals)
            widths = [max(math.log(goal["interval"][1]), -math.log(goal["interval"][0])) for goal in tree.goals]
            within = sum(value <= 15 for value in seconds)
            yield (
                f"to ±1 % on identical code, {tree.name}: median {statistics.median(seconds):.1f} s, "
                f"at most {seconds[-1]:.1f} s, {within} of {len(seconds)} within 15 s; "
                f"farthest end of an interval {100 * math.expm1(max(widths)):.2f} % from 1"
            )


def _exp(estimate: tuple[float, float, float]) -> tuple[float, float, float]:
    return math.exp(estimate[0]), math.exp(estimate[1]), math.exp(estimate[2])


def main() -> int:
    """Measure, store and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--revision", default=REVISION, help="the revision to compare with")
    parser.add_argument("--turns", type=int, default=12, help="number of turns of each tree")
    parser.add_argument("--seconds", type=float, default=8.0, help="duration of a turn")
    parser.add_argument("--instruments", default="none,prometheus-client,opencensus", help="ways of recording")
    parser.add_argument("--plan", choices=PLANS, default="table", help="blocks of the table, or of one comparison")
    parser.add_argument("--goals", type=int, default=8, help="experiments to ±1 %% for each tree")
    parser.add_argument("--goal-instrument", default="prometheus-client", help="way of recording in these experiments")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random orders")
    options = parser.parse_args()
    names = options.instruments.split(",")
    rng = random.Random(options.seed)  # noqa: S311 - orders, nothing secret
    with checked_out(options.revision) as folder:
        trees = [Tree(options.revision, folder), Tree("here", HERE)]
        for turn in range(options.turns):
            for name in names:
                for tree in rng.sample(trees, 2):
                    pairs = tree.run(PAIRS, name, options.seconds, options.seed + turn, *PLANS[options.plan])
                    tree.turns.append({"instrument": name, "turn": turn, **pairs})
            print(f"turn {turn + 1} of {options.turns} done", file=sys.stderr, flush=True)
        for turn in range(options.goals):
            for tree in rng.sample(trees, 2):
                tree.goals.append(tree.run(GOAL, options.goal_instrument, 60.0, options.seed + turn))
            print(f"goal {turn + 1} of {options.goals} done", file=sys.stderr, flush=True)
    STORED.parent.mkdir(exist_ok=True)
    stored = {tree.name: {"turns": tree.turns, "goals": tree.goals} for tree in trees}
    STORED.write_text(json.dumps({"arguments": vars(options), "trees": stored}))
    print(f"{os.cpu_count()} CPUs, plan {options.plan}, {options.turns} turns of {options.seconds:g} s each")
    for line in report(trees, names):
        print(line)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

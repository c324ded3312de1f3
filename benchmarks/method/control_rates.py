"""Simulates whole calls through the real stopping rule and verdicts, and prints their error rates.

    python benchmarks/method/control_rates.py [--calls 1000] [--experiments 1000] [--noise normal,recorded]

Only the processes are simulated: a pair is a random number that takes about a second of a simulated clock. The order of
pairs, the stopping, void results and repetitions are decided by the real code of `harness`. It answers three questions,
each share with its exact 95 % interval:

- unbiased ("honest") calls: in how many does a control miss zero at first, so that comparisons are measured again, and
  in how many does one stay void (at most 1 % may);
- calls with a bias of one standard deviation of the pairs in favour of one side: how many controls void their
  comparisons at first, and how many still do in the end (at least 80 % have to); and how many comparisons of identical
  code are called different. On a machine so slow that the time does not suffice for all A/A pairs, fewer controls void
  their comparisons; then only differences beyond the control's interval are decided, which keeps the last share low;
- identical code without a control: how often each stopping rule calls it different (nominal 5 %).

`recorded` noise is drawn from measured pairs of identical code (docs/data/validation.jsonl.gz), with random signs,
instead of from the normal distribution.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.measure.controls import (
    Comparison,
    Pipeline,
    control_subject,
    count_controls,
    level_of,
    pairs_needed,
    pipeline,
)
from harness.measure.pairs.measure import comparisons_for
from harness.measure.pairs.schedule import Terms, measure_comparisons
from harness.measure.questions.full import FullPlan, paired_parts
from harness.measure.questions.table import ROWS, TablePlan, table_comparisons, table_terms
from harness.measure.questions.validation import read_records
from harness.measure.result import RawPair
from harness.measure.stats import binomial_interval, standard_deviation
from harness.measure.subject import Subject
from harness.measure.verdict import Assessment, counting

RECORDED = Path(__file__).resolve().parents[2] / "docs" / "data" / "validation.jsonl.gz"
# The standard deviation of the pairs' log-ratio on measured machines, and the approximate duration of a pair there.
SPREAD, PAIR_S = 0.02, 0.6
SPREADS = (0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.05)

Draw = Callable[[random.Random], float]
Part = tuple[Sequence[Comparison], Terms]


@dataclass(frozen=True)
class Call:
    """One call of the command: its paired measurements, one after another, and the duration of a pair."""

    name: str
    parts: tuple[Part, ...]
    pair_s: float = PAIR_S

    @property
    def controls(self) -> int:
        """The number of controls of all parts."""
        return count_controls(*(comparisons for comparisons, _ in self.parts))


def calls() -> list[Call]:
    """Return the simulated calls: typical calls of users, with their real terms."""
    plan = TablePlan()
    head = Comparison(Subject(instrument="prometheus-client"), Subject(instrument="prometheus-client-cached"))
    table = (table_comparisons(plan, ROWS), table_terms(plan))
    return [
        Call("harness overhead (the default table)", (table,)),
        Call("the same where a pair takes 1.3 s", (table,), 1.3),
        Call("harness overhead full", tuple(paired_parts(FullPlan()).values())),
        Call("harness compare", (([head], Terms(precision=0.01, budget_s=60.0, tolerance=0.03)),)),
        Call("harness check --fresh", ((comparisons_for(ROWS), Terms(budget_s=60.0)),)),
    ]


def normal(source: random.Random) -> float:
    """Return a log-ratio of identical code, in standard deviations."""
    return source.gauss(0.0, 1.0)


def recorded(path: Path = RECORDED) -> Draw:
    """Return a function that draws such log-ratios from all measured pairs of identical code."""
    pairs = [
        pair
        for record in read_records(path)[0]
        if record.kind == "identical"
        for pair in counting(record.experiment.raw_pairs)
    ]
    logs = [pair.log_ratio for pair in pairs]
    spread = standard_deviation(logs)
    return lambda source: source.choice((-1, 1)) * source.choice(logs) / spread


class Simulated:
    """A simulation of the processes: pairs whose log-ratio is `bias` plus noise, in units of `spread`."""

    def __init__(self, source: random.Random, draw: Draw, *, spread: float, bias: float, pair_s: float) -> None:
        self.source, self.draw, self.spread, self.bias, self.pair_s = source, draw, spread, bias, pair_s
        self.time = 0.0

    def __call__(self, _base: Subject, _head: Subject, /) -> RawPair:
        """Return a pair with only the fields that the assessment uses."""
        self.time += self.pair_s
        log = self.spread * (self.bias + self.draw(self.source))
        return RawPair.model_construct(log_ratio=log, difference=log, void="")

    def now(self) -> float:
        """Return the total duration of the pairs so far, in seconds."""
        return self.time


@dataclass
class Counts:
    """The results of simulated calls; void ones are counted by controls."""

    calls: int = 0
    repeated: int = 0
    void: int = 0
    controls: int = 0
    controls_missed: int = 0
    controls_void: int = 0
    comparisons: int = 0
    different: int = 0
    pairs: int = 0
    controlling: int = 0
    seconds: float = 0.0

    def add(self, parts: Sequence[tuple[list[Assessment], float]]) -> None:
        """Add one call: the assessments of each of its parts, and its duration in seconds."""
        assessments = [assessment for part, _ in parts for assessment in part]
        self.calls += 1
        self.repeated += any(map(_was_void, assessments))
        self.void += any(assessment.verdict == "void" for assessment in assessments)
        self.seconds += sum(seconds for _, seconds in parts)
        self.comparisons += len(assessments)
        self.different += sum(assessment.verdict in {"slower", "faster"} for assessment in assessments)
        for part, _ in parts:
            for control in by_control(part).values():
                self.controls += 1
                self.controls_missed += any(map(_was_void, control))
                self.controls_void += any(assessment.verdict == "void" for assessment in control)
                self.pairs += sum(assessment.ratio.count for assessment in control) // len(control)
                self.controlling += control[0].null_ratio.count


def _was_void(assessment: Assessment) -> bool:
    """Return whether the first measurement of a comparison was void."""
    return bool(assessment.earlier) or assessment.verdict == "void"


def by_control(assessments: Sequence[Assessment]) -> dict[Pipeline, list[Assessment]]:
    """Return the assessments of one part by the control that they share."""
    groups: dict[Pipeline, list[Assessment]] = {}
    for assessment in assessments:
        groups.setdefault(pipeline(control_subject(assessment.comparison)), []).append(assessment)
    return groups


def simulate(call: Call, count: int, draw: Draw, *, bias: float, seed: int = 1) -> Counts:
    """Simulate a call `count` times with a `bias` in standard deviations of the pairs, and return the counts."""
    counts = Counts()
    source = random.Random(seed)  # noqa: S311 - a simulation
    for _ in range(count):
        parts = []
        for comparisons, terms in call.parts:
            measure = Simulated(source, draw, spread=SPREAD, bias=bias, pair_s=call.pair_s)
            result = measure_comparisons(comparisons, terms, measure, now=measure.now)
            parts.append((result.assessments, result.elapsed_s))
        counts.add(parts)
    return counts


MODES = {
    "--precision 1%": Terms(precision=0.01, control=False),
    "--precision 1% --budget 120s": Terms(precision=0.01, budget_s=120.0, control=False),
    "--budget 60s": Terms(budget_s=60.0, control=False),
    "until decided, in 120 s": Terms(budget_s=120.0, settled=True, control=False),
    "until decided or ±1 %, in 120 s": Terms(precision=0.01, budget_s=120.0, settled=True, control=False),
}


def false_alarms(terms: Terms, spread: float, count: int, draw: Draw = normal, *, seed: int = 1) -> int:
    """Return how many of `count` experiments on identical code have an interval that excludes no change."""
    source = random.Random(seed)  # noqa: S311 - a simulation
    comparison, alarms = Comparison(Subject(), Subject(instrument="opencensus")), 0
    for _ in range(count):
        measure = Simulated(source, draw, spread=spread, bias=0.0, pair_s=PAIR_S)
        (assessment,) = measure_comparisons([comparison], terms, measure, now=measure.now).assessments
        alarms += not assessment.ratio.covers(0.0)
    return alarms


def share(count: int, total: int) -> str:
    """Return a share with its exact 95 % interval."""
    low, high = binomial_interval(count, total)
    return f"{count}/{total} = {count / total:.2%} ({low:.2%} to {high:.2%})"


def print_controls(noises: dict[str, Draw], count: int) -> None:
    """Print the results of unbiased and of biased calls."""
    for call in calls():
        level = level_of(call.controls)
        print(
            f"\n{call.name}: {call.controls} control{'s' * (call.controls > 1)} at {1 - level:.3%}, "
            f"{pairs_needed(level)} A/A pairs each"
        )
        # A call with --full is as long as about twenty tables.
        number = max(1, count // (10 if len(call.parts) > 1 else 1))
        for name, draw in noises.items():
            honest = simulate(call, number, draw, bias=0.0)
            biased = simulate(call, max(1, number // 4), draw, bias=1.0, seed=2)
            print(f"  {name} noise")
            print(f"    honest calls measured again in part  {share(honest.repeated, honest.calls)}")
            print(f"    honest calls void in the end         {share(honest.void, honest.calls)}")
            print(f"    controls that caught 1 sd at first   {share(biased.controls_missed, biased.controls)}")
            print(f"    and in the end                       {share(biased.controls_void, biased.controls)}")
            print(f"    comparisons then called different    {biased.different / biased.comparisons:.1%}")
            print(
                f"    A/B pairs a comparison {honest.pairs / honest.controls:.1f}, A/A pairs a control "
                f"{honest.controlling / honest.controls:.1f}, {honest.seconds / honest.calls:.0f} s a call"
            )
            sys.stdout.flush()


def print_alarms(noises: dict[str, Draw], count: int) -> None:
    """Print how often each stopping rule calls identical code different, over spreads from small to large."""
    print("\nIdentical code called different, nominal 5 %, by standard deviation of the pairs' log-ratio")
    print(f"  {'':<44}{''.join(f'{spread:>8.1%}' for spread in SPREADS)}  all")
    for name, draw in noises.items():
        for words, terms in MODES.items():
            counts = [false_alarms(terms, spread, count, draw, seed=3 + i) for i, spread in enumerate(SPREADS)]
            cells = "".join(f"{alarms / count:>8.2%}" for alarms in counts)
            print(f"  {f'{words}, {name}':<44}{cells}  {share(sum(counts), count * len(counts))}")
            sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000, help="honest calls of each kind; a tenth of it for --full")
    parser.add_argument("--experiments", type=int, default=1000, help="for each stopping rule and each spread")
    parser.add_argument("--noise", default="normal,recorded", help="normal, recorded, or both")
    options = parser.parse_args(arguments)
    sources: dict[str, Callable[[], Draw]] = {"normal": lambda: normal, "recorded": recorded}
    names = options.noise.split(",")
    if unknown := [name for name in names if name not in sources]:
        parser.error(f"--noise: there is no {unknown[0]}; choose from {', '.join(sources)}")
    noises = {name: sources[name]() for name in names}
    began = time.monotonic()
    print_controls(noises, options.calls)
    print_alarms(noises, options.experiments)
    print(f"\n{time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The figures of docs/push.md: what a push costs, what is lost, and how old the newest value gets (forty minutes).

    python benchmarks/cost/push.py            measure, store in docs/data, and write docs/push.md
    python benchmarks/cost/push.py --render   write docs/push.md again from docs/data
    python benchmarks/cost/push.py --quick    a trial of two minutes that is only printed

Two measurements. The cost of a line comes from pairs of fresh processes, at rest and while all series are pushed ten
times a second, as `harness overhead` measures it. Loss, age and response times come from load runs, each in a fresh
process and repeated in random order: the range over the repeats is shown.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.stored_block import ROOT, load, store, table, write_block
from harness.instruments.catalog import installed
from harness.measure.pairs.measure import comparisons_for, measure_overhead
from harness.measure.pairs.schedule import Terms
from harness.measure.questions.answer import Answer, outcome_of
from harness.measure.questions.trial import run_trial
from harness.measure.result import Experiment
from harness.measure.subject import Subject
from harness.progress import Step
from harness.report.numbers import plain
from harness.report.sections.environment import environment_words
from harness.run.result import RunResult
from harness.run.spec import RunSpec

NAME = "push"
PAGE = ROOT / "docs" / "push.md"
SEED = 1
PUSHING = (
    "statsd", "dogstatsd", "dogstatsd-buffered", "dogstatsd-unix", "dogstatsd-unix-buffered", "opentelemetry-otlp",
)  # fmt: skip
# What they are held against: nothing recorded, and the same SDK that is scraped.
BESIDE = ("none", "opentelemetry")


@dataclass(frozen=True, slots=True)
class PushPlan:
    """What is measured, and for how long."""

    budget_s: float = 900.0
    rates: tuple[str, ...] = ("1k", "5k")
    series: tuple[int, ...] = (1, 1000)
    run_s: int = 15
    repeats: int = 3


QUICK = PushPlan(budget_s=60.0, rates=("1k",), series=(1,), run_s=3, repeats=1)


def _tell(step: Step) -> None:
    print(f"{step.done:.0%} {step.note}", file=sys.stderr)


def costs(plan: PushPlan, names: Sequence[str]) -> Answer:
    """Return the cost of a line with each instrument, at rest and while everything is pushed ten times a second."""
    pushed = Subject(scraped=True, interval_ms=100)
    comparisons = comparisons_for(names) + comparisons_for(names, common=pushed)
    document = measure_overhead(comparisons, Terms(budget_s=plan.budget_s, seed=SEED), _tell)
    if document.interrupted:
        raise SystemExit(130)
    return outcome_of("comparison", {"comparison": document})


def figures_of(run: RunResult) -> dict[str, Any]:
    """Return what is stored of a load run."""
    return {
        "instrument": run.spec.instrument,
        "arrivals": run.spec.arrivals,
        "series": run.workload.methods,
        "lines": run.ledger.offered,
        "verdict": run.verdict,
        "outcome": run.audit.outcome,
        "response_p99_ns": run.response_ns.p99,
        "response_max_ns": run.response_ns.max,
        "push": None if run.push is None else run.push.model_dump(mode="json"),
    }


def runs(plan: PushPlan, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the figures of the load runs, which take turns in random order."""
    points = [
        (name, rate, series)
        for name in (*BESIDE, *names)
        for rate in plan.rates
        for series in plan.series
        for _ in range(plan.repeats)
    ]
    random.Random(SEED).shuffle(points)  # noqa: S311 - an order, nothing secret
    found = []
    for number, (name, rate, series) in enumerate(points):
        _tell(Step(number / len(points), None, f"{name}, {rate} lines/s, {series} series"))
        spec = RunSpec(
            name="push",
            instrument=name,
            arrivals=f"poisson:rate={rate}",
            series=str(series),
            duration=f"{plan.run_s}s",
            scraper="none" if name == "none" else "auto",
        )
        found.append(figures_of(run_trial(spec)))
    return found


def block(figures: dict[str, Any]) -> str:
    """Return the block of the page from stored figures."""
    answer = Answer.model_validate(figures["costs"])
    words = f"Measured {answer.created[:10]} by `make push`, seed {SEED}. {environment_words(answer.environment)}"
    return "\n".join([_cost_table(answer.experiments), _run_table(figures["runs"]), words])


def _cost_table(experiments: Sequence[Experiment]) -> str:
    found = {(each.head, bool(each.factors["scraped"])): each for each in experiments}
    names = dict.fromkeys(name for name, _ in found)
    rows = [
        [f"`{name}`", *(_cost(found.get((name, pushed))) for pushed in (False, True)), _lost(found.get((name, False)))]
        for name in names
    ]
    return table(["instrument", "a line costs, µs", "while pushed every 0.1 s, µs", "lines lost meanwhile"], rows)


def _cost(experiment: Experiment | None) -> str:
    if experiment is None or experiment.verdict == "void" or experiment.cost_per_line is None:
        return "–"
    low, high = experiment.cost_interval
    if low is None or high is None:
        return "–"
    return f"{plain(experiment.cost_per_line / 1e3)} ({plain(low / 1e3)} to {plain(high / 1e3)})"


def _lost(experiment: Experiment | None) -> str:
    if experiment is None or not experiment.evaluated:
        return "–"
    return f"{plain(100 * experiment.lost / experiment.evaluated, 2)} %"


def _run_table(found: Sequence[dict[str, Any]]) -> str:
    points = sorted({(run["arrivals"], run["series"], run["instrument"]) for run in found})
    rows = []
    for arrivals, series, name in points:
        same = [run for run in found if (run["arrivals"], run["series"], run["instrument"]) == (arrivals, series, name)]
        rows.append(
            [
                f"`{name}`",
                arrivals.partition("rate=")[2],
                plain(series, 6),
                _range([_share_lost(run) for run in same], 1, " %"),
                _range([_age(run, "p50") for run in same]),
                _range([_age(run, "max") for run in same]),
                _range([_ms(run["response_p99_ns"]) for run in same]),
                _range([_ms(run["response_max_ns"]) for run in same]),
            ]
        )
    heads = [
        "instrument", "lines/s", "values of `method`", "packets lost", "age, median, ms", "age, longest, ms",
        "response p99, ms", "response, longest, ms",
    ]  # fmt: skip
    return table(heads, rows)


def _share_lost(run: dict[str, Any]) -> float | None:
    push = run["push"]
    if push is None:
        return None
    lost = push["lost_at_client"] + push["lost_at_sink"]
    return 100 * lost / (push["arrived"] + lost) if push["arrived"] + lost else None


def _age(run: dict[str, Any], name: str) -> float | None:
    return None if run["push"] is None else run["push"]["age_ms"][name]


def _ms(ns: int | None) -> float | None:
    return None if ns is None else ns / 1e6


def _range(values: Sequence[float | None], digits: int = 2, unit: str = "") -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    low, high = (plain(value, digits) for value in (min(known), max(known)))
    return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"


def measured(plan: PushPlan) -> dict[str, Any]:
    """Measure a plan, telling on standard error how far it is."""
    names = installed(PUSHING)
    return {"costs": costs(plan, names).document(), "runs": runs(plan, names)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--render", action="store_true", help="write the page again from docs/data")
    parser.add_argument("--quick", action="store_true", help="a trial of two minutes that is only printed")
    options = parser.parse_args()
    if options.quick:
        print(block(measured(QUICK)))
        return
    if not options.render:
        store(NAME, measured(PushPlan()))
    text = block(load(NAME))
    write_block(NAME, text, PAGE)
    print(text)


if __name__ == "__main__":
    main()

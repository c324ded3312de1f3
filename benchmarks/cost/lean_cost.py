"""The cost of a line with opencensus-lean and with prometheus-client, at 1, 10, 100 and 1 000 series, in one session.

    python benchmarks/cost/lean_cost.py                      measure (ten minutes), print the table, store the session
    python benchmarks/cost/lean_cost.py --docs               write it into docs/opencensus-lean.md and docs/data as well
    python benchmarks/cost/lean_cost.py --render             write the page again from the session in docs/data
    python benchmarks/cost/lean_cost.py --budget 60 --series 1  a short trial

Each line is recorded like in the quickstart: a new measurement map, two puts, a new tag map with two tags, `record`;
with prometheus-client by ``labels()`` on each of the three metrics. Both are measured against the same bare loop, in
interleaved pairs of fresh processes, so that only the cost of recording is compared. For the ratio, each pair gives its
cost in units of the bare loop of that pair, which is stable when the machine slows down temporarily, unlike
nanoseconds. The ratio's interval is Fieller's, which includes the errors of both costs.
"""

import argparse
import gzip
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import scipy

from harness.cli.console import Bar
from harness.measure.pairs.measure import comparisons_for, measure_overhead
from harness.measure.pairs.schedule import Terms
from harness.measure.result import Experiment, Experiments
from harness.measure.stats import Estimate
from harness.measure.verdict import counting

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "opencensus-lean.md"
STORED = ROOT / "docs" / "data" / "lean-cost.json.gz"
BEGIN, END = "<!-- lean-cost: begin -->", "<!-- lean-cost: end -->"
LEAN, OTHER = "opencensus-lean", "prometheus-client"
SERIES = (1, 10, 100, 1000)
BAR = 0.65
MOST_REPEATS = 2


def ratio_of_means(above: Sequence[float], below: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Return mean(above) / mean(below) of independent samples with Fieller's interval.

    The ratios r at which a t-test does not distinguish mean(above) - r·mean(below) from zero (Fieller 1954), with the
    degrees of freedom of the smaller sample, which is conservative. Unbounded where the mean below does not differ
    significantly from zero, or where a sample has fewer than two values.
    """
    count = min(len(above), len(below))
    if count < 2:
        return Estimate(math.nan, -math.inf, math.inf, count, confidence)
    (top, top_error), (bottom, bottom_error) = (_mean_and_variance(values) for values in (above, below))
    square = float(scipy.stats.t.ppf(0.5 + confidence / 2, count - 1)) ** 2
    # (top - r·bottom)² <= t²·(top_error + r²·bottom_error), a quadratic inequality in r.
    first = bottom**2 - square * bottom_error
    if first <= 0:
        return Estimate(top / bottom if bottom else math.nan, -math.inf, math.inf, count, confidence)
    middle = top * bottom / first
    half = math.sqrt(max(0.0, middle**2 - (top**2 - square * top_error) / first))
    return Estimate(top / bottom, middle - half, middle + half, count, confidence)


def _mean_and_variance(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its squared standard error."""
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values)


def ratio_of(lean: Experiment, other: Experiment) -> Estimate:
    """Return the ratio of the costs of two experiments with one base, each in units of the base within its pair."""
    return ratio_of_means(
        *([math.expm1(pair.log_ratio) for pair in counting(experiment.raw_pairs)] for experiment in (lean, other))
    )


def against_bar(ratio: Estimate, bar: float = BAR) -> str:
    """Return whether the ratio is at most `bar`: met, missed or undecided, by its interval."""
    if ratio.high <= bar:
        return "met"
    return "missed" if ratio.low > bar else "undecided"


def measure(series: Sequence[int], budget_s: float, seed: int = 1) -> Experiments:
    """Measure both ways of recording at each number of series, interleaved."""
    with Bar(quiet=False) as bar:
        return measure_overhead(comparisons_for([LEAN, OTHER], series), Terms(budget_s=budget_s, seed=seed), bar)


def session(series: Sequence[int], budget_s: float) -> list[Experiments]:
    """Return a session's documents: the first, and one for each repetition of void experiments."""
    documents = [measure(series, budget_s)]
    for repeat in range(MOST_REPEATS):
        void = [count for count in series if _void(documents, count)]
        if not void or documents[-1].interrupted:
            break
        documents.append(measure(void, budget_s * len(void) / len(series), seed=2 + repeat))
    return documents


def newest(documents: Sequence[Experiments], name: str, series: int) -> Experiment | None:
    """Return the last experiment of a way of recording at a number of series."""
    experiments = [
        experiment
        for document in documents
        for experiment in document.experiments
        if (experiment.head, experiment.factors["series"]) == (name, series)
    ]
    return experiments[-1] if experiments else None


def _pair(documents: Sequence[Experiments], series: int) -> tuple[Experiment, Experiment] | None:
    lean, other = newest(documents, LEAN, series), newest(documents, OTHER, series)
    return None if lean is None or other is None else (lean, other)


def _void(documents: Sequence[Experiments], series: int) -> bool:
    pair = _pair(documents, series)
    return pair is None or any(experiment.verdict == "void" for experiment in pair)


def rows(documents: Sequence[Experiments]) -> list[list[str]]:
    """Return a row for each number of series; a void experiment has no figures."""
    experiments = [experiment for document in documents for experiment in document.experiments]
    counts = sorted({int(experiment.factors["series"]) for experiment in experiments})
    cells = []
    for count in counts:
        pair = _pair(documents, count)
        if pair is None or _void(documents, count):
            cells.append([f"{count:,}".replace(",", " "), "void", "void", "", "", ""])
            continue
        ratio = ratio_of(*pair)
        cells.append(
            [
                f"{count:,}".replace(",", " "),
                *(_microseconds(experiment) for experiment in pair),
                f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})",
                against_bar(ratio),
                " and ".join(str(experiment.pairs) for experiment in pair),
            ]
        )
    return cells


def _microseconds(experiment: Experiment) -> str:
    low, high = experiment.cost_interval
    if experiment.cost_per_line is None or low is None or high is None:
        return "–"
    return f"{experiment.cost_per_line / 1000:.2f} ±{(high - low) / 2000:.2f}"


def block(documents: Sequence[Experiments]) -> str:
    """Return the table as Markdown, with its environment."""
    heads = ["series", f"{LEAN}, µs", f"{OTHER}, µs", "ratio (95 % interval)", f"at most {BAR}", "pairs"]
    table = [heads, ["--:"] * len(heads), *rows(documents)]
    here = documents[0].environment
    controls = [experiment.null for document in documents for experiment in document.experiments]
    ratios = [control.ratio for control in controls if control.ratio is not None]
    control = f"; controls on identical code {min(ratios):.3f} to {max(ratios):.3f}" if ratios else ""
    again = f", some measured again after a void control ({len(documents)} rounds)" if len(documents) > 1 else ""
    libraries = ", ".join(f"{name} {here.libraries[name]}" for name in ("opencensus", OTHER) if name in here.libraries)
    return (
        "\n".join(f"| {' | '.join(row)} |" for row in table)
        + f"\n\n`make lean-cost`, {sum(document.elapsed_s for document in documents) / 60:.0f} min{again}: {here.cpu}, "
        + f"{here.cpu_count} cores, {here.kernel}, {here.python}, {libraries}{control}.\n"
    )


def write_docs(text: str, path: Path = DOCS) -> None:
    """Write `text` between the markers of `path`; raise `SystemExit` where they are missing."""
    page = path.read_text(encoding="utf-8")
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path}: the markers {BEGIN} and {END} are missing")
    path.write_text(f"{head}{BEGIN}\n{text}{END}{tail}", encoding="utf-8")


def keep(documents: Sequence[Experiments], path: Path) -> None:
    """Store the session with every pair; equal figures give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps([document.model_dump(mode="json") for document in documents], separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def read(path: Path) -> list[Experiments]:
    """Return a stored session."""
    documents: list[dict[str, Any]] = json.loads(gzip.decompress(path.read_bytes()))
    return [Experiments.model_validate(document) for document in documents]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure or read, print and store; return 1 where the bar is missed, or a row has no valid measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=600.0, help="seconds to measure (default: %(default)g)")
    parser.add_argument("--series", default=",".join(map(str, SERIES)), help="numbers of series (default: %(default)s)")
    parser.add_argument(
        "--results", type=Path, default=ROOT / ".benchmarks" / "lean_cost.json.gz", help="file for the session"
    )
    parser.add_argument("--docs", action="store_true", help="write the table into docs/opencensus-lean.md as well")
    parser.add_argument("--render", action="store_true", help="write that table again from the session in docs/data")
    options = parser.parse_args(arguments)
    if options.render:
        documents = read(STORED)
    else:
        documents = session(list(map(int, options.series.split(","))), options.budget)
        keep(documents, options.results)
    print(block(documents))
    if options.docs and not options.render:
        keep(documents, STORED)
    if options.docs or options.render:
        write_docs(block(documents))
    results = [row[4] for row in rows(documents)]
    return 1 if "missed" in results or "" in results else 0


if __name__ == "__main__":
    sys.exit(main())

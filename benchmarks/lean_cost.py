"""What a line costs with opencensus-lean beside prometheus-client, at 1, 10, 100 and 1 000 series, in one session.

    python benchmarks/lean_cost.py                          measure (ten minutes), print the table, keep the session
    python benchmarks/lean_cost.py --docs                   write it into docs/opencensus-lean.md and docs/data as well
    python benchmarks/lean_cost.py --render                 write the page anew from the session kept in docs/data
    python benchmarks/lean_cost.py --budget 60 --series 1   a rehearsal

Each line is recorded as the quickstart has it: a new measurement map, two puts, a new tag map with two tags, `record`;
with prometheus-client by ``labels()`` on each of the three metrics. Both are measured against the same bare loop, in
pairs of fresh processes that are measured by turns, so what is compared is the cost of recording alone. For the ratio
each pair gives its cost in units of the bare loop beside it, which holds where the machine slows down for a while, as
nanoseconds do not; its interval is Fieller's, which allows for the error of both costs.
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

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs" / "opencensus-lean.md"
STORED = ROOT / "docs" / "data" / "lean-cost.json.gz"
BEGIN, END = "<!-- lean-cost: begin -->", "<!-- lean-cost: end -->"
LEAN, OTHER = "opencensus-lean", "prometheus-client"
SERIES = (1, 10, 100, 1000)
BAR = 0.65
MOST_REPEATS = 2


def ratio_of_means(above: Sequence[float], below: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Return mean(above) / mean(below) of independent samples with Fieller's interval.

    The ratios r at which mean(above) - r·mean(below) is not told from zero by a t-test (Fieller 1954), with the degrees
    of freedom of the smaller sample, which is on the safe side. Unbounded where the mean below is not told from zero
    itself, or where a sample has fewer than two values.
    """
    count = min(len(above), len(below))
    if count < 2:
        return Estimate(math.nan, -math.inf, math.inf, count, confidence)
    (top, top_error), (bottom, bottom_error) = (_mean_and_variance(each) for each in (above, below))
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
        *([math.expm1(pair.log_ratio) for pair in counting(each.raw_pairs)] for each in (lean, other))
    )


def against_bar(ratio: Estimate, bar: float = BAR) -> str:
    """Return what the interval says of the bar."""
    if ratio.high <= bar:
        return "met"
    return "missed" if ratio.low > bar else "undecided"


def measure(series: Sequence[int], budget_s: float, seed: int = 1) -> Experiments:
    """Measure both ways of recording at each number of series, by turns."""
    with Bar(quiet=False) as bar:
        return measure_overhead(comparisons_for([LEAN, OTHER], series), Terms(budget_s=budget_s, seed=seed), bar)


def session(series: Sequence[int], budget_s: float) -> list[Experiments]:
    """Return a session's documents: the first, and one for each time that void experiments were measured again."""
    documents = [measure(series, budget_s)]
    for repeat in range(MOST_REPEATS):
        void = [count for count in series if _void(documents, count)]
        if not void or documents[-1].interrupted:
            break
        documents.append(measure(void, budget_s * len(void) / len(series), seed=2 + repeat))
    return documents


def newest(documents: Sequence[Experiments], name: str, series: int) -> Experiment | None:
    """Return the last experiment of a way of recording at a number of series."""
    found = [
        each
        for document in documents
        for each in document.experiments
        if (each.head, each.factors["series"]) == (name, series)
    ]
    return found[-1] if found else None


def _pair(documents: Sequence[Experiments], series: int) -> tuple[Experiment, Experiment] | None:
    lean, other = newest(documents, LEAN, series), newest(documents, OTHER, series)
    return None if lean is None or other is None else (lean, other)


def _void(documents: Sequence[Experiments], series: int) -> bool:
    pair = _pair(documents, series)
    return pair is None or any(each.verdict == "void" for each in pair)


def rows(documents: Sequence[Experiments]) -> list[list[str]]:
    """Return a row for each number of series; a void experiment has no figures."""
    counts = sorted({int(each.factors["series"]) for document in documents for each in document.experiments})
    found = []
    for count in counts:
        pair = _pair(documents, count)
        if pair is None or _void(documents, count):
            found.append([f"{count:,}".replace(",", " "), "void", "void", "", "", ""])
            continue
        ratio = ratio_of(*pair)
        found.append(
            [
                f"{count:,}".replace(",", " "),
                *(_microseconds(each) for each in pair),
                f"{ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})",
                against_bar(ratio),
                " and ".join(str(each.pairs) for each in pair),
            ]
        )
    return found


def _microseconds(experiment: Experiment) -> str:
    low, high = experiment.cost_interval
    if experiment.cost_per_line is None or low is None or high is None:
        return "–"
    return f"{experiment.cost_per_line / 1000:.2f} ±{(high - low) / 2000:.2f}"


def block(documents: Sequence[Experiments]) -> str:
    """Return the table as Markdown with what it was measured on."""
    heads = ["series", f"{LEAN}, µs", f"{OTHER}, µs", "ratio (95 % interval)", f"at most {BAR}", "pairs"]
    table = [heads, ["--:"] * len(heads), *rows(documents)]
    here = documents[0].environment
    controls = [each.null for document in documents for each in document.experiments if each.null.ratio is not None]
    ratios = [each.ratio for each in controls if each.ratio is not None]
    control = f"; controls on identical code {min(ratios):.3f} to {max(ratios):.3f}" if ratios else ""
    again = f", some measured again after a void control ({len(documents)} rounds)" if len(documents) > 1 else ""
    libraries = ", ".join(f"{name} {here.libraries[name]}" for name in ("opencensus", OTHER) if name in here.libraries)
    return (
        "\n".join(f"| {' | '.join(row)} |" for row in table)
        + f"\n\n`make lean-cost`, {sum(each.elapsed_s for each in documents) / 60:.0f} min{again}: {here.cpu}, "
        + f"{here.cpu_count} cores, {here.kernel}, {here.python}, {libraries}{control}.\n"
    )


def write_docs(text: str, path: Path = DOCS) -> None:
    """Put `text` between the markers of `path`; raises `SystemExit` where they are missing."""
    page = path.read_text(encoding="utf-8")
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path}: the markers {BEGIN} and {END} are missing")
    path.write_text(f"{head}{BEGIN}\n{text}{END}{tail}", encoding="utf-8")


def keep(documents: Sequence[Experiments], path: Path) -> None:
    """Keep the session with every pair; the same figures give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps([each.model_dump(mode="json") for each in documents], separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def read(path: Path) -> list[Experiments]:
    """Return a session that was kept."""
    found: list[dict[str, Any]] = json.loads(gzip.decompress(path.read_bytes()))
    return [Experiments.model_validate(each) for each in found]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure or read, print and keep; returns 1 where the bar is missed, or nothing was measured that counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=600.0, help="seconds to measure (default: %(default)g)")
    parser.add_argument("--series", default=",".join(map(str, SERIES)), help="numbers of series (default: %(default)s)")
    parser.add_argument(
        "--results", type=Path, default=ROOT / ".benchmarks" / "lean_cost.json.gz", help="where to keep it"
    )
    parser.add_argument("--docs", action="store_true", help="write the table into docs/opencensus-lean.md as well")
    parser.add_argument(
        "--render", action="store_true", help="write that table anew from the session kept in docs/data"
    )
    chosen = parser.parse_args(arguments)
    if chosen.render:
        documents = read(STORED)
    else:
        documents = session([int(each) for each in chosen.series.split(",")], chosen.budget)
        keep(documents, chosen.results)
    print(block(documents))
    if chosen.docs and not chosen.render:
        keep(documents, STORED)
    if chosen.docs or chosen.render:
        write_docs(block(documents))
    said = [row[4] for row in rows(documents)]
    return 1 if "missed" in said or "" in said else 0


if __name__ == "__main__":
    sys.exit(main())

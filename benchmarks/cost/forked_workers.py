"""The figures of docs/forked-workers.md: multiprocess mode by the line and by the page, and rate() (half an hour).

python benchmarks/cost/forked_workers.py              measure, store in docs/data, and write the page
python benchmarks/cost/forked_workers.py --render     write the page again from the stored figures
python benchmarks/cost/forked_workers.py --quick      a short trial, printed and not stored
"""

import argparse
import contextlib
import json
import random
import statistics
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.cost.lean_cost import ratio_of
from benchmarks.stored_block import ROOT, load, store, table, write_block
from harness.children import ISOLATED, run_to_end
from harness.deadline import Deadline
from harness.distributed.choose import open_workers
from harness.errors import HarnessError, RunError
from harness.host.environment import Environment, environment
from harness.load.pump import Snapshot
from harness.load.stop import Stop
from harness.measure.pairs.measure import comparisons_for, measure_overhead
from harness.measure.pairs.schedule import Terms
from harness.measure.questions.laws import fit_line
from harness.measure.result import Experiments
from harness.measure.stats import t_interval
from harness.progress import Step
from harness.report.sections.environment import environment_words
from harness.run.execute import execute
from harness.run.shard import ShardRecord
from harness.run.spec import RunSpec
from harness.run.workers import Lost, Progress
from harness.scrape.endpoint import fetch_page

NAME = "forked-workers"
PAGE = ROOT / "docs" / "forked-workers.md"
SEED = 1
MULTIPROCESS, IN_MEMORY = "prometheus-client-multiprocess", "prometheus-client"
LINES_IN = "oc_python_demo_lines_in_total"
# The time between two samples, as a fast scraper's.
_SAMPLE_S = 0.5
_PAGE_S = 120.0
_RATES = (
    "\n**What `rate()` sees** of four workers: what `increase()` adds up as a multiple of the lines sent, and how "
    "often the counter fell, in each run.\n"
)


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    cost_series: tuple[int, ...] = (1, 30, 300)
    cost_budget_s: float = 480.0
    live: tuple[int, ...] = (1, 4, 16, 64)
    dead: tuple[int, ...] = (1, 4, 16, 64, 256, 1024)
    page_series: tuple[int, ...] = (1, 30)
    processes: int = 6
    pages: int = 7
    runs: int = 5
    run_s: int = 20


QUICK = Plan((1,), 20.0, (1, 2, 4), (1, 2, 4), (1,), 4, 3, 1, 4)


def measure_cost(plan: Plan) -> Experiments:
    """Measure a line in both modes, in interleaved pairs of fresh processes."""

    def tell(step: Step) -> None:
        print(f"cost of a line: {step.done:.0%} {step.note}", file=sys.stderr)

    terms = Terms(budget_s=plan.cost_budget_s, seed=SEED)
    return measure_overhead(comparisons_for([MULTIPROCESS, IN_MEMORY], plan.cost_series), terms, tell)


def measure_pages(plan: Plan) -> list[dict[str, Any]]:
    """Return the time of a page by the number of processes, live or dead, each in fresh processes in random order."""
    cases = [("live", count, 0, series) for count in plan.live for series in plan.page_series]
    cases += [("dead", 0, count, series) for count in plan.dead for series in plan.page_series]
    order = [case for case in cases for _ in range(plan.processes)]
    random.Random(SEED).shuffle(order)  # noqa: S311 - an order, not a secret
    took: dict[tuple[str, int, int, int], list[float]] = {case: [] for case in cases}
    size: dict[tuple[str, int, int, int], int] = {}
    for number, case in enumerate(order):
        print(f"pages: {number} of {len(order)}", file=sys.stderr)
        _, live, dead, series = case
        arguments = [sys.executable, *ISOLATED, "-m", "benchmarks.cost.forked_pages"]
        numbers = map(str, (live, dead, series, plan.pages))
        done = run_to_end(
            [*arguments, *numbers],
            what="a page",
            within_s=_PAGE_S + dead + live,
            environment={"PYTHONPATH": str(ROOT)},
            folder=ROOT,
        )
        if done.code:
            raise SystemExit(f"a page: {done.last_word}")
        answer = json.loads(done.output)
        took[case].append(statistics.median(answer["page_ms"]))
        size[case] = answer["page_bytes"]
    return [
        {"kind": kind, "processes": live + dead, "series": series, "page_ms": took[case], "page_bytes": size[case]}
        for case in cases
        for kind, live, dead, series in [case]
    ]


class _Quiet:
    """Hears nothing of a run."""

    def phase(self, text: str) -> None:
        """Ignore it."""

    def progress(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None:
        """Ignore it."""


class Sampled:
    """Workers of a run, with samples of the number of lines on their page.

    They are taken before the first line, each half second as by a scraper, and after the last line.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._workers = open_workers(spec)
        self.infos, self.served, self.close = self._workers.infos, self._workers.served, self._workers.close
        self.values: list[float] = []

    def drive(self, stop: Stop, progress: Progress) -> Sequence[ShardRecord | Lost]:
        """Let the workers send their lines, and read their page meanwhile."""
        ended = threading.Event()
        thread = threading.Thread(target=self._read, args=(ended,))
        self._take()
        thread.start()
        try:
            return self._workers.drive(stop, progress)
        finally:
            ended.set()
            thread.join()
            self._take()

    def _read(self, ended: threading.Event) -> None:
        while not ended.wait(_SAMPLE_S):
            self._take()

    def _take(self) -> None:
        # Without a page there is no sample, as for a scraper.
        with contextlib.suppress(RunError):
            page = fetch_page(*self.infos[0].target, Deadline(10.0))
            self.values.append(sum(sample.value for sample in page.samples if sample.name == LINES_IN))


def increase_of(values: Iterable[float]) -> tuple[float, int]:
    """Return what increase() adds up of samples of a counter, less its extrapolation, and how many falls there were.

    A value below the one before it is taken for a restart from 0, so all of it is added.
    """
    total, falls, before = 0.0, 0, None
    for value in values:
        if before is not None:
            falls += value < before
            total += value if value < before else value - before
        before = value
    return total, falls


def measure_rates(plan: Plan) -> list[dict[str, Any]]:
    """Return what increase() makes of the pages of forked workers, with and without recycling."""
    rows = []
    for instrument in (MULTIPROCESS, IN_MEMORY, "opencensus", "opentelemetry"):
        for recycle in (None, 1000):
            shown, falls = [], []
            for run in range(plan.runs):
                print(f"rate(): {instrument}, recycle {recycle}, run {run + 1}", file=sys.stderr)
                opened: list[Sampled] = []
                spec = RunSpec(
                    arrivals="poisson:rate=1000", duration=f"{plan.run_s}s", fork=4, recycle=recycle, seed=SEED + run,
                    instrument=instrument, scraper="none",
                )  # fmt: skip

                def sampled(spec: RunSpec, opened: list[Sampled] = opened) -> Sampled:
                    opened.append(Sampled(spec))
                    return opened[-1]

                result = execute(spec, _Quiet(), sampled)
                increase, fell = increase_of(opened[0].values)
                shown.append(increase / result.ledger.offered)
                falls.append(fell)
            rows.append({"instrument": instrument, "recycle": recycle, "increase": shown, "falls": falls})
    return rows


def block(figures: dict[str, Any]) -> str:
    """Return the block of the page."""
    parts = [
        "**A line.** The cost above the same loop without recording, in pairs of fresh processes.\n",
        cost_table(Experiments.model_validate(figures["cost"])),
        "**A page.** Milliseconds, median of a process, mean and 95 % interval over processes.\n",
        pages_table(figures["pages"]),
        *(f"- {sentence}\n" for sentence in laws(figures["pages"])),
        _RATES,
        rates_table(figures["rates"]),
        f"Measured {figures['created'][:10]} by `make forked-workers`, seed {SEED}. "
        + environment_words(Environment.model_validate(figures["environment"])),
    ]
    return "\n".join(parts)


def cost_table(document: Experiments) -> str:
    """Return a row for each number of series: both modes, and their ratio with Fieller's interval."""
    rows = []
    for series in sorted({int(each.factors["series"]) for each in document.experiments}):
        multiprocess, memory = (
            next(each for each in document.experiments if (each.head, each.factors["series"]) == (name, series))
            for name in (MULTIPROCESS, IN_MEMORY)
        )
        cells = [
            "void" if each.cost_per_line is None else f"{each.cost_per_line / 1000:.2f}"
            for each in (multiprocess, memory)
        ]
        ratio = "–"
        if "void" not in (multiprocess.verdict, memory.verdict):
            one = ratio_of(multiprocess, memory)
            ratio = f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})"
        rows.append([str(series), *cells, ratio])
    return table(["series", f"{MULTIPROCESS}, µs", f"{IN_MEMORY}, µs", "ratio (95 %)"], rows)


def pages_table(pages: Sequence[dict[str, Any]]) -> str:
    """Return a row for each number of processes whose files are read."""
    rows = []
    for page in pages:
        one = t_interval(page["page_ms"])
        took = f"{one.value:.2f} ±{(one.high - one.low) / 2:.2f}"
        size = f"{page['page_bytes'] / 1024:.1f}"
        rows.append([page["kind"], str(page["processes"]), str(page["series"]), size, took])
    return table(["processes", "number", "values of `method`", "KiB", "page, ms"], rows)


def laws(pages: Sequence[dict[str, Any]]) -> list[str]:
    """Return the law of each kind of process and number of series, in words."""
    words = []
    for kind, series in dict.fromkeys((page["kind"], page["series"]) for page in pages):
        points = [page for page in pages if (page["kind"], page["series"]) == (kind, series)]
        values = [page["page_ms"] for page in points]
        errors = [statistics.stdev(each) / len(each) ** 0.5 for each in values]
        what = f"{kind} processes, {series} values of `method`"
        try:
            fit = fit_line(
                [page["processes"] for page in points], [*map(statistics.fmean, values)], errors, [*map(len, values)]
            )
        except ValueError as error:
            words.append(f"{what}: no law: {error}")
            continue
        low, high = fit.b_interval
        misfit = f"; the points do not lie on the line (misfit {fit.misfit:.2g})" if fit.misfit >= 10 else ""
        words.append(f"{what}: page = {fit.a:.2g} ms + {fit.b:.2g} ms × processes ({low:.2g} to {high:.2g}){misfit}")
    return words


def rates_table(rates: Sequence[dict[str, Any]]) -> str:
    """Return a row for each way of recording, with and without recycling."""
    rows = [
        [
            rate["instrument"],
            "no" if rate["recycle"] is None else f"after {rate['recycle']} lines",
            _range(rate["increase"], ".2f"),
            _range(rate["falls"], "d"),
        ]
        for rate in rates
    ]
    return table(["instrument", "recycled", "increase() / lines", "falls"], rows)


def _range(values: Sequence[float], form: str) -> str:
    low, high = min(values), max(values)
    return f"{low:{form}}" if low == high else f"{low:{form}} to {high:{form}}"


def measured(plan: Plan) -> dict[str, Any]:
    """Measure a plan and return its figures."""
    here = environment()
    pages, rates = measure_pages(plan), measure_rates(plan)
    return {
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "environment": here.model_dump(mode="json"),
        "pages": pages,
        "rates": rates,
        "cost": measure_cost(plan).model_dump(mode="json"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--render", action="store_true", help="write the page again from docs/data")
    parser.add_argument("--quick", action="store_true", help="a short trial, printed and not stored")
    options = parser.parse_args()
    try:
        figures = load(NAME) if options.render else measured(QUICK if options.quick else Plan())
    except HarnessError as error:
        raise SystemExit(str(error)) from error
    if not options.quick:
        if not options.render:
            store(NAME, figures)
        write_block(NAME, block(figures), PAGE)
    print(block(figures))


if __name__ == "__main__":
    main()

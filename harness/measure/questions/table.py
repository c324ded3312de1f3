"""The table of `make bench`: costs, sustained rates and losses of each way of recording, in two and a half minutes."""

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import HarnessError, RunError
from harness.instruments.catalog import load_factory, pushes
from harness.interrupts import end_children, interruptible
from harness.measure.counts.instructions import Counted, count_instructions, find_valgrind, repeat_spread
from harness.measure.pairs.measure import comparisons_for, measure_overhead
from harness.measure.pairs.pair import BlockPlan
from harness.measure.pairs.schedule import Comparison, Terms
from harness.measure.pairs.side import cores
from harness.measure.questions.saturation import Processes, Saturation, Search, saturate_side_by_side
from harness.measure.questions.trial import run_trial
from harness.measure.result import Experiment, Experiments
from harness.measure.subject import Subject
from harness.progress import Progress, Step, part_of
from harness.run.spec import RunSpec

__all__ = [
    "ALL_ROWS",
    "FEWEST_SCRAPES",
    "ROWS",
    "Audited",
    "Table",
    "TablePlan",
    "TableRow",
    "measure_table",
    "table_comparisons",
    "table_terms",
]  # fmt: skip

# In two and a half minutes there are pairs enough for five.
ROWS = ("opencensus", "prometheus-client", "prometheus-client-cached", "opentelemetry", "opencensus-lean")
# Those of the whole matrix, as far as their libraries are installed.
ALL_ROWS = (
    *ROWS, "opentelemetry-no-exemplars", "opentelemetry-default-limit", "prometheus-client-multiprocess",
    "opentelemetry-otlp", "statsd", "dogstatsd", "dogstatsd-buffered", "dogstatsd-unix", "dogstatsd-unix-buffered",
)  # fmt: skip

# The minimum number of scrapes of each way of recording behind a figure while scraped.
FEWEST_SCRAPES = 30
# Shares of the progress; the rest is for the last audits.
_PAIRS_SHARE, _RATES_SHARE = 0.68, 0.29


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Audited(_Part):
    """The result of an audit: whether all records arrived, exactly."""

    conserved: bool | None
    outcome: str | None = Field(
        default=None, description="conserved, not_conserved or not_verified; null in earlier results"
    )
    findings: list[str] = Field(description="names of the errors and warnings found")


class TableRow(_Part):
    """One way of recording; columns that could not be measured are null, with the reason in `missing`."""

    instrument: str
    cost: Experiment | None
    cost_scraped: Experiment | None
    saturation: Saturation | None
    instructions_per_line: float | None = Field(description="above the bare REPL")
    instructions_spread: float | None = Field(
        None, description="largest difference between counts of one side, as a share of them; null: counted once"
    )
    audit: Audited | None
    missing: dict[str, str] = Field(default={}, description="column -> why it is empty")


class Table(_Part):
    """The whole table, with the document of paired experiments behind its costs."""

    rows: list[TableRow]
    document: Experiments
    scraper: str
    elapsed_s: float


class TablePlan(_Part):
    """The plan of the two and a half minutes: pairs at rest and while scraped, then rates."""

    instruments: tuple[str, ...] = ROWS
    pairs_s: float = 90.0
    fewest: int = 3
    # Short pairs: the variance between processes exceeds that within a process, so many pairs beat long ones.
    rounds: int = 10
    block_ns: int = 6_000_000
    # Five scrapes per block: six pairs have thirty scrapes of each way of recording.
    scrape_interval_ms: int = 70
    scraper: str = "auto"
    rates_s: float = 31.0
    rate_run_s: float = 0.4
    rate_tries: int = 24
    rate_precision: float = 0.05
    bound_ns: int = 5_000_000
    seed: int = 1
    instructions: bool = True
    # Number of controls of the whole call, where the table is one of several measurements.
    controls: int | None = None


class _Background:
    """Noise-tolerant work (instruction counts, audits) in threads on the cores other than the measured one.

    It starts after the pairs, which it would disturb: in their execution units where the machine's two processors are
    hyperthreads of one core, and in cache and memory everywhere. On hyperthreads it also waits for the rates. After the
    last timed measurement it may use every core.
    """

    def __init__(self, plan: TablePlan, instruments: Sequence[str]) -> None:
        self._instruments = instruments
        self._cores = cores()
        self._threads: list[threading.Thread] = []
        self.waits_for_rates = self._cores.shared
        self.cancelled = threading.Event()
        self.counts: dict[str, list[Counted]] = {}
        self.audits: dict[str, Audited] = {}
        self.missing: dict[tuple[str, str], str] = {}
        counts = self._to_count() if plan.instructions else []
        # The longest first, so that two cores end at about the same time.
        self._queue = deque([*counts, *(("audit", name) for name in instruments)])
        # A second count shows whether counts repeat; it is only made where there is time.
        self._again = deque(counts)

    def start(self) -> None:
        """Start on the cores other than the measured one."""
        self._begin("harness-beside", self._cores.others)

    def finish(self) -> None:
        """Wait for the end of all work, on every core: nothing is timed any more."""
        self._again.clear()
        self._begin("harness-last", self._cores.others | {self._cores.home, self._cores.measured})
        for thread in self._threads:
            thread.join()

    def cancel(self) -> None:
        """End the threads, and the processes they have started."""
        self.cancelled.set()
        if any(thread.is_alive() for thread in self._threads):
            end_children()

    def _begin(self, name: str, processors: frozenset[int]) -> None:
        thread = threading.Thread(target=self._work, args=(processors,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self, processors: frozenset[int]) -> None:
        # Affinity belongs to the thread: processes started here inherit it and stay off the measured core.
        os.sched_setaffinity(0, processors)
        works = {"instructions": self._count_one, "audit": self._audit}
        while not self.cancelled.is_set():
            try:
                column, name = (self._queue or self._again).popleft()
            except IndexError:
                return
            try:
                works[column](name)
            except HarnessError as error:
                self.missing[name, column] = str(error)

    def instructions(self, name: str) -> tuple[float | None, float | None]:
        """Return the instructions per line above the bare REPL, and the largest spread of a side's counts (a share)."""
        sides = [self.counts.get(side, []) for side in (name, "none")]
        if not all(sides):
            return None, None
        counted, bare = (sum(count.per_line for count in side) / len(side) for side in sides)
        return counted - bare, max((s for side in sides if (s := repeat_spread(side)) is not None), default=None)

    def _to_count(self) -> list[tuple[str, str]]:
        try:
            find_valgrind()
        except RunError as error:
            self.missing |= {(name, "instructions"): str(error) for name in self._instruments}
            return []
        return [("instructions", name) for name in ("none", *self._instruments)]

    def _count_one(self, name: str) -> None:
        counted = count_instructions(Subject(instrument=name))
        if counted.void:
            raise RunError(counted.void)
        self.counts.setdefault(name, []).append(counted)

    def _audit(self, name: str) -> None:
        # Lengths at the bounds and invalid lines are the most likely causes of wrong counts.
        spec = RunSpec(
            name="audit", instrument=name, lengths="edges", errors="0.02", series="3", arrivals="poisson:rate=2000",
            duration="1500ms", scraper="sink" if pushes(name) else "builtin", scrape_interval="200ms",
        )  # fmt: skip
        result = run_trial(spec, self._cores.home).audit
        findings = sorted({finding.name for finding in result.findings if finding.severity != "info"})
        self.audits[name] = Audited(conserved=result.conserved, outcome=result.outcome, findings=findings)


def _available(instruments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the instruments that load, and by name the reasons of those that do not."""
    missing = {}
    for name in instruments:
        try:
            load_factory(name)
        except HarnessError as error:
            missing[name] = str(error)
    return [name for name in instruments if name not in missing], missing


def measure_table(plan: TablePlan | None = None, progress: Progress = lambda _step: None) -> Table:
    """Measure every row; Ctrl-C ends it with the columns so far.

    A way of recording whose library is missing gets a row with what to install.
    """
    settings = plan or TablePlan()
    began = time.monotonic()
    present, absent = _available(settings.instruments)
    background = _Background(settings, present)
    try:
        document = _pairs(settings, present, progress)
        if not (document.interrupted or background.waits_for_rates):
            background.start()
        rates, whole = ({}, False) if document.interrupted else _rates(settings, present, progress)
        whole = whole and _wait_for(background, progress)
        if not whole:
            document = document.model_copy(update={"interrupted": True})
    finally:
        background.cancel()
    rows = [_row(name, document, rates, background, absent) for name in settings.instruments]
    return Table(rows=rows, document=document, scraper=document.scraper, elapsed_s=time.monotonic() - began)


def table_comparisons(plan: TablePlan, instruments: Sequence[str]) -> list[Comparison]:
    """Return the comparisons of each way of recording with the bare REPL, at rest and while both are scraped."""
    scraped = Subject(scraped=True, interval_ms=plan.scrape_interval_ms)
    return comparisons_for(instruments) + comparisons_for(instruments, common=scraped)


def table_terms(plan: TablePlan) -> Terms:
    """Return the terms of the table's pairs."""
    blocks = BlockPlan(plan.rounds, plan.block_ns)
    return Terms(budget_s=plan.pairs_s, seed=plan.seed, fewest=plan.fewest, plan=blocks, controls=plan.controls)


def _wait_for(background: _Background, progress: Progress) -> bool:
    """Wait for the background work; return whether it is complete, which it is not after Ctrl-C."""
    try:
        progress(Step(_PAIRS_SHARE + _RATES_SHARE, None, "the last audits"))
        with interruptible():
            background.finish()
    except KeyboardInterrupt:
        return False
    return True


def _pairs(plan: TablePlan, instruments: Sequence[str], progress: Progress) -> Experiments:
    comparisons, terms = table_comparisons(plan, instruments), table_terms(plan)
    report = part_of(progress, 0.0, _PAIRS_SHARE, then_s=plan.rates_s)
    return measure_overhead(comparisons, terms, report, scraper=plan.scraper)


def _rates(plan: TablePlan, instruments: Sequence[str], progress: Progress) -> tuple[dict[str, Saturation], bool]:
    """Return the saturation by instrument, and whether it was measured without interruption."""
    searches: list[Search] = []
    whole = True

    def report(share: float, name: str) -> None:
        done = _PAIRS_SHARE + share * _RATES_SHARE
        progress(Step(done, (1 - share) * plan.rates_s, f"{name}: rates it sustains"))

    with ExitStack() as stack:
        try:
            with interruptible():
                for name in instruments:
                    subject = Subject(instrument=name)
                    tries = stack.enter_context(Processes(subject, plan.bound_ns, plan.rate_run_s, plan.seed))
                    searches.append(
                        Search(
                            subject,
                            tries,
                            bound_ns=plan.bound_ns,
                            run_s=plan.rate_run_s,
                            precision=plan.rate_precision,
                            most=plan.rate_tries,
                            seed=plan.seed,
                        )
                    )
                saturate_side_by_side(searches, plan.rates_s, report, time.monotonic)
        except KeyboardInterrupt:
            whole = False
    return {search.subject.instrument: search.result() for search in searches if search.begun}, whole


def _row(
    name: str, document: Experiments, rates: dict[str, Saturation], background: _Background, absent: dict[str, str]
) -> TableRow:
    costs = {bool(entry.factors["scraped"]): entry for entry in document.experiments if entry.head == name}
    missing = {column: why for (row, column), why in background.missing.items() if row == name}
    if name in absent:
        missing["instrument"] = absent[name]
    counted, spread = background.instructions(name)
    return TableRow(
        instrument=name,
        cost=costs.get(False),
        cost_scraped=costs.get(True),
        saturation=rates.get(name),
        instructions_per_line=counted,
        instructions_spread=spread,
        audit=background.audits.get(name),
        missing=missing,
    )

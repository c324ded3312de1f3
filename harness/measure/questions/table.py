"""The table of `make bench`: what each way of recording costs, sustains and loses, in two and a half minutes."""

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import HarnessError, RunError
from harness.instruments.catalog import load_factory
from harness.interrupts import end_children, interruptible
from harness.measure.counts.instructions import Counted, count_instructions, find_valgrind, repeat_spread
from harness.measure.pairs.measure import comparisons_for, measure_overhead
from harness.measure.pairs.pair import BlockPlan
from harness.measure.pairs.schedule import Comparison, Progress, Step, Terms
from harness.measure.pairs.side import cores
from harness.measure.questions.saturation import Processes, Saturation, Search, saturate_side_by_side
from harness.measure.questions.trial import run_trial
from harness.measure.result import Experiment, Experiments
from harness.measure.subject import Subject
from harness.run.spec import RunSpec

__all__ = [
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

ROWS = ("opencensus", "prometheus-client", "prometheus-client-cached", "opentelemetry", "opencensus-lean")

# The figure while scraped is to rest on as many scrapes of each way of recording.
FEWEST_SCRAPES = 30
# Shares of the progress shown; what is left are the last audits.
_PAIRS_SHARE, _RATES_SHARE = 0.68, 0.29


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Audited(_Part):
    """Whether what was recorded arrived, exactly."""

    conserved: bool | None
    outcome: str | None = Field(
        default=None, description="conserved, not_conserved or not_verified; null in earlier results"
    )
    findings: list[str] = Field(description="names of the errors and warnings found")


class TableRow(_Part):
    """One way of recording; null where a column could not be measured, `missing` says why."""

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
    """The whole table, and the paired document its costs come from."""

    rows: list[TableRow]
    document: Experiments
    scraper: str
    elapsed_s: float


class TablePlan(_Part):
    """How the two and a half minutes are spent: pairs at rest and while scraped, then rates."""

    instruments: tuple[str, ...] = ROWS
    pairs_s: float = 90.0
    fewest: int = 3
    # Short pairs: what differs between two processes outweighs what differs within one, so more of them tell more.
    rounds: int = 10
    block_ns: int = 6_000_000
    # Five scrapes a turn: six pairs hold thirty of each way of recording.
    scrape_interval_ms: int = 70
    scraper: str = "auto"
    rates_s: float = 34.0
    rate_run_s: float = 0.4
    rate_tries: int = 24
    rate_precision: float = 0.05
    bound_ns: int = 5_000_000
    seed: int = 1
    instructions: bool = True
    # Of the whole call, where the table is one of several measurements.
    controls: int | None = None


class _Beside:
    """What needs no quiet: audits and instructions; on the cores beside the measured one, after the pairs.

    Beside timed pairs it would be a neighbour of our own: of their execution units where the machine's two processors
    are hyperthreads of one core, and of their cache and memory everywhere. Where they are hyperthreads it waits for the
    rates as well. When all that is timed is done, whatever is left has every core.
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
        # Longest first, so that two cores end at about the same time.
        self._left = deque([*counts, *(("audit", name) for name in instruments)])
        # A second count tells whether counts repeat; that is worth no waiting.
        self._again = deque(counts)

    def start(self) -> None:
        """Begin, beside the measured core."""
        self._begin("harness-beside", self._cores.others)

    def finish(self) -> None:
        """Return when all is done; nothing is timed any more, so every core may help."""
        self._again.clear()
        self._begin("harness-last", self._cores.others | {self._cores.home, self._cores.measured})
        for thread in self._threads:
            thread.join()

    def cancel(self) -> None:
        """End it, and what it has under way."""
        self.cancelled.set()
        if any(thread.is_alive() for thread in self._threads):
            end_children()

    def _begin(self, name: str, processors: frozenset[int]) -> None:
        thread = threading.Thread(target=self._work, args=(processors,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self, processors: frozenset[int]) -> None:
        # Affinity is a thread's own: what is started from here stays off the measured core.
        os.sched_setaffinity(0, processors)
        works = {"instructions": self._count_one, "audit": self._audit}
        while not self.cancelled.is_set():
            try:
                column, name = (self._left or self._again).popleft()
            except IndexError:
                return
            try:
                works[column](name)
            except HarnessError as error:
                self.missing[name, column] = str(error)

    def instructions(self, name: str) -> tuple[float | None, float | None]:
        """Return what a line adds to the bare REPL, and by how much counts of one side differ at most, as a share."""
        sides = [self.counts.get(side, []) for side in (name, "none")]
        if not all(sides):
            return None, None
        counted, bare = (sum(each.per_line for each in side) / len(side) for side in sides)
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
        # Lengths at the bounds and refused lines: where counts go astray if they do.
        spec = RunSpec(
            name="audit", instrument=name, lengths="edges", errors="0.02", series="3", arrivals="poisson:rate=2000",
            duration="1500ms", scraper="builtin", scrape_interval="200ms",
        )  # fmt: skip
        result = run_trial(spec, self._cores.home).audit
        found = sorted({finding.name for finding in result.findings if finding.severity != "info"})
        self.audits[name] = Audited(conserved=result.conserved, outcome=result.outcome, findings=found)


def _available(instruments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Split instruments into those that load and, by name, why the others do not."""
    missing = {}
    for name in instruments:
        try:
            load_factory(name)
        except HarnessError as error:
            missing[name] = str(error)
    return [name for name in instruments if name not in missing], missing


def measure_table(plan: TablePlan | None = None, progress: Progress = lambda _step: None) -> Table:
    """Measure every row; Ctrl-C while the pairs are measured ends it with the columns so far.

    A way of recording whose library is missing gets a row that says what to install.
    """
    chosen = plan or TablePlan()
    began = time.monotonic()
    present, absent = _available(chosen.instruments)
    beside = _Beside(chosen, present)
    try:
        document = _pairs(chosen, present, progress)
        if not (document.interrupted or beside.waits_for_rates):
            beside.start()
        rates, whole = ({}, False) if document.interrupted else _rates(chosen, present, progress)
        whole = whole and _wait_for(beside, progress)
        if not whole:
            document = document.model_copy(update={"interrupted": True})
    finally:
        beside.cancel()
    rows = [_row(name, document, rates, beside, absent) for name in chosen.instruments]
    return Table(rows=rows, document=document, scraper=document.scraper, elapsed_s=time.monotonic() - began)


def table_comparisons(plan: TablePlan, instruments: Sequence[str]) -> list[Comparison]:
    """Return each way of recording against the bare REPL, at rest and while both are scraped."""
    scraped = Subject(scraped=True, interval_ms=plan.scrape_interval_ms)
    return comparisons_for(instruments) + comparisons_for(instruments, common=scraped)


def table_terms(plan: TablePlan) -> Terms:
    """Return the terms under which the table's pairs are measured."""
    blocks = BlockPlan(plan.rounds, plan.block_ns)
    return Terms(budget_s=plan.pairs_s, seed=plan.seed, fewest=plan.fewest, plan=blocks, controls=plan.controls)


def _wait_for(beside: _Beside, progress: Progress) -> bool:
    """Return whether all was counted and audited that was to be; Ctrl-C leaves the rest."""
    try:
        progress(Step(_PAIRS_SHARE + _RATES_SHARE, None, "the last audits"))
        with interruptible():
            beside.finish()
    except KeyboardInterrupt:
        return False
    return True


def _pairs(plan: TablePlan, instruments: Sequence[str], progress: Progress) -> Experiments:
    comparisons, terms = table_comparisons(plan, instruments), table_terms(plan)

    def tell(step: Step) -> None:
        left = None if step.left_s is None else step.left_s + plan.rates_s
        progress(replace(step, done=step.done * _PAIRS_SHARE, left_s=left))

    return measure_overhead(comparisons, terms, tell, scraper=plan.scraper)


def _rates(plan: TablePlan, instruments: Sequence[str], progress: Progress) -> tuple[dict[str, Saturation], bool]:
    """Return the rates by instrument, and whether they were found without being interrupted."""
    searches: list[Search] = []
    whole = True

    def tell(share: float, name: str) -> None:
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
                saturate_side_by_side(searches, plan.rates_s, tell, time.monotonic)
        except KeyboardInterrupt:
            whole = False
    return {search.subject.instrument: search.result() for search in searches if search.begun}, whole


def _row(
    name: str, document: Experiments, rates: dict[str, Saturation], beside: _Beside, absent: dict[str, str]
) -> TableRow:
    found = {bool(each.factors["scraped"]): each for each in document.experiments if each.head == name}
    missing = {column: why for (row, column), why in beside.missing.items() if row == name}
    if name in absent:
        missing["instrument"] = absent[name]
    counted, spread = beside.instructions(name)
    return TableRow(
        instrument=name,
        cost=found.get(False),
        cost_scraped=found.get(True),
        saturation=rates.get(name),
        instructions_per_line=counted,
        instructions_spread=spread,
        audit=beside.audits.get(name),
        missing=missing,
    )

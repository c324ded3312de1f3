"""The table of `make bench`: ways of recording against what each costs, sustains and loses, in two minutes."""

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import HarnessError, RunError
from harness.instruments.catalog import load_factory
from harness.interrupts import end_children, interruptible
from harness.measure.document import Document, Experiment
from harness.measure.experiment import Progress, Step, Terms
from harness.measure.instructions import count_instructions, find_valgrind
from harness.measure.overhead import comparisons_for, measure_overhead
from harness.measure.pairs import BlockPlan
from harness.measure.processes import cores
from harness.measure.saturation import Saturation, saturate
from harness.measure.subjects import Subject
from harness.measure.trial import run_trial
from harness.run.spec import RunSpec

__all__ = ["ROWS", "Audited", "Row", "Table", "TablePlan", "measure_table"]

ROWS = ("opencensus", "prometheus-client", "prometheus-client-cached", "opentelemetry", "opencensus-lean")

# About how long the rates take, for the time left.
_RATES_S = 30.0


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Audited(_Part):
    """Whether what was recorded arrived, exactly."""

    conserved: bool | None
    findings: list[str] = Field(description="names of the errors and warnings found")


class Row(_Part):
    """One way of recording; null where a column could not be measured, `missing` says why."""

    instrument: str
    cost: Experiment | None
    cost_scraped: Experiment | None
    saturation: Saturation | None
    instructions_per_line: float | None = Field(description="above the bare REPL")
    audit: Audited | None
    missing: dict[str, str] = Field(default={}, description="column -> why it is empty")


class Table(_Part):
    """The whole table, and the paired document its costs come from."""

    rows: list[Row]
    document: Document
    scraper: str
    elapsed_s: float


class TablePlan(_Part):
    """How the two minutes are spent."""

    instruments: tuple[str, ...] = ROWS
    pairs_s: float = 80.0
    # Short pairs: what differs between two processes outweighs what differs within one, so more of them tell more.
    rounds: int = 10
    block_ns: int = 6_000_000
    scrape_interval_ms: int = 200
    scraper: str = "auto"
    rate_duration: str = "400ms"
    rate_steps: int = 3
    bound_ns: int = 5_000_000
    seed: int = 1
    instructions: bool = True


class _Beside(threading.Thread):
    """What needs no quiet is done on the other core meanwhile: instructions, then audits."""

    def __init__(self, plan: TablePlan, instruments: Sequence[str]) -> None:
        super().__init__(name="harness-beside", daemon=True)
        self._plan, self._instruments = plan, instruments
        self._home, self._measured = cores().home, cores().measured
        self.cancelled = threading.Event()
        self.instructions: dict[str, float] = {}
        self.audits: dict[str, Audited] = {}
        self.missing: dict[tuple[str, str], str] = {}

    def cancel(self) -> None:
        """End it, and what it has under way."""
        self.cancelled.set()
        if self.is_alive():
            end_children()

    def run(self) -> None:
        # Affinity is a thread's own: what is started from here stays off the measured core.
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, allowed - {self._measured} or allowed)
        if self._plan.instructions:
            self._count()
        for name in self._instruments:
            self._try(name, "audit", self._audit)

    def _try(self, name: str, column: str, work: object) -> None:
        if self.cancelled.is_set() or not callable(work):
            return
        try:
            work(name)
        except HarnessError as error:
            self.missing[name, column] = str(error)

    def _count(self) -> None:
        try:
            find_valgrind()
        except RunError as error:
            self.missing |= {(name, "instructions"): str(error) for name in self._instruments}
            return
        for name in ("none", *self._instruments):
            self._try(name, "instructions", self._count_one)

    def _count_one(self, name: str) -> None:
        counted = count_instructions(Subject(instrument=name))
        if counted.void:
            raise RunError(counted.void)
        self.instructions[name] = counted.per_line

    def _audit(self, name: str) -> None:
        # Lengths at the bounds and refused lines: where counts go astray if they do.
        spec = RunSpec(
            name="audit", instrument=name, lengths="edges", errors="0.02", series="3", arrivals="poisson:rate=2000",
            duration="1500ms", scraper="builtin", scrape_interval="200ms",
        )  # fmt: skip
        result = run_trial(spec, self._home).audit
        found = sorted({finding.name for finding in result.findings if finding.severity != "info"})
        self.audits[name] = Audited(conserved=result.conserved, findings=found)


def _available(instruments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Split instruments into those that load and, by name, why the others do not."""
    missing = {}
    for name in instruments:
        try:
            load_factory(name, "--instruments")
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
    beside.start()
    try:
        document = _pairs(chosen, present, progress)
        rates, whole = ({}, False) if document.interrupted else _rates(chosen, present, progress)
        whole = whole and _wait_for(beside, progress)
        if not whole:
            document = document.model_copy(update={"interrupted": True})
    finally:
        beside.cancel()
    rows = [_row(name, document, rates, beside, absent) for name in chosen.instruments]
    return Table(rows=rows, document=document, scraper=chosen.scraper, elapsed_s=time.monotonic() - began)


def _wait_for(beside: _Beside, progress: Progress) -> bool:
    """Return whether all was counted and audited that was to be; Ctrl-C leaves the rest."""
    try:
        progress(Step(0.97, None, "the last audits"))
        with interruptible():
            beside.join()
    except KeyboardInterrupt:
        return False
    return True


def _pairs(plan: TablePlan, instruments: Sequence[str], progress: Progress) -> Document:
    scraped = Subject(scraped=True, interval_ms=plan.scrape_interval_ms)
    comparisons = comparisons_for(instruments) + comparisons_for(instruments, common=scraped)
    blocks = BlockPlan(plan.rounds, plan.block_ns)
    terms = Terms(budget_s=plan.pairs_s, seed=plan.seed, fewest=3, plan=blocks)

    def tell(step: Step) -> None:
        progress(replace(step, done=step.done * 0.7, left_s=None if step.left_s is None else step.left_s + _RATES_S))

    return measure_overhead(comparisons, terms, tell, scraper=plan.scraper)


def _rates(plan: TablePlan, instruments: Sequence[str], progress: Progress) -> tuple[dict[str, Saturation], bool]:
    """Return the rates by instrument, and whether Ctrl-C left all of them to be found."""
    found: dict[str, Saturation] = {}
    try:
        for i, name in enumerate(instruments):

            def tell(step: Step, i: int = i) -> None:
                done = (i + step.done) / len(instruments)
                progress(replace(step, done=0.7 + done * 0.27, left_s=(1 - done) * _RATES_S))

            duration, steps = plan.rate_duration, plan.rate_steps
            with interruptible():
                [found[name]] = saturate([name], bound_ns=plan.bound_ns, duration=duration, steps=steps, progress=tell)
    except KeyboardInterrupt:
        return found, False
    return found, True


def _row(name: str, document: Document, rates: dict[str, Saturation], beside: _Beside, absent: dict[str, str]) -> Row:
    found = {bool(each.factors["scraped"]): each for each in document.experiments if each.head == name}
    missing = {column: why for (row, column), why in beside.missing.items() if row == name}
    if name in absent:
        missing["instrument"] = absent[name]
    counted, bare = beside.instructions.get(name), beside.instructions.get("none")
    return Row(
        instrument=name,
        cost=found.get(False),
        cost_scraped=found.get(True),
        saturation=rates.get(name),
        instructions_per_line=None if counted is None or bare is None else counted - bare,
        audit=beside.audits.get(name),
        missing=missing,
    )

"""A run from start to end: builds the parts, drives the load, waits for a last scrape, audits, assembles the result."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from harness.audit.findings import Finding, Name
from harness.instruments import Instrument, create
from harness.instruments.none import NoInstrument
from harness.interrupts import interruptible
from harness.load.clock import MonotonicClock
from harness.load.drive_result import DriveResult
from harness.load.driver import BURST, CLOSED, drop
from harness.load.ledger import Ledger
from harness.load.pump import BLOCK_LINES, Snapshot, drive_workload
from harness.load.selfcost import measure_self_cost
from harness.load.stop import Stop
from harness.load.truthlog import TruthLog
from harness.repl import Repl
from harness.run.assemble import RunRecord, assemble
from harness.run.look import look
from harness.run.requirements import Requirement, parse_requirement
from harness.run.result import RunResult
from harness.run.seen import Seen
from harness.run.spec import DEFAULT_DURATION, RunSpec
from harness.scrape.choose import make_scraper
from harness.scrape.endpoint import Endpoint, serve
from harness.scrape.scraper import Scraper, Target
from harness.views import LENGTH_BOUNDS_BYTES, View, views_for
from workloads.units import parse_duration_ns
from workloads.workload import Workload, WorkloadSpec

__all__ = ["Observer", "execute", "workload_of"]


class Observer(Protocol):
    """Receiver of a run's phases and progress."""

    def phase(self, text: str) -> None:
        """Receive what is being done while no lines are sent."""

    def progress(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None:
        """Receive the state of the run, at most five times a second, from the driving thread."""


def workload_of(spec: RunSpec) -> Workload:
    """Return the workload of a run; raises `GrammarError` where an expression is wrong."""
    duration_ns = spec.duration_ns
    replayed = any(text.partition(":")[0].strip() == "replay" for text in (spec.lengths, spec.arrivals))
    if duration_ns is None and spec.count is None and not replayed:
        duration_ns = parse_duration_ns(DEFAULT_DURATION)
    return Workload(
        WorkloadSpec(
            lengths=spec.lengths,
            content=spec.content,
            arrivals=spec.arrivals,
            errors=spec.errors,
            series=spec.series,
            seed=spec.seed,
            count=spec.count,
            duration_ns=duration_ns,
        ),
        bounds=LENGTH_BOUNDS_BYTES,
    )


@dataclass(slots=True)
class _Parts:
    """The parts of a run, once everything is started."""

    spec: RunSpec
    views: tuple[View, ...]
    workload: Workload
    requirements: list[Requirement]
    instrument: Instrument
    endpoint: Endpoint
    scraper: Scraper
    observer: Observer
    stop: Stop


def execute(spec: RunSpec, observer: Observer) -> RunResult:
    """Run `spec` and return its result; whatever was started is stopped, however it ends.

    Ctrl-C, a termination or the loss of the terminal while lines are being sent ends the run at the next line: the
    result says `interrupted` and covers what was sent. Raises `UsageError` for a spec that cannot be run, `RunError`
    where the endpoint or the scraper does not start. Must be called from the main thread, since it handles those
    signals meanwhile.
    """
    views = views_for(spec.latency_buckets)
    requirements = [parse_requirement(text) for text in spec.require]
    workload = workload_of(spec)
    scraper = make_scraper(spec.scraper, spec.scrape_interval_ns, views)
    results: list[RunResult] = []
    try:
        with ExitStack() as stack:
            with interruptible():
                instrument = create(spec.instrument, views)
                stack.callback(instrument.close)
                endpoint = stack.enter_context(serve(instrument.registry, spec.address, spec.port))
                stack.callback(scraper.stop)
                observer.phase(f"waiting for the first scrape of {endpoint.url}")
                scraper.start(Target(endpoint.address, endpoint.port))
            stop = stack.enter_context(Stop().on_signals())
            results.append(
                _measure(_Parts(spec, views, workload, requirements, instrument, endpoint, scraper, observer, stop))
            )
    except KeyboardInterrupt:
        # What was measured is not lost because the server was interrupted while it stopped.
        if not results:
            raise
    return results[0]


def _measure(parts: _Parts) -> RunResult:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    self_cost = measure_self_cost(MonotonicClock())
    cost_ns = self_cost.closed_ns if parts.workload.closed_loop else self_cost.paced_ns
    ledger = Ledger(parts.views, parts.workload.methods)
    exposes = not isinstance(parts.instrument, NoInstrument)
    log = TruthLog(ledger, parts.endpoint) if exposes else None
    driven = _drive(parts, ledger, log)
    seen = look(
        parts.endpoint,
        parts.scraper,
        log,
        parts.views,
        parts.observer,
        parts.stop,
        interval_ns=parts.spec.scrape_interval_ns,
        series=len(parts.workload.methods),
    )
    measured = RunRecord(
        spec=parts.spec,
        views=parts.views,
        workload=parts.workload,
        requirements=parts.requirements,
        started=started,
        driven=driven,
        self_cost_ns=cost_ns,
        seen=seen,
        exposes=exposes,
    )
    try:
        return assemble(measured)
    except KeyboardInterrupt:
        return assemble(replace(measured, seen=_unseen(seen)))


def _unseen(seen: Seen) -> Seen:
    """Return the observations of a run whose comparison was interrupted: nothing was compared."""
    interrupted = Finding(Name.PAGE_UNREADABLE, 1, {"reason": "interrupted before it was compared"})
    return replace(seen, page=None, stored=None, problems=[*seen.problems, interrupted], interrupted=True)


def _drive(parts: _Parts, ledger: Ledger, log: TruthLog | None) -> DriveResult:
    spec, workload, observer, endpoint = parts.spec, parts.workload, parts.observer, parts.endpoint
    latencies_ms: list[float] = []
    served_before, failed_before = endpoint.served, endpoint.failed

    def progress(snapshot: Snapshot) -> None:
        observer.progress(snapshot, endpoint.served - served_before, endpoint.failed - failed_before)

    clock = MonotonicClock()
    policy = CLOSED if workload.closed_loop else drop() if spec.policy == "drop" else BURST
    # Where the REPL's output goes costs a real write, and nobody needs to see it.
    with Path(os.devnull).open("w", encoding="utf-8", errors="surrogateescape") as sink, _deadline(parts):
        repl = Repl(parts.instrument, clock, sink, latencies_ms.append)
        return drive_workload(
            workload.blocks(BLOCK_LINES),
            repl.evaluate,
            ledger,
            clock,
            policy,
            latencies_ms=latencies_ms,
            stop=parts.stop,
            progress=progress,
            log=log,
            pages=endpoint.rendering_since,
        )


@contextmanager
def _deadline(parts: _Parts) -> Iterator[None]:
    """End a closed loop, which has no schedule that could end it, after the requested duration."""
    duration_ns = parts.workload.spec.duration_ns
    if not parts.workload.closed_loop or duration_ns is None:
        yield
        return
    timer = threading.Timer(duration_ns / 1e9, parts.stop.request)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()

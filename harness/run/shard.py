"""One worker's part of a run: its lines, the instrument that records them, and the endpoint that serves the page."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from harness.audit.forks import Forked
from harness.errors import RunError
from harness.expected import Expected, TruthOverTime
from harness.incidents.affected import Use, affected, renewable
from harness.incidents.lives import Lives
from harness.incidents.renewal import Renewal
from harness.incidents.triggers import Triggers
from harness.instruments import Instrument, create
from harness.instruments.none import NoInstrument
from harness.load.clock import Clock, MonotonicClock
from harness.load.drive_result import DriveResult
from harness.load.driver import BURST, CLOSED, drop
from harness.load.pump import BLOCK_LINES, Snapshot, drive_workload
from harness.load.recorder import Timings
from harness.load.selfcost import measure_self_cost
from harness.load.stop import Stop
from harness.load.truth.ledger import Ledger
from harness.load.truth.log import Pages, TruthLog
from harness.push.sink import PushOutcome, SinkProcess
from harness.run.spec import DEFAULT_DURATION, RunSpec
from harness.scrape.endpoint import Endpoint, serve
from harness.views import LENGTH_BOUNDS_BYTES, views_for
from workloads.incidents import Incident
from workloads.units import parse_duration_ns
from workloads.workload import Workload, WorkloadSpec

if TYPE_CHECKING:
    from harness.repl import TextSink

__all__ = ["Fork", "Shard", "ShardRecord", "planned_ns", "workload_of"]


def planned_ns(spec: RunSpec) -> int | None:
    """Return how long a run is to send lines, in ns; None where only their number, or a file's end, ends it."""
    replayed = any(text.partition(":")[0].strip() == "replay" for text in (spec.lengths, spec.arrivals))
    if spec.duration_ns is None and spec.count is None and not replayed:
        return parse_duration_ns(DEFAULT_DURATION)
    return spec.duration_ns


def workload_of(spec: RunSpec, triggered: Sequence[Incident] = (), *, switchable: bool = False) -> Workload:
    """Return the workload of a run, with the incidents that were `triggered` meanwhile.

    One that is `switchable` can be given such incidents while it is sent. Raises `GrammarError` where an expression is
    wrong.
    """
    duration_ns = planned_ns(spec)
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
            incidents=(*spec.incident_times, *triggered),
        ),
        bounds=LENGTH_BOUNDS_BYTES,
        switchable=switchable,
        happened=bool(triggered),
    )


@dataclass(frozen=True, slots=True)
class Fork:
    """One of several forked workers: its lines and its processes, of which some were recycled and some killed."""

    number: int
    lines: int
    processes: int = 1
    recycled: int = 0
    killed: int = 0


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """What one worker did.

    `log` is the truth at the moments when its pages were made; None for an instrument that exposes nothing by design.
    `digest` is of the lines and due times that were made, and `made` their number: a run that is stopped has made some
    that it did not send. `triggered` are the incidents that were switched on meanwhile, `forks` the workers of a forked
    run, and `forked` what the audit of their page has to know. `pushed` is what became of what was pushed; None for an
    instrument that is scraped.
    """

    driven: DriveResult
    log: TruthLog | Lives | None
    self_cost_ns: float
    digest: str
    made: int
    shifted: TruthOverTime | None = None
    triggered: tuple[Incident, ...] = ()
    forks: tuple[Fork, ...] = ()
    forked: Forked | None = None
    pushed: PushOutcome | None = None

    @property
    def truth(self) -> TruthOverTime | None:
        """What pages may show, over the time of the coordinator's clock."""
        return self.shifted or self.log

    @property
    def expected(self) -> Expected | None:
        """What the page must show at the end; None for an instrument that exposes nothing by design."""
        if self.log is None:
            return None
        return (self.log.last if isinstance(self.log, Lives) else self.driven.ledger).expected()


class Shard:
    """Lines i with i mod `of` = `number` of the spec's workload, in the process that sends them."""

    def __init__(
        self,
        spec: RunSpec,
        number: int = 0,
        of: int = 1,
        *,
        triggers: Triggers | None = None,
        began: Callable[[Incident], object] = lambda _incident: None,
    ) -> None:
        self.spec = spec
        self._triggers, self._began = triggers, began
        self.workload = workload_of(spec, switchable=triggers is not None)
        if of > 1:
            self.workload = self.workload.shard(number, of)
        self._views = views_for(spec.latency_buckets)
        self._open_until = ExitStack()
        # Where the REPL writes; by default where a write is real, and nobody needs to see it.
        self.output: TextSink | None = None
        # Unknown until it is measured.
        self.self_cost_ns = 0.0
        # Puts a witness of its own before that of the ledger, which hears the latency of each line; see `Repl`.
        self.keeping: Callable[[Callable[[float], object]], Callable[[float], object]] = lambda keep: keep

    def open(self, address: str, port: int) -> None:
        """Create the instrument and serve it; raises `UsageError`, `InstrumentError` or `EndpointError`."""
        self.instrument = self._new_instrument()
        self._open_until.callback(self.instrument.close)
        self._renewable = renewable(
            self.instrument,
            self._new_instrument,
            self.workload.spec.incidents,
            self._triggers,
        )
        if self._renewable is not None:
            self._open_until.callback(self._renewable.close)
        registry: Any = self._renewable or self.instrument.registry
        self.endpoint = self._open_until.enter_context(serve(registry, address, port))
        self._account(self.endpoint)

    def adopt(self, instrument: Instrument, endpoint: Endpoint, pages: Pages) -> None:
        """Use what others made and will close; `pages` are the moments at which the truth about pages is stored."""
        self.instrument, self.endpoint, self._renewable = instrument, endpoint, None
        self._account(pages)

    def _account(self, pages: Pages) -> None:
        self.ledger = Ledger(self._views, self.workload.methods)
        self.timings = Timings()
        self.log = self._new_log(pages)

    def _new_instrument(self) -> Instrument:
        return create(self.spec.instrument, self._views, push_interval_ns=self.spec.scrape_interval_ns)

    def _pushed(self) -> PushOutcome | None:
        """Return what became of what the instrument pushed; None for one that is scraped."""
        instrument = self.instrument if self._renewable is None else self._renewable.current
        sink = getattr(instrument, "sink", None)
        if not isinstance(sink, SinkProcess):
            return None
        try:
            return sink.pushed()
        except RunError:
            return PushOutcome(sink.transport)  # reading the page reports it, and what was measured is kept

    def measure_self_cost(self) -> float:
        """Return what the loop itself costs (ns per line), for the record; disturbed by whatever runs meanwhile."""
        cost = measure_self_cost(MonotonicClock())
        self.self_cost_ns = cost.closed_ns if self.workload.closed_loop else cost.paced_ns
        return self.self_cost_ns

    def _new_log(self, pages: Pages) -> TruthLog | Lives | None:
        """Return what keeps the truth about pages; an instrument that exposes nothing by design has none."""
        if isinstance(self.instrument, NoInstrument):
            return None
        return Lives(self.ledger, self.endpoint) if self._renewable else TruthLog(self.ledger, pages)

    def drive(
        self,
        stop: Stop,
        progress: Callable[[Snapshot], object] | None = None,
        start_ns: int | None = None,
        *,
        first: int | None = None,
        count: int | None = None,
    ) -> ShardRecord:
        """Send the lines, from `start_ns` of the monotonic clock on, or at once; return what came of them.

        By default all lines of the shard, otherwise `count` of them at most, from line `first` of the workload on.
        """
        latencies_ms: list[float] = []
        clock, spec = MonotonicClock(), self.spec
        policy = CLOSED if self.workload.closed_loop else drop() if spec.policy == "drop" else BURST
        # Where the REPL's output goes costs a real write, and nobody needs to see it.
        with Path(os.devnull).open("w", encoding="utf-8", errors="surrogateescape") as sink, self._until_over(stop):
            evaluate, incidents = affected(
                self.workload,
                self.instrument,
                self.output or sink,
                self.keeping(latencies_ms.append),
                clock,
                stop,
                renewal=self._renewal(clock, stop),
                triggers=self._triggers,
                began=self._began,
            )
            driven = drive_workload(
                self.workload.blocks(BLOCK_LINES, first=first, count=count),
                evaluate,
                self.ledger,
                clock,
                policy,
                latencies_ms=latencies_ms,
                stop=stop,
                progress=progress,
                log=self.log,
                timings=self.timings,
                pages=self.endpoint.rendering_since,
                start_ns=start_ns,
                interventions=incidents,
            )
        triggered = () if incidents is None else tuple(incidents.triggered)
        return ShardRecord(
            driven,
            self.log,
            self.self_cost_ns,
            self.workload.digest,
            self.workload.made,
            triggered=triggered,
            pushed=self._pushed(),
        )

    def _renewal(self, clock: Clock, stop: Stop) -> Callable[[Use], Renewal] | None:
        """Return what makes the action of a restart; None where there is none."""
        if self._renewable is None:
            return None
        return partial(
            Renewal,
            self._renewable,
            self.endpoint,
            clock,
            stop,
            lives=self.log if isinstance(self.log, Lives) else None,
            views=self._views,
            interval_ns=None if self.spec.scraper in {"sink", "none"} else self.spec.scrape_interval_ns,
        )

    @contextmanager
    def _until_over(self, stop: Stop) -> Iterator[None]:
        """End a closed loop in time, and accept no incident afterwards."""
        with ExitStack() as stack:
            stack.enter_context(self._deadline(stop))
            if self._triggers is not None:
                stack.callback(self._triggers.refuse, "the run is over")
            yield

    @contextmanager
    def _deadline(self, stop: Stop) -> Iterator[None]:
        """End a closed loop, which has no schedule that could end it, after the duration asked for."""
        duration_ns = self.workload.spec.duration_ns
        if not self.workload.closed_loop or duration_ns is None:
            yield
            return
        timer = threading.Timer(duration_ns / 1e9, stop.request)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def close(self) -> None:
        """Stop serving and close the instrument; may be called again."""
        self._open_until.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

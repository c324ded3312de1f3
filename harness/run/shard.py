"""One worker's part of a run: its lines, the instrument that records them, and the endpoint that serves the page."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.expected import TruthOverTime
from harness.instruments import create
from harness.instruments.none import NoInstrument
from harness.load.clock import MonotonicClock
from harness.load.drive_result import DriveResult
from harness.load.driver import BURST, CLOSED, drop
from harness.load.ledger import Ledger
from harness.load.pump import BLOCK_LINES, Snapshot, drive_workload
from harness.load.recorder import Timings
from harness.load.selfcost import measure_self_cost
from harness.load.stop import Stop
from harness.load.truthlog import TruthLog
from harness.repl import Repl, TextSink
from harness.run.spec import DEFAULT_DURATION, RunSpec
from harness.scrape.endpoint import serve
from harness.views import LENGTH_BOUNDS_BYTES, views_for
from workloads.units import parse_duration_ns
from workloads.workload import Workload, WorkloadSpec

__all__ = ["Shard", "ShardRecord", "workload_of"]


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


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """What one worker did.

    `log` is the truth at the moments when its pages were made; None for an instrument that exposes nothing by design.
    `digest` is of the lines and due times that were made, and `made` their number: a run that is stopped has made some
    that it did not send.
    """

    driven: DriveResult
    log: TruthLog | None
    self_cost_ns: float
    digest: str
    made: int
    shifted: TruthOverTime | None = None

    @property
    def truth(self) -> TruthOverTime | None:
        """What pages may show, over the time of the coordinator's clock."""
        return self.shifted or self.log


class Shard:
    """Lines i with i mod `of` = `number` of the spec's workload, in the process that sends them."""

    def __init__(self, spec: RunSpec, number: int = 0, of: int = 1) -> None:
        self.spec = spec
        self.workload = workload_of(spec)
        if of > 1:
            self.workload = self.workload.shard(number, of)
        self._views = views_for(spec.latency_buckets)
        self._open_until = ExitStack()
        # Where the REPL writes; by default where a write is real, and nobody needs to see it.
        self.output: TextSink | None = None
        # Unknown until it is measured.
        self.self_cost_ns = 0.0

    def open(self, address: str, port: int) -> None:
        """Create the instrument and serve it; raises `UsageError`, `InstrumentError` or `EndpointError`."""
        self.instrument = create(self.spec.instrument, self._views)
        self._open_until.callback(self.instrument.close)
        self.endpoint = self._open_until.enter_context(serve(self.instrument.registry, address, port))
        self.ledger = Ledger(self._views, self.workload.methods)
        self.timings = Timings()
        # An instrument that exposes nothing by design has no pages to be compared with.
        exposes = not isinstance(self.instrument, NoInstrument)
        self.log = TruthLog(self.ledger, self.endpoint) if exposes else None

    def measure_self_cost(self) -> float:
        """Return what the loop itself costs (ns per line), for the record; disturbed by whatever runs meanwhile."""
        cost = measure_self_cost(MonotonicClock())
        self.self_cost_ns = cost.closed_ns if self.workload.closed_loop else cost.paced_ns
        return self.self_cost_ns

    def drive(
        self, stop: Stop, progress: Callable[[Snapshot], object] | None = None, start_ns: int | None = None
    ) -> ShardRecord:
        """Send the lines, from `start_ns` of the monotonic clock on, or at once; return what came of them."""
        latencies_ms: list[float] = []
        clock, spec = MonotonicClock(), self.spec
        policy = CLOSED if self.workload.closed_loop else drop() if spec.policy == "drop" else BURST
        with Path(os.devnull).open("w", encoding="utf-8", errors="surrogateescape") as sink, self._deadline(stop):
            driven = drive_workload(
                self.workload.blocks(BLOCK_LINES),
                Repl(self.instrument, clock, self.output or sink, latencies_ms.append).evaluate,
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
            )
        return ShardRecord(driven, self.log, self.self_cost_ns, self.workload.digest, self.workload.made)

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

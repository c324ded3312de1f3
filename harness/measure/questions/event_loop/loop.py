"""The measurement of an event loop: requests that are due on schedule, and scrapes or pushes in windows at random.

The service is a fresh process with one event loop, on the measured core. A sender in another process sends requests at
due times fixed in advance, and this process scrapes in some windows and not in others, in random order; see
`harness.measure.questions.event_loop.effect`.
"""

import random
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from harness.children import GRACE_S, private_folder
from harness.errors import RunError, UsageError
from harness.host.libraries import version_here
from harness.interrupts import interruptible
from harness.measure.pairs.side import apart, cores
from harness.measure.questions.event_loop.effect import LoopEffect, LoopPoint, LoopTrace, loop_effect
from harness.measure.questions.event_loop.page import FetchedPage, PushSink, fetch_page
from harness.measure.questions.open_loop import due_until
from harness.measure.questions.scraping.effect import SETTLE_SHARE
from harness.measure.questions.scraping.gate import Windows
from harness.measure.service.child import ChildProcess
from harness.measure.service.deployments import DEPLOYMENTS, load_deployment, paths_for
from harness.progress import Progress, Step

__all__ = ["QUICK", "LoopPlan", "measure_loops"]

_LEAD_NS = 300_000_000
_BEAT_NS = 1_000_000
# A window has room for its scrape, and for the queue that the scrape leaves behind.
_SCRAPES_A_WINDOW = 5
_FEWEST_WINDOWS = 8
# The scrape begins within this share of its window after the part that is excluded, at a moment drawn at random.
_SPREAD_SHARE = 0.2
_MOST_RATE = 20_000.0
_LIBRARIES = (
    "uvicorn",
    "prometheus-client",
    "aioprometheus",
    "opentelemetry-sdk",
    "opentelemetry-exporter-otlp-proto-http",
)


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """What is measured: each deployment with each number of series, in `processes` fresh processes.

    A process has `windows` windows of `window_ms` each (longer and fewer where a scrape takes longer), half of them
    scraped once. `rate` requests per second are due, as a Poisson process. Raise `UsageError` where the rate is not
    between 1 and 20 000 per second.
    """

    deployments: tuple[str, ...] = tuple(DEPLOYMENTS)
    series: tuple[int, ...] = (100, 1000, 10_000, 30_000)
    processes: int = 5
    windows: int = 20
    window_ms: int = 500
    rate: float = 400.0
    seed: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.rate <= _MOST_RATE:
            raise UsageError(f"{self.rate:g} requests/s are not between 1 and {_MOST_RATE:g}", field="rate")

    @property
    def points(self) -> list[LoopPoint]:
        """Every deployment with every number of series."""
        return [LoopPoint(name, series) for name in self.deployments for series in self.series]


QUICK = LoopPlan(series=(1000,), processes=3, windows=10)


@dataclass(slots=True)
class _Bench:
    """What all processes share: the plan, the random numbers, and the windows of each point."""

    plan: LoopPlan
    rng: random.Random
    core: int
    home: int
    windows: dict[LoopPoint, tuple[int, int]] = field(default_factory=dict)

    def trace(self, point: LoopPoint) -> LoopTrace:
        """Measure one fresh process; raise `RunError` where the service or the sender does not work."""
        with ExitStack() as stack:
            folder = stack.enter_context(private_folder("harness-loop-"))
            sink = stack.enter_context(PushSink())
            what = f"the service with {point.deployment}"
            service = stack.enter_context(ChildProcess("process", what, self.rng))
            sender = stack.enter_context(ChildProcess("sender", "the sender of requests", self.rng))
            (folder / "metrics").mkdir()
            start = {
                "do": "start", "deployment": point.deployment, "series": point.series, "core": self.core,
                "home": self.home, "folder": str(folder / "metrics"), "gateway": sink.address,
            }  # fmt: skip
            ports = service.ask(start, GRACE_S + point.series / 100)
            page = self._page(ports["metrics_port"], sink, what)
            run = self._run(point, page, folder, ports, (service, sender))
            last = self._page(ports["metrics_port"], sink, what)
            end = service.ask({"do": "finish", "file": str(folder / "beats")}, GRACE_S)
            beats = np.fromfile(folder / "beats", dtype=np.int64)
            return replace(run, beats=beats, recorded=end["recorded"], shown=last.requests)

    def _page(self, port: int, sink: PushSink, what: str) -> FetchedPage:
        page = fetch_page(port)
        if not page.good:
            raise RunError(f"{what} did not answer a request for its page")
        # What was pushed is the page; the answer to the request that caused it is not.
        return sink.page(page)

    def _drawn(self, point: LoopPoint, page: FetchedPage) -> Windows:
        """Return windows for a point, as long in each of its processes, that begin after a short lead."""
        plan = self.plan
        if point not in self.windows:
            scrape_ms = (page.end_ns - page.start_ns) / 1e6
            window_ms = max(plan.window_ms, round(_SCRAPES_A_WINDOW * scrape_ms))
            fewer = max(_FEWEST_WINDOWS, plan.windows * plan.window_ms // window_ms)
            self.windows[point] = window_ms, min(plan.windows, fewer)
        window_ms, count = self.windows[point]
        flags = [i % 2 == 0 for i in range(count)]
        self.rng.shuffle(flags)
        return Windows(time.monotonic_ns() + _LEAD_NS, window_ms * 1_000_000, tuple(flags))

    def _run(
        self,
        point: LoopPoint,
        page: FetchedPage,
        folder: Path,
        ports: dict[str, int],
        children: tuple[ChildProcess, ChildProcess],
    ) -> LoopTrace:
        """Send the requests of all windows, and scrape in those drawn for it."""
        service, sender = children
        sender.ask({"do": "connect", "port": ports["port"], "core": self.home}, GRACE_S)
        schedule = self._drawn(point, page)
        length_ns = schedule.end_ns - schedule.start_ns
        offsets = due_until(self.plan.rate, length_ns, self.rng.getrandbits(32)).astype(np.int64)
        file = folder / "due"
        offsets.tofile(file)
        beat = {"do": "beat", "start_ns": schedule.start_ns, "interval_ns": _BEAT_NS, "count": length_ns // _BEAT_NS}
        service.ask(beat, GRACE_S)
        sending = {
            "do": "send", "file": str(file), "start_ns": schedule.start_ns, "paths": paths_for(point.series),
            "grace_s": GRACE_S / 2,
        }  # fmt: skip
        sender.tell(sending)
        pages = self._scrapes(schedule, ports["metrics_port"])
        sender.hear(2 * GRACE_S)
        times = np.fromfile(f"{file}.out", dtype=np.int64)
        return LoopTrace(
            schedule=schedule,
            served=np.array([(each.start_ns, each.end_ns) for each in pages], dtype=np.int64).reshape(-1, 2),
            beats=np.empty(0, dtype=np.int64),
            beat_ns=_BEAT_NS,
            due=offsets + schedule.start_ns,
            starts=times[: len(offsets)],
            ends=times[len(offsets) :],
            page_bytes=len(page.body),
            series=page.series,
            recorded=0,
            shown=0,
            failed_scrapes=sum(not each.good for each in pages),
        )

    def _scrapes(self, schedule: Windows, port: int) -> list[FetchedPage]:
        """Scrape once in each window drawn for it, and return after the last window."""
        pages = []
        for index, scraped in enumerate(schedule.scraped):
            share = index + SETTLE_SHARE + self.rng.random() * _SPREAD_SHARE
            if scraped:
                _sleep_until(schedule.start_ns + round(share * schedule.window_ns))
                pages.append(fetch_page(port))
        _sleep_until(schedule.end_ns)
        return pages


def _sleep_until(ns: int) -> None:
    time.sleep(max(0.0, (ns - time.monotonic_ns()) / 1e9))


def measure_loops(plan: LoopPlan, progress: Progress = lambda _step: None) -> tuple[list[LoopEffect], bool]:
    """Return the effect at each point of the plan, and whether Ctrl-C ended it; it keeps the processes measured so far.

    The points take turns in random order, so that a slow spell of the machine does not meet one of them alone. Raise
    `UsageError` of `deployments` for one that is not there, and `RunError` where a service does not work.
    """
    for name in plan.deployments:
        load_deployment(name)
    rng = random.Random(plan.seed)  # noqa: S311 - a seeded order, nothing secret
    order = [point for _ in range(plan.processes) for point in rng.sample(plan.points, len(plan.points))]
    traces: dict[LoopPoint, list[LoopTrace]] = {}
    which, interrupted = cores(), False
    bench = _Bench(plan, rng, which.measured, which.home)
    with apart(which):
        began = time.monotonic()
        try:
            for done, point in enumerate(order):
                left = (time.monotonic() - began) * (len(order) - done) / done if done else None
                note = f"{point.deployment}, {point.series} series"
                progress(Step(done / len(order), left, note))
                with interruptible():
                    trace = bench.trace(point)
                traces.setdefault(point, []).append(trace)
        except KeyboardInterrupt:
            if not traces:
                raise
            interrupted = True
    return _effects(plan, traces, interrupted=interrupted), interrupted


def _effects(plan: LoopPlan, traces: dict[LoopPoint, list[LoopTrace]], *, interrupted: bool) -> list[LoopEffect]:
    measured = [point for point in plan.points if point in traces]
    versions = {name: version for name in _LIBRARIES if (version := version_here(name)) is not None}
    return [
        loop_effect(point, traces[point], rate=plan.rate, libraries=versions, interrupted=interrupted)
        for point in measured
    ]

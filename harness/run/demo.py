"""Realistic traffic for a dashboard: day-shaped load, simulated service time, a Prometheus with console and alerts."""

import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from harness.dashboards.files import with_dashboards
from harness.dashboards.links import TRY, console_url, pictures
from harness.errors import ScraperError
from harness.instruments import create
from harness.load.clock import MonotonicClock
from harness.load.drive_result import DriveResult
from harness.load.ledger import Ledger
from harness.load.pump import BLOCK_LINES, Snapshot, drive_workload
from harness.load.stop import Stop
from harness.repl import Repl
from harness.scrape.endpoint import serve
from harness.scrape.prometheus.server import PrometheusServer, default_config, derived_config
from harness.scrape.scraper import Target
from harness.views import views_for
from workloads.units import parse_duration_ns
from workloads.workload import Workload, WorkloadSpec

__all__ = ["QUICKSTART_PORT", "DemoObserver", "DemoSpec", "SimulatedService", "show"]

QUICKSTART_PORT = 8000
_PROMETHEUS_PORT = 9090
# The rules take rates over 15 s and silence over 5 s, and a scrape may take as long as the interval.
_SCRAPE_INTERVAL = "2s"
_EVALUATION_INTERVAL = "1s"
# As long as a workload may last: until Ctrl-C, for all that anybody will wait.
_FOR_EVER = "366d"
_SPREAD = 1.5
_LONGEST = 100


class DemoObserver(Protocol):
    """Receiver of the demo's messages and progress."""

    def say(self, text: str) -> None:
        """Receive one line for the user."""

    def progress(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None:
        """Receive the state of the run."""


@dataclass(frozen=True, slots=True)
class DemoSpec:
    """Specification of a demo; the workload's fields are those of `workloads.workload.WorkloadSpec`."""

    lengths: str = "lognormal"
    content: str = "sentences"
    arrivals: str = "day:rate=30,period=20m,from=8,jitter=poisson"
    errors: str = "2%"
    series: str = "1"
    seed: int = 1
    count: int | None = None
    duration: str | None = None
    instrument: str = "opencensus"
    service_time: str = "2ms"
    address: str = "127.0.0.1"
    port: int = QUICKSTART_PORT

    def workload(self) -> Workload:
        """Return the lines to send; raises `GrammarError`."""
        duration = self.duration or (None if self.count else _FOR_EVER)
        return Workload(
            WorkloadSpec(
                self.lengths,
                self.content,
                self.arrivals,
                self.errors,
                self.series,
                self.seed,
                self.count,
                None if duration is None else parse_duration_ns(duration),
            )
        )


class SimulatedService:
    """An output with a simulated consumer: each write sleeps for a lognormal time of the given median (ns).

    The REPL times its write, so the latency view shows the effect of a slow consumer. Sigma is 1.5: the mean is 3 times
    the median, the 99th percentile 33 times. No write takes longer than 100 times the median.
    """

    def __init__(self, median_ns: int, seed: int) -> None:
        self._median_s = median_ns / 1e9
        self._random = random.Random(seed)  # noqa: S311 - a load is to be repeated, not kept secret

    def write(self, text: str, /) -> None:
        """Accept the text after the time that a consumer would take."""
        del text
        time.sleep(self._median_s * min(_LONGEST, self._random.lognormvariate(0, _SPREAD)))


def show(spec: DemoSpec, observer: DemoObserver) -> DriveResult:
    """Send the demo's traffic until its end or Ctrl-C, and return the result; everything started is stopped.

    Raises `UsageError` for a spec that cannot be run and `EndpointError` for a port that is taken. A Prometheus that is
    missing, does not start or dies is reported to `observer`, and the demo continues.
    """
    workload, views = spec.workload(), views_for()
    service = SimulatedService(parse_duration_ns(spec.service_time), spec.seed)
    with ExitStack() as stack:
        instrument = create(spec.instrument, views)
        stack.callback(instrument.close)
        endpoint = stack.enter_context(serve(instrument.registry, spec.address, spec.port))
        observer.say(f"serving {endpoint.url}")
        server = stack.enter_context(_prometheus([Target(endpoint.address, endpoint.port)], observer))
        stop = stack.enter_context(Stop().on_signals())
        watch = _Watch(server, observer)
        latencies_ms: list[float] = []

        def progress(snapshot: Snapshot) -> None:
            watch.look()
            observer.progress(snapshot, endpoint.served, endpoint.failed)

        return drive_workload(
            workload.blocks(BLOCK_LINES),
            Repl(instrument, MonotonicClock(), service, latencies_ms.append).evaluate,
            Ledger(views, workload.methods),
            MonotonicClock(),
            latencies_ms=latencies_ms,
            stop=stop,
            progress=progress,
        )


class _Watch:
    """Reports once that a server has died."""

    def __init__(self, server: PrometheusServer | None, observer: DemoObserver) -> None:
        self._server, self._observer = server, observer

    def look(self) -> None:
        if self._server is None:
            return
        try:
            self._server.check()
        except ScraperError as error:
            self._server = None
            self._observer.say(f"{error}; the demo goes on without it")


@contextmanager
def _prometheus(targets: Sequence[Target], observer: DemoObserver) -> Iterator[PrometheusServer | None]:
    """Run the real server with rules and console, and report its address; yields None where there is no server."""
    try:
        server = _server(targets).start()
    except ScraperError as error:
        observer.say(f"no Prometheus: {error}")
        observer.say("get it with `apt-get install prometheus` or from prometheus.io, then start the demo again;")
        observer.say("the demo goes on serving its metrics meanwhile")
        yield None
        return
    try:
        observer.say(
            f"Prometheus runs at {server.url} and scrapes every {_SCRAPE_INTERVAL}; the quickstart's pictures there:"
        )
        for name, link in pictures(server.url).items():
            observer.say(f"  {name}: {link}")
        observer.say(f"dashboard and alerts: {console_url(server.url)}")
        observer.say("three things to try, after Ctrl-C:")
        for command, effect in TRY:
            observer.say(f"  {command}: {effect}")
        yield server
    finally:
        server.stop()


def _server(targets: Sequence[Target]) -> PrometheusServer:
    """Return a server on the job of promconfig.yaml, with our targets, interval, rules and console."""
    _, config = derived_config(default_config(), targets[0], parse_duration_ns(_SCRAPE_INTERVAL))
    config, files = with_dashboards(config, [target.netloc for target in targets], _EVALUATION_INTERVAL)
    return PrometheusServer(json.dumps(config), _PROMETHEUS_PORT, files=files)

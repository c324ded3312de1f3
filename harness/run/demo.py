"""Realistic traffic for a dashboard: day-shaped load, simulated service time, a Prometheus with console and alerts."""

import json
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from harness.dashboards.files import with_dashboards
from harness.dashboards.links import TRY, console_url, pictures
from harness.errors import ScraperError, UsageError
from harness.incidents.affected import affected, renewable
from harness.incidents.renewal import Renewal
from harness.incidents.triggers import Triggers
from harness.instruments import create
from harness.load.clock import MonotonicClock
from harness.load.drive_result import DriveResult
from harness.load.pump import BLOCK_LINES, Snapshot, drive_workload
from harness.load.stop import Stop
from harness.load.truth.ledger import Ledger
from harness.run.tour import tour, words
from harness.scrape.endpoint import serve
from harness.scrape.prometheus.server import PrometheusServer, default_config, derived_config
from harness.scrape.scraper import Target
from harness.views import views_for
from workloads.incidents import Incident, parse_incident
from workloads.units import parse_duration_ns
from workloads.workload import Workload, WorkloadSpec

__all__ = [
    "FOR_EVER",
    "QUICKSTART_PORT",
    "SCRAPE_INTERVAL",
    "DemoObserver",
    "DemoSpec",
    "ServerWatch",
    "SimulatedService",
    "dashboard",
    "show",
]

QUICKSTART_PORT = 8000
_PROMETHEUS_PORT = 9090
# The rules take rates over 15 s and silence over 5 s, and a scrape may take as long as the interval.
SCRAPE_INTERVAL = "2s"
_EVALUATION_INTERVAL = "1s"
# As long as a workload may last: until Ctrl-C, for all that anybody will wait.
FOR_EVER = "366d"
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
    """Specification of a demo; the workload's fields are those of `workloads.workload.WorkloadSpec`.

    A `tour` of that length goes through all incidents, and then the demo ends.
    """

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
    incidents: tuple[str, ...] = ()
    tour: str | None = None
    address: str = "127.0.0.1"
    port: int = QUICKSTART_PORT

    def incident_times(self) -> tuple[Incident, ...]:
        """Return the incidents; raises `GrammarError`, and `UsageError` for a tour beside others or another end."""
        if self.tour is None:
            return tuple(parse_incident(text) for text in self.incidents)
        if self.incidents or self.duration is not None or self.count is not None:
            text = "has its own incidents and ends by itself; leave incidents, duration and count out"
            raise UsageError(text, field="tour")
        return tour(parse_duration_ns(self.tour))

    def workload(self, *, switchable: bool = False) -> Workload:
        """Return the lines to send; raises `GrammarError` and `UsageError`."""
        duration = self.tour or self.duration or (None if self.count else FOR_EVER)
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
                self.incident_times(),
            ),
            switchable=switchable,
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


def show(spec: DemoSpec, observer: DemoObserver, triggers: Triggers | None = None) -> DriveResult:
    """Send the demo's traffic until its end or Ctrl-C, and return the result; everything started is stopped.

    Raises `UsageError` for a spec that cannot be run and `EndpointError` for a port that is taken. A Prometheus that is
    missing, does not start or dies is reported to `observer`, and the demo continues. `triggers` switch on incidents
    meanwhile; each one that begins is explained to `observer`.
    """
    workload, views = spec.workload(switchable=triggers is not None), views_for()
    service = SimulatedService(parse_duration_ns(spec.service_time), spec.seed)
    with ExitStack() as stack:
        instrument = create(spec.instrument, views)
        stack.callback(instrument.close)
        again = renewable(instrument, lambda: create(spec.instrument, views), workload.spec.incidents, triggers)
        if again is not None:
            stack.callback(again.close)
        registry: Any = again or instrument.registry
        endpoint = stack.enter_context(serve(registry, spec.address, spec.port))
        observer.say(f"serving {endpoint.url}")
        target = Target(endpoint.address, endpoint.port)
        _, config = derived_config(default_config(), target, parse_duration_ns(SCRAPE_INTERVAL))
        server = stack.enter_context(dashboard(config, observer))
        stop = stack.enter_context(Stop().on_signals())
        watch = ServerWatch(server, observer)
        latencies_ms: list[float] = []

        def progress(snapshot: Snapshot) -> None:
            watch.look()
            observer.progress(snapshot, endpoint.served, endpoint.failed)

        clock = MonotonicClock()
        evaluate, incidents = affected(
            workload,
            instrument,
            service,
            latencies_ms.append,
            clock,
            stop,
            renewal=None if again is None else partial(Renewal, again, endpoint, clock, stop),
            triggers=triggers,
            began=lambda incident: observer.say(words(incident)),
        )
        if triggers is not None:
            stack.callback(triggers.refuse, "the demo is over")
        return drive_workload(
            workload.blocks(BLOCK_LINES),
            evaluate,
            Ledger(views, workload.methods),
            clock,
            latencies_ms=latencies_ms,
            stop=stop,
            progress=progress,
            pages=endpoint.rendering_since,
            interventions=incidents,
        )


class ServerWatch:
    """Reports once that a server has died."""

    def __init__(self, server: PrometheusServer | None, observer: DemoObserver) -> None:
        self._server, self._observer = server, observer

    def look(self) -> None:
        """Report the server's end, the first time it is seen."""
        if self._server is None:
            return
        try:
            self._server.check()
        except ScraperError as error:
            self._server = None
            self._observer.say(f"{error}; the demo goes on without it")


@contextmanager
def dashboard(
    config: dict[str, Any], observer: DemoObserver, files: Mapping[str, str] | None = None
) -> Iterator[PrometheusServer | None]:
    """Run the real server on `config` with rules and console, and report its address; yields None where there is none.

    `files` are those that `config` refers to; see the server.
    """
    config, own = with_dashboards(config, _EVALUATION_INTERVAL)
    try:
        server = PrometheusServer(json.dumps(config), _PROMETHEUS_PORT, files={**own, **(files or {})}).start()
    except ScraperError as error:
        observer.say(f"no Prometheus: {error}")
        observer.say("get it with `apt-get install prometheus` or from prometheus.io, then start the demo again;")
        observer.say("the demo goes on serving its metrics meanwhile")
        yield None
        return
    try:
        observer.say(
            f"Prometheus runs at {server.url} and scrapes every {SCRAPE_INTERVAL}; the quickstart's pictures there:"
        )
        for name, link in pictures(server.url).items():
            observer.say(f"  {name}: {link}")
        observer.say(f"dashboard and alerts: {console_url(server.url)}")
        observer.say("three things to try, besides the buttons of the live page:")
        for command, effect in TRY:
            observer.say(f"  {command}: {effect}")
        yield server
    finally:
        server.stop()

"""The demo by several workers: one load between them, one Prometheus that finds each, all stopped together."""

from contextlib import ExitStack

from harness.distributed.choose import worker_count
from harness.distributed.coordinator import Fleet
from harness.distributed.local import LocalLauncher
from harness.errors import RunError
from harness.incidents.triggers import Triggers
from harness.load.drive_result import DriveResult, merge_results
from harness.load.pump import Snapshot
from harness.load.stop import Stop
from harness.run.demo import FOR_EVER, SCRAPE_INTERVAL, DemoObserver, DemoSpec, ServerWatch, dashboard
from harness.run.spec import RunSpec, spec_from
from harness.run.tour import words
from harness.run.workers import Lost
from harness.scrape.prometheus.shared import SharedServer
from workloads.units import parse_duration_ns

__all__ = ["run_spec_of", "show_together"]


def run_spec_of(spec: DemoSpec, workers: str) -> RunSpec:
    """Return the run that sends a demo's load by `workers`, a number or ``auto``; raises `UsageError`."""
    return spec_from(
        {
            "name": "demo",
            "lengths": spec.lengths,
            "content": spec.content,
            "arrivals": spec.arrivals,
            "errors": spec.errors,
            "series": spec.series,
            "seed": spec.seed,
            "count": spec.count,
            "duration": spec.tour or spec.duration or (None if spec.count else FOR_EVER),
            "incidents": [str(each) for each in spec.incident_times()],
            "instrument": spec.instrument,
            "address": spec.address,
            "port": spec.port,
            "workers": workers,
        }
    )


def show_together(
    spec: DemoSpec, run: RunSpec, observer: DemoObserver, triggers: Triggers | None = None
) -> DriveResult:
    """Send the demo's traffic by several workers until its end or Ctrl-C; everything started is stopped.

    Each serves its own page, on `spec.port` and the ports after it. Prometheus labels their series ``run`` and
    ``worker``. `triggers` switch on incidents meanwhile. A worker that is lost is reported to `observer` at the end.
    Raises as `harness.run.demo.show`, and `RunError` where every worker was lost.
    """
    with ExitStack() as stack:
        beside = {"service_time": spec.service_time}
        fleet = Fleet(run, worker_count(run), LocalLauncher(run), triggers, beside=beside)
        stack.callback(fleet.close)
        for info, served in zip(fleet.infos, fleet.served, strict=True):
            observer.say(f"worker {info.number} serves {served.url}")
        found = SharedServer([info.target for info in fleet.infos], "demo")
        _, config = found.config(parse_duration_ns(SCRAPE_INTERVAL) // 1_000_000)
        server = stack.enter_context(dashboard(config, observer, found.files()))
        stop = stack.enter_context(Stop().on_signals())
        watch = ServerWatch(server, observer)
        coming = sorted(run.incident_times, key=lambda each: each.start_ns)

        def progress(snapshot: Snapshot, scrapes: int, failed_scrapes: int) -> None:
            watch.look()
            while coming and coming[0].start_ns <= snapshot.elapsed_ns:
                observer.say(words(coming.pop(0)))
            observer.progress(snapshot, scrapes, failed_scrapes)

        records = fleet.drive(stop, progress)
    for number, record in enumerate(records):
        if isinstance(record, Lost):
            observer.say(f"worker {number} was lost: {record.reason}")
    driven = [record.driven for record in records if not isinstance(record, Lost)]
    if not driven:
        raise RunError("every worker of the demo was lost")
    return merge_results(driven, closed=spec.workload().closed_loop)

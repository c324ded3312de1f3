"""Runs one spec from end to end: starts the workers, lets them send, waits for a last scrape, audits, and sums up."""

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from harness.audit.findings import Finding, Name
from harness.interrupts import interruptible
from harness.load.pump import Snapshot
from harness.load.stop import Stop
from harness.run.assemble import RunRecord, WorkerRecord, assemble
from harness.run.observation.look import look, unlooked
from harness.run.observation.lost import ScheduledTruth, look_at_lost
from harness.run.observation.seen import Seen, compare
from harness.run.requirements import parse_requirement
from harness.run.result import RunResult
from harness.run.shard import ShardRecord, workload_of
from harness.run.spec import RunSpec
from harness.run.together import together
from harness.run.workers import Lost, Single, Workers
from harness.scrape.choose import check_scraper, kind_for, make_scrapers
from harness.scrape.scraper import Scraper
from harness.views import View, views_for
from workloads.workload import Workload

__all__ = ["Observer", "OpenWorkers", "execute"]

# Starts the workers of a spec and returns when all are ready; raises what starting them met.
OpenWorkers = Callable[[RunSpec], Workers]


# Workers that are looked at at the same time.
_LOOKERS = 32


class Observer(Protocol):
    """Receiver of a run's phases and progress."""

    def phase(self, text: str) -> None:
        """Receive what is being done while no lines are sent."""

    def progress(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None:
        """Receive the state of the run, at most five times a second, from the driving thread."""


def execute(spec: RunSpec, observer: Observer, open_workers: OpenWorkers = Single) -> RunResult:
    """Run `spec` and return its result; whatever was started is stopped, however it ends.

    `open_workers` starts those who send the load: this process alone unless it is given.

    Ctrl-C, a termination or the loss of the terminal while lines are being sent ends the run at the next line: the
    result says `interrupted` and covers what was sent. Raises `UsageError` for a spec that cannot be run, `RunError`
    where the endpoint or the scraper does not start. Must be called from the main thread, since it handles those
    signals meanwhile.
    """
    views = views_for(spec.latency_buckets)
    requirements = [parse_requirement(text) for text in spec.require]
    workload = workload_of(spec)
    check_scraper(spec.scraper, spec.scrape_interval_ns)
    spec = spec.model_copy(update={"scraper": kind_for(spec.scraper, spec.instrument)})
    results: list[RunResult] = []
    try:
        with ExitStack() as stack:
            with interruptible():
                workers = open_workers(spec)
                stack.callback(workers.close)
                scrapers = _scrapers(spec, views, workers, observer, stack)
            stop = stack.enter_context(Stop().on_signals())
            started = datetime.now(UTC).isoformat(timespec="milliseconds")
            records = workers.drive(stop, observer.progress)
            seen = _look(spec, workload, workers, scrapers, records, observer, stop)
            record = RunRecord(
                spec=spec,
                views=views,
                workload=_sent(spec, workload, records),
                requirements=requirements,
                started=started,
                workers=[
                    WorkerRecord(info, shard, glimpse)
                    for info, shard, glimpse in zip(workers.infos, records, seen, strict=True)
                ],
            )
            results.append(_assemble(record))
    except KeyboardInterrupt:
        # What was measured is not lost because the server was interrupted while it stopped.
        if not results:
            raise
    return results[0]


def _sent(spec: RunSpec, workload: Workload, records: Sequence[ShardRecord | Lost]) -> Workload:
    """Return the workload with the incidents that were switched on meanwhile."""
    each_ones = [each for record in records if isinstance(record, ShardRecord) for each in record.triggered]
    triggered = list(dict.fromkeys(each_ones))
    return workload_of(spec, triggered) if triggered else workload


def _scrapers(
    spec: RunSpec, views: Sequence[View], workers: Workers, observer: Observer, stack: ExitStack
) -> list[Scraper]:
    """Start a scraper for each worker and return when each has scraped its own."""
    targets = [info.target for info in workers.infos]
    scrapers = make_scrapers(spec.scraper, spec.scrape_interval_ns, tuple(views), targets)
    for scraper in scrapers:
        stack.callback(scraper.stop)
    others = f" and {len(targets) - 1} more" if len(targets) > 1 else ""
    observer.phase(f"waiting for the first scrape of {workers.served[0].url}{others}")
    pairs = list(zip(scrapers, targets, strict=True))
    if scrapers[0].kind == "prometheus":
        # It starts the server of all of them; from this thread, so that an interruption ends that too.
        scrapers[0].start(targets[0])
        del pairs[0]
    if pairs:
        together(lambda pair: pair[0].start(pair[1]), pairs, _LOOKERS)
    return scrapers


def _look(
    spec: RunSpec,
    workload: Workload,
    workers: Workers,
    scrapers: Sequence[Scraper],
    records: Sequence[ShardRecord | Lost],
    observer: Observer,
    stop: Stop,
) -> list[Seen | None]:
    """Look at what each worker exposed, at all of them at the same time; None where nothing is exposed by design."""
    views, interval_ns, series = views_for(spec.latency_buckets), spec.scrape_interval_ns, len(workload.methods)
    exposes = all(record.log is not None for record in records if not isinstance(record, Lost))

    def look_at(number: int) -> Seen | None:
        record, scraper = records[number], scrapers[number]
        if not isinstance(record, Lost):
            phases, served = observer if number == 0 else _Silent(), workers.served[number]
            seen = look(served, scraper, record.truth, views, phases, stop, interval_ns=interval_ns, series=series)
            return compare(seen, record, views) if len(records) > 1 else seen
        if record.start_ns is None or not exposes:
            return None
        shard, uncertain_ns = workload.shard(number, len(records)), workers.infos[number].uncertainty_ns
        truth = ScheduledTruth(shard, views, record.start_ns, uncertain_ns)
        return look_at_lost(record, truth, scraper, views, stop, interval_ns=interval_ns, series=series)

    numbers = range(len(records))
    if len(numbers) == 1:
        return [look_at(0)]
    pool = ThreadPoolExecutor(min(len(numbers), _LOOKERS), thread_name_prefix="harness-look")
    looks = [pool.submit(look_at, number) for number in numbers]
    try:
        return [each.result() for each in looks]
    except KeyboardInterrupt:
        # What has been seen of some workers by now is kept; at the others nobody has looked.
        stop.signal = stop.signal or signal.SIGINT
        return [
            each.result() if each.done() else unlooked(scraper) for each, scraper in zip(looks, scrapers, strict=True)
        ]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class _Silent:
    """Hears of the phases of all workers but the first, which are the same."""

    def phase(self, text: str) -> None:
        """Ignore it."""


def _assemble(record: RunRecord) -> RunResult:
    try:
        return assemble(record)
    except KeyboardInterrupt:
        workers = [replace(worker, seen=worker.seen and _unseen(worker.seen)) for worker in record.workers]
        return assemble(replace(record, workers=workers))


def _unseen(seen: Seen) -> Seen:
    """Return the observations of a run whose comparison was interrupted: nothing was compared, unless before."""
    if seen.audited is not None:
        return seen
    interrupted = Finding(Name.PAGE_UNREADABLE, 1, {"reason": "interrupted before it was compared"})
    return replace(seen, page=None, stored=None, problems=[*seen.problems, interrupted], interrupted=True)

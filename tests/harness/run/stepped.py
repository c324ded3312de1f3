"""A whole run on a clock of its own: real pages over HTTP, scraped at chosen lines, audited as any run is."""

from collections.abc import Iterator, Sequence

from harness.audit.findings import Finding
from harness.audit.scrape_checks import Checker, ScrapeProblems
from harness.deadline import Deadline
from harness.exposition.page import Shown
from harness.instruments.base import Instrument
from harness.load.driver import BURST
from harness.load.pump import drive_workload
from harness.load.stop import Stop
from harness.load.truth.ledger import Ledger
from harness.load.truth.log import TruthLog
from harness.repl import Repl
from harness.run.assemble import RunRecord, WorkerRecord, assemble
from harness.run.observation.look import look
from harness.run.result import AuditResult
from harness.run.shard import ShardRecord
from harness.run.spec import RunSpec
from harness.run.workers import WorkerInfo
from harness.scrape.builtin.packing import PageStore, unpack
from harness.scrape.builtin.process import Asker
from harness.scrape.endpoint import Endpoint, serve
from harness.scrape.scraper import Scrape, ScrapedPage, ScrapeStats, Target, failures
from harness.views import QUICKSTART_VIEWS, Tags
from tests.fakes import FakeClock
from workloads.workload import Workload, WorkloadSpec

LINES = 1100
# In between, some lines pass on which no page is made.
SCRAPE_EVERY = 150
PATIENCE_NS = 60_000_000_000

# What labels may hold, and text formats must escape.
METHODS = ("plain", 'quo"ted', "back\\slash", "two\nlines", "ünï")


class SteppedScraper:
    """A scraper that asks when it is told to, and keeps and checks pages as the built-in one does."""

    kind = "builtin"
    description = "a scraper driven by the test"

    def __init__(self, endpoint: Endpoint, clock: FakeClock) -> None:
        self._asker = Asker(endpoint.address, endpoint.port, PATIENCE_NS)
        self._clock = clock
        self._store = PageStore()
        self._checker, self._problems = Checker(), ScrapeProblems()
        self._scrapes: list[Scrape] = []

    def scrape(self) -> None:
        begin_ns = self._clock.now_ns()
        _, _, ok, size, timed_out = self._asker.ask()
        self._scrapes.append(Scrape(begin_ns, 0.0, ok, size, timed_out))
        if self._asker.shown is not None:
            self._store.add(begin_ns, self._clock.now_ns(), self._asker.shown)
            self._checker.observe(self._asker.shown, begin_ns)
            self._problems.add(self._clock.now_ns(), self._checker.take())

    def start(self, target: Target) -> None:
        self.scrape()

    def allow(self, timeout_ns: int, deadline: Deadline | None = None) -> None:
        pass

    def wait_for_next(self, deadline: Deadline | None = None) -> None:
        self.scrape()

    def stored(self, deadline: Deadline | None = None) -> Shown | None:
        return self._store.last

    def pages(self, deadline: Deadline | None = None) -> Iterator[ScrapedPage]:
        shown: Shown = {}
        for page in self._store.packed():
            shown = unpack(page.packed, shown)
            yield ScrapedPage(page.begin_ns, page.end_ns, shown)

    def problems(self, restarts_ns: Sequence[int] = ()) -> list[Finding]:
        return [*self._problems.findings(restarts_ns), *failures(self.stats(), self._asker.error)]

    def stats(self) -> ScrapeStats:
        return ScrapeStats(tuple(self._scrapes))

    def stop(self) -> None:
        pass


class _Silent:
    def phase(self, text: str) -> None:
        pass


class _Sink:
    """An output that takes some microseconds, now and then exactly as long as a bound of the latency view, or more."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._lines = 0

    def write(self, text: str, /) -> None:
        self._lines += 1
        took_ns = 20_000 + self._lines * 7_919 % 90_000
        if self._lines % 97 == 0:
            took_ns = (25, 30, 75, 6_500)[self._lines % 4] * 1_000_000
        self._clock.advance(took_ns)


def audited(instrument: Instrument, methods: Sequence[str] = METHODS) -> AuditResult:
    """Send lines of several series, some refused, some on a bound, through `instrument`, and return its audit.

    Every `SCRAPE_EVERY` lines a page is scraped before a line, and another one while the line is being evaluated.
    """
    workload = Workload(WorkloadSpec(lengths="edges", errors="10%", series=str(len(methods)), count=LINES))
    clock = FakeClock()
    names = dict(zip(workload.methods, methods, strict=True))
    latencies_ms: list[float] = []
    with serve(instrument.registry, now_ns=clock.now_ns) as endpoint:
        scraper = SteppedScraper(endpoint, clock)
        scraper.start(Target(endpoint.address, endpoint.port))
        sink = _Sink(clock)
        ledger = Ledger(QUICKSTART_VIEWS, methods)
        log = TruthLog(ledger, endpoint)
        repl = Repl(instrument, clock, sink, keep=latencies_ms.append)
        evaluated = 0

        def evaluate(line: str, tags: Tags) -> str:
            nonlocal evaluated
            evaluated += 1
            clock.advance(1000)
            if evaluated % SCRAPE_EVERY == 0:
                scraper.scrape()
                clock.advance(1000)
            written = repl.evaluate(line, tags._replace(method=names[tags.method]))
            if evaluated % SCRAPE_EVERY == 1:
                # The record has returned, the line has not ended: it may be on the page, and need not be.
                scraper.scrape()
            clock.advance(1000)
            return written

        driven = drive_workload(
            workload.blocks(128), evaluate, ledger, clock, BURST, latencies_ms=latencies_ms, log=log
        )
        seen = look(
            endpoint,
            scraper,
            log,
            QUICKSTART_VIEWS,
            _Silent(),
            Stop(),
            interval_ns=1_000_000_000,
            series=len(methods),
        )
    instrument.close()
    target = Target(endpoint.address, endpoint.port)
    shard = ShardRecord(driven, log, 0.0, workload.digest, workload.made)
    workers = [WorkerRecord(WorkerInfo(0, "", 0, target), shard, seen)]
    record = RunRecord(RunSpec(), QUICKSTART_VIEWS, workload, [], "2026-01-01T00:00:00+00:00", workers)
    return assemble(record).audit

"""A restart: what is waited for, what is looked at, and that no page is of two instruments."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from harness.audit.findings import Name
from harness.deadline import Deadline
from harness.exposition.page import fold
from harness.incidents.lives import Lives
from harness.incidents.renewal import RenewableInstrument, Renewal
from harness.instruments.base import Instrument
from harness.instruments.prometheus_client_ import PrometheusClientInstrument
from harness.load.recorder import EVALUATED
from harness.load.stop import Stop
from harness.load.truth.ledger import Ledger
from harness.scrape.builtin.process import Asker
from harness.scrape.endpoint import Endpoint, serve
from harness.views import LINES_IN, QUICKSTART_VIEWS, Tags
from tests.fakes import FakeClock
from workloads.workload import Truth

S = 10**9


class Restarting:
    """A service behind an endpoint, on a clock of its own."""

    def __init__(self, clock: FakeClock, interval_ns: int | None = S) -> None:
        self.clock, self.stop = clock, Stop()
        self.made: list[PrometheusClientInstrument] = []
        self.instrument = RenewableInstrument(self.make(), self.make)
        self.endpoint: Endpoint = serve(self.instrument, now_ns=clock.now_ns)  # type: ignore[arg-type]
        self.total = Ledger(QUICKSTART_VIEWS, ("repl",))
        self.lives = Lives(self.total, self.endpoint)
        self.used: list[Instrument] = []
        self.restart = Renewal(
            self.instrument,
            self.endpoint,
            clock,
            self.stop,
            self.used.append,
            lives=self.lives,
            views=QUICKSTART_VIEWS,
            interval_ns=interval_ns,
        )

    def make(self) -> PrometheusClientInstrument:
        self.made.append(PrometheusClientInstrument(QUICKSTART_VIEWS))
        return self.made[-1]

    def send(self, lines: int, *, recorded: int | None = None) -> None:
        for _ in range(lines if recorded is None else recorded):
            self.instrument.current.record(1.0, 5, Tags())
        truth = Truth(np.full(lines, 5), np.zeros(lines, dtype=np.int32), np.zeros(lines, dtype=np.int8))
        now = self.clock.now
        outcomes = np.full(lines, EVALUATED, dtype=np.int8)
        self.lives.add(truth, outcomes, [1.0] * lines, [], [now] * lines, [now] * lines)

    def shown(self) -> float:
        shown = fold(self.endpoint.page().samples, QUICKSTART_VIEWS)[LINES_IN.name]
        return sum(series.count or 0.0 for series in shown.values())


@pytest.fixture
def service() -> Iterator[Restarting]:
    made = Restarting(FakeClock())
    with made.endpoint:
        yield made


def test_a_restart_waits_for_a_scrape_and_begins_anew(service: Restarting) -> None:
    """It goes on as soon as one that began afterwards was served; the page is then empty, with another instrument."""
    asker = Asker(service.endpoint.address, service.endpoint.port, 60 * S)
    service.send(3)
    began, wait = service.clock.now, service.clock.wait_until

    def wait_until(ns: int, /) -> None:
        wait(ns)
        if service.clock.now == began + 300_000_000:
            asker.ask()
            # The endpoint notes a scrape when its last byte is written, which the scraper may read before.
            deadline = Deadline(30.0)
            while not service.endpoint.served:
                deadline.check("the scrape was not noted")

    service.clock.wait_until = wait_until  # type: ignore[method-assign]
    service.restart()
    assert service.clock.now == began + 300_000_000
    assert service.used == [service.made[1]]
    assert service.shown() == 0
    assert len(service.made) == 3
    service.clock.advance(1)
    service.send(2)
    assert service.shown() == 2
    assert service.total.offered == 5
    assert service.lives.last.offered == 2
    assert service.lives.findings == []


def test_without_a_scrape_it_goes_on_after_two_intervals(service: Restarting) -> None:
    """And two seconds, for a page that takes long."""
    service.send(3)
    began = service.clock.now
    service.restart()
    assert service.clock.now == began + 4 * S
    service.lives.close(service.clock.now)
    assert service.lives.unseen() == [(1, 3)]


def test_what_the_last_page_lacks_is_found(service: Restarting) -> None:
    """An error of the life that ended, told with the number of the restart."""
    service.send(3, recorded=2)
    service.restart()
    assert {finding.name for finding in service.lives.findings} >= {Name.COUNT_MISMATCH}
    assert all(finding.detail["restart"] == 1 for finding in service.lives.findings)


def test_nothing_happens_once_the_run_is_to_end(service: Restarting) -> None:
    """The time that is left belongs to the last scrape and the audit."""
    service.send(1)
    service.stop.request()
    service.restart()
    assert service.used == []
    assert service.lives.restarts_ns == []


def test_no_page_is_made_of_two_instruments() -> None:
    """The new one takes over only when the page in progress is made."""
    reading, go_on = threading.Event(), threading.Event()

    class Slow(PrometheusClientInstrument):
        def __init__(self, views: Any) -> None:
            super().__init__(views)
            inner = self.registry

            class Registry:
                def collect(self) -> Iterator[Any]:
                    reading.set()
                    go_on.wait(30)
                    yield from inner.collect()

            self.registry = Registry()  # type: ignore[assignment]

    clock = FakeClock()
    instrument = RenewableInstrument(Slow(QUICKSTART_VIEWS), lambda: PrometheusClientInstrument(QUICKSTART_VIEWS))
    instrument.current.record(1.0, 5, Tags())
    with serve(instrument, now_ns=clock.now_ns) as endpoint:  # type: ignore[arg-type]
        pages: list[str] = []
        asking = threading.Thread(target=lambda: pages.append(endpoint.page().text))
        asking.start()
        assert reading.wait(30)
        assert endpoint.between_pages(instrument.renew) is None
        go_on.set()
        asking.join(30)
        assert endpoint.between_pages(instrument.renew) == clock.now
        assert "lines_in_total{" in pages[0]
        assert list(endpoint.page().samples) == []

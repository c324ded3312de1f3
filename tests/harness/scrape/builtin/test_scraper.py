import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric

from harness.audit.audit import audit
from harness.audit.findings import Name
from harness.errors import ScraperError
from harness.scrape.builtin.scraper import BuiltinScraper, child_environment
from harness.scrape.endpoint import Endpoint, serve
from harness.scrape.scraper import Target
from harness.views import LINES_IN, QUICKSTART_VIEWS, TAG_KEYS
from tests.harness.scrape.conforming import VIEWS, Exposed, expected_of, registry_of
from tests.harness.scrape.processes import assert_gone, eventually
from workloads.tags import Tags

INTERVAL_NS = 50_000_000
PATIENT_NS = 20_000_000_000  # on a busy machine a scrape may well take longer than the interval
EXPECTED = expected_of({Tags(): [3, 5, 80], Tags("b", "ERROR", "nul"): [10_000]})


class Settable:
    """A collector whose counter is what it is told to be, or which raises, or does not answer."""

    def __init__(self) -> None:
        self.value = 1.0
        self.answers = threading.Event()
        self.answers.set()
        self.error: Exception | None = None

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> list[Metric]:
        assert self.answers.wait(60)
        if self.error:
            raise self.error
        family = CounterMetricFamily(LINES_IN.family, LINES_IN.description, labels=TAG_KEYS)
        family.add_metric(list(Tags()), self.value)
        return [family]


@pytest.fixture
def settable() -> Settable:
    return Settable()


@pytest.fixture
def endpoint(settable: Settable) -> Iterator[Endpoint]:
    registry = CollectorRegistry()
    registry.register(settable)
    with serve(registry) as endpoint:
        yield endpoint


@pytest.fixture
def scraper(endpoint: Endpoint) -> Iterator[BuiltinScraper]:
    scraper = BuiltinScraper(INTERVAL_NS, timeout_ns=PATIENT_NS)
    scraper.start(Target(endpoint.address, endpoint.port))
    yield scraper
    scraper.stop()


def value(scraper: BuiltinScraper) -> float:
    stored = scraper.stored()
    assert stored is not None
    (series,) = stored[LINES_IN.name].values()
    assert series.count is not None
    return series.count


def test_what_it_stores_equals_the_page_and_the_ledger() -> None:
    """A run scraped by the stand-in passes the same audit, sample by sample."""
    with serve(registry_of(Exposed(EXPECTED))) as endpoint:
        scraper = BuiltinScraper(INTERVAL_NS, timeout_ns=PATIENT_NS)
        scraper.start(Target(endpoint.address, endpoint.port))
        try:
            result = audit(EXPECTED, VIEWS, endpoint.page(), scraper.stored(), others=scraper.problems())
        finally:
            scraper.stop()
    assert result.findings == ()


def test_the_next_scrape_shows_what_was_set_before_waiting(scraper: BuiltinScraper, settable: Settable) -> None:
    """After wait_for_next() the store holds whatever was on the page when it was called."""
    for wanted in (2.0, 3.0, 4.0):
        settable.value = wanted
        scraper.wait_for_next()
        assert value(scraper) == wanted


def test_it_asks_as_prometheus_does(scraper: BuiltinScraper, endpoint: Endpoint) -> None:
    """It takes the compressed OpenMetrics page, once per interval, and its own times contain the endpoint's."""
    scraper.wait_for_next()
    scraper.stop()
    scrapes, windows = scraper.stats().scrapes, endpoint.windows
    assert scraper.stats().failed == 0
    for scrape, window in zip(scrapes, windows, strict=False):
        assert scrape.size_bytes == window.size_bytes
        assert scrape.start_ns <= window.start_ns
        assert scrape.duration_ms > 0
    gaps = [scrapes[i + 1].start_ns - scrapes[i].start_ns for i in range(len(scrapes) - 1)]
    assert all(gap > 0 for gap in gaps)


def test_a_counter_that_falls_is_found(scraper: BuiltinScraper, settable: Settable) -> None:
    """Each page is checked against the one before, in the other process, and its findings come back."""
    settable.value = 0.5
    scraper.wait_for_next()
    (finding,) = scraper.problems()
    assert (finding.name, finding.size) == (Name.COUNTER_DECREASED, 1)


def test_failed_scrapes_are_counted_and_survived(
    scraper: BuiltinScraper, settable: Settable, endpoint: Endpoint
) -> None:
    """A page that cannot be made is a failed scrape with its reason; the scraper goes on."""
    settable.error = ValueError("broken")
    eventually(lambda: scraper.stats().failed > 0, "a scrape fails")
    settable.error = None
    scraper.wait_for_next()
    (finding,) = scraper.problems()
    assert finding.name in {Name.SCRAPE_FAILED, Name.TOO_MANY_SCRAPES_FAILED}
    assert "500" in finding.detail["reason"]
    assert finding.size == scraper.stats().failed == endpoint.failed


def test_a_page_slower_than_the_interval_is_read_when_it_may_take_longer(
    endpoint: Endpoint, settable: Settable
) -> None:
    """Scrapes that time out are told apart from broken ones; with more time allowed the page is stored whole."""
    # The scrape that is under way when less is allowed keeps the time that it began with.
    scraper = BuiltinScraper(INTERVAL_NS, timeout_ns=1_000_000_000)
    scraper.start(Target(endpoint.address, endpoint.port))
    try:
        scraper.allow(INTERVAL_NS)
        settable.answers.clear()
        eventually(lambda: scraper.stats().timed_out >= 2, "scrapes time out")
        assert scraper.problems() == []
        scraper.allow(PATIENT_NS)
        settable.value = 7.0
        settable.answers.set()
        scraper.wait_for_next()
        assert value(scraper) == 7.0
    finally:
        settable.answers.set()
        scraper.stop()


def test_every_page_is_handed_over_once_with_its_time(
    scraper: BuiltinScraper, settable: Settable, endpoint: Endpoint
) -> None:
    """Pages come oldest first, each as it was, and lie around the moments at which the endpoint made them."""
    for wanted in (2.0, 3.0, 4.0):
        settable.value = wanted
        scraper.wait_for_next()
    pages = list(scraper.pages())
    counts = [series.count for page in pages for series in page.shown[LINES_IN.name].values()]
    assert counts == sorted(counts, key=float)
    assert set(counts) == {1.0, 2.0, 3.0, 4.0}
    begun, made = endpoint.take()
    for page, begin_ns, end_ns in zip(pages, begun, made, strict=False):
        assert page.begin_ns <= begin_ns <= end_ns <= page.end_ns
    scraper.wait_for_next()
    assert {page.begin_ns for page in scraper.pages()}.isdisjoint(page.begin_ns for page in pages)


def test_several_scrape_side_by_side(endpoint: Endpoint) -> None:
    """Instances share nothing, so any number can scrape one endpoint."""
    scrapers = [BuiltinScraper(INTERVAL_NS, offset_ns=i * INTERVAL_NS // 3) for i in range(3)]
    try:
        for scraper in scrapers:
            scraper.start(Target(endpoint.address, endpoint.port))
        assert len({scraper.pid for scraper in scrapers}) == 3
        assert [value(scraper) for scraper in scrapers] == [1.0] * 3
    finally:
        for scraper in scrapers:
            scraper.stop()


def test_a_target_that_never_answers_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a page the start fails with the reason, and leaves no process behind."""
    monkeypatch.setattr("harness.scrape.builtin.scraper.START_S", 0.5)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        scraper = BuiltinScraper(INTERVAL_NS)
        with pytest.raises(ScraperError, match=r"^scraper builtin: .*no scrape succeeded.*refused") as raised:
            scraper.start(Target("127.0.0.1", unused.getsockname()[1]))
    assert "\n" not in str(raised.value)
    assert scraper.pid is not None
    assert_gone(scraper.pid)


def test_killed_half_way_it_says_so_and_keeps_what_it_had(scraper: BuiltinScraper) -> None:
    """When its process is gone, waiting and asking raise one clear line, and the scrapes until then remain."""
    scraper.wait_for_next()
    assert scraper.pid is not None
    os.kill(scraper.pid, signal.SIGKILL)
    assert_gone(scraper.pid)
    for ask in (scraper.wait_for_next, scraper.stored):
        with pytest.raises(ScraperError, match=r"^scraper builtin: .*(ended with code -9|Broken pipe)"):
            ask()
    assert scraper.stats().count >= 2
    assert scraper.problems() == []


def test_stop_may_be_called_at_any_time() -> None:
    """Before the start, and twice after it, stop() does nothing."""
    BuiltinScraper(INTERVAL_NS).stop()


def test_after_stop_what_was_measured_is_still_there(scraper: BuiltinScraper) -> None:
    """Statistics outlive the process, and asking it for more is an error."""
    scraper.stop()
    scraper.stop()
    assert scraper.stats().count >= 1
    with pytest.raises(ScraperError):
        scraper.stored()


PARENT = """
import sys, time
from harness.scrape.builtin.scraper import BuiltinScraper
from harness.scrape.scraper import Target
scraper = BuiltinScraper({interval})
scraper.start(Target("127.0.0.1", {port}))
print(scraper.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_dies_with_its_parent(endpoint: Endpoint, sign: signal.Signals) -> None:
    """Whichever way the harness is killed, no scraper stays behind."""
    code = PARENT.format(interval=INTERVAL_NS, port=endpoint.port)
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=child_environment(),
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(sign)
    assert_gone(pid)


def test_views_are_checked_by_name_across_the_process_border() -> None:
    """Only the views asked for are checked: a counter outside them may fall."""
    assert BuiltinScraper(INTERVAL_NS, QUICKSTART_VIEWS[:1])._view_names == ["demo_latency"]

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from harness.audit.audit import audit
from harness.audit.findings import Name
from harness.audit.promtool import check_with_promtool
from harness.deadline import Deadline, DeadlineError
from harness.errors import ScraperError
from harness.expected import Expected
from harness.exposition.page import fold
from harness.scrape.builtin.scraper import child_environment
from harness.scrape.endpoint import Endpoint, serve
from harness.scrape.prometheus import scraper as module
from harness.scrape.prometheus.scraper import PrometheusScraper
from harness.scrape.prometheus.server import PrometheusServer, default_config, find_prometheus
from harness.scrape.scraper import Target
from harness.views import LINE_LENGTHS, LINES_IN, Tags, View
from tests.harness.scrape.conforming import VIEWS, Exposed, expected_of, registry_of
from tests.harness.scrape.processes import assert_gone, assert_removed, eventually

pytestmark = [pytest.mark.system, pytest.mark.prometheus]

INTERVAL_NS = 500_000_000
FAILED = {Name.SCRAPE_FAILED, Name.TOO_MANY_SCRAPES_FAILED}
EXPECTED = expected_of({Tags(): [3, 5, 5, 80], Tags('b"', "ERROR", "nul"): [10_000], Tags("ünï\n"): [0]})


class Stage:
    """An endpoint, scraped by the real server, whose collector the tests set."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.collector = Exposed(EXPECTED)
        self.registry.register(self.collector)
        self.endpoint: Endpoint = serve(self.registry)
        self.scraper = PrometheusScraper(INTERVAL_NS, VIEWS)
        self.began_ns = time.monotonic_ns()
        self.scraper.start(Target(self.endpoint.address, self.endpoint.port))

    def show(self, expected: Expected, fault: object = None) -> None:
        self.collector.expected = expected
        self.collector.fault = fault or (lambda *shown: shown[-1])  # type: ignore[assignment]
        self.scraper.wait_for_next()


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One server for all tests that leave it running: each start takes Prometheus five seconds."""
    stage = Stage()
    yield stage
    stage.scraper.stop()
    stage.endpoint.stop()


def test_what_is_stored_equals_ledger_and_page(stage: Stage) -> None:
    """Per series and per bucket, labels with quotes and line ends included, nothing is lost on the way."""
    stage.show(EXPECTED)
    page, stored = stage.endpoint.page(), stage.scraper.stored()
    assert stored is not None
    assert set(stored[LINE_LENGTHS.name]) == set(EXPECTED[LINE_LENGTHS.name])  # something is stored at all
    assert audit(EXPECTED, VIEWS, page, stored).findings == ()
    assert check_with_promtool(page) is None


def test_the_next_scrape_shows_what_was_set_before_waiting(stage: Stage) -> None:
    """After wait_for_next() the store holds whatever was on the page when it was called, and only that."""
    for lengths in ([1], [1, 7], [1, 7, 2000]):
        expected = expected_of({Tags("growing"): lengths})
        stage.show(expected)
        assert audit(expected, VIEWS, stage.endpoint.page(), stage.scraper.stored()).findings == ()


def test_one_value_less_in_the_store_is_found(stage: Stage) -> None:
    """When the page moves on after the last scrape, the audit says that the store differs."""
    stage.show(EXPECTED)
    stored = stage.scraper.stored()
    stage.collector.expected = expected_of({Tags(): [3, 5, 5, 80, 81]})
    result = audit(stage.collector.expected, VIEWS, stage.endpoint.page(), stored)
    assert Name.STORED_DIFFERS in {finding.name for finding in result.findings}
    stage.show(EXPECTED)


def test_each_scrape_is_checked(stage: Stage) -> None:
    """A counter that falls, a series that vanishes and one that is NaN are found in what was stored meanwhile."""

    def found() -> dict[Name, float]:
        for _ in stage.scraper.pages():
            pass
        return {finding.name: finding.size for finding in stage.scraper.problems()}

    stage.show(EXPECTED)
    before = found()

    def lower(view: View, tags: Tags, index: int, value: float) -> float:
        return value - 0.5 if view is LINES_IN and tags == Tags() else value

    def nothing(view: View, tags: Tags, index: int, value: float) -> float:
        return math.nan if view is LINES_IN and tags == Tags() else value

    stage.show(EXPECTED, lower)
    after = found()
    assert after[Name.COUNTER_DECREASED] == before.get(Name.COUNTER_DECREASED, 0) + 1
    stage.show(EXPECTED, nothing)
    assert found()[Name.VALUE_NOT_A_NUMBER] == before.get(Name.VALUE_NOT_A_NUMBER, 0) + 1
    stage.show({LINES_IN.name: {Tags(): EXPECTED[LINES_IN.name][Tags()]}})
    assert found()[Name.SERIES_VANISHED] > after.get(Name.SERIES_VANISHED, 0)
    stage.show(EXPECTED)


def test_asking_piece_by_piece_finds_the_same(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many samples one answer may hold, every scrape is checked exactly once."""
    scraper = stage.scraper
    for _ in range(3):
        scraper.wait_for_next()
    scraper.stats()
    unchecked = list(scraper._unchecked)
    whole = list(scraper.pages())
    assert len(whole) >= len(unchecked) >= 3
    again = {page.begin_ns for page in scraper.pages()}  # those that came meanwhile
    assert not again & {page.begin_ns for page in whole}
    scraper._unchecked.extendleft(reversed(unchecked))
    monkeypatch.setattr(module, "CHUNK_SAMPLES", 1)
    pieces = list(scraper.pages())
    assert [page.shown for page in pieces[: len(unchecked)]] == [page.shown for page in whole[: len(unchecked)]]
    assert whole[0].shown[LINE_LENGTHS.name]


def test_failed_scrapes_are_counted(stage: Stage) -> None:
    """A page that cannot be made is a failed scrape for Prometheus and for the endpoint alike; both go on."""
    before = stage.scraper.stats().failed

    def broken(*shown: object) -> float:
        raise ValueError

    stage.collector.fault = broken  # type: ignore[assignment]
    eventually(lambda: stage.scraper.stats().failed > before, "a scrape fails")
    stage.show(EXPECTED)
    assert stage.endpoint.failed >= 1
    (finding,) = [finding for finding in stage.scraper.problems() if finding.name in FAILED]
    assert finding.detail["scrapes"] <= stage.scraper.stats().count


def test_each_page_lies_within_the_time_told_for_it(stage: Stage) -> None:
    """The moments at which the endpoint made a page lie between those told for a scrape that stored it."""
    stage.show(EXPECTED)
    stage.endpoint.take()
    began_ns = time.monotonic_ns()
    for _ in range(3):
        stage.scraper.wait_for_next()
    begun, made = stage.endpoint.take()
    # The first may have been under way, the last may not be stored yet.
    pages = [page for page in stage.scraper.pages() if page.begin_ns > began_ns]
    assert pages
    for page in pages:
        assert any(page.begin_ns <= moment <= page.end_ns for moment in begun)
        assert any(page.begin_ns <= moment <= page.end_ns for moment in made)


class Slow(Exposed):
    """Takes longer than any scraper waits, until it is let go."""

    def __init__(self, expected: Expected) -> None:
        super().__init__(expected)
        self.hold = threading.Event()
        self.hold.set()

    def collect(self) -> Iterator[Metric]:
        assert self.hold.wait(60)
        return super().collect()


@pytest.mark.slow
def test_a_page_slower_than_the_interval_is_read_when_it_may_take_longer() -> None:
    """Scrapes that time out are told apart from broken ones; with more time allowed the page is stored whole."""
    collector = Slow(EXPECTED)
    with serve(registry_of(collector)) as endpoint:
        scraper = PrometheusScraper(INTERVAL_NS, VIEWS)
        scraper.start(Target(endpoint.address, endpoint.port))
        try:
            collector.hold.clear()
            eventually(lambda: scraper.stats().timed_out >= 2, "scrapes time out")
            assert not {finding.name for finding in scraper.problems()} & FAILED
            scraper.allow(10 * INTERVAL_NS)
            collector.hold.set()
            scraper.wait_for_next()
            assert audit(EXPECTED, VIEWS, endpoint.page(), scraper.stored()).findings == ()
        finally:
            collector.hold.set()
            scraper.stop()


@pytest.mark.slow
def test_a_server_that_hangs_holds_up_nobody_who_was_interrupted() -> None:
    """A server that no longer answers costs what it knew, and no more time than the deadline leaves."""
    with serve(registry_of(Exposed(EXPECTED))) as endpoint:
        scraper = PrometheusScraper(INTERVAL_NS, VIEWS)
        scraper.start(Target(endpoint.address, endpoint.port))
        assert scraper.server is not None
        pid = scraper.server.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            interrupted = Deadline(600, lambda: 0.0, now_s=lambda: 100.0)
            for ask in (scraper.wait_for_next, scraper.stored, lambda deadline: next(scraper.pages(deadline))):
                with pytest.raises(DeadlineError, match="interrupted"):
                    ask(interrupted)
            assert scraper.stats().count >= 0
        finally:
            scraper.stop()
    assert_gone(pid)


def test_scrapes_are_told_with_their_times(stage: Stage) -> None:
    """Each scrape's start, told in our own clock, and duration fit the window in which the endpoint served one."""
    stage.scraper.wait_for_next()
    stats = stage.scraper.stats()
    assert stats.count >= 2
    assert all(duration > 0 for duration in stats.durations_ms)
    assert all(stage.began_ns <= scrape.start_ns <= time.monotonic_ns() for scrape in stats.scrapes)


def test_the_server_says_which_it_is(stage: Stage) -> None:
    """The description carries the version, so that a result tells what scraped it."""
    assert stage.scraper.description.startswith("Prometheus 2") or stage.scraper.description.startswith("Prometheus 3")


def test_one_family_for_each_series_is_ingested(stage: Stage) -> None:
    """Prometheus stores a page with repeated HELP and TYPE lines completely; that is a finding, not a loss."""
    one, two = (
        {view: {tags: truth} for view, series in EXPECTED.items() for tags, truth in series.items() if tags == which}
        for which in (Tags(), Tags('b"', "ERROR", "nul"))
    )
    with serve(registry_of(Exposed(one, [LINE_LENGTHS]), Exposed(two, [LINE_LENGTHS]))) as endpoint:
        page = endpoint.page()
    both = {LINE_LENGTHS.name: {**one[LINE_LENGTHS.name], **two[LINE_LENGTHS.name]}}
    (finding,) = audit(both, [LINE_LENGTHS], page, fold(page.samples, [LINE_LENGTHS])).findings
    assert (finding.name, finding.size) == (Name.HELP_TYPE_REPEATED, 2)
    rejected = check_with_promtool(page)
    assert rejected is not None
    assert rejected.name is Name.PROMTOOL_REJECTS


def test_a_server_killed_half_way_is_one_clear_line_and_the_scrapes_remain() -> None:
    """When Prometheus dies during a run, waiting and asking say so at once; what is known stays; no folder is left."""
    with serve(registry_of(Exposed(EXPECTED))) as endpoint:
        scraper = PrometheusScraper(INTERVAL_NS, VIEWS)
        scraper.start(Target(endpoint.address, endpoint.port))
        try:
            known = scraper.stats().count
            assert scraper.server is not None
            pid, folder = scraper.server.pid, scraper.server.folder
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            assert_gone(pid)
            for ask in (scraper.wait_for_next, scraper.stored):
                with pytest.raises(ScraperError, match=r"^scraper prometheus: the server ended: ") as raised:
                    ask()
                assert "\n" not in str(raised.value)
            assert scraper.stats().count == known >= 1
        finally:
            scraper.stop()
        assert_removed(str(folder))
        scraper.stop()
        with pytest.raises(ScraperError, match="is not running"):
            scraper.stored()


@pytest.mark.slow
def test_a_target_that_is_never_up_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a successful scrape the start fails with Prometheus' own reason, and leaves nothing behind."""
    monkeypatch.setattr(module, "PATIENCE_S", 6.0)
    scraper = PrometheusScraper(100_000_000, VIEWS)
    with pytest.raises(ScraperError, match=r"^scraper prometheus: no successful scrape within .*refused"):
        scraper.start(Target("127.0.0.1", 1))
    assert scraper.server is None


def test_a_bad_configuration_is_quoted(tmp_path: Path) -> None:
    """What Prometheus says against a configuration is the reason given."""
    config = tmp_path / "promconfig.yaml"
    config.write_text("scrape_configs: [{job_name: a, scheme: gopher, nonsense: 1}]")
    scraper = PrometheusScraper(INTERVAL_NS, VIEWS, config=config)
    with pytest.raises(ScraperError, match=r"^scraper prometheus: the server ended: .*nonsense"):
        scraper.start(Target("127.0.0.1", 1))


def test_the_file_as_it_is_can_be_served_until_stopped() -> None:
    """The demo's way: promconfig.yaml unchanged, on a port that was asked for, ended by leaving the block."""
    with PrometheusServer(default_config().read_text(), preferred_port=0) as server:
        pid, folder = server.pid, server.folder
        server.check()
        assert server.url == f"http://127.0.0.1:{server.port}"
    assert pid is not None
    assert_gone(pid)
    assert_removed(str(folder))


PARENT = """
import time
from harness.scrape.prometheus.server import PrometheusServer
server = PrometheusServer("{}").start()
print(server.pid, server.folder, flush=True)
time.sleep(600)
"""


def test_the_real_server_dies_with_a_killed_harness() -> None:
    """After SIGKILL of the harness neither the real Prometheus nor its data stay behind."""
    assert find_prometheus()
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, env=child_environment()
    ) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        assert Path(folder).is_dir()
        parent.kill()
    assert_gone(int(pid))
    assert_removed(folder)

import logging
import math
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from typing import Any

import pytest
from opencensus.stats import aggregation, measure, view
from opencensus.stats import stats as stats_module
from opencensus.stats.stats_recorder import StatsRecorder
from opencensus.stats.view_manager import ViewManager
from opencensus.tags import TagContext
from opencensus.tags.tag_key import TagKey
from opencensus.tags.tag_map import TagMap
from opencensus.tags.tag_value import TagValue
from prometheus_client import CollectorRegistry, generate_latest

import opencensus_lean as lean
from harness.instruments.opencensus import PrivateStats
from tests.harness.instruments.pages import page_of, read

SIZE = measure.MeasureInt("size", "a size", "By")
TIME = measure.MeasureFloat("time", "a time", "ms")
KEY = TagKey("key")
BOUNDS = (5, 10)


def views() -> list[Any]:
    return [
        view.View("sizes", "sizes", [KEY], SIZE, aggregation.DistributionAggregation(list(BOUNDS))),
        view.View("count", "count", [KEY], SIZE, aggregation.CountAggregation()),
        view.View("times", "times", [KEY], TIME, aggregation.DistributionAggregation([0.5])),
    ]


def tagged(value: str | None) -> TagMap:
    tags = TagMap()
    if value is not None:
        tags.insert(KEY, TagValue(value))
    return tags


@pytest.fixture
def stats() -> PrivateStats:
    made = PrivateStats()
    for each in views():
        made.view_manager.register_view(each)
    return made


@pytest.fixture
def exporter(stats: PrivateStats) -> Iterator[lean.LeanExporter]:
    with lean.install("ns", port=None, stats=stats) as made:
        yield made


def put(stats: Any, size: float, time: float = 1.0, key: str | None = "k") -> None:
    mmap = stats.stats_recorder.new_measurement_map()
    mmap.measure_float_put(TIME, time)
    mmap.measure_int_put(SIZE, size)
    mmap.record(tagged(key))


def shown(exporter: lean.LeanExporter, name: str, **labels: str) -> float | None:
    return exporter.registry.get_sample_value(name, {"key": "k"} | labels)


def test_whole_numbers_are_added_exactly_beyond_the_floats(stats: PrivateStats, exporter: lean.LeanExporter) -> None:
    """Ten values of 2**60 + 1 add up to the last digit."""
    for _ in range(10):
        put(stats, 2**60 + 1)
    (data,) = exporter._store.snapshot("sizes")
    (cell,) = data[1].values()
    assert cell.total() == 10 * (2**60 + 1)


def test_infinite_and_huge_values_do_not_break_the_page(stats: PrivateStats, exporter: lean.LeanExporter) -> None:
    """An infinite value makes an infinite sum, and so do whole numbers no float can hold."""
    put(stats, 10**400, math.inf)
    put(stats, 1, 1.5)
    put(stats, 1.5, 2.5)
    put(stats, 10**400, Decimal("0.5"), "other")
    assert shown(exporter, "ns_times_sum") == math.inf
    assert shown(exporter, "ns_sizes_sum", key="other") == math.inf
    assert shown(exporter, "ns_times_sum", key="other") == 0.5
    assert shown(exporter, "ns_times_bucket", le="+Inf") == 3
    assert shown(exporter, "ns_count_total") == 3


@pytest.mark.parametrize("bad", [-1, -1e-9, math.nan, -math.inf])
def test_a_bad_value_is_left_out_alone_and_said_so(
    stats: PrivateStats, exporter: lean.LeanExporter, bad: float, caplog: pytest.LogCaptureFixture
) -> None:
    """A negative or undefined value costs itself only: the line is still counted."""
    put(stats, 5, bad)
    assert shown(exporter, "ns_count_total") == 1
    assert shown(exporter, "ns_times_count") is None
    assert any("time" in record.message and "left out" in record.message for record in caplog.records)


def test_a_measure_without_a_view_does_not_hide_those_after_it(
    stats: PrivateStats, exporter: lean.LeanExporter
) -> None:
    """Only the unknown measure is left out."""
    mmap = stats.stats_recorder.new_measurement_map()
    mmap.measure_int_put(measure.MeasureInt("unknown", "in no view"), 1)
    mmap.measure_int_put(SIZE, 5)
    mmap.record(tagged("k"))
    assert shown(exporter, "ns_sizes_bucket", le="5") == 1


def test_a_map_may_be_recorded_again(stats: PrivateStats, exporter: lean.LeanExporter) -> None:
    """Each record counts what the map holds at that moment."""
    mmap = stats.stats_recorder.new_measurement_map()
    for size in (4, 6):
        mmap.measure_int_put(SIZE, size)
        mmap.record(tagged("k"))
    assert shown(exporter, "ns_sizes_sum") == 10


@pytest.mark.parametrize("order", [("", None), (None, "")])
def test_a_missing_tag_and_an_empty_one_are_one_series(
    stats: PrivateStats, exporter: lean.LeanExporter, order: tuple[str | None, ...]
) -> None:
    """Prometheus sees no difference between them, so two series would be a duplicate on the page."""
    for key in order:
        put(stats, 1, key=key)
    assert page_of(exporter.registry)["ns_count_total", frozenset()] == 2


def test_tags_may_come_from_the_context(stats: PrivateStats, exporter: lean.LeanExporter) -> None:
    """``record()`` without a tag map takes the current one, and none at all is no tags."""
    mmap = stats.stats_recorder.new_measurement_map()
    mmap.measure_int_put(SIZE, 1)

    def within() -> None:
        TagContext.set(tagged("k"))
        mmap.record()

    Context().run(within)
    Context().run(mmap.record)
    page = page_of(exporter.registry)
    assert page["ns_count_total", frozenset({("key", "k")})] == 1
    assert page["ns_count_total", frozenset()] == 1


def test_every_aggregation_has_its_family(stats: PrivateStats, exporter: lean.LeanExporter) -> None:
    """Sums are untyped and last values gauges, as the exporter means them to be, names made fit for Prometheus."""
    stats.view_manager.register_view(view.View("a/sum", "s", [KEY], SIZE, aggregation.SumAggregation(100)))
    stats.view_manager.register_view(view.View("last", "l", [KEY], SIZE, aggregation.LastValueAggregation()))
    stats.view_manager.register_view(view.View("plain", "p", [KEY], SIZE, aggregation.DistributionAggregation()))
    put(stats, 7)
    put(stats, 3)
    assert shown(exporter, "ns_a_sum") == 110
    assert shown(exporter, "ns_last") == 3
    assert shown(exporter, "ns_plain_bucket", le="+Inf") == 2
    text = generate_latest(exporter.registry).decode()
    assert "# TYPE ns_a_sum untyped" in text
    assert "# TYPE ns_last gauge" in text


def test_a_view_that_comes_late_starts_at_zero(stats: PrivateStats, exporter: lean.LeanExporter) -> None:
    """Its buckets hold what was recorded since, and the others are as they were."""
    put(stats, 3)
    stats.view_manager.register_view(view.View("late", "", [KEY], SIZE, aggregation.DistributionAggregation([4])))
    put(stats, 4)
    assert shown(exporter, "ns_late_bucket", le="4") == 1
    assert shown(exporter, "ns_sizes_bucket", le="5") == 2


def test_of_two_views_of_one_name_the_first_stays(
    stats: PrivateStats, exporter: lean.LeanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """Registering twice is harmless; another view of the name is left out with a warning."""
    first = view.View("a_b", "", [KEY], SIZE, aggregation.CountAggregation())
    stats.view_manager.register_view(first)
    stats.view_manager.register_view(first)
    assert not caplog.records
    stats.view_manager.register_view(view.View("a/b", "", [KEY], SIZE, aggregation.CountAggregation()))
    assert "left out" in caplog.text
    put(stats, 1)
    assert generate_latest(exporter.registry).decode().count("# TYPE ns_a_b_total") == 1


def test_view_data_and_metrics_can_be_read_as_from_opencensus(stats: PrivateStats, exporter: lean.LeanExporter) -> None:
    """``get_view`` and ``get_metrics`` show what the library would."""
    plain = PrivateStats()
    for each in views():
        plain.view_manager.register_view(each)
    for size in (1, 7, 30):
        put(stats, size)
        put(plain, size)
    ours = stats.view_manager.get_view("sizes").tag_value_aggregation_data_map[("k",)]
    theirs = plain.view_manager.get_view("sizes").tag_value_aggregation_data_map[("k",)]
    for name in ("count_data", "counts_per_bucket", "bounds", "mean_data", "sum_of_sqd_deviations"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name))
    assert stats.view_manager.get_view("no such view") is None
    metrics = [list(each.view_manager.measure_to_view_map.get_metrics(None)) for each in (stats, plain)]
    assert [m.descriptor.name for m in metrics[0]] == [m.descriptor.name for m in metrics[1]]
    assert exporter.export([]) is None


def test_threads_with_new_series_lose_nothing_and_no_scrape_is_torn(
    stats: PrivateStats, exporter: lean.LeanExporter
) -> None:
    """Eight threads that open series all the time: exact totals, and every scrape shows whole records only."""
    threads, records = 8, 800
    start = threading.Barrier(threads)

    def work(number: int) -> None:
        start.wait()
        for i in range(records):
            put(stats, 1, 1.0, f"{(number + i) % 97}")

    torn = []
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(threads) as pool:
            running = [pool.submit(work, number) for number in range(threads)]
            while not all(each.done() for each in running):
                torn += _torn(generate_latest(exporter.registry).decode())
            for each in running:
                each.result()
    finally:
        sys.setswitchinterval(switch)
    assert torn == []
    page = page_of(exporter.registry)
    assert sum(v for (name, _), v in page.items() if name == "ns_count_total") == threads * records
    assert sum(v for (name, _), v in page.items() if name == "ns_sizes_sum") == threads * records


def _torn(text: str) -> list[object]:
    """Return the series whose measures, count, sum and last bucket do not agree; each record puts 1 into all."""
    page = read(text)
    return [
        labels
        for (name, labels), value in page.items()
        if name == "ns_count_total"
        and not value
        == page["ns_sizes_count", labels]
        == page["ns_sizes_sum", labels]
        == page["ns_times_count", labels]
        == page["ns_times_sum", labels]
        == page["ns_times_bucket", labels | {("le", "inf")}]
    ]


def test_a_record_inside_a_record_does_not_hang(stats: PrivateStats, exporter: lean.LeanExporter) -> None:
    """A finalizer or signal handler may record while its thread holds the lock."""
    with exporter._store._lock:
        put(stats, 1)
    assert shown(exporter, "ns_count_total") == 1


def test_sums_never_fall_where_opencensus_does() -> None:
    """Zero-length lines among others: the defect of the running mean, with none of its falls."""
    stats = PrivateStats()
    for each in views():
        stats.view_manager.register_view(each)
    with lean.install("ns", port=None, stats=stats) as exporter:
        sums = []
        for i in range(300):
            put(stats, 0 if i % 3 else 10 + i % 7, 0.1 * (i % 3))
            sums.append(shown(exporter, "ns_times_sum") or 0.0)
    assert sums == sorted(sums)
    assert sums[-1] == float(Fraction(0.1) * 100 + Fraction(0.2) * 100)
    assert sums == [float(x) for x in accumulate(Fraction(0.1 * (i % 3)) for i in range(300))]


@pytest.fixture
def installed() -> Iterator[lean.LeanExporter]:
    with lean.install("ns", port=0) as exporter:
        yield exporter


def test_install_serves_what_a_captured_recorder_records_in_any_thread(installed: lean.LeanExporter) -> None:
    """The module's recorder, one built in a new thread, and a bound method taken before all lead to the page."""
    manager = stats_module.stats.view_manager
    name = "captured"
    manager.register_view(view.View(name, "", [KEY], SIZE, aggregation.CountAggregation()))

    def elsewhere() -> None:
        for recorder in (stats_module.stats.stats_recorder, StatsRecorder()):
            mmap = recorder.new_measurement_map()
            mmap.measure_int_put(SIZE, 1)
            mmap.record(tagged("k"))
        ViewManager().register_view(view.View("elsewhere", "", [KEY], SIZE, aggregation.CountAggregation()))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    before = StatsRecorder.new_measurement_map(stats_module.stats.stats_recorder)
    before.measure_int_put(SIZE, 1)
    before.record(tagged("k"))
    assert installed.url is not None
    with urllib.request.urlopen(installed.url, timeout=10) as response:  # noqa: S310 - http, our own
        page = read(response.read().decode())
    assert page["ns_captured_total", frozenset({("key", "k")})] == 3
    assert page["ns_elsewhere_total", frozenset({("key", "k")})] == 1


def test_stop_frees_the_port_and_gives_recording_back() -> None:
    """Afterwards the library's objects are as they were, and the same port can be served again."""
    recorder, view_map = stats_module.stats.stats_recorder, stats_module.stats.view_manager.measure_to_view_map
    before = dict(vars(recorder)), dict(vars(view_map))
    threads = threading.active_count()
    registry = CollectorRegistry()
    first = lean.install("ns", port=0, registry=registry)
    port = first.port
    assert port
    assert first.registry is registry
    assert vars(recorder) != before[0]
    first.stop()
    first.stop()
    assert (first.port, first.url) == (None, None)
    assert (vars(recorder), vars(view_map)) == before
    assert threading.active_count() == threads
    with socket.create_server(("127.0.0.1", port)):
        pass
    with lean.install("ns", port=port) as second:
        assert second.port == port


def test_install_twice_is_refused_and_changes_nothing(installed: lean.LeanExporter) -> None:
    """The first installation goes on."""
    with pytest.raises(RuntimeError, match="lean already"):
        lean.install("other", port=0)
    assert installed.port


def test_a_taken_port_leaves_everything_as_it_was() -> None:
    """`install` either works or does nothing."""
    recorder, view_map = stats_module.stats.stats_recorder, stats_module.stats.view_manager.measure_to_view_map
    before = dict(vars(recorder)), dict(vars(view_map))
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        lean.install("ns", port=taken.getsockname()[1])
    assert (vars(recorder), vars(view_map)) == before


def test_the_exporter_may_stay_registered_with_the_view_manager(
    stats: PrivateStats, exporter: lean.LeanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """The line that hands the exporter to OpenCensus may stay in the program."""
    with caplog.at_level(logging.WARNING):
        stats.view_manager.register_exporter(exporter)
        stats.view_manager.register_view(view.View("after", "", [KEY], SIZE, aggregation.CountAggregation()))
        put(stats, 1)
    assert shown(exporter, "ns_after_total") == 1
    assert not caplog.records

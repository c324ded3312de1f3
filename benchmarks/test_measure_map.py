"""Benchmarks of the single steps of OpenCensus' measurement map, and of the REPL with each way of recording.

They are for exploration, since their figures vary with the machine from minute to minute; use ``harness overhead``,
which compares paired processes, to decide. Each benchmark checks afterwards that all its records arrived, by label.
"""

import math
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import pytest
from opencensus.tags.tag_map import TagMap
from opencensus.tags.tag_value import TagValue
from prometheus_client.registry import CollectorRegistry
from pytest_benchmark.fixture import BenchmarkFixture

from harness.instruments import BUILT_IN, Instrument, create
from harness.instruments.opencensus import KEY_METHOD, KEY_STATUS, OpenCensusInstrument, PrivateStats, to_opencensus
from harness.load.clock import MonotonicClock
from harness.repl import Repl
from harness.scrape.choose import make_scraper
from harness.scrape.endpoint import serve
from harness.scrape.scraper import Target
from harness.views import LATENCY, LATENCY_MS, LINE_LENGTH, LINE_LENGTHS, LINES_IN, QUICKSTART_VIEWS, Tags

SERIES = (1, 10, 100)
ROUNDS = 30
# At 100 series one record of the real library takes milliseconds.
CALLS = {1: 100, 10: 20, 100: 3}
STEP_CALLS = 2000
SCRAPE_NS = 100_000_000
LENGTH = 7


def tags_of(series: int) -> list[Tags]:
    return [Tags(f"method{i}") for i in range(series)]


def measured(benchmark: BenchmarkFixture, step: Callable[[], object], calls: int) -> int:
    """Time `step` in rounds of `calls` and return the total number of calls, including the warm-up.

    pytest-benchmark makes one more call after the rounds, for the result, and a single call when it is disabled; if
    that changes, the number of records will not match.
    """
    benchmark.pedantic(step, rounds=ROUNDS, iterations=calls, warmup_rounds=1)
    return (ROUNDS + 1) * calls + 1 if benchmark.enabled else 1


Page = dict[tuple[str, Tags, str], float]


def read(registry: CollectorRegistry) -> Page:
    """Return the samples by name, tags and bound ("" where there is none); a missing label is an empty one."""
    return {
        (
            sample.name,
            Tags(*(sample.labels.get(key, "") for key in Tags._fields)),
            sample.labels.get("le", ""),
        ): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def assert_arrived(registry: CollectorRegistry, tags: list[Tags], lines: int) -> Page:
    """Check that `lines` lines of LENGTH bytes, with the tag sets in turn, are on the page; return the page."""
    page = read(registry)
    shares = {tag_set: lines // len(tags) + (i < lines % len(tags)) for i, tag_set in enumerate(tags)}
    counts = {tag_set: page[name, tag_set, le] for name, tag_set, le in page if name == f"{LINES_IN.family}_total"}
    assert counts == {tag_set: count for tag_set, count in shares.items() if count}
    for tag_set, count in shares.items():
        if count:
            assert page[f"{LINE_LENGTHS.family}_count", tag_set, ""] == count
            assert page[f"{LINE_LENGTHS.family}_sum", tag_set, ""] == pytest.approx(count * LENGTH)
            assert page[f"{LATENCY.family}_count", tag_set, ""] == count
            buckets = {
                float(le): value
                for (name, of, le), value in page.items()
                if (name, of) == (f"{LINE_LENGTHS.family}_bucket", tag_set)
            }
            assert buckets == {bound: count * (bound >= LENGTH) for bound in (*LINE_LENGTHS.bounds, math.inf)}
    return page


@pytest.fixture
def opencensus() -> Iterator[OpenCensusInstrument]:
    instrument = OpenCensusInstrument(QUICKSTART_VIEWS)
    yield instrument
    instrument.close()


@pytest.mark.benchmark(group="measurement map: steps")
def test_new_map(benchmark: BenchmarkFixture) -> None:
    """``new_measurement_map()``."""
    new, maps = PrivateStats().stats_recorder.new_measurement_map, []
    calls = measured(benchmark, lambda: maps.append(new()), STEP_CALLS)
    assert len(maps) == calls == len({id(mmap) for mmap in maps})


@pytest.mark.benchmark(group="measurement map: steps")
@pytest.mark.parametrize("of", [LATENCY_MS, LINE_LENGTH], ids=["float", "int"])
def test_put(benchmark: BenchmarkFixture, of: Any) -> None:
    """``measure_float_put`` and ``measure_int_put``; the last value put is recorded."""
    measures, views = to_opencensus(QUICKSTART_VIEWS)
    stats = PrivateStats()
    for view in views:
        stats.view_manager.register_view(view)
    mmap, values = stats.stats_recorder.new_measurement_map(), iter(range(10**9))
    put = mmap.measure_int_put if of.integer else mmap.measure_float_put
    calls = measured(benchmark, lambda: put(measures[of], next(values)), STEP_CALLS)
    mmap.record(TagMap())
    (data,) = stats.view_manager.get_view(
        (LINE_LENGTHS if of.integer else LATENCY).name
    ).tag_value_aggregation_data_map.values()
    assert (data.count_data, data.mean_data) == (1, calls - 1)


@pytest.mark.benchmark(group="measurement map: steps")
def test_tag_map(benchmark: BenchmarkFixture) -> None:
    """A tag map with the two tags of a valid line."""
    maps = []

    def build() -> None:
        tmap = TagMap()
        tmap.insert(KEY_METHOD, TagValue("repl"))
        tmap.insert(KEY_STATUS, TagValue("OK"))
        maps.append(tmap)

    calls = measured(benchmark, build, STEP_CALLS)
    assert len(maps) == calls
    assert all(dict(tmap.map) == {"method": "repl", "status": "OK"} for tmap in maps)


def filled(instrument: OpenCensusInstrument, tags: list[Tags]) -> Iterator[Callable[[], None]]:
    """Yield cyclically the ``record`` of a map filled beforehand for each tag set."""
    ready = []
    for tag_set in tags:
        mmap, tmap = instrument.stats.stats_recorder.new_measurement_map(), TagMap()
        mmap.measure_float_put(instrument._latency, 0.5)  # noqa: SLF001 - the measures its views are registered for
        mmap.measure_int_put(instrument._length, LENGTH)  # noqa: SLF001
        tmap.insert(KEY_METHOD, TagValue(tag_set.method))
        tmap.insert(KEY_STATUS, TagValue(tag_set.status))
        ready.append(lambda mmap=mmap, tmap=tmap: mmap.record(tmap))
    yield from cycle(ready)


@pytest.mark.benchmark(group="measurement map: record")
@pytest.mark.parametrize("series", SERIES)
def test_record_without_views(benchmark: BenchmarkFixture, series: int) -> None:
    """``record`` without a registered view, which must store nothing."""
    instrument = OpenCensusInstrument((), exporter=False)
    records = filled(instrument, tags_of(series))
    assert measured(benchmark, lambda: next(records)(), STEP_CALLS) > 0
    assert list(instrument.stats.view_manager.measure_to_view_map.get_metrics(None)) == []


@pytest.mark.benchmark(group="measurement map: record")
@pytest.mark.parametrize("series", SERIES)
def test_record_with_views(benchmark: BenchmarkFixture, series: int) -> None:
    """``record`` with the quickstart's views and no exporter."""
    instrument = OpenCensusInstrument(QUICKSTART_VIEWS, exporter=False)
    records = filled(instrument, tags_of(series))
    calls = warm(records, series) + measured(benchmark, lambda: next(records)(), CALLS[series])
    data = instrument.stats.view_manager.get_view(LINES_IN.name).tag_value_aggregation_data_map
    assert {key[0]: row.count_data for key, row in data.items()} == {
        f"method{i}": calls // series + (i < calls % series) for i in range(series)
    }


@pytest.mark.benchmark(group="measurement map: record")
@pytest.mark.parametrize("series", SERIES)
def test_record_with_exporter(benchmark: BenchmarkFixture, opencensus: OpenCensusInstrument, series: int) -> None:
    """``record`` with views and exporter; the page is read only at the end."""
    records = filled(opencensus, tags_of(series))
    warmed = warm(records, series)
    calls = measured(benchmark, lambda: next(records)(), CALLS[series])
    assert_arrived(opencensus.registry, tags_of(series), warmed + calls)


def warm(records: Iterator[Callable[[], None]], series: int) -> int:
    """Create all series before the timing; return their number."""
    for _ in range(series):
        next(records)()
    return series


@pytest.mark.benchmark(group="measurement map: record")
@pytest.mark.parametrize("series", SERIES)
def test_record_while_scraped(benchmark: BenchmarkFixture, opencensus: OpenCensusInstrument, series: int) -> None:
    """``record`` during ten scrapes per second by Prometheus, or the built-in scraper where there is none."""
    records = filled(opencensus, tags_of(series))
    warmed = warm(records, series)
    with serve(opencensus.registry) as endpoint:
        scraper = make_scraper("auto", SCRAPE_NS, QUICKSTART_VIEWS)
        try:
            scraper.start(Target(endpoint.address, endpoint.port))
            start_ns = time.monotonic_ns()
            calls = measured(benchmark, lambda: next(records)(), scraped_calls(series))
            end_ns = time.monotonic_ns()
            scraper.wait_for_next()
        finally:
            scraper.stop()
        during = [window for window in endpoint.windows if start_ns <= window.start_ns <= end_ns]
    benchmark.extra_info["scraper"] = scraper.description
    benchmark.extra_info["scrapes"] = len(during)
    assert during or not benchmark.enabled, "no scrape fell into the measurement"
    assert_arrived(opencensus.registry, tags_of(series), warmed + calls)


def scraped_calls(series: int) -> int:
    """Return the calls of a round of about 30 ms, so that all rounds together contain several scrapes."""
    return {1: 300, 10: 50, 100: 5}[series]


class _Nowhere:
    def write(self, text: str, /) -> None:
        """Discard the text."""


@pytest.mark.benchmark(group="repl")
@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("name", BUILT_IN)
def test_repl(benchmark: BenchmarkFixture, name: str, series: int) -> None:
    """A line through the REPL with each way of recording; ``none`` is the REPL alone."""
    instrument: Instrument = create(name, QUICKSTART_VIEWS)
    latencies: list[float] = []
    evaluate = Repl(instrument, MonotonicClock(), _Nowhere(), keep=latencies.append).evaluate
    tags = tags_of(series)
    turns = cycle(tags)
    for _ in tags:
        evaluate("a" * LENGTH, next(turns))
    calls = measured(
        benchmark, lambda: evaluate("a" * LENGTH, next(turns)), CALLS[series] if name == "opencensus" else 500
    )
    assert len(latencies) == calls + series
    if name == "none":
        assert not list(instrument.registry.collect())
    else:
        page = assert_arrived(instrument.registry, tags, calls + series)
        total = sum(value for (sample, _, _), value in page.items() if sample == f"{LATENCY.family}_sum")
        assert total == pytest.approx(sum(latencies))
    instrument.close()

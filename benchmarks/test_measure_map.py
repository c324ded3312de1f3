"""What the steps of OpenCensus' measurement map cost, one by one, and the REPL with each way of recording.

For exploring: the figures move with the machine from minute to minute. What decides is ``harness overhead``, which
compares paired processes. Each benchmark proves afterwards that what it recorded arrived, label for label.
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
    """Time `step` in rounds of `calls` and return how often it was called in all, warm-up included.

    pytest-benchmark calls once more after the rounds to have a result, and once only when it is disabled; should that
    change, what arrived will not match.
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
    """Prove that `lines` lines of LENGTH bytes, dealt out in turn, are on the page; return the page."""
    page = read(registry)
    shares = {each: lines // len(tags) + (i < lines % len(tags)) for i, each in enumerate(tags)}
    counted = {each: page[name, each, le] for name, each, le in page if name == f"{LINES_IN.family}_total"}
    assert counted == {each: count for each, count in shares.items() if count}
    for each, count in shares.items():
        if count:
            assert page[f"{LINE_LENGTHS.family}_count", each, ""] == count
            assert page[f"{LINE_LENGTHS.family}_sum", each, ""] == pytest.approx(count * LENGTH)
            assert page[f"{LATENCY.family}_count", each, ""] == count
            buckets = {
                float(le): value
                for (name, of, le), value in page.items()
                if (name, of) == (f"{LINE_LENGTHS.family}_bucket", each)
            }
            assert buckets == {bound: count * (bound >= LENGTH) for bound in (*LINE_LENGTHS.bounds, math.inf)}
    return page


@pytest.fixture
def opencensus() -> Iterator[OpenCensusInstrument]:
    made = OpenCensusInstrument(QUICKSTART_VIEWS)
    yield made
    made.close()


@pytest.mark.benchmark(group="measurement map: steps")
def test_new_map(benchmark: BenchmarkFixture) -> None:
    """``new_measurement_map()``."""
    new, made = PrivateStats().stats_recorder.new_measurement_map, []
    calls = measured(benchmark, lambda: made.append(new()), STEP_CALLS)
    assert len(made) == calls == len({id(each) for each in made})


@pytest.mark.benchmark(group="measurement map: steps")
@pytest.mark.parametrize("of", [LATENCY_MS, LINE_LENGTH], ids=["float", "int"])
def test_put(benchmark: BenchmarkFixture, of: Any) -> None:
    """``measure_float_put`` and ``measure_int_put``; the last value put is the one that is recorded."""
    measures, views = to_opencensus(QUICKSTART_VIEWS)
    stats = PrivateStats()
    for each in views:
        stats.view_manager.register_view(each)
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
    """A tag map with the two tags of a good line."""
    made = []

    def build() -> None:
        tmap = TagMap()
        tmap.insert(KEY_METHOD, TagValue("repl"))
        tmap.insert(KEY_STATUS, TagValue("OK"))
        made.append(tmap)

    calls = measured(benchmark, build, STEP_CALLS)
    assert len(made) == calls
    assert all(dict(each.map) == {"method": "repl", "status": "OK"} for each in made)


def filled(instrument: OpenCensusInstrument, tags: list[Tags]) -> Iterator[Callable[[], None]]:
    """Yield, in turn and for ever, the ``record`` of a map that was filled beforehand for each set of tags."""
    ready = []
    for each in tags:
        mmap, tmap = instrument.stats.stats_recorder.new_measurement_map(), TagMap()
        mmap.measure_float_put(instrument._latency, 0.5)  # noqa: SLF001 - the measures its views are registered for
        mmap.measure_int_put(instrument._length, LENGTH)  # noqa: SLF001
        tmap.insert(KEY_METHOD, TagValue(each.method))
        tmap.insert(KEY_STATUS, TagValue(each.status))
        ready.append(lambda mmap=mmap, tmap=tmap: mmap.record(tmap))
    yield from cycle(ready)


@pytest.mark.benchmark(group="measurement map: record")
@pytest.mark.parametrize("series", SERIES)
def test_record_without_views(benchmark: BenchmarkFixture, series: int) -> None:
    """``record`` where no view is registered, which must leave nothing anywhere."""
    made = OpenCensusInstrument((), exporter=False)
    records = filled(made, tags_of(series))
    assert measured(benchmark, lambda: next(records)(), STEP_CALLS) > 0
    assert list(made.stats.view_manager.measure_to_view_map.get_metrics(None)) == []


@pytest.mark.benchmark(group="measurement map: record")
@pytest.mark.parametrize("series", SERIES)
def test_record_with_views(benchmark: BenchmarkFixture, series: int) -> None:
    """``record`` with the quickstart's views and no exporter."""
    made = OpenCensusInstrument(QUICKSTART_VIEWS, exporter=False)
    records = filled(made, tags_of(series))
    calls = warm(records, series) + measured(benchmark, lambda: next(records)(), CALLS[series])
    data = made.stats.view_manager.get_view(LINES_IN.name).tag_value_aggregation_data_map
    assert {key[0]: each.count_data for key, each in data.items()} == {
        f"method{i}": calls // series + (i < calls % series) for i in range(series)
    }


@pytest.mark.benchmark(group="measurement map: record")
@pytest.mark.parametrize("series", SERIES)
def test_record_with_exporter(benchmark: BenchmarkFixture, opencensus: OpenCensusInstrument, series: int) -> None:
    """``record`` with views and exporter; nobody asks for the page until the end."""
    records = filled(opencensus, tags_of(series))
    warmed = warm(records, series)
    calls = measured(benchmark, lambda: next(records)(), CALLS[series])
    assert_arrived(opencensus.registry, tags_of(series), warmed + calls)


def warm(records: Iterator[Callable[[], None]], series: int) -> int:
    """Open all series before the clock runs."""
    for _ in range(series):
        next(records)()
    return series


@pytest.mark.benchmark(group="measurement map: record")
@pytest.mark.parametrize("series", SERIES)
def test_record_while_scraped(benchmark: BenchmarkFixture, opencensus: OpenCensusInstrument, series: int) -> None:
    """``record`` while Prometheus, or the built-in scraper where there is none, asks ten times a second."""
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
    """Return calls for a round of some 30 ms, so that the rounds together hold several scrapes."""
    return {1: 300, 10: 50, 100: 5}[series]


class _Nowhere:
    def write(self, text: str, /) -> None:
        """Forget the text."""


@pytest.mark.benchmark(group="repl")
@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("name", BUILT_IN)
def test_repl(benchmark: BenchmarkFixture, name: str, series: int) -> None:
    """A line through the REPL with each way of recording, ``none`` being the REPL alone."""
    instrument: Instrument = create(name, QUICKSTART_VIEWS)
    kept: list[float] = []
    evaluate = Repl(instrument, MonotonicClock(), _Nowhere(), keep=kept.append).evaluate
    tags = tags_of(series)
    turns = cycle(tags)
    for _ in tags:
        evaluate("a" * LENGTH, next(turns))
    calls = measured(
        benchmark, lambda: evaluate("a" * LENGTH, next(turns)), CALLS[series] if name == "opencensus" else 500
    )
    assert len(kept) == calls + series
    if name == "none":
        assert not list(instrument.registry.collect())
    else:
        page = assert_arrived(instrument.registry, tags, calls + series)
        shown = sum(value for (sample, _, _), value in page.items() if sample == f"{LATENCY.family}_sum")
        assert shown == pytest.approx(sum(kept))
    instrument.close()

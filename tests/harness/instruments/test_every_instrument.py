"""The promises that hold for each way of recording."""

import logging
import random
import threading
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY, generate_latest

from harness.instruments import BUILT_IN, Instrument, create
from harness.views import LATENCY, LENGTH_BOUNDS_BYTES, LINES_IN, QUICKSTART_VIEWS, Tags, views_for
from tests.harness.instruments.pages import Line, at_most, below, expected, page_of, record

RECORDING = [name for name in BUILT_IN if name != "none"]
# OpenCensus counts a value equal to a bound above it; see docs/probes.md.
RULES = {name: below if name == "opencensus" else at_most for name in RECORDING}


def workload(count: int = 400, seed: int = 7) -> list[Line]:
    """Lines of several series, a tenth refused, lengths and latencies often exactly on a bound."""
    draw = random.Random(seed)  # noqa: S311 - a workload, not a secret
    lines = []
    for i in range(count):
        tags = Tags(f"method{i % 5}")
        tags = tags.refused(draw.choice(["nul", "too_long"])) if i % 10 == 9 else tags
        lengths = [0, draw.randrange(2000), int(draw.choice(LENGTH_BOUNDS_BYTES))]
        # Whole nanoseconds, as clocks count them: plain StatsD writes six decimals of a millisecond.
        latencies = [0.0, 25.0, 6000.0, round(draw.expovariate(0.01) * 1e6) / 1e6]
        lines.append((draw.choice(latencies), draw.choice(lengths), tags))
    return lines


@pytest.fixture(params=RECORDING)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def instrument(name: str) -> Iterator[Instrument]:
    made = create(name, QUICKSTART_VIEWS)
    yield made
    made.close()


def test_every_count_bucket_and_sum_is_on_the_page_label_for_label(name: str, instrument: Instrument) -> None:
    """What the page shows is what was recorded, nothing more and nothing less, by the instrument's rule for bounds."""
    lines = workload()
    record(instrument, lines)
    assert page_of(instrument.registry) == pytest.approx(expected(QUICKSTART_VIEWS, lines, RULES[name]), rel=1e-12)


def test_a_line_without_error_sets_no_error_tag_and_counts_no_error(instrument: Instrument) -> None:
    """Good lines leave the errors view empty."""
    instrument.record(1.0, 5, Tags())
    page = page_of(instrument.registry)
    assert not [key for key, _ in page if "errors" in key]
    assert not [labels for _, labels in page if "error" in dict(labels)]


def test_two_instruments_in_one_process_do_not_see_each_other(name: str, instrument: Instrument) -> None:
    """Each has its own registry and its own state."""
    other = create(name, QUICKSTART_VIEWS)
    try:
        instrument.record(1.0, 5, Tags("here"))
        other.record(1.0, 5, Tags("there"))
        for each, method in ((instrument, "here"), (other, "there")):
            assert {dict(labels)["method"] for _, labels in page_of(each.registry)} == {method}
    finally:
        other.close()


def test_another_thread_may_record(name: str, instrument: Instrument) -> None:
    """A thread that did not build the instrument, and so has an empty context, records into the same page."""
    lines = workload(50)
    thread = threading.Thread(target=record, args=(instrument, lines))
    thread.start()
    thread.join()
    assert page_of(instrument.registry) == pytest.approx(expected(QUICKSTART_VIEWS, lines, RULES[name]), rel=1e-12)


def test_building_and_closing_leave_the_global_registry_as_it_was(name: str) -> None:
    """Nothing is registered where other programs' metrics live, during and after; closing twice is allowed."""
    before = generate_latest(REGISTRY).count(b"oc_python"), len(REGISTRY._collector_to_names)
    made = create(name, QUICKSTART_VIEWS)
    made.record(1.0, 5, Tags())
    assert (generate_latest(REGISTRY).count(b"oc_python"), len(REGISTRY._collector_to_names)) == before
    made.close()
    made.close()
    assert len(REGISTRY._collector_to_names) == before[1]


def test_starts_and_records_without_a_warning(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """No log line, at start or later."""
    with caplog.at_level(logging.WARNING):
        made = create(name, views_for("fine"))
        record(made, workload(20))
        made.close()
    assert caplog.records == []


@pytest.mark.parametrize("views", [(LATENCY,), (LATENCY, LINES_IN), QUICKSTART_VIEWS], ids=["one", "two", "four"])
def test_shows_only_the_views_it_was_given(name: str, views: tuple) -> None:  # type: ignore[type-arg]
    """A selection of views gives a page of exactly those."""
    lines = workload(60)
    made = create(name, views)
    try:
        record(made, lines)
        assert page_of(made.registry) == pytest.approx(expected(views, lines, RULES[name]), rel=1e-12)
    finally:
        made.close()


def test_no_created_samples_and_no_bare_families(name: str, instrument: Instrument) -> None:
    """An instrument that recorded nothing has an empty page, and none ever shows when a series was created."""
    assert generate_latest(instrument.registry) == b""
    record(instrument, workload(40))
    assert b"_created" not in generate_latest(instrument.registry)


def test_none_does_nothing() -> None:
    """The baseline has an empty page whatever is recorded."""
    made = create("none", QUICKSTART_VIEWS)
    record(made, workload(20))
    assert generate_latest(made.registry) == b""
    made.close()

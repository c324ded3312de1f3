"""What a description of a service says, and what is said of one that is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.measure.questions.described.description import KEYS, ServiceDescription, parse_service


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("series=200,rate=2k,workers=4,scrape=15s", "all keys", (200, 2000.0, 4, 15.0)),
        ("rate=300/m", "all others by default", (1, 5.0, 1, 15.0)),
        ("workers=2", "the rate is that of all workers together", (1, 1000.0, 2, 15.0)),
        (" scrape = 500ms , series = 1k ", "blanks around keys and values", (1000, 1000.0, 1, 0.5)),
        ("rate=0.5/s", "less than one line a second", (1, 0.5, 1, 15.0)),
    ],
)
def test_a_description_sets_what_it_names_and_leaves_the_rest(
    text: str, words: str, expected: tuple[int, float, int, float]
) -> None:
    """Keys come in any order; each that is left out has its documented default."""
    service = parse_service(text)
    assert (service.series, service.rate, service.workers, service.scrape_s) == expected, words


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "a key is missing; write it like series=200,rate=2k,workers=4,scrape=15s"),
        ("series=2,", "a key is missing"),
        ("series=2,,rate=1", "a key is missing"),
        ("=2", "'=2' is not key=value; write it like"),
        ("200", "'200' is not key=value; write it like"),
        ("serie=2", "there is no key 'serie', did you mean 'series'? (keys: series, rate, workers, scrape)"),
        ("colour=red", "there is no key 'colour' (keys: series, rate, workers, scrape)"),
        ("series=1,series=1", "series is given twice"),
        ("series=", "series: '' is not a count"),
        ("series=1.5", "series: '1.5' is not a whole number"),
        ("series=-1", "series: '-1' is out of range"),
        ("series=200k", "series: '200k' is out of range; it goes from 1 to 100000"),
        ("rate=2x", "rate: '2x' has an unknown unit 'x'"),
        ("rate=0", "rate: '0' is out of range"),
        ("rate=2k/y", "rate: '2k/y' is not a rate"),
        ("workers=0", "workers: '0' is out of range"),
        ("workers=1k", "workers: '1k' is out of range; it goes from 1 to 256"),
        ("scrape=15", "scrape: '15' has an unknown unit ''"),
        ("scrape=1ms", "scrape: '1ms' is out of range; it goes from 10ms to 1d"),
        ("series=50k,workers=8", "50000 series in each of 8 workers are more than the 100000 series in all"),
        ("series=2\n", "a description has at most 200 printable characters"),
        ("series=" + "0" * 300, "a description has at most 200 printable characters"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_would_be_right(text: str, line: str) -> None:
    """The error names the field that the command line puts its flag for."""
    with pytest.raises(UsageError) as raised:
        parse_service(text)
    assert raised.value.field == "for"
    assert raised.value.text.startswith(line)
    assert "\n" not in raised.value.text


@given(
    st.integers(1, 1000), st.sampled_from([0.25, 1.0, 7.0, 2000.0, 12_345.0, 1e6]), st.integers(1, 100),
    st.sampled_from([0.01, 0.5, 1.0, 15.0, 90.0, 3600.0, 86_400.0]),
)  # fmt: skip
def test_the_text_of_a_service_describes_the_same_service(
    series: int, rate: float, workers: int, scrape_s: float
) -> None:
    """It is the name of the service in stored documents, so that it has to be found again by it."""
    service = ServiceDescription(series=series, rate=rate, workers=workers, scrape_s=scrape_s)
    assert parse_service(service.text) == service


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from([*KEYS, "=", ",", "1", "2k", "s", "-", "/"]), max_size=12).map("".join)
)
def test_any_text_is_a_service_or_one_line(text: str) -> None:
    """Nothing but a usage error leaves the parser."""
    try:
        service = parse_service(text)
    except UsageError as error:
        lines = error.text.count("\n")
    else:
        lines = service.series * service.workers > 100_000
    assert not lines


@pytest.mark.parametrize(("scrape_s", "timeout_s"), [(0.5, 0.5), (10.0, 10.0), (60.0, 10.0)])
def test_a_scrape_may_take_ten_seconds_and_no_longer_than_its_interval(scrape_s: float, timeout_s: float) -> None:
    """As Prometheus has it unless told otherwise."""
    assert ServiceDescription(scrape_s=scrape_s).timeout_s == timeout_s


def test_the_rate_is_shared_by_the_workers() -> None:
    """Two thousand lines a second of four workers are five hundred of each."""
    assert ServiceDescription(rate=2000.0, workers=4).worker_rate == 500.0

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from prometheus_client.registry import CollectorRegistry

from harness.exposition.fast_reader import NotPlain, Sample, plain_samples
from harness.exposition.page import OPENMETRICS, TEXT, ExpositionError, fold, parse_page, read_shown
from harness.views import LINE_LENGTHS, QUICKSTART_VIEWS

# What a label may hold to lead a hasty reader astray: quotes, escapes, what looks like the end, or like a bound.
treacherous = st.sampled_from(
    ["", ",le=", 'le="5"', ',le="5",', "}", "} 1", "\\", "\\n", "\n", '"', "#", " ", "ü", "a=b"]
)
values = st.lists(st.one_of(treacherous, st.text(max_size=4)), max_size=3).map("".join)
numbers = st.one_of(
    st.floats(allow_nan=False), st.integers(-(2**60), 2**60).map(float), st.sampled_from([math.inf, -math.inf, 1e-300])
)


class Families:
    def __init__(self, rows: list[tuple[str, str, float]]) -> None:
        self.rows = rows

    def describe(self) -> list[object]:
        return []

    def collect(self) -> list[object]:
        counter = CounterMetricFamily("lines_in", "Lines", labels=["a", "z"])
        histogram = HistogramMetricFamily(LINE_LENGTHS.family, "Lengths", labels=["a", "z"])
        for a, z, value in self.rows:
            counter.add_metric([a, z], abs(value))
            histogram.add_metric([a, z], [("5.0", 1.0), ("1e+16", 2.0), ("+Inf", 3.0)], abs(value))
        return [counter, histogram]


@given(st.lists(st.tuples(values, values, numbers), max_size=4, unique_by=lambda row: row[:2]))
def test_it_reads_what_the_library_s_parsers_read(rows: list[tuple[str, str, float]]) -> None:
    """Whatever labels and values hold, samples, labels and order are those of prometheus-client's own parsers."""
    registry = CollectorRegistry()
    registry.register(Families(rows))  # type: ignore[arg-type]
    for generate, read in ((generate_latest, read_text), (generate_openmetrics, read_openmetrics)):
        text = generate(registry).decode()
        wanted = [Sample(s.name, s.labels, float(s.value)) for family in read(text) for s in family.samples]
        assert list(plain_samples(text)) == wanted


def test_a_label_that_looks_like_a_bucket_s_bound_is_none() -> None:
    """A value that ends in le= is followed by its closing quote, which opens no bound."""
    text = 'm{a=",le=",b="5"} 1\n'
    assert list(plain_samples(text)) == [Sample("m", {"a": ",le=", "b": "5"}, 1.0)]


@pytest.mark.parametrize(
    ("what", "line", "sample"),
    [
        ("no labels", "m 1", Sample("m", {}, 1.0)),
        ("empty braces", "m{} 1", Sample("m", {}, 1.0)),
        ("a comma at the end", 'm{a="b",} 1', Sample("m", {"a": "b"}, 1.0)),
        ("a timestamp in ms", 'm{a="b"} 1 1700000000000', Sample("m", {"a": "b"}, 1.0)),
        ("an exponent", "m 1e-07", Sample("m", {}, 1e-7)),
        ("infinity", "m -Inf", Sample("m", {}, -math.inf)),
        ("a bound first", 'm_bucket{le="5",a="b"} 1', Sample("m_bucket", {"le": "5", "a": "b"}, 1.0)),
        ("a bound alone", 'm_bucket{le="+Inf"} 1', Sample("m_bucket", {"le": "+Inf"}, 1.0)),
        ("a colon in a name", "a:b 1", Sample("a:b", {}, 1.0)),
    ],
)
def test_plain_lines_are_read(what: str, line: str, sample: Sample) -> None:
    """What the formats allow in a plain line is understood."""
    assert list(plain_samples(line + "\n")) == [sample], what


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("an exemplar", 'm_bucket{le="5"} 1 # {trace="x"} 0.5'),
        ("a timestamp with a fraction", "m 1 1700000000.5"),
        ("a quoted name", '{"m.n",a="b"} 1'),
        ("a label twice", 'm{a="b",a="c"} 1'),
        ("a bound twice", 'm{le="5",le="6"} 1'),
        ("no comma between labels", 'm{a="b"c="d"} 1'),
        ("two commas", 'm{a="b",,c="d"} 1'),
        ("an unknown escape", 'm{a="\\t"} 1'),
        ("a label without an end", 'm{a="b} 1'),
        ("blanks in front", " m 1"),
        ("two blanks", "m  1"),
        ("no value", "m"),
        ("a word for a value", "m many"),
        ("half a TYPE line", "# TYPE m"),
        ("a page of another kind", "<html>"),
    ],
)
def test_what_is_not_plain_is_left_to_the_library(what: str, line: str) -> None:
    """Everything else is refused rather than guessed."""
    with pytest.raises(NotPlain):
        list(plain_samples(line + "\n"))


def test_what_the_library_has_to_read_is_read_by_it() -> None:
    """A page with one unusual line is read whole all the same, in both ways of reading."""
    text = (
        f'# TYPE {LINE_LENGTHS.family} histogram\n{LINE_LENGTHS.family}_bucket{{le="5"}} 1 # {{trace="x"}} 0.5\n# EOF\n'
    )
    page = parse_page(text, OPENMETRICS)
    assert [sample.value for sample in page.samples] == [1.0]
    assert read_shown(text, OPENMETRICS, QUICKSTART_VIEWS) == fold(page.samples, QUICKSTART_VIEWS)


def test_a_page_that_was_cut_off_is_no_page() -> None:
    """OpenMetrics ends with # EOF, so that a page that broke off is not taken for a whole one."""
    whole = "# TYPE a counter\na_total 1\n# EOF\n"
    assert len(parse_page(whole, OPENMETRICS).samples) == 1
    for cut in (whole.removesuffix("# EOF\n"), whole[:20]):
        with pytest.raises(ExpositionError, match="not a page of metrics"):
            parse_page(cut, OPENMETRICS)
        with pytest.raises(ExpositionError, match="not a page of metrics"):
            read_shown(cut, OPENMETRICS, QUICKSTART_VIEWS)


def test_reading_pages_and_folding_them_is_the_same() -> None:
    """What a scraper reads at once is what the page's samples fold into."""
    registry = CollectorRegistry()
    registry.register(Families([("a", "b", 3.0), ("c", "", 4.5)]))  # type: ignore[arg-type]
    text = generate_latest(registry).decode()
    assert read_shown(text, TEXT, QUICKSTART_VIEWS) == fold(parse_page(text).samples, QUICKSTART_VIEWS)
    assert re.search("lines_in", text)

"""Truths and the pages that conform to them, made with prometheus-client's own encoders."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from hypothesis import strategies as st
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from harness.expected import Expected, SeriesTruth
from harness.exposition.page import Page, parse_page
from harness.views import ERRORS, LINE_LENGTHS, LINES_IN, TAG_KEYS, Aggregation, Tags, View

VIEWS = (LINES_IN, LINE_LENGTHS, ERRORS)

# What a faulty library does to a cumulative bucket: (view, tags, index of the bound, value) -> value.
Fault = Callable[[View, Tags, int, float], float]


def truth_of(values: Sequence[float], bounds: Sequence[float]) -> SeriesTruth:
    """Return the truth about these values, by definition rather than by the ledger's own way."""
    edges = [-math.inf, *bounds, math.inf]
    return SeriesTruth(
        len(values),
        math.fsum(values),
        tuple(sum(low < value <= high for value in values) for low, high in pairwise(edges)),
        tuple(sum(value == bound for value in values) for bound in bounds),
    )


def truths(minimum: int = 1) -> st.SearchStrategy[Expected]:
    """Draw what lines of a few methods and kinds of error leave behind; lengths often equal a bound."""
    tags = st.builds(
        lambda method, error: Tags(method, "ERROR" if error else "OK", error),
        st.sampled_from(["repl", "a", 'q"uote\\', "line\nend", "ünï"]),
        st.sampled_from(["", "nul", "not_utf8"]),
    )
    lengths = st.one_of(st.sampled_from([int(bound) for bound in LINE_LENGTHS.bounds]), st.integers(0, 2000))
    lines = st.dictionaries(tags, st.lists(lengths, min_size=1, max_size=12), min_size=minimum, max_size=4)
    return lines.map(expected_of)


def expected_of(lines: dict[Tags, list[int]]) -> Expected:
    """Return the truth about lines given as lengths per tags."""
    lengths = {tags: truth_of(values, LINE_LENGTHS.bounds) for tags, values in lines.items()}
    counts = {tags: SeriesTruth(len(values), float(sum(values))) for tags, values in lines.items()}
    errors = {tags: SeriesTruth(len(values), float(len(values))) for tags, values in lines.items() if tags.error}
    return {LINES_IN.name: counts, LINE_LENGTHS.name: lengths, ERRORS.name: errors}


class Exposed:
    """A collector that shows a truth; with `fault`, a falsified one."""

    def __init__(self, expected: Expected, views: Iterable[View] = VIEWS, fault: Fault | None = None) -> None:
        self.expected, self.views = expected, tuple(views)
        self.fault: Fault = fault or (lambda *shown: shown[-1])

    def collect(self) -> Iterator[Metric]:
        for view in self.views:
            series = self.expected.get(view.name, {})
            if view.aggregation is Aggregation.COUNT:
                counter = CounterMetricFamily(view.family, view.description, labels=TAG_KEYS)
                for tags, truth in series.items():
                    counter.add_metric(list(tags), self.fault(view, tags, -1, truth.count))
                yield counter
            else:
                histogram = HistogramMetricFamily(view.family, view.description, labels=TAG_KEYS)
                for tags, truth in series.items():
                    histogram.add_metric(list(tags), self._buckets(view, tags, truth), truth.total)
                yield histogram

    def _buckets(self, view: View, tags: Tags, truth: SeriesTruth) -> list[tuple[str, float]]:
        total = 0
        buckets = []
        for index, bucket in enumerate(truth.buckets):
            total += bucket
            le = str(view.bounds[index]) if index < len(view.bounds) else "+Inf"
            buckets.append((le, self.fault(view, tags, index, float(total))))
        return buckets


def registry_of(*collectors: Exposed) -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return registry


def page_of(expected: Expected, fault: Fault | None = None) -> Page:
    return parse_page(generate_latest(registry_of(Exposed(expected, fault=fault))).decode())

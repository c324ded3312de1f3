"""Reads pages and says what they ought to hold, for the tests of the instruments."""

from collections.abc import Callable, Iterable
from math import fsum

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from harness.instruments import Instrument
from harness.views import REFUSED, Aggregation, Tags, View

Line = tuple[float, int, Tags]
Page = dict[tuple[str, frozenset[tuple[str, str]]], float]


def at_most(value: float, bound: float) -> bool:
    """Prometheus' rule."""
    return value <= bound


def below(value: float, bound: float) -> bool:
    """OpenCensus' rule."""
    return value < bound


def record(instrument: Instrument, lines: Iterable[Line]) -> None:
    """Record lines one by one; a sink has time to read them, since no buffer of a system holds all of them."""
    sink = getattr(instrument, "sink", None)
    for number, line in enumerate(lines):
        instrument.record(*line)
        if sink is not None and number % 2:
            sink.settle()


def read(text: str) -> Page:
    """Return the samples by name and labels; bounds as numbers, empty labels left out; fails on a duplicate."""
    page: Page = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {k: str(float(v)) if k == "le" else v for k, v in sample.labels.items() if v}
            key = (sample.name, frozenset(labels.items()))
            assert key not in page, f"{key} appears twice"
            page[key] = sample.value
    return page


def page_of(registry: CollectorRegistry) -> Page:
    return read(generate_latest(registry).decode())


def expected(views: Iterable[View], lines: Iterable[Line], rule: Callable[[float, float], bool]) -> Page:
    """Return what a page must show of `lines`, the plainest way there is."""
    lines = list(lines)
    page: Page = {}
    for view in views:
        for tags in dict.fromkeys(line[2] for line in lines):
            values = [_value(view, line) for line in lines if line[2] == tags]
            if view.measure == REFUSED and not tags.error:
                continue
            labels = {k: v for k, v in tags._asdict().items() if v}
            if view.aggregation is Aggregation.COUNT:
                page[view.family + "_total", frozenset(labels.items())] = len(values)
                continue
            for bound in view.bounds:
                key = frozenset({**labels, "le": str(float(bound))}.items())
                page[view.family + "_bucket", key] = sum(rule(value, bound) for value in values)
            page[view.family + "_bucket", frozenset({**labels, "le": "inf"}.items())] = len(values)
            page[view.family + "_count", frozenset(labels.items())] = len(values)
            page[view.family + "_sum", frozenset(labels.items())] = fsum(values)
    return page


def _value(view: View, line: Line) -> float:
    return {"repl_latency": line[0], "repl_line_lengths": line[1], "repl_errors": 1}[view.measure.name]

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.scrape.checks import MAX_EXAMPLES, Checker
from harness.scrape.exposition import Sample
from harness.scrape.findings import Name
from harness.views import LINE_LENGTHS, LINES_IN

COUNTER = f"{LINES_IN.family}_total"


def histogram(count: float, total: float, infinite: float | None = None) -> list[Sample]:
    family = LINE_LENGTHS.family
    return [
        Sample(f"{family}_bucket", {"le": "5", "method": "repl"}, count),
        Sample(f"{family}_bucket", {"le": "+Inf", "method": "repl"}, count if infinite is None else infinite),
        Sample(f"{family}_count", {"method": "repl"}, count),
        Sample(f"{family}_sum", {"method": "repl"}, total),
    ]


@given(st.lists(st.integers(0, 100)))
def test_what_only_grows_is_never_reported(steps: list[int]) -> None:
    """Counters, buckets and sums that grow or stand still are in order, from whatever value they start."""
    checker = Checker()
    total = 0
    for step in steps:
        total += step
        checker.observe([Sample(COUNTER, {}, total), *histogram(total, total * 2.5)])
    assert checker.findings() == []


@given(st.lists(st.integers(0, 50), min_size=2))
def test_each_fall_of_a_sum_is_counted_with_its_size(values: list[int]) -> None:
    """The finding says how often a sum fell between two scrapes and by how much in all."""
    checker = Checker()
    for value in values:
        checker.observe(histogram(1, value))
    falls = [before - after for before, after in pairwise(values) if after < before]
    found = [(finding.name, finding.size, finding.detail["fallen"]) for finding in checker.findings()]
    assert found == ([(Name.SUM_DECREASED, len(falls), sum(falls))] if falls else [])


def test_a_fall_is_seen_across_a_scrape_that_lacked_the_series() -> None:
    """A series that goes away and comes back lower has fallen."""
    checker = Checker()
    for samples in ([Sample(COUNTER, {"method": "a"}, 5.0)], [], [Sample(COUNTER, {"method": "a"}, 4.0)]):
        checker.observe(samples)
    (finding,) = checker.findings()
    assert finding.name is Name.COUNTER_DECREASED
    assert '{method="a"} 5.0 -> 4.0' in finding.detail["examples"][0]


def test_a_count_unlike_its_infinite_bucket_is_reported() -> None:
    """A scrape that shows a record half way through is found, and so is a histogram without its last bucket."""
    checker = Checker()
    checker.observe(histogram(3, 3, infinite=2))
    checker.observe([sample for sample in histogram(4, 4) if sample.labels.get("le") != "+Inf"])
    (finding,) = checker.findings()
    assert (finding.name, finding.size) == (Name.COUNT_NOT_INF_BUCKET, 2)


def test_other_metrics_may_do_as_they_like() -> None:
    """A gauge of the user's own that falls is nobody's business, even when its name ends like a counter's."""
    checker = Checker()
    for value in (5.0, 1.0):
        checker.observe([Sample("queue_count", {}, value), Sample("queue_total", {}, value)])
    assert checker.findings() == []


def test_examples_stay_few() -> None:
    """However often something happens, a finding stays small."""
    checker = Checker()
    for value in range(100, 0, -1):
        checker.observe([Sample(COUNTER, {}, value)])
    (finding,) = checker.findings()
    assert finding.size == 99
    assert len(finding.detail["examples"]) == MAX_EXAMPLES

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.audit.findings import Name
from harness.audit.scrape_checks import MAX_EXAMPLES, Checker, ScrapeProblems
from harness.exposition.page import Sample, Shown, fold
from harness.views import LINE_LENGTHS, LINES_IN, QUICKSTART_VIEWS

COUNTER = f"{LINES_IN.family}_total"


def shown(*samples: Sample) -> Shown:
    return fold(samples, QUICKSTART_VIEWS)


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
        checker.observe(shown(Sample(COUNTER, {}, total), *histogram(total, total * 2.5)))
    assert checker.findings() == []


@given(st.lists(st.integers(0, 50), min_size=2))
def test_each_fall_of_a_sum_is_counted_with_its_size(values: list[int]) -> None:
    """The finding says how often a sum fell between two scrapes and by how much in all."""
    checker = Checker()
    for value in values:
        checker.observe(shown(*histogram(1, value)))
    falls = [before - after for before, after in pairwise(values) if after < before]
    found = [(finding.name, finding.size, finding.detail["fallen"]) for finding in checker.findings()]
    assert found == ([(Name.SUM_DECREASED, len(falls), sum(falls))] if falls else [])


def test_a_fall_is_seen_across_a_scrape_that_lacked_the_series() -> None:
    """A series that goes away and comes back lower has fallen."""
    checker = Checker()
    for samples in ([Sample(COUNTER, {"method": "a"}, 5.0)], [], [Sample(COUNTER, {"method": "a"}, 4.0)]):
        checker.observe(shown(*samples))
    fallen, vanished = checker.findings()
    assert (fallen.name, vanished.name) == (Name.COUNTER_DECREASED, Name.SERIES_VANISHED)
    assert '{method="a"} count: 5.0 -> 4.0' in fallen.detail["examples"][0]


def test_a_count_unlike_its_infinite_bucket_is_reported() -> None:
    """A scrape that shows a record half way through is found, and so is a histogram without its last bucket."""
    checker = Checker()
    checker.observe(shown(*histogram(3, 3, infinite=2)))
    checker.observe(shown(*(sample for sample in histogram(4, 4) if sample.labels.get("le") != "+Inf")))
    finding = checker.findings()[-1]
    assert (finding.name, finding.size) == (Name.COUNT_NOT_INF_BUCKET, 2)


def test_other_metrics_may_do_as_they_like() -> None:
    """A gauge of the user's own that falls is nobody's business, even when its name ends like a counter's."""
    checker = Checker()
    for value in (5.0, 1.0):
        checker.observe(shown(Sample("queue_count", {}, value), Sample("queue_total", {}, value)))
    assert checker.findings() == []


def test_examples_stay_few() -> None:
    """However often something happens, a finding stays small."""
    checker = Checker()
    for value in range(100, 0, -1):
        checker.observe(shown(Sample(COUNTER, {}, value)))
    (finding,) = checker.findings()
    assert finding.size == 99
    assert len(finding.detail["examples"]) == MAX_EXAMPLES


A, B = (Sample(COUNTER, {"method": method}, 1.0) for method in "ab")
NAN = float("nan")


def without(part: str) -> list[Sample]:
    return [sample for sample in histogram(1, 1) if not sample.name.endswith(part)]


@pytest.mark.parametrize(
    ("what", "scrapes", "found"),
    [
        ("a series is missing from one scrape", [[A, B], [A], [A, B]], {Name.SERIES_VANISHED: 1}),
        ("two are missing from two scrapes", [[A, B], [], [], [A, B]], {Name.SERIES_VANISHED: 2}),
        ("a series vanishes twice", [[A], [], [A], []], {Name.SERIES_VANISHED: 2}),
        ("a series that came later", [[A], [A, B], [A, B]], {}),
        ("a histogram loses its sum", [histogram(1, 1), without("_sum")], {Name.SERIES_VANISHED: 1}),
        (
            "a histogram loses its buckets",
            [histogram(1, 1), without("_bucket")],
            {Name.SERIES_VANISHED: 2, Name.COUNT_NOT_INF_BUCKET: 1},
        ),
        ("a counter turns NaN and stays", [[A], [A._replace(value=NAN)], [A._replace(value=NAN)]], {"nan": 1}),
        ("a counter is NaN from the first", [[A._replace(value=NAN)]], {"nan": 1}),
        ("a sum turns NaN", [histogram(1, 1), histogram(1, NAN), histogram(1, 1)], {"nan": 1}),
        ("a whole histogram turns NaN", [histogram(1, 1), histogram(NAN, NAN)], {"nan": 4}),
        ("NaN and back, twice", [[A], [A._replace(value=NAN)], [A], [A._replace(value=NAN)]], {"nan": 2}),
    ],
)
def test_what_vanishes_or_turns_nan_between_scrapes_is_counted(
    what: str, scrapes: list[list[Sample]], found: dict[Name | str, int]
) -> None:
    """Each time a series or a part of it goes away or becomes no number is an error, once for each time."""
    checker = Checker()
    for samples in scrapes:
        checker.observe(shown(*samples))
    wanted = {Name.VALUE_NOT_A_NUMBER if name == "nan" else name: size for name, size in found.items()}
    assert {finding.name: finding.size for finding in checker.findings()} == wanted, what


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=4), max_size=8))
def test_the_quick_comparison_finds_what_the_plain_one_does(scrapes: list[list[tuple[str, int]]]) -> None:
    """Skipping series that only grew leaves out no fall: counted here sample by sample."""
    checker, last, falls = Checker(), dict[str, int](), 0
    for scrape in scrapes:
        values = dict(scrape)
        checker.observe(shown(*(Sample(COUNTER, {"method": method}, value) for method, value in values.items())))
        falls += sum(value < last.get(method, 0) for method, value in values.items())
        last |= values
    found = {finding.name: finding.size for finding in checker.findings()}
    assert found.get(Name.COUNTER_DECREASED, 0) == falls


def problems(*pages: tuple[int, list[Sample]]) -> ScrapeProblems:
    """Return the problems of pages asked for at these moments and received ten later."""
    checker, found = Checker(), ScrapeProblems()
    for begin_ns, samples in pages:
        checker.observe(shown(*samples), begin_ns)
        found.add(begin_ns + 10, checker.take())
    return found


def test_a_restart_explains_falls_of_the_first_scrape_after_it_only() -> None:
    """Counters that fall and series that vanish there are none; the same one scrape later is one."""
    one, other = Sample(COUNTER, {"method": "a"}, 5.0), Sample(COUNTER, {"method": "b"}, 5.0)
    lower = Sample(COUNTER, {"method": "a"}, 1.0)
    found = problems((100, [one, other]), (200, [one, other]), (300, [lower]))
    assert found.findings([250]) == []
    assert found.findings([305]) == []  # the restart may be anywhere between the two pages, and during the later one
    for elsewhere in ([], [150], [200], [311]):
        assert {each.name for each in found.findings(elsewhere)} == {Name.COUNTER_DECREASED, Name.SERIES_VANISHED}


def test_a_restart_explains_a_series_that_comes_back_lower_later() -> None:
    """It is compared with the scrape that last had it, which was before the restart."""
    high, low = Sample(COUNTER, {"method": "a"}, 5.0), Sample(COUNTER, {"method": "a"}, 1.0)
    found = problems((100, [high]), (200, []), (300, []), (400, [low]))
    assert found.findings([150]) == []
    assert {each.name for each in found.findings([350])} == {Name.SERIES_VANISHED}


def test_a_restart_explains_no_torn_page_and_no_nan() -> None:
    """What is wrong with a page by itself stays wrong."""
    found = problems((100, histogram(5, 5)), (200, histogram(1, 1, infinite=0)), (300, histogram(float("nan"), 1)))
    assert Name.COUNT_NOT_INF_BUCKET in {each.name for each in found.findings([150, 250])}
    assert Name.VALUE_NOT_A_NUMBER in {each.name for each in found.findings([150, 250])}


def test_problems_of_many_scrapes_take_constant_memory() -> None:
    """Above some thousand they are added up, and none is lost."""
    checker, found = Checker(), ScrapeProblems()
    for scrape in range(10_000):
        checker.observe(shown(Sample(COUNTER, {}, float(scrape % 2))), scrape)
        found.add(scrape, checker.take())
    (finding,) = found.findings()
    assert (finding.name, finding.size, finding.detail["fallen"]) == (Name.COUNTER_DECREASED, 4999, 4999.0)
    assert len(finding.detail["examples"]) == MAX_EXAMPLES

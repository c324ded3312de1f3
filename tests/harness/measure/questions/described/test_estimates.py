"""The figures of a described service, computed by hand from experiments and processes that are made up."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.questions.described.description import ServiceDescription
from harness.measure.questions.described.estimates import Described, FootprintRecord, ServiceCost, described_of
from harness.measure.result import Experiment
from tests.harness.report.samples import experiment

MS = 1_000_000
SERVICE = ServiceDescription(series=200, rate=2000.0, workers=4, scrape_s=15.0)
NAME = "prometheus-client"
# Two workers' worth of a page: by default it shows everything.
WHOLE = {"recorded": 804, "own": 201, "shown": 804, "series": 201, "shown_series": 201}


def record(page_ms: float | None = 10.0, added: int = 1000, **more: Any) -> FootprintRecord:
    """One process with `added` bytes of series whose pages all take `page_ms`."""
    pages = [] if page_ms is None else [round(page_ms * MS)] * 3
    return FootprintRecord(
        instrument=NAME, before=5000, after=5000 + added, page_ns=pages, page_bytes=77, **WHOLE | more
    )


def answer(
    *records: FootprintRecord, cost: float = 10_000.0, service: ServiceDescription = SERVICE, **more: Any
) -> Described:
    """The answer with one way of recording that costs `cost` ns a line, ± 2 %."""
    return described_of(service, [experiment(NAME, cost, **more)], records)


def only(described: Described) -> ServiceCost:
    (cost,) = described.costs
    return cost


def test_the_share_of_a_core_is_cost_times_the_rate_of_a_worker() -> None:
    """10 µs a line at 500 lines/s are 0.5 % of a core, with the interval of the cost."""
    share = only(answer(record(), record())).core_share
    assert share.value == pytest.approx(0.005)
    assert share.interval == pytest.approx((0.0049, 0.0051))
    assert share.why == ""


def test_the_stall_is_the_time_of_a_page_with_an_interval_over_processes() -> None:
    """Two processes of 10 and 40 ms: the geometric mean is 20 ms; Student's interval is that of the logarithms."""
    cost = only(answer(record(10.0), record(40.0)))
    assert cost.stall.value == pytest.approx(20 * MS)
    half = 12.7062 * math.log(2)
    assert cost.stall.interval == pytest.approx((20 * MS * math.exp(-half), 20 * MS * math.exp(half)), rel=1e-3)
    assert cost.page_share.value == pytest.approx(0.02 / 15)
    assert cost.page_bytes == 77


def test_the_memory_is_the_mean_over_processes() -> None:
    """1000 and 1200 bytes: 1100 ± t(0.975; 1) * 100."""
    memory = only(answer(record(added=1000), record(added=1200))).memory
    assert memory.value == pytest.approx(1100)
    assert memory.interval == pytest.approx((1100 - 1270.62, 1100 + 1270.62), rel=1e-4)


def test_a_single_process_has_a_figure_without_an_interval_and_says_why() -> None:
    """A figure without an interval is never silent about it."""
    cost = only(answer(record()))
    for amount in (cost.memory, cost.stall, cost.page_share):
        assert amount.value is not None
        assert (amount.interval, amount.why) == ((None, None), "one process has no interval")


def test_the_core_is_full_where_recording_and_pages_take_all_of_it() -> None:
    """Pages of 1.5 s each 15 s leave 90 %: at 0.5 % for 2000 lines/s that is 180 times the rate."""
    cost = only(answer(record(1500.0), record(1500.0)))
    full = next(limit for limit in cost.limits if limit.name == "core_full")
    assert (full.grows, full.reached) == ("rate", False)
    assert full.factor.value == pytest.approx(180)
    assert full.factor.interval == pytest.approx((0.9 / 0.0051, 0.9 / 0.0049))


def test_a_page_is_too_slow_where_it_takes_longer_than_a_scrape_may() -> None:
    """100 ms of 10 s: a hundred times the series, if the time is proportional to them."""
    cost = only(answer(record(100.0), record(100.0)))
    slow = next(limit for limit in cost.limits if limit.name == "page_too_slow")
    assert (slow.grows, slow.reached) == ("series", False)
    assert slow.factor.value == pytest.approx(100)


@pytest.mark.parametrize(
    ("words", "records", "cost", "names", "reached"),
    [
        ("the page would be too slow before the core is full", [record(1000.0)] * 2, 10_000.0,
         ["page_too_slow", "core_full"], [False, False]),
        ("the core is full before the page is too slow", [record(1.0)] * 2, 1_000_000.0,
         ["core_full", "page_too_slow"], [False, False]),
        ("the page is too slow, and fills the core by itself", [record(20_000.0)] * 2, 10_000.0,
         ["page_too_slow", "core_full"], [True, True]),
        ("recording takes more than a core", [record(1.0)] * 2, 3_000_000.0,
         ["core_full", "page_too_slow"], [True, False]),
        ("the interval of the page holds both", [record(9_000.0), record(11_000.0)], 10_000.0,
         ["page_too_slow", "core_full"], [None, None]),
        ("one worker's lines are on the page", [record(1.0, shown=201)] * 2, 10_000.0,
         ["workers_counted_apart", "core_full", "page_too_slow"], [True, False, False]),
        ("series are folded", [record(1.0, shown_series=100)] * 2, 10_000.0,
         ["series_folded", "core_full", "page_too_slow"], [True, False, False]),
        ("both, the lost lines first", [record(1.0, shown=201, shown_series=100)] * 2, 10_000.0,
         ["workers_counted_apart", "series_folded", "core_full", "page_too_slow"], [True, True, False, False]),
    ],
)  # fmt: skip
def test_what_breaks_first_is_what_has_broken_and_then_what_is_nearest(
    words: str, records: list[FootprintRecord], cost: float, names: list[str], reached: list[bool | None]
) -> None:
    """Limits are in the order in which a growing service meets them."""
    limits = only(answer(*records, cost=cost)).limits
    assert [limit.name for limit in limits] == names, words
    assert [limit.reached for limit in limits] == reached, words


def test_a_page_that_shows_all_workers_in_one_process_only_is_not_relied_upon() -> None:
    """The worst of the processes counts: 201 of 804 lines."""
    (apart, *_) = only(answer(record(1.0), record(1.0, shown=201))).limits
    assert (apart.name, apart.shown, apart.of) == ("workers_counted_apart", 201, 804)


def test_a_void_experiment_gives_no_figure_of_cpu() -> None:
    """Neither the share nor the rate at which a core is full, and both say why; the rest is known."""
    cost = only(answer(record(), record(), verdict="void", conclusion="void: lines were lost"))
    assert (cost.core_share.value, cost.core_share.why) == (None, "void: lines were lost")
    full = next(limit for limit in cost.limits if limit.name == "core_full")
    assert (full.reached, full.factor.value, full.factor.why) == (None, None, "void: lines were lost")
    assert cost.limits[-1] is full
    assert cost.memory.value == 1000


def test_void_processes_give_no_figure_and_their_reason_stands_in_its_place() -> None:
    """Memory, page and what they limit are not known; processes that count are not mixed with those that do not."""
    cost = only(answer(record(void="it ended with 1"), record(void="it ended with 1")))
    for amount in (cost.memory, cost.stall):
        assert (amount.value, amount.why) == (None, "it ended with 1")
    assert [limit.name for limit in cost.limits] == ["core_full", "page_too_slow"]
    assert only(answer(record(50.0, void="late"), record(10.0), record(10.0))).stall.value == pytest.approx(10 * MS)


def test_what_is_pushed_has_no_page_and_no_limit_of_one() -> None:
    """Its CPU is known, and its memory."""
    cost = only(answer(record(None), record(None)))
    assert cost.stall.value is None
    assert cost.stall.why == "no page is made, since it pushes its values or records none"
    assert [limit.name for limit in cost.limits] == ["core_full"]
    assert cost.page_bytes is None


def test_a_cost_that_is_not_above_zero_fills_no_core() -> None:
    """No rate can be told, and nothing is said to break."""
    full = next(limit for limit in only(answer(record(), record(), cost=-5.0)).limits if limit.name == "core_full")
    assert (full.reached, full.factor.value, full.factor.why) == (False, None, "")


def test_an_answer_survives_its_document() -> None:
    """JSON has neither infinity nor NaN."""
    described = answer(record(), record(20.0), cost=-5.0)
    assert Described.model_validate_json(described.model_dump_json()) == described


COSTS = st.floats(1.0, 1e9)
PAGES = st.lists(st.floats(0.01, 1e5), min_size=2, max_size=6)


@given(COSTS, PAGES, st.floats(0.01, 1e6), st.integers(1, 64))
def test_every_figure_lies_in_its_interval_and_factors_are_no_less_than_nothing(
    cost: float, pages: list[float], rate: float, workers: int
) -> None:
    """Whatever is measured: intervals are not turned round by a quotient."""
    service = ServiceDescription(series=200, rate=rate, workers=workers)
    figures = only(answer(*map(record, pages), cost=cost, service=service))
    amounts = [figures.core_share, figures.page_share, figures.memory, figures.stall]
    for amount in [*amounts, *(limit.factor for limit in figures.limits if limit.grows)]:
        low, high = amount.interval
        assert amount.value is not None
        assert amount.value >= 0
        assert low is None or low <= amount.value * (1 + 1e-9)
        assert high is None or amount.value <= high * (1 + 1e-9)


@given(COSTS, st.floats(0.01, 1000.0), st.floats(1.0, 1e4))
def test_twice_the_rate_takes_twice_the_cpu_and_halves_what_is_left(cost: float, page: float, rate: float) -> None:
    """Memory and page are those of the series, whatever the rate."""
    one, two = (
        only(answer(record(page), record(page), cost=cost, service=SERVICE.model_copy(update={"rate": times * rate})))
        for times in (1, 2)
    )
    assert two.core_share.value == pytest.approx(2 * (one.core_share.value or 0))
    assert (two.memory, two.stall, two.page_share) == (one.memory, one.stall, one.page_share)
    left = [next(limit.factor.value or 0 for limit in each.limits if limit.name == "core_full") for each in (one, two)]
    assert left[1] == pytest.approx(left[0] / 2)


def test_experiments_are_matched_by_the_way_of_recording() -> None:
    """One that was only measured in one of the two ways is there, with what is not known."""
    experiments: list[Experiment] = [experiment("opencensus", 1000.0), experiment(NAME, 10_000.0)]
    described = described_of(SERVICE, experiments, [record(), record().model_copy(update={"instrument": "other"})])
    assert [cost.instrument for cost in described.costs] == ["opencensus", NAME, "other"]
    assert described.costs[0].memory.why == "no process was measured"
    assert described.costs[2].core_share.why == "it was not compared with the bare REPL"

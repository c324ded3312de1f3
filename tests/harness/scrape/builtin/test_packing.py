import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.exposition.page import SeriesShown, Shown
from harness.scrape.builtin.packing import PageStore, StoredPage, pack, unpack
from harness.views import Tags

numbers = st.one_of(st.none(), st.floats(allow_nan=False), st.just(math.inf))
series = st.builds(
    SeriesShown,
    count=numbers,
    total=numbers,
    cumulative=st.dictionaries(st.sampled_from([0.001, 5.0, math.inf]), st.floats(allow_nan=False), max_size=3),
    surplus=st.integers(0, 2),
)
tags = st.builds(Tags, st.sampled_from(["a", 'q"\n', "ü"]), st.just("OK"), st.sampled_from(["", "nul"]))
pages = st.fixed_dictionaries({view: st.dictionaries(tags, series, max_size=4) for view in ("latency", "lines")})


def shown_of(store: PageStore) -> list[tuple[int, Shown]]:
    shown: Shown = {}
    found = []
    for page in store.packed():
        shown = unpack(page.packed, shown)
        found.append((page.begin_ns, shown))
    return found


@given(pages, pages)
def test_a_page_comes_back_as_it_was(before: Shown, page: Shown) -> None:
    """Packed alone or as what changed, every figure, part and series that is gone comes back."""
    assert unpack(pack(page)) == page
    assert unpack(pack(page, before), before) == page


@pytest.mark.slow
@given(st.lists(pages, max_size=8))
def test_all_pages_are_kept_while_there_is_room(taken: list[Shown]) -> None:
    """Pages come back in order, each as it was."""
    store = PageStore()
    for number, page in enumerate(taken):
        store.add(number, number + 1, page)
    assert shown_of(store) == list(enumerate(taken))
    assert store.last == (taken[-1] if taken else {})


@pytest.mark.slow
@given(st.lists(pages, min_size=2, max_size=8))
def test_the_oldest_pages_go_first(taken: list[Shown]) -> None:
    """With no room but for one page the newest is kept, whole."""
    store = PageStore(budget_bytes=1)
    for number, page in enumerate(taken):
        store.add(number, number + 1, page)
    assert shown_of(store) == [(len(taken) - 1, taken[-1])]


def test_pages_that_do_not_change_cost_next_to_nothing() -> None:
    """A thousand scrapes of a page at rest fit where a few of different pages do."""
    many = {"lines": {Tags(f"m{i}"): SeriesShown(float(i), None, {}) for i in range(1000)}}
    store = PageStore()
    for number in range(1000):
        store.add(number, number, many)
    kept: list[StoredPage] = list(store.packed())
    assert len(kept) == 1000
    assert sum(len(page.packed) for page in kept[1:]) < 100_000


def test_not_a_number_survives() -> None:
    """NaN is a value like any other on the way."""
    page = {"lines": {Tags(): SeriesShown(math.nan, None, {5.0: math.nan})}}
    (one,) = unpack(pack(page))["lines"].values()
    assert one.count is not None
    assert math.isnan(one.count)
    assert math.isnan(one.cumulative[5.0])

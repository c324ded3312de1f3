"""What the log says a page may show, against counting the lines themselves."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.recorder import DROPPED, EVALUATED, RAISED
from harness.load.truth.ledger import Ledger
from harness.load.truth.log import TruthLog
from harness.views import ERRORS, LATENCY, LINE_LENGTHS, LINES_IN, QUICKSTART_VIEWS, Tags
from workloads.refusals import ERROR_KINDS
from workloads.workload import Truth

METHODS = ("a", "b")
VIEWS = QUICKSTART_VIEWS


@dataclasses.dataclass
class Line:
    start: int
    end: int
    method: int
    error: int
    length: int
    latency: float
    outcome: int = EVALUATED


@dataclasses.dataclass
class Made:
    """A page: asked for and received on the scraper's side, made between two moments on the endpoint's."""

    asked: int
    begun: int
    made: int
    received: int


class Pages:
    """Tells of pages once their moments have passed."""

    def __init__(self, pages: list[Made]) -> None:
        self.begun = sorted(page.begun for page in pages)
        self.made = sorted(page.made for page in pages)
        self.now = 0

    def take(self) -> tuple[list[int], list[int]]:
        def passed(moments: list[int]) -> list[int]:
            taken = [moment for moment in moments if moment <= self.now]
            del moments[: len(taken)]
            return taken

        return passed(self.begun), passed(self.made)


steps = st.integers(0, 9)
drawn_lines = st.lists(
    st.tuples(
        steps,
        steps,
        st.integers(0, 1),
        st.integers(0, 2),
        st.one_of(st.integers(0, 30), st.sampled_from([5, 10])),
        st.sampled_from([0.01, 1.5, 25.0, 30.0, 7000.0]),
        st.sampled_from([EVALUATED, EVALUATED, EVALUATED, DROPPED]),
    ),
    max_size=30,
)
drawn_pages = st.lists(st.tuples(st.integers(0, 300), steps, steps, steps, steps), max_size=6)


def timed(drawn: list[tuple[int, int, int, int, int, float, int]]) -> list[Line]:
    now, lines = 0, []
    for gap, took, method, error, length, latency, outcome in drawn:
        start = now + gap
        now = start if outcome == DROPPED else start + took
        lines.append(Line(start, now, method, error, length, latency, outcome))
    return lines


def placed(drawn: list[tuple[int, int, int, int, int]]) -> list[Made]:
    pages = []
    for asked, *gaps in drawn:
        begun = asked + gaps[0]
        made = begun + gaps[1] + gaps[2]
        pages.append(Made(asked, begun, made, made + gaps[3]))
    return pages


def logged(lines: list[Line], pages: list[Made], cuts: list[int], **more: int) -> TruthLog:
    """Return a log that was given the lines in blocks, each when its last line had ended."""
    source = Pages(pages)
    log = TruthLog(Ledger(VIEWS, METHODS), source, **more)
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(lines)}), len(lines)]
    for low, high in itertools.pairwise(edges):
        block = lines[low:high]
        if not block:
            continue
        source.now = block[-1].end
        log.add(
            Truth(
                np.array([line.length for line in block], dtype=np.int64),
                np.array([line.method for line in block], dtype=np.int32),
                np.array([line.error for line in block], dtype=np.int8),
            ),
            np.array([line.outcome for line in block], dtype=np.int8),
            [line.latency for line in block if line.outcome == EVALUATED],
            ["LookupError" for line in block if line.outcome == RAISED],
            [line.start for line in block],
            [line.end for line in block],
        )
    source.now = 1_000_000
    log.close(lines[-1].end + 1 if lines else 1)
    return log


def figures(lines: list[Line], view: object, tags: Tags, *, exclusive: bool) -> list[float]:
    """Return count, sum and cumulated buckets of the lines with these tags, by definition."""
    mine = [line for line in lines if line.outcome == EVALUATED and tags_of(line) == tags]
    if view in (LINES_IN, ERRORS):
        return [len(mine)]
    values = [line.latency if view is LATENCY else line.length for line in mine]
    bounds = (LATENCY if view is LATENCY else LINE_LENGTHS).bounds
    cumulated = [sum(value < bound if exclusive else value <= bound for value in values) for bound in bounds]
    return [len(values), math.fsum(values), *cumulated, len(values)]


def tags_of(line: Line) -> Tags:
    tags = Tags(METHODS[line.method])
    return tags.refused(ERROR_KINDS[line.error]) if line.error else tags


@given(drawn_lines, drawn_pages, st.lists(st.integers(1, 29), max_size=4))
def test_a_page_may_show_what_ended_before_it_to_what_had_begun_by_its_end(
    drawn: list[tuple[int, int, int, int, int, float, int]],
    places: list[tuple[int, int, int, int, int]],
    cuts: list[int],
) -> None:
    """For each page, view and series the range holds every state of the page that is possible, and not much more.

    It reaches from the lines that had ended when the first page since it was asked for was begun, to those that had
    begun when the last page before it was received was made.
    """
    lines, pages = timed(drawn), placed(places)
    log = logged(lines, pages, cuts)
    for page in sorted(pages, key=lambda page: page.asked):
        known = log.between(page.asked, page.received)
        end = lines[-1].end + 1 if lines else 1
        begun = min((other.begun for other in pages if other.begun >= page.asked), default=end)
        made = max((other.made for other in pages if other.made <= page.received), default=-1)
        certain = [line for line in lines if line.end <= begun]
        possible = lines if page.received >= end else [line for line in lines if line.start <= made]
        assert known is not None
        for view in VIEWS:
            for tags in {tags_of(line) for line in lines if view is not ERRORS or line.error}:
                least = figures(certain, view, tags, exclusive=True)
                most = figures(possible, view, tags, exclusive=False)
                if not most[0]:
                    assert tags not in known[view.name]
                    continue
                assert known[view.name][tags].least == pytest.approx(least)
                assert known[view.name][tags].most == pytest.approx(most)


@given(drawn_lines, drawn_pages, st.lists(st.integers(1, 29), max_size=4))
def test_the_ledger_is_the_same_with_a_log_and_without(
    drawn: list[tuple[int, int, int, int, int, float, int]],
    places: list[tuple[int, int, int, int, int]],
    cuts: list[int],
) -> None:
    """Cutting blocks where pages were made changes nothing that the ledger says at the end."""
    lines = timed(drawn)
    with_pages, without = logged(lines, placed(places), cuts), logged(lines, [], [])
    assert with_pages._ledger.expected() == without._ledger.expected()
    assert with_pages._ledger.dropped == without._ledger.dropped


def steady(count: int) -> list[Line]:
    return [Line(10 * i, 10 * i + 5, i % 2, 0, 7, 1.5) for i in range(count)]


def test_memory_is_bounded_and_the_newest_pages_are_kept() -> None:
    """Over its budget the log forgets the oldest pages, says so, and is right about the others."""
    lines = steady(400)
    pages = [Made(asked=10 * i - 3, begun=10 * i - 2, made=10 * i - 1, received=10 * i) for i in range(1, 400)]
    whole, small = logged(lines, pages, []), logged(lines, pages, [], budget_bytes=20_000)
    assert small._entries.size_bytes <= 20_000 < whole._entries.size_bytes
    known = [small.between(page.asked, page.received) for page in pages]
    assert known[0] is None
    assert known[-1] is not None
    first = next(i for i, one in enumerate(known) if one is not None)
    assert all(one is not None for one in known[first:])
    assert [whole.between(page.asked, page.received) for page in pages[first:]] == known[first:]


def test_moments_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more pages than it may keep moments of, the log knows the last ones."""
    monkeypatch.setattr("harness.load.truth.log.MAX_MOMENTS", 10)
    pages = [Made(asked=10 * i - 3, begun=10 * i - 2, made=10 * i - 1, received=10 * i) for i in range(1, 100)]
    log = logged(steady(100), pages, [])
    known = [log.between(page.asked, page.received) is not None for page in pages]
    assert known == [False] * 89 + [True] * 10


def test_pages_may_be_asked_for_in_any_order() -> None:
    """Going back is slower, and no less right."""
    pages = [Made(asked=10 * i - 3, begun=10 * i - 2, made=10 * i - 1, received=10 * i) for i in range(1, 20)]
    log = logged(steady(20), pages, [])
    forward = [log.between(page.asked, page.received) for page in pages]
    backward = [log.between(page.asked, page.received) for page in reversed(pages)]
    assert forward == backward[::-1]


def test_nothing_is_said_of_pages_when_recording_raised() -> None:
    """Nobody knows whether a line whose record raised is on a page."""
    lines = steady(20)
    lines[7].outcome = RAISED
    assert logged(lines, [Made(50, 51, 52, 53)], []).between(50, 53) is None


def test_nothing_is_said_before_the_end() -> None:
    """While lines are still coming in, the state of the last ones is not known."""
    log = TruthLog(Ledger(VIEWS, METHODS), Pages([]))
    assert log.between(0, 10) is None


def test_pages_after_the_end_show_everything() -> None:
    """A page that was asked for after the last line shows exactly what the ledger says."""
    lines = steady(20)
    log = logged(lines, [], [])
    known = log.between(10_000, 10_001)
    assert known is not None
    for tags in (Tags("a"), Tags("b")):
        assert known[LINES_IN.name][tags] == ([10.0], [10.0])


def test_a_view_with_fewer_tags_is_added_up() -> None:
    """Series that differ in a tag the view does not keep are one."""
    view = dataclasses.replace(LINE_LENGTHS, tag_keys=("status",))
    log = TruthLog(Ledger((view,), METHODS), Pages([]))
    log.add(
        Truth(np.array([5, 7]), np.array([0, 1], np.int32), np.zeros(2, np.int8)),
        np.full(2, EVALUATED, np.int8),
        [1.0, 1.0],
        [],
        [0, 1],
        [1, 2],
    )
    log.close(3)
    known = log.between(4, 5)
    assert known is not None
    [(tags, allowed)] = known[view.name].items()
    assert tags == Tags("", "OK", "")
    assert (allowed.least[:3], allowed.most[:3]) == ([2, 12, 0], [2, 12, 1])

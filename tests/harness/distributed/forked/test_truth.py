"""What one page of several workers may show: never less than is certain, never more than is possible."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from harness.distributed.forked.truth import TICK_NS, ForkedTruth, KilledPart, LoggedPart, Ticks
from harness.load.recorder import EVALUATED
from harness.load.truth.ledger import Ledger
from harness.load.truth.log import TruthLog
from harness.views import LINE_LENGTHS, LINES_IN, Tags
from workloads.workload import Truth

VIEWS = (LINES_IN, LINE_LENGTHS)
TAGS = Tags("repl")
# A moment of a clock that started long ago.
NOW = 1000 * TICK_NS


class Clock:
    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


def lines(count: int) -> Truth:
    return Truth(np.full(count, 7, np.int64), np.zeros(count, np.int32), np.zeros(count, np.int8))


def logged(ends_ns: list[int], since_ns: int = NOW) -> LoggedPart:
    """Return the part of a worker whose lines, each of 7 bytes and 1 ns, ended at these moments."""
    clock = Clock()
    clock.ns = since_ns
    ticks, ledger = Ticks(clock), Ledger(VIEWS, ["repl"])
    log = TruthLog(ledger, ticks)
    for end_ns in ends_ns:
        clock.ns = end_ns + 1
        log.add(lines(1), np.full(1, EVALUATED, np.int8), [0.5], (), [end_ns - 1], [end_ns])
    clock.ns += 2 * TICK_NS
    log.close(clock.ns)
    return LoggedPart(log, since_ns)


def count(part: LoggedPart | KilledPart | ForkedTruth, begin_ns: int, end_ns: int) -> tuple[float, float]:
    ranges = part.between(begin_ns, end_ns)
    assert ranges is not None
    one = ranges.get(LINES_IN.name, {}).get(TAGS)
    return (0, 0) if one is None else (one.least[0], one.most[0])


class TestLogged:
    """A worker that handed over its log."""

    ENDS = tuple(range(NOW + TICK_NS // 2, NOW + 20 * TICK_NS, TICK_NS // 3))

    @pytest.mark.parametrize("begin_ns", range(NOW, NOW + 20 * TICK_NS, TICK_NS * 3 // 7))
    def test_the_truth_lies_between(self, begin_ns: int) -> None:
        """Lines that had ended before the page are certain but for some intervals' worth; later ones never are."""
        part, end_ns = logged(list(self.ENDS)), begin_ns + TICK_NS // 5
        least, most = count(part, begin_ns, end_ns)
        before, by_then = (sum(end <= moment for end in self.ENDS) for moment in (begin_ns, end_ns))
        assert least <= before
        assert most >= by_then
        assert least >= sum(end <= begin_ns - 2 * TICK_NS for end in self.ENDS)
        assert most <= sum(end <= end_ns + 2 * TICK_NS for end in self.ENDS)

    def test_after_the_end_it_is_exact(self) -> None:
        """A page asked for later shows every line."""
        end_ns = self.ENDS[-1] + 10 * TICK_NS
        assert count(logged(list(self.ENDS)), end_ns, end_ns + 1) == (len(self.ENDS), len(self.ENDS))

    def test_before_it_began_it_adds_nothing(self) -> None:
        """A worker that took another one's place was not there before."""
        since = NOW + 100 * TICK_NS
        assert count(logged([since + 10], since), NOW, NOW + TICK_NS) == (0, 0)


class TestKilled:
    """A worker of which only the end is known."""

    def part(self, doubtful: int) -> KilledPart:
        ledger = Ledger(VIEWS, ["repl"])
        ledger.add(lines(3), np.full(3, EVALUATED, np.int8), [0.5] * 3)
        return KilledPart(ledger, [dict.fromkeys((LINES_IN.name, LINE_LENGTHS.name), TAGS)] * doubtful, 100, 200)

    @pytest.mark.parametrize(
        ("begin_ns", "end_ns", "expected"), [(0, 50, (0, 0)), (90, 120, (0, 4)), (150, 250, (0, 4)), (200, 250, (3, 4))]
    )
    def test_its_lines_are_certain_once_it_was_gone(
        self, begin_ns: int, end_ns: int, expected: tuple[int, int]
    ) -> None:
        """Before that some or none, and the line at which it was killed never is."""
        assert count(self.part(1), begin_ns, end_ns) == expected

    def test_the_value_of_a_line_in_doubt_is_not_known(self) -> None:
        """It may be in any bucket and add anything to the sum."""
        ranges = self.part(1).between(300, 300)
        one = ranges[LINE_LENGTHS.name][TAGS]
        assert one.most[1] == math.inf
        assert one.most[2] == one.least[2] + 1
        assert self.part(0).between(300, 300)[LINE_LENGTHS.name][TAGS].most == one.least


@pytest.mark.parametrize("make", [lambda: logged([NOW + 10]), lambda: TestKilled().part(0)], ids=["logged", "killed"])
def test_the_page_of_all_is_their_sum(make: Callable[[], LoggedPart | KilledPart]) -> None:
    """Least and most of each worker are added up."""
    end_ns = NOW + 100 * TICK_NS
    alone = count(make(), end_ns, end_ns)
    assert count(ForkedTruth([make(), make()], VIEWS), end_ns, end_ns) == (2 * alone[0], 2 * alone[1])

"""Pages of a service that restarts, each compared with the truth of its own life."""

import numpy as np
import pytest

from harness.audit.findings import Finding, Name
from harness.expected import TruthOverLives
from harness.incidents.lives import Lives
from harness.load.recorder import EVALUATED
from harness.load.truth.ledger import Ledger
from harness.views import LINES_IN, QUICKSTART_VIEWS, Tags
from workloads.workload import Truth


class Pages:
    """Moments at which pages were begun and made, which the test adds."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.made: list[int] = []

    def at(self, *moments: int) -> None:
        self.begun += moments
        self.made += [moment + 1 for moment in moments]

    def take(self) -> tuple[list[int], list[int]]:
        taken = self.begun, self.made
        self.begun, self.made = [], []
        return taken


def send(lives: Lives, *ends: int) -> None:
    """Account for good lines that ended at these moments, each begun one before."""
    size = len(ends)
    truth = Truth(np.full(size, 5), np.zeros(size, dtype=np.int32), np.zeros(size, dtype=np.int8))
    outcomes = np.full(size, EVALUATED, dtype=np.int8)
    lives.add(truth, outcomes, [1.0] * size, [], [end - 1 for end in ends], list(ends))


@pytest.fixture
def lived() -> tuple[Lives, Ledger, Pages]:
    """Three lines, a page at 35, a restart at 40, two lines, a page at 65, the end at 70."""
    pages, total = Pages(), Ledger(QUICKSTART_VIEWS, ("repl",))
    lives = Lives(total, pages)
    send(lives, 10, 20, 30)
    pages.at(35)
    lives.renew(40)
    send(lives, 50, 60)
    pages.at(65)
    lives.close(70)
    return lives, total, pages


def lines(lives: Lives, begin_ns: int, end_ns: int) -> tuple[float, float] | None:
    known = lives.between(begin_ns, end_ns)
    if known is None:
        return None
    allowed = known[LINES_IN.name].get(Tags(), None)
    return (0, 0) if allowed is None else (allowed.least[0], allowed.most[0])


def test_a_page_is_compared_with_its_own_life(lived: tuple[Lives, Ledger, Pages]) -> None:
    """All of the first before the restart, all of the second at the end; the run's ledger has both."""
    lives, total, _ = lived
    assert isinstance(lives, TruthOverLives)
    assert lines(lives, 34, 37) == (3, 3)
    assert lines(lives, 64, 67) == (2, 2)
    assert (total.offered, lives.last.offered, list(lives.restarts_ns)) == (5, 2, [40])


def test_a_page_asked_for_across_a_restart_is_of_the_life_in_which_it_was_begun(
    lived: tuple[Lives, Ledger, Pages],
) -> None:
    """The endpoint knows when that was; where two were begun, nobody knows which one this is."""
    lives, _, _ = lived
    assert lines(lives, 34, 45) == (3, 3)
    assert lines(lives, 39, 67) == (2, 2)
    assert lines(lives, 34, 67) is None


def test_lines_that_no_page_showed_before_a_restart_are_counted() -> None:
    """None where the last page came after the last line."""
    pages, total = Pages(), Ledger(QUICKSTART_VIEWS, ("repl",))
    lives = Lives(total, pages)
    pages.at(15)
    send(lives, 10, 20, 30)
    lives.renew(40)
    send(lives, 50)
    pages.at(55)
    lives.renew(60)
    send(lives, 70)
    lives.close(80)
    assert lives.unseen() == [(1, 3), (2, 1)]
    assert lines(lives, 14, 17) == (1, 1)
    assert lines(lives, 54, 57) == (1, 1)
    assert lives.unseen() == [(1, 2)]


def test_findings_of_the_page_before_a_restart_say_which(lived: tuple[Lives, Ledger, Pages]) -> None:
    """By the number of the restart."""
    lives, _, _ = lived
    lives.renew(75, [Finding(Name.SERIES_MISSING, 1, {"view": "v"})])
    assert [finding.detail for finding in lives.findings] == [{"view": "v", "restart": 2}]


def test_lives_come_whole_out_of_their_state(lived: tuple[Lives, Ledger, Pages]) -> None:
    """As they travel from a worker to the coordinator."""
    lives, total, _ = lived
    lives.findings.append(Finding(Name.SERIES_MISSING, 1, {"view": "v", "restart": 1}))
    twin = Lives.from_state(total, lives.state())
    assert lines(twin, 34, 37) == (3, 3)
    assert lines(twin, 64, 67) == (2, 2)
    assert twin.unseen() == []
    assert twin.last.expected() == lives.last.expected()
    assert (twin.restarts_ns, twin.findings) == (lives.restarts_ns, lives.findings)

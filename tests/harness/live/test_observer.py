"""What reaches the page of a run, and what the run does when a button is pressed."""

import re
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import psutil
import pytest

from harness.errors import UsageError
from harness.live.feed import LivePage
from harness.live.observer import LiveObserver
from harness.live.state import MOST_PAGES
from tests.harness.live.feeding import SECOND_NS, Beside, client, events, page, snapshot, until


class Switch:
    """Notes what is switched on; refuses one kind."""

    kinds: Mapping[str, str] = {"stall": "The loop freezes.", "restart": "It starts anew."}

    def __init__(self) -> None:
        self.triggered: list[tuple[str, int]] = []

    def trigger(self, kind: str, duration_ns: int) -> None:
        if kind == "restart":
            raise UsageError("there is nothing to restart")
        self.triggered.append((kind, duration_ns))


def press(served: LivePage, path: str, body: Mapping[str, object]) -> None:
    with client(served) as asking:
        found = re.search(r'name="harness-token" content="([^"]+)"', asking.get("/").text)
        assert found is not None
        named = {"Origin": served.url.rstrip("/"), "X-Harness-Token": found[1]}
        assert asking.post(path, json=body, headers=named).status_code == 202


def test_everything_is_passed_on_to_the_page_and_the_other_observer() -> None:
    """Phases, lines for the user and snapshots; a point for each second, and one only."""
    beside = Beside()
    with page() as served, events(served) as stream:
        observer = LiveObserver(served, beside)
        observer.phase("waiting")
        observer.say("  serving http://127.0.0.1:8000/metrics")
        for second in (1, 1, 2):
            observer.progress(snapshot(second), 7, 1)
        stream.next("history")
        assert stream.next("phase") == "waiting"
        assert stream.next("note") == "waiting"
        assert stream.next("note") == "serving http://127.0.0.1:8000/metrics"
        seen = [stream.next("now"), stream.next("point"), stream.next("now"), stream.next("point")]
    assert beside.told == ["waiting", "  serving http://127.0.0.1:8000/metrics"]
    assert [each.offered for each in beside.snapshots] == [100, 100, 200]
    assert seen[0]["offered"] == 100
    assert seen[0]["errors"] == {"not_utf8": 1, "nul": 1}
    assert (seen[0]["scrapes"], seen[0]["failed_scrapes"]) == (7, 1)
    assert [each["t_ns"] for each in (seen[1], seen[3])] == [SECOND_NS, 2 * SECOND_NS]
    assert seen[1]["lag_p99_ns"] == 300_000


def test_the_page_is_told_once_a_second_and_misses_no_scrape() -> None:
    """What it costs the run is paid once a second; pages made between two messages are in the next one."""
    with page() as served, events(served) as stream:
        observer = LiveObserver(served, Beside())
        for fifth in range(11):
            at_ns = SECOND_NS + fifth * SECOND_NS // 5
            observer.progress(snapshot(1, elapsed_ns=at_ns, pages=[(at_ns - 1000, at_ns)]), 0, 0)
        told = [stream.next("now") for _ in range(3)]
    assert [each["elapsed_ns"] for each in told] == [SECOND_NS, 2 * SECOND_NS, 3 * SECOND_NS]
    assert [len(each["pages"]) for each in told] == [1, 5, 5]


def test_a_page_that_takes_nothing_costs_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest pages are told when it takes messages again, and no more than it would show."""
    told: list[Mapping[str, Any]] = []
    takes = False

    def tell(message: Mapping[str, Any], *, droppable: bool = False) -> bool:
        if takes:
            told.append(message)
        return takes

    with page() as served:
        monkeypatch.setattr(served, "tell", tell)
        observer = LiveObserver(served, Beside())
        for number in range(MOST_PAGES + 50):
            at_ns = number * SECOND_NS // 5
            observer.progress(snapshot(1, elapsed_ns=at_ns, pages=[(at_ns, at_ns + 1000)]), 0, 0)
        takes = True
        observer.progress(snapshot(1, elapsed_ns=at_ns + SECOND_NS, pages=[]), 0, 0)
    pages = told[0]["now"]["pages"]
    assert len(pages) == MOST_PAGES
    assert pages[-1] == [at_ns, at_ns + 1000]


def test_several_workers_have_a_row_each() -> None:
    """By their numbers, with the figures of each."""
    with page() as served, events(served) as stream:
        LiveObserver(served, Beside()).progress(
            snapshot(1, workers={1: snapshot(1, offered=60), 0: snapshot(1, offered=40)}), 2, 0
        )
        rows = stream.next("now")["workers"]
    assert [(each["number"], each["offered"]) for each in rows] == [(0, 40), (1, 60)]
    assert rows[0]["lag_p99_ns"] == 300_000


def test_seconds_of_two_workers_are_one_point() -> None:
    """Where the worst worker changes, the second that another one ends a moment later is no further point."""
    with page() as served, events(served) as stream:
        observer = LiveObserver(served, Beside())
        for second, until_ns in enumerate((SECOND_NS, SECOND_NS + 100_000_000, 2 * SECOND_NS), 1):
            recent = snapshot(second).recent
            assert recent is not None
            observer.progress(snapshot(second, recent={**recent, "until_ns": until_ns}), 0, 0)
        assert [stream.next("point")["t_ns"] for _ in range(2)] == [SECOND_NS, 2 * SECOND_NS]


def test_any_number_of_kinds_of_errors_stays_small() -> None:
    """A subject may raise what it likes: the most frequent twelve are shown."""
    errors = {f"Error{number}": number for number in range(1000)}
    with page() as served, events(served) as stream:
        LiveObserver(served, Beside()).progress(snapshot(1, errors=errors), 0, 0)
        shown = stream.next("now")["errors"]
    assert shown == {f"Error{number}": number for number in range(999, 987, -1)}


def test_a_button_switches_an_incident_on_between_two_lines() -> None:
    """The switch is asked when progress is told, and the page shows since when and until when."""
    switch, beside = Switch(), Beside()
    with page(kinds=switch.kinds) as served, events(served) as stream:
        observer = LiveObserver(served, beside, switch)
        press(served, "/incident", {"kind": "stall", "duration_ns": 10 * SECOND_NS})
        assert switch.triggered == []

        def triggered() -> bool:
            observer.progress(snapshot(3), 0, 0)
            return bool(switch.triggered)

        until(triggered, "incident")
        shown = stream.next("incident")
    assert switch.triggered == [("stall", 10 * SECOND_NS)]
    assert shown == {"kind": "stall", "begin_ns": 3 * SECOND_NS, "end_ns": 13 * SECOND_NS}
    assert beside.told == ["incident stall for 10 s, switched on from the live page"]


def test_an_incident_that_cannot_be_is_told_in_a_line() -> None:
    """The reason appears on the page and in the terminal, and the run goes on."""
    switch, beside = Switch(), Beside()
    with page(kinds=switch.kinds) as served, events(served) as stream:
        observer = LiveObserver(served, beside, switch)
        press(served, "/incident", {"kind": "restart", "duration_ns": SECOND_NS})

        def told() -> bool:
            observer.progress(snapshot(3), 0, 0)
            return bool(beside.told)

        until(told, "reason")
        assert stream.next("note") == "incident restart: there is nothing to restart"


@pytest.mark.parametrize("stoppable", [True, False])
def test_the_button_ends_what_may_be_ended(*, stoppable: bool) -> None:
    """A demo ends as by Ctrl-C; a run that is measured is not ended by whoever looks at it."""
    received: list[int] = []
    with ExitStack() as stack:
        before = signal.signal(signal.SIGINT, lambda number, _: received.append(number))
        stack.callback(signal.signal, signal.SIGINT, before)
        served = stack.enter_context(page(stoppable=stoppable))
        observer = LiveObserver(served, Beside(), stoppable=stoppable)
        press(served, "/close", {})
        for _ in range(50):
            observer.progress(snapshot(1), 0, 0)
    assert received == ([signal.SIGINT] if stoppable else [])


def test_a_page_that_dies_is_told_once_and_the_run_goes_on() -> None:
    """The other observer hears of it."""
    beside = Beside()
    with page() as served:
        observer = LiveObserver(served, beside)
        psutil.Process(served.pid).kill()

        def missed() -> bool:
            observer.progress(snapshot(1), 0, 0)
            return bool(beside.told)

        until(missed, "word of it")
        observer.progress(snapshot(2), 0, 0)
    assert beside.told == ["the live page's process has ended; the run goes on without it"]
    assert beside.snapshots[-1].offered == 200

"""The observer that shows a run on its live page, and carries out what the page's buttons ask for."""

import signal
from collections.abc import Mapping
from typing import Any, Protocol

from harness.errors import HarnessError
from harness.live.feed import LivePage
from harness.live.messages import now_message
from harness.live.state import MOST_PAGES
from harness.load.pump import Snapshot
from workloads.units import format_duration

__all__ = ["IncidentSwitch", "LiveObserver", "RunObserver"]

# How often the page is told how a run stands. Each time is a little work for the run, for the page's process, and for
# a browser that shares the cores with both; told five times a second, lines were measurably later, watched or not.
_EVERY_NS = 900_000_000


class IncidentSwitch(Protocol):
    """Whatever can make something go wrong on purpose while a run goes on."""

    def trigger(self, kind: str, duration_ns: int) -> object:
        """Begin an incident now, for so long; called between two lines, from the thread that sends them.

        Must return at once. Raises a `HarnessError` where it cannot.
        """


class RunObserver(Protocol):
    """Receiver of everything that a run or a demo tells."""

    def phase(self, text: str) -> None:
        """Receive what is being done while no lines are sent."""

    def say(self, text: str) -> None:
        """Receive one line for the user."""

    def progress(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None:
        """Receive the state of the run, from the driving thread."""


class LiveObserver:
    """Passes everything on to another observer and to a live page.

    `switch` is what the buttons for incidents act on; the page has buttons for the kinds it was made with. With
    `stoppable`, the page's button ends the run as Ctrl-C does.
    """

    def __init__(
        self, page: LivePage, beside: RunObserver, switch: IncidentSwitch | None = None, *, stoppable: bool = False
    ) -> None:
        self._page, self._beside, self._switch, self._stoppable = page, beside, switch, stoppable
        # The end of the last second that was told, and the moment of that, after the start.
        self._told_ns = 0
        self._told_at_ns: int | None = None
        # Pages made since then: begin and end.
        self._pages: dict[int, int] = {}
        self._missed = False

    def phase(self, text: str) -> None:
        """Receive what is being done while no lines are sent."""
        self._beside.phase(text)
        self._page.tell({"phase": text})

    def say(self, text: str) -> None:
        """Receive one line for the user."""
        self._beside.say(text)
        self._page.tell({"note": text.strip()})

    def progress(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None:
        """Receive the state of the run, and carry out what was asked for since the last time."""
        self._beside.progress(progress, scrapes, failed_scrapes)
        if self._page.gone:
            self._miss()
            return
        self._pages.update(progress.pages)
        # A page process that reads nothing takes no message, however long the run goes on.
        while len(self._pages) > MOST_PAGES:
            del self._pages[next(iter(self._pages))]
        if self._told_at_ns is None or progress.elapsed_ns - self._told_at_ns >= _EVERY_NS:
            self._tell_now(progress, scrapes, failed_scrapes)
        for wish in self._page.wishes():
            self._grant(wish, progress.elapsed_ns)

    def _tell_now(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None:
        message = now_message(progress, scrapes, failed_scrapes, self._told_ns, list(self._pages.items()))
        if self._page.tell(message, droppable=True):
            self._told_ns = message["now"].get("point", {}).get("t_ns", self._told_ns)
            self._told_at_ns = progress.elapsed_ns
            self._pages = {}

    def incident(self, kind: str, begin_ns: int, end_ns: int) -> None:
        """Mark an incident on the page; times are nanoseconds after the start of the run."""
        self._page.tell({"incident": {"kind": kind, "begin_ns": begin_ns, "end_ns": end_ns}})

    def _grant(self, wish: Mapping[str, Any], elapsed_ns: int) -> None:
        if "close" in wish and self._stoppable:
            signal.raise_signal(signal.SIGINT)
        elif "trigger" in wish and self._switch is not None:
            kind, duration_ns = wish["trigger"]["kind"], wish["trigger"]["duration_ns"]
            try:
                self._switch.trigger(kind, duration_ns)
            except HarnessError as error:
                self.say(f"incident {kind}: {error.text}")
                return
            self.say(f"incident {kind} for {format_duration(duration_ns)}, switched on from the live page")
            self.incident(kind, elapsed_ns, elapsed_ns + duration_ns)

    def _miss(self) -> None:
        if not self._missed:
            self._missed = True
            self._beside.say("the live page's process has ended; the run goes on without it")

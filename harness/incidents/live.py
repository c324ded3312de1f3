"""The incidents of a run while it goes on: scheduled ones, and those that are switched on meanwhile."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.incidents.service import AffectedService
from harness.incidents.triggers import Triggers
from harness.load.clock import Clock
from harness.load.driver import Evaluate
from workloads.incidents import KINDS, Incident, begun_by

if TYPE_CHECKING:
    from workloads.workload import Block, Workload

__all__ = ["LiveIncidents"]


# A restart takes no time, and is shown for this long: as often as progress is told of at the least.
_SHOWN_NS = 1_000_000_000


def _ignore(_incident: Incident) -> None:
    pass


class LiveIncidents:
    """Incidents as the loop around the driver meets them; see `harness.load.driver.Interventions`.

    One that was switched on begins now, or just after the last line that was sent was due, whichever is later: what is
    sent is then what a workload with that incident from the start would have sent, and its digest as well. `began` is
    called with each incident when it begins, from the driving thread.
    """

    def __init__(
        self,
        workload: "Workload",
        service: AffectedService,
        clock: Clock,
        block_lines: int,
        *,
        triggers: Triggers | None = None,
        began: Callable[[Incident], object] = _ignore,
    ) -> None:
        self._workload, self._service, self._clock, self._block_lines = workload, service, clock, block_lines
        self._triggers, self._began = triggers, began
        self._incidents: list[Incident] = list(begun_by(workload.spec.incidents, 1 << 62))
        self._ahead = list(self._incidents)
        self._start_ns = 0
        self.triggered: list[Incident] = []
        service.before_holding = self.announce

    def begin(self, start_ns: int) -> None:
        """Receive the moment from which due times count."""
        self._start_ns = start_ns
        self._service.begin(start_ns)
        if self._triggers is not None and self._workload.closed_loop:
            self._triggers.refuse("the load has no schedule")
        elif self._triggers is not None:
            self._triggers.allow()

    def announce(self) -> None:
        """Tell of each incident that has begun since the last call."""
        while self._ahead and self._ahead[0].start_ns <= self._elapsed_ns():
            self._began(self._ahead.pop(0))

    def poll(self) -> bool:
        """Note what has begun by now; return whether something was switched on."""
        self.announce()
        return self._triggers is not None and self._triggers.waiting

    def switch(self, line: int, due_ns: int) -> "Iterator[Block] | None":
        """Take in what was switched on; return the blocks from `line` on where the load is another one from there."""
        added = [] if self._triggers is None else self._triggers.take(max(self._elapsed_ns(), due_ns + 1))
        for incident in added:
            self._service.add(incident)
        self.triggered += added
        self._incidents += added
        self._ahead = sorted([*self._ahead, *added], key=lambda each: each.start_ns)
        shaping = [each for each in added if KINDS[each.kind].shapes_load]
        return self._workload.switch(shaping, line, self._block_lines) if shaping else None

    def evaluator(self, evaluate: Evaluate) -> Evaluate:
        """Return what evaluates the next lines: the REPL alone while nothing affects the service."""
        return self._service.evaluator(evaluate)

    def next_renewal_ns(self) -> int | None:
        """Return when, from the start, the next restart is due."""
        return self._service.next_restart_ns

    def take_held(self) -> Mapping[int, int]:
        """Return for how long (ns) calls of `evaluate` were held up since the last time, by number."""
        return self._service.take_held()

    def active(self) -> tuple[str, ...]:
        """Return the kinds of incident that are going on; a restart is named for a second afterwards."""
        at_ns = self._elapsed_ns()

        def goes_on(each: Incident) -> bool:
            lasts = each.duration_ns + (_SHOWN_NS if each.kind == "restart" else 0)
            return each.start_ns <= at_ns < each.start_ns + lasts

        return tuple(dict.fromkeys(each.kind for each in self._incidents if goes_on(each)))

    def happened(self, end_ns: int) -> Sequence[Incident]:
        """Return the incidents that had begun by `end_ns` from the start."""
        return begun_by(self._incidents, end_ns)

    def _elapsed_ns(self) -> int:
        return self._clock.now_ns() - self._start_ns

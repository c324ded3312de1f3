"""What evaluates the lines of a run with incidents: the REPL, its service and its instrument put together."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.incidents.live import LiveIncidents
from harness.incidents.renewal import RenewableInstrument
from harness.incidents.service import AffectedService
from harness.incidents.triggers import Triggers
from harness.instruments.base import Instrument
from harness.load.clock import Clock
from harness.load.driver import Evaluate
from harness.load.pump import BLOCK_LINES
from harness.load.stop import Stop
from harness.repl import Repl, TextSink
from workloads.incidents import Incident, of_kinds

if TYPE_CHECKING:
    from workloads.workload import Workload

__all__ = ["Use", "affected", "renewable"]

# Lets an instrument record from now on.
Use = Callable[[Instrument], object]


def renewable(
    first: Instrument,
    make: Callable[[], Instrument],
    incidents: tuple[Incident, ...],
    triggers: Triggers | None,
) -> RenewableInstrument | None:
    """Return what restarts need, None where there will be none; raises what making a second instrument meets.

    Where none is scheduled and a second instrument cannot be made, a restart cannot be switched on.
    """
    scheduled = bool(of_kinds(incidents, "restart"))
    if not scheduled and triggers is None:
        return None
    try:
        return RenewableInstrument(first, make)
    except HarnessError as error:
        if scheduled or triggers is None:
            raise
        triggers.exclude("restart", str(error))
        return None


def affected(
    workload: "Workload",
    instrument: Instrument,
    sink: TextSink,
    keep: Callable[[float], object],
    clock: Clock,
    stop: Stop,
    *,
    renewal: Callable[[Use], Callable[[], object]] | None = None,
    triggers: Triggers | None = None,
    began: Callable[[Incident], object] = lambda _incident: None,
) -> tuple[Evaluate, LiveIncidents | None]:
    """Return what evaluates a line, and the incidents of the run; without any, nothing stands before the REPL.

    `renewal` makes what is called at a restart, from what lets another instrument record; `began` is called with each
    incident when it begins. `keep` is the REPL's.
    """
    incidents = workload.spec.incidents
    if not incidents and triggers is None:
        return Repl(instrument, clock, sink, keep).evaluate, None
    service = AffectedService(clock, stop, sink, incidents)

    def use(successor: Instrument) -> None:
        service.use(Repl(successor, clock, service, keep).evaluate, Repl(successor, clock, sink, keep).evaluate)

    use(instrument)
    if renewal is not None:
        service.renew = renewal(use)
    live = LiveIncidents(workload, service, clock, BLOCK_LINES, triggers=triggers, began=began)
    return service.evaluate, live

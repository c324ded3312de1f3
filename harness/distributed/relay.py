"""Incidents that are switched on while several workers send one load."""

import time
from collections.abc import Callable

from harness.distributed.protocol.wire import Message
from harness.incidents.triggers import Triggers

__all__ = ["TriggerRelay"]

# From the moment an incident is switched on to its begin: workers hear of it between slices of a tenth of a second.
_INCIDENT_LEAD_NS = 500_000_000


class TriggerRelay:
    """Tells all workers of incidents that are switched on, early enough for each to begin it at the same time."""

    def __init__(
        self, triggers: Triggers | None, tell: Callable[[Message], object], start_ns: int, *, closed: bool
    ) -> None:
        self._triggers, self._tell, self._start_ns = triggers, tell, start_ns
        if triggers is not None and closed:
            triggers.refuse("the load has no schedule")
        elif triggers is not None:
            triggers.allow()

    def tell(self) -> None:
        """Tell of those switched on since the last call."""
        if self._triggers is not None and self._triggers.waiting:
            begin_ns = max(time.monotonic_ns() - self._start_ns, 0) + _INCIDENT_LEAD_NS
            for each in self._triggers.take(begin_ns):
                self._tell({"incident": [each.kind, each.start_ns, each.duration_ns]})

    def close(self) -> None:
        """Accept no more."""
        if self._triggers is not None:
            self._triggers.refuse("the run is over")

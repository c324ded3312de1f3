"""A way of recording that can be made about 5 % slower, for `check_load.py`.

One line of every `EVERY` is recorded again, into a second set of metrics that is not on the page: additional work of
the same kind, proportional to the cost of a line at any speed of the machine.
"""

import os

from prometheus_client.registry import CollectorRegistry

from harness.instruments.prometheus_client_ import PrometheusClientInstrument
from harness.views import Tags, View

__all__ = ["EVERY", "SLOWED", "Slowable", "Slower"]

# The environment variable that makes `Slowable` slower, and the number of lines per line recorded twice. Recording
# is about 95 % of a line's time here; the rest is the REPL.
SLOWED = "SLOWABLE_SUBJECT_SLOWED"
EVERY = 19
_NEVER = 2**62


class Slowable:
    """prometheus-client, with every 19th line recorded twice where `slowed`, or by default the environment, says so."""

    def __init__(self, views: tuple[View, ...], *, slowed: bool | None = None) -> None:
        slow = bool(os.environ.get(SLOWED)) if slowed is None else slowed
        self._main, self._beside = PrometheusClientInstrument(views), PrometheusClientInstrument(views)
        self._every = EVERY if slow else _NEVER
        self._countdown = self._every
        self.beside = 0

    @property
    def registry(self) -> CollectorRegistry:
        """The registry of the page, with each line once."""
        return self._main.registry

    def record(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Record one line."""
        self._main.record(latency_ms, length_bytes, tags)
        self._countdown -= 1
        if not self._countdown:
            self._countdown = self._every
            self.beside += 1
            self._beside.record(latency_ms, length_bytes, tags)

    def close(self) -> None:
        """Release both sets of metrics."""
        self._main.close()
        self._beside.close()


class Slower(Slowable):
    """The same, always slower."""

    def __init__(self, views: tuple[View, ...]) -> None:
        super().__init__(views, slowed=True)

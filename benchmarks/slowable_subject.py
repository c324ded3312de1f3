"""A way of recording that can be made slower by about a twentieth of itself, for `check_load.py`.

Every so many lines are recorded once more, into a second set of metrics that nobody looks at: more work of the same
kind, in proportion to a line's own whatever the machine's speed is, and nothing more on the page.
"""

import os

from prometheus_client.registry import CollectorRegistry

from harness.instruments.prometheus_client_ import PrometheusClientInstrument
from harness.views import Tags, View

__all__ = ["EVERY", "SLOWED", "Slowable", "Slower"]

# The environment variable that makes `Slowable` slower, and the number of lines for each one recorded twice. Recording
# is some 95 % of a line's time here, the rest is the REPL.
SLOWED = "SLOWABLE_SUBJECT_SLOWED"
EVERY = 19
_NEVER = 2**62


class Slowable:
    """prometheus-client, and every 19th line once more where the environment says so."""

    def __init__(self, views: tuple[View, ...], *, slowed: bool | None = None) -> None:
        chosen = bool(os.environ.get(SLOWED)) if slowed is None else slowed
        self._shown, self._beside = PrometheusClientInstrument(views), PrometheusClientInstrument(views)
        self._every = EVERY if chosen else _NEVER
        self._left = self._every
        self.beside = 0

    @property
    def registry(self) -> CollectorRegistry:
        """What is shown: each line once."""
        return self._shown.registry

    def record(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Record one line."""
        self._shown.record(latency_ms, length_bytes, tags)
        self._left -= 1
        if not self._left:
            self._left = self._every
            self.beside += 1
            self._beside.record(latency_ms, length_bytes, tags)

    def close(self) -> None:
        """Release both sets of metrics."""
        self._shown.close()
        self._beside.close()


class Slower(Slowable):
    """The same, always slower."""

    def __init__(self, views: tuple[View, ...]) -> None:
        super().__init__(views, slowed=True)

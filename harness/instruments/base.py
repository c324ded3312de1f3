"""The protocol of an instrument: three members, chosen when the object is built."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from harness.views import Tags, View

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry

__all__ = ["Instrument", "InstrumentFactory"]


@runtime_checkable
class Instrument(Protocol):
    """One way of recording the quickstart's metrics.

    `registry` is what the endpoint exposes. `record` is called once per line, from any thread the harness drives,
    with the latency in milliseconds (a non-negative float), the length in bytes and the line's tags; a refused line
    arrives with ``tags.status == "ERROR"`` and its kind in ``tags.error``, and counts in the errors view as well.
    `close` releases whatever was built and may be called twice.
    """

    @property
    def registry(self) -> "CollectorRegistry":
        """The registry whose metrics are exposed to scrapers."""

    def record(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Record one line."""

    def close(self) -> None:
        """Release everything this instrument holds."""


InstrumentFactory = Callable[[tuple[View, ...]], Instrument]

"""The instrument that records nothing: what every other one is compared with."""

from prometheus_client.registry import CollectorRegistry

from harness.views import Tags, View

__all__ = ["NoInstrument"]


class NoInstrument:
    """A true no-op with an empty page."""

    def __init__(self, views: tuple[View, ...]) -> None:
        del views
        self.registry = CollectorRegistry()

    def record(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

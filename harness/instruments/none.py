"""The instrument that records nothing: the base of comparisons."""

from functools import cached_property
from typing import TYPE_CHECKING

from harness.views import Tags, View

if TYPE_CHECKING:
    from prometheus_client.registry import CollectorRegistry

__all__ = ["NoInstrument"]


class NoInstrument:
    """A true no-op with an empty page; without the page no metrics library is imported."""

    def __init__(self, views: tuple[View, ...]) -> None:
        del views

    @cached_property
    def registry(self) -> "CollectorRegistry":
        """A registry with nothing in it."""
        from prometheus_client.registry import CollectorRegistry

        return CollectorRegistry()

    def record(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

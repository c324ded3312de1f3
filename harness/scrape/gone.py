"""Stops making a page whose client has gone away.

A scraper gives up after its timeout and asks again. If pages that nobody waits for were finished all the same, and one
takes longer than the interval, they would pile up without end: each slows the others down.
"""

import copy
import select
import socket
from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client.metrics_core import Metric

__all__ = ["ClientGoneError", "WatchedRegistry"]

# Writing so many samples takes some ten milliseconds; smaller pages are made as if nobody watched.
_EVERY = 1000

# The other side has closed its half of the connection, or all of it.
_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class ClientGoneError(Exception):
    """Nobody is left to take the page."""


class WatchedRegistry:
    """A registry that raises `ClientGoneError` while it is being written out, once `connection` is closed."""

    def __init__(self, registry: Any, connection: socket.socket | None) -> None:
        self._registry = registry
        self._connection = connection

    def collect(self) -> Iterator[Metric]:
        """Yield the registry's families."""
        since = 0
        for metric in self._registry.collect():
            since += len(metric.samples)
            if since > _EVERY:
                since = 0
                self._look()
            if len(metric.samples) > _EVERY:
                # A copy, since a collector may keep what it hands out.
                metric = copy.copy(metric)
                metric.samples = _Watched(metric.samples, self)
            yield metric

    def restricted_registry(self, names: Iterable[str]) -> "WatchedRegistry":
        """Return the part of it that holds these names."""
        return WatchedRegistry(self._registry.restricted_registry(names), self._connection)

    def _look(self) -> None:
        if self._connection is None:
            return
        poll = select.poll()
        poll.register(self._connection, _GONE)
        if any(event & _GONE for _, event in poll.poll(0)):
            raise ClientGoneError


class _Watched(list[Any]):
    """Samples that look for the client from time to time while they are gone through."""

    def __init__(self, samples: Iterable[Any], registry: WatchedRegistry) -> None:
        super().__init__(samples)
        self._registry = registry

    def __iter__(self) -> Iterator[Any]:
        for first in range(0, len(self), _EVERY):
            self._registry._look()  # noqa: SLF001 - a part of it
            yield from self[first : first + _EVERY]

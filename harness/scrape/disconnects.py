"""Pages abandoned when their client has gone away, and pages of the harness made without concurrent scrapes.

A scraper times out and scrapes again. If abandoned pages were finished nevertheless, and one takes longer than the
interval, they would accumulate without end: each slows the others down.
"""

import copy
import select
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client.metrics_core import Metric

__all__ = ["ClientGoneError", "PageTurns", "WatchedRegistry"]

# Writing so many samples takes some ten milliseconds; smaller pages are made as if nobody watched.
_EVERY = 1000

# The other side has closed its half of the connection, or all of it.
_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class ClientGoneError(Exception):
    """The client has closed its connection."""


# How long a scrape waits for the harness's own page before it looks whether anybody still waits for it.
_GLANCE_S = 0.1


class PageTurns:
    """Makes scrapes wait while the harness reads the page for itself.

    A scraper whose scrapes time out scrapes again at once, and would slow down the very page by which it is judged.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._own = 0

    @contextmanager
    def take(self, connection: socket.socket | None, *, own: bool) -> Iterator[None]:
        """Hold a turn: at once for the harness's `own` page, else when it has none; raises `ClientGoneError`."""
        with self._changed:
            if own:
                self._own += 1
            while self._own and not own:
                look_for_client(connection)
                self._changed.wait(_GLANCE_S)
        try:
            yield
        finally:
            if own:
                with self._changed:
                    self._own -= 1
                    self._changed.notify_all()


def look_for_client(connection: socket.socket | None) -> None:
    """Raise `ClientGoneError` when the other side has closed the connection."""
    if connection is None:
        return
    poll = select.poll()
    poll.register(connection, _GONE)
    if any(event & _GONE for _, event in poll.poll(0)):
        raise ClientGoneError


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
                look_for_client(self._connection)
            if len(metric.samples) > _EVERY:
                # A copy, since a collector may keep what it hands out.
                metric = copy.copy(metric)
                metric.samples = _Watched(metric.samples, self._connection)
            yield metric

    def restricted_registry(self, names: Iterable[str]) -> "WatchedRegistry":
        """Return the part of it that holds these names."""
        return WatchedRegistry(self._registry.restricted_registry(names), self._connection)


class _Watched(list[Any]):
    """Samples that check the client's connection from time to time while they are iterated."""

    def __init__(self, samples: Iterable[Any], connection: socket.socket | None) -> None:
        super().__init__(samples)
        self._connection = connection

    def __iter__(self) -> Iterator[Any]:
        for first in range(0, len(self), _EVERY):
            look_for_client(self._connection)
            yield from self[first : first + _EVERY]

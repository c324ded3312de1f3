"""The client `statsd` as an instrument: a datagram over UDP for each value, to a sink in another process."""

from typing import NamedTuple

from statsd import StatsClient

from harness.instruments.view_values import view_values
from harness.push.sink import SinkProcess
from harness.push.statsd import path_of
from harness.views import Tags, View

__all__ = ["StatsdInstrument"]


class _Paths(NamedTuple):
    """The names to send values under for one set of tags."""

    latency: tuple[str, ...]
    length: tuple[str, ...]
    line: tuple[str, ...]


class StatsdInstrument:
    """Sends a timing for each distribution and an increment for each counter.

    The protocol has no tags, so their values are part of the names, which are made once for each set of tags. A timing
    is the only kind of StatsD from which a sink makes a distribution, so lengths are sent as timings too.
    """

    pushes = True

    def __init__(self, views: tuple[View, ...]) -> None:
        self._values = view_values(views)
        self.sink = SinkProcess("udp", views)
        self.registry = self.sink.registry
        self._client = StatsClient(self.sink.address, self.sink.port)
        self._paths: dict[Tags, _Paths] = {}

    def record(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Record one line."""
        paths = self._paths.get(tags)
        if paths is None:
            paths = self._look_up(tags)
        client = self._client
        for name in paths.latency:
            client.timing(name, latency_ms)
        for name in paths.length:
            client.timing(name, length_bytes)
        for name in paths.line:
            client.incr(name)

    def _look_up(self, tags: Tags) -> _Paths:
        values = self._values
        tag_values = tags[: len(values.keys)] if tags.error else tags[: len(values.keys)][:2]
        counters = (*values.line, *(values.refused if tags.error else ()))
        paths = _Paths(*(tuple(path_of(family, tag_values) for family in families)
                         for families in (values.latency, values.length, counters)))  # fmt: skip
        return self._paths.setdefault(tags, paths)

    def close(self) -> None:
        """Close the client's socket and end the sink."""
        self._client.close()
        self.sink.close()

"""DogStatsD's client (package `datadog`) as an instrument, over UDP or a Unix socket, buffered or not."""

from datadog.dogstatsd.base import DogStatsd

from harness.instruments.view_values import view_values
from harness.push.sink import SinkProcess, Transport
from harness.views import TAG_KEYS, Tags, View

__all__ = [
    "BufferedDogstatsdInstrument",
    "BufferedUnixDogstatsdInstrument",
    "DogstatsdInstrument",
    "UnixDogstatsdInstrument",
]


class DogstatsdInstrument:
    """Sends a distribution or an increment for each view, with a list of tags made for each line.

    The client is used as it comes: no aggregation, telemetry of its own every ten seconds, and a socket on which it
    never waits, so that what the socket does not take at once is dropped. Without buffering each value is a datagram.
    """

    pushes = True
    _transport: Transport = "udp"
    _buffered = False

    def __init__(self, views: tuple[View, ...]) -> None:
        self._latency, self._length, self._line, self._refused, self._keys = view_values(views)
        self.sink = SinkProcess(self._transport, views)
        self.registry = self.sink.registry
        self._client = DogStatsd(
            host=self.sink.address,
            port=self.sink.port,
            socket_path=self.sink.path or None,
            disable_buffering=not self._buffered,
        )
        self.sink.attach(self._client.flush, lambda: self._client.packets_dropped)
        self._open = True
        if self._keys != TAG_KEYS:
            # Decided once, so that recording has no branch for it; and written out in full, since a call that both
            # ways shared would be measured as the library's.
            self.record = self._record_some  # type: ignore[method-assign]

    def record(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Record one line."""
        client, written = self._client, [f"method:{tags.method}", f"status:{tags.status}"]
        if tags.error:
            written.append(f"error:{tags.error}")
            for name in self._refused:
                client.increment(name, tags=written)
        for name in self._latency:
            client.distribution(name, latency_ms, tags=written)
        for name in self._length:
            client.distribution(name, length_bytes, tags=written)
        for name in self._line:
            client.increment(name, tags=written)

    def _record_some(self, latency_ms: float, length_bytes: int, tags: Tags, /) -> None:
        """Record one line where the views have the first few of its tags."""
        client = self._client
        written = [f"{key}:{value}" for key, value in zip(self._keys, tags, strict=False) if value]
        if tags.error:
            for name in self._refused:
                client.increment(name, tags=written)
        for name in self._latency:
            client.distribution(name, latency_ms, tags=written)
        for name in self._length:
            client.distribution(name, length_bytes, tags=written)
        for name in self._line:
            client.increment(name, tags=written)

    def close(self) -> None:
        """Stop the client, which sends what it still holds, and end the sink."""
        if self._open:
            self._open = False
            self._client.flush()
            # The only way to end the thread that sends the buffer.
            self._client.disable_buffering = True
            self._client.close_socket()
        self.sink.close()


class BufferedDogstatsdInstrument(DogstatsdInstrument):
    """Over UDP, with a buffer of 1 432 bytes that is sent when it is full, and every 0.3 s by a thread."""

    _buffered = True


class UnixDogstatsdInstrument(DogstatsdInstrument):
    """Over a Unix datagram socket, a datagram for each value."""

    _transport: Transport = "unix"


class BufferedUnixDogstatsdInstrument(UnixDogstatsdInstrument):
    """Over a Unix datagram socket, with a buffer of 8 192 bytes that is sent when it is full, and every 0.3 s."""

    _buffered = True

"""Decoder of StatsD and DogStatsD datagrams."""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote, unquote

from harness.push.arrived import ArrivedCount, ArrivedViews
from harness.views import TAG_KEYS, Tags

__all__ = ["DatagramDecoder", "path_of"]

_COUNTED = {"c"}
_DISTRIBUTED = {"ms", "h", "d"}
# What the client of DogStatsD says of itself, beside the values.
_TELEMETRY = "datadog.dogstatsd.client."


class _Series(Protocol):
    def add(self, value: float) -> None:
        """Add a value."""


class _Ignored:
    def add(self, value: float) -> None:
        """Ignore it: the metric is another's."""


def path_of(family: str, values: tuple[str, ...]) -> str:
    """Return the name of a series in plain StatsD, which has no tags: the family and the tags' values, with dots.

    What has a meaning of its own in the protocol is written as in addresses of the web, ``%2E`` for a dot.
    """
    return ".".join([family, *(quote(value, safe="").replace(".", "%2E") for value in values)])


class DatagramDecoder:
    """Adds the values of datagrams to `arrived`; metrics that are no view's are left out.

    `telemetry` has the sums of what DogStatsD's client says of itself, by name.
    """

    def __init__(self, arrived: ArrivedViews) -> None:
        self._arrived = arrived
        self._known: dict[tuple[bytes, bytes], _Series] = {}
        self._telemetry: dict[str, ArrivedCount] = {}

    @property
    def telemetry(self) -> Mapping[str, float]:
        """What the client has said of itself until now."""
        return {name: count.count for name, count in self._telemetry.items()}

    def take(self, datagram: bytes) -> None:
        """Add the values of one datagram; a line that is no metric counts as unreadable."""
        known = self._known
        for line in datagram.split(b"\n"):
            if not line:
                continue
            name, _, rest = line.partition(b":")
            value, _, kind = rest.partition(b"|")
            try:
                series = known.get((name, kind)) or self._look_up(name, kind)
                series.add(float(value))
            except ValueError:
                self._arrived.unreadable += 1

    def _look_up(self, name: bytes, kind: bytes) -> _Series:
        """Return the series of a metric; raises `ValueError` for what is none."""
        series = self._known[name, kind] = self._series(name.decode(), kind.decode())
        return series

    def _series(self, name: str, kind: str) -> _Series:
        written, *fields = kind.split("|")
        if name.startswith(_TELEMETRY):
            return self._telemetry.setdefault(name.removeprefix(_TELEMETRY), ArrivedCount())
        family, *values = name.split(".")
        if family not in self._arrived.bounds:
            return _Ignored()
        tags = dict(zip(TAG_KEYS, map(unquote, values), strict=False))
        for field in fields:
            if field.startswith("@"):
                raise ValueError("values that are sampled cannot be counted")
            if field.startswith("#"):
                tags |= {key: value for key, _, value in (tag.partition(":") for tag in field[1:].split(","))}
        series = self._arrived.series(family, Tags(*(tags.get(key, "") for key in TAG_KEYS)))
        if written not in (_COUNTED if isinstance(series, ArrivedCount) else _DISTRIBUTED):
            raise ValueError(f"{written!r} is not the kind of {family}")
        return series

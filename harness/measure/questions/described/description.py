"""The description of a service, as a user writes it: ``series=200,rate=2k,workers=4,scrape=15s``."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import GrammarError, UsageError
from workloads.units import format_exact_duration, parse_count, parse_duration_ns, parse_rate

__all__ = ["KEYS", "ServiceDescription", "parse_service"]

_EXAMPLE = "series=200,rate=2k,workers=4,scrape=15s"
# The library makes a page only so fast; below, a scrape would begin before the one before it ended.
_SHORTEST_SCRAPE_S, _LONGEST_SCRAPE_S = 0.01, 86_400.0
# Each worker has its own copy of every series, in multiprocess mode in files: some gigabytes beyond this.
_MOST_SERIES = 100_000
_MOST_WORKERS = 256
# The longest time that Prometheus waits for a page by default, and no longer than the interval.
_TIMEOUT_S = 10.0
_LONGEST_TEXT = 200


class ServiceDescription(BaseModel):
    """A service whose lines are recorded: its size, its load and how it is scraped."""

    model_config = ConfigDict(frozen=True)

    series: int = Field(1, description="number of tag sets that lines spread over, in each worker")
    rate: float = Field(1000.0, description="lines per second, all workers together")
    workers: int = Field(1, description="number of forked processes that share the lines; 1: not forked")
    scrape_s: float = Field(15.0, description="seconds between two scrapes")

    @property
    def worker_rate(self) -> float:
        """Lines per second in each worker."""
        return self.rate / self.workers

    @property
    def timeout_s(self) -> float:
        """Seconds that a scrape may take: Prometheus' default of 10 s, or the interval where that is shorter."""
        return min(_TIMEOUT_S, self.scrape_s)

    @property
    def text(self) -> str:
        """The description as a user writes it, with every key."""
        scrape = format_exact_duration(round(self.scrape_s * 1e9))
        return f"series={self.series},rate={self.rate:.12g}/s,workers={self.workers},scrape={scrape}"


@dataclass(frozen=True, slots=True)
class _Key:
    """A key: the field it sets, the parser of its value, the range and how the range is written."""

    field: str
    read: Callable[[str], Any]
    low: float
    high: float
    range: str


def _scrape_s(text: str) -> float:
    return parse_duration_ns(text) / 1e9


def _rate(text: str) -> float:
    return float(parse_rate(text))


KEYS: dict[str, _Key] = {
    "series": _Key("series", parse_count, 1, _MOST_SERIES, f"1 to {_MOST_SERIES}"),
    "rate": _Key("rate", _rate, 0.001, 1e9, "one line in 1000 s to a billion a second"),
    "workers": _Key("workers", parse_count, 1, _MOST_WORKERS, f"1 to {_MOST_WORKERS}"),
    "scrape": _Key("scrape_s", _scrape_s, _SHORTEST_SCRAPE_S, _LONGEST_SCRAPE_S, "10ms to 1d"),
}


def parse_service(text: str) -> ServiceDescription:
    """Return the service that a text describes; a key that is not given has its default.

    Raise `UsageError` of ``for``, one line that says what is wrong and what would be right.
    """
    if len(text) > _LONGEST_TEXT or not text.isprintable():
        raise _error(f"a description has at most {_LONGEST_TEXT} printable characters")
    values: dict[str, Any] = {}
    for part in text.split(","):
        key, value = _key_of(part)
        if key.field in values:
            raise _error(f"{part.partition('=')[0].strip()} is given twice")
        values[key.field] = value
    service = ServiceDescription(**values)
    if service.series * service.workers > _MOST_SERIES:
        written = f"{service.series} series in each of {service.workers} workers"
        raise _error(f"{written} are more than the {_MOST_SERIES} series in all that are measured")
    return service


def _key_of(part: str) -> tuple[_Key, Any]:
    """Return the key of one part of a description, and its value."""
    name, equals, value = (each.strip() for each in part.partition("="))
    if not equals or not name:
        what = f"{part.strip()!r} is not key=value" if part.strip() else "a key is missing"
        raise _error(f"{what}; write it like {_EXAMPLE}")
    key = KEYS.get(name)
    if key is None:
        close = difflib.get_close_matches(name.lower(), KEYS, n=1)
        hint = f", did you mean {close[0]!r}?" if close else ""
        raise _error(f"there is no key {name!r}{hint} (keys: {', '.join(KEYS)})")
    try:
        read = key.read(value)
    except GrammarError as error:
        raise _error(f"{name}: {error}") from None
    if not key.low <= read <= key.high:
        raise _error(f"{name}: {value!r} is out of range; it goes from {key.range}")
    return key, read


def _error(text: str) -> UsageError:
    return UsageError(text, field="for")

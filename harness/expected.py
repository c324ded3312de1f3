"""What a page must show when nothing was lost: count, sum and buckets of each series of each view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from harness.views import Tags

__all__ = ["Expected", "Range", "SeriesTruth", "TruthOverLives", "TruthOverTime"]


@dataclass(frozen=True, slots=True)
class SeriesTruth:
    """The truth about one series, exact.

    `buckets` holds the number of values in each bucket, not cumulated, by Prometheus' rule ``value <= bound``; one
    entry for each of the view's bounds and a last one for what lies above. `at_bound` holds, for each bound, how many
    values equal it: those that an exclusive rule moves up by one bucket. Both are empty for a view that only counts.
    `total` is the sum of the values, in the measure's unit.
    """

    count: int
    total: float
    buckets: tuple[int, ...] = ()
    at_bound: tuple[int, ...] = ()


# View name -> tags of the series -> its truth.
Expected = Mapping[str, Mapping[Tags, SeriesTruth]]


class Range(NamedTuple):
    """The least and the most that a page may show of one series at some time.

    Both hold the count; for a distribution also the sum, and for each bound of the view and for infinity the number of
    values up to it. The least of a bucket is by the exclusive rule ``value < bound``, the most by the inclusive one.
    """

    least: Sequence[float]
    most: Sequence[float]


class TruthOverTime(Protocol):
    """The truth at the moments when pages were made; all times in ``time.monotonic_ns``."""

    def between(self, begin_ns: int, end_ns: int) -> Mapping[str, Mapping[Tags, Range]] | None:
        """Return what a page asked for at `begin_ns` and received by `end_ns` may show, by view and tags.

        Series of which nothing may be shown yet are left out. None where it is no longer known. Quick when it is asked
        for one page after the other.
        """


@runtime_checkable
class TruthOverLives(TruthOverTime, Protocol):
    """The truth about a service that was restarted while it was looked at."""

    @property
    def restarts_ns(self) -> Sequence[int]:
        """When it restarted, in ``time.monotonic_ns``."""

    def unseen(self) -> Sequence[tuple[int, int]]:
        """Return the number of each restart, from 1, before which lines were on no page asked for, and of the lines."""

"""What a page must show when nothing was lost: the true count, sum and buckets of each series of each view."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.views import Tags

__all__ = ["Expected", "SeriesTruth"]


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

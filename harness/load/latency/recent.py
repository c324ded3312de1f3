"""Percentiles of about the last second of a run, for whoever watches it."""

from typing import TypedDict

from harness.load.recorder import Timings

__all__ = ["Recent", "RecentPercentiles"]

_SECOND_NS = 1_000_000_000
_PERCENTS = (50.0, 99.0)


class Recent(TypedDict):
    """Percentiles in nanoseconds of the lines of about one second, which ended `until_ns` after the run's start.

    None where there were no lines. Of fewer than 100 lines the p99 is the longest.
    """

    until_ns: int
    lag_p50_ns: int | None
    lag_p99_ns: int | None
    service_p50_ns: int | None
    service_p99_ns: int | None
    response_p50_ns: int | None
    response_p99_ns: int | None


class RecentPercentiles:
    """Computes them once a second, from what the histograms have gained since the second before."""

    def __init__(self, timings: Timings) -> None:
        self._timings = timings
        self._since_ns = 0
        self._last: Recent | None = None
        self._copy()

    def _copy(self) -> None:
        timings = self._timings
        self._before = [each.reached() for each in (timings.lag, timings.service, timings.response)]

    def at(self, elapsed_ns: int) -> Recent | None:
        """Return the percentiles of the last second that was complete `elapsed_ns` after the start, None before."""
        if elapsed_ns - self._since_ns < _SECOND_NS:
            return self._last
        timings = self._timings
        lag, service, response = (
            each.percentiles_since(before, _PERCENTS)
            for each, before in zip((timings.lag, timings.service, timings.response), self._before, strict=True)
        )
        self._last = Recent(
            until_ns=elapsed_ns,
            lag_p50_ns=lag[50],
            lag_p99_ns=lag[99],
            service_p50_ns=service[50],
            service_p99_ns=service[99],
            response_p50_ns=response[50],
            response_p99_ns=response[99],
        )
        self._since_ns = elapsed_ns
        self._copy()
        return self._last

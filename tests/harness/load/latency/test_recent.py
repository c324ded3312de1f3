"""The percentiles of the last second are those of its lines alone."""

import numpy as np

from harness.load.latency.recent import RecentPercentiles
from harness.load.recorder import Timings

SECOND_NS = 1_000_000_000


def test_each_second_has_the_percentiles_of_its_own_lines() -> None:
    """A slow second does not reach into the next one, and what is between two seconds is the last one's."""
    timings = Timings()
    recent = RecentPercentiles(timings)
    assert recent.at(SECOND_NS // 2) is None
    for second, times in enumerate(([100] * 98 + [900] * 2, [50_000_000] * 10, [200] * 1000), start=1):
        for histogram in (timings.lag, timings.service, timings.response):
            histogram.record(np.array(times, dtype=np.int64))
        at = recent.at(second * SECOND_NS)
        assert at is not None
        assert at["until_ns"] == second * SECOND_NS
        expected = sorted(times)
        for name in ("lag", "service", "response"):
            p50, p99 = at[f"{name}_p50_ns"], at[f"{name}_p99_ns"]  # type: ignore[literal-required]
            assert abs(p50 - expected[len(times) // 2 - 1]) <= p50 / 1000
            assert abs(p99 - expected[int(len(times) * 0.99) - (len(times) >= 100)]) <= p99 / 1000
        assert recent.at(second * SECOND_NS + SECOND_NS // 2) is at


def test_a_second_without_lines_has_no_percentiles() -> None:
    """None, and not the figures of earlier lines."""
    timings = Timings()
    recent = RecentPercentiles(timings)
    timings.lag.record(np.array([5], dtype=np.int64))
    recent.at(SECOND_NS)
    at = recent.at(2 * SECOND_NS)
    assert at is not None
    assert at["lag_p99_ns"] is None
    assert at["service_p50_ns"] is None

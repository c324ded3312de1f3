"""The age of the newest value at a sink, for arrivals whose ages can be worked out by hand."""

from bisect import bisect_right

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.push.age import Ages, ages


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        # Nothing arrives: the age grows from 0 to the length of the run.
        ([], Ages(p50=50, p99=99, max=100, mean=50)),
        # Every 20, read as soon as it is sent: a saw between 0 and 20.
        ([(20, 20), (40, 40), (60, 60), (80, 80)], Ages(p50=10, p99=19.8, max=20, mean=10)),
        # The same, but each takes 10: from 0 to 30 before the first has arrived, and then from 10 to 30.
        ([(20, 30), (40, 50), (60, 70), (80, 90)], Ages(p50=18, p99=29.75, max=30, mean=18)),
        # What was sent before the run is nothing of it, and neither is what arrives after it.
        ([(-50, -40), (90, 120)], Ages(p50=50, p99=99, max=100, mean=50)),
        # One that is overtaken by a newer one makes nothing older.
        ([(50, 60), (40, 70)], Ages(p50=30, p99=59, max=60, mean=30)),
    ],
    ids=["nothing", "at once", "delayed", "outside", "overtaken"],
)
def test_ages_are_those_of_a_saw(arrivals: list[tuple[int, int]], expected: Ages) -> None:
    """Shares of the time, not of the values: each tooth counts for as long as it lasts."""
    found = ages(arrivals, 0, 100)
    for name in ("p50", "p99", "max", "mean"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name))


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 300)), max_size=20))
def test_quantiles_and_mean_are_those_of_every_moment(sent: list[tuple[int, int]]) -> None:
    """Compared with the age at thousands of moments, each looked at by itself."""
    arrivals = sorted(((moment, moment + delay) for moment, delay in sent), key=lambda pair: pair[1])
    found = ages(arrivals, 0, 1000)
    moments = [i + 0.25 for i in range(1000)] + [i + 0.75 for i in range(1000)]
    every = sorted(now - max([0, *(s for s, r in arrivals if r <= now)]) for now in moments)
    for share, age in ((0.5, found.p50), (0.99, found.p99)):
        below, upto = bisect_right(every, age - 1), bisect_right(every, age + 1)
        assert below / len(every) <= share + 1e-9
        assert upto / len(every) >= share - 1e-9
    assert found.max == pytest.approx(every[-1], abs=0.5)
    assert found.mean == pytest.approx(sum(every) / len(every), abs=0.5)


def test_a_run_that_took_no_time_has_no_ages() -> None:
    """There is no moment at which a value could be old."""
    with pytest.raises(ValueError, match="took some time"):
        ages([], 5, 5)

"""How the snapshots of several workers become one."""

from harness.run.workers import joined
from tests.harness.live.feeding import snapshot


def test_totals_are_added_and_percentiles_are_those_of_the_worst() -> None:
    """Lines, failures by kind, rates and pages are those of all; each worker's own snapshot stays beside them."""
    calm = snapshot(3, errors={"nul": 2}, pages=[(1, 2)])
    busy = snapshot(2, lag_p99_ns=9_000_000, errors={"nul": 1, "OSError": 4}, pages=[(3, 4)])
    whole = joined({0: calm, 1: busy})
    assert (whole.offered, whole.failed, whole.rate, whole.target_rate) == (500, 10, 198.0, 200.0)
    assert whole.errors == {"nul": 3, "OSError": 4}
    assert whole.pages == [(1, 2), (3, 4)]
    assert whole.elapsed_ns == calm.elapsed_ns
    assert (whole.worst_worker, whole.lag_p99_ns, whole.recent) == (1, 9_000_000, busy.recent)
    assert whole.workers == {0: calm, 1: busy}


def test_one_worker_is_itself() -> None:
    """Without others there is no worst one, and no row for each."""
    whole = joined({0: snapshot(3)})
    assert (whole.worst_worker, whole.workers) == (None, {})

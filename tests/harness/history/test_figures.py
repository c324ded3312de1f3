"""Which figures of a result are one series over time."""

from harness.history.figures import metrics_of
from harness.run.result import IncidentResult
from tests.harness.report.run_samples import run_result


def test_a_run_with_incidents_is_compared_with_its_like_only() -> None:
    """Incidents that act on the service leave the digest as it was, and make the latencies others."""
    plain = run_result().document()
    earlier = {key: value for key, value in plain.items() if key != "incidents"}
    slow = run_result(incidents=[IncidentResult(kind="slow", start_ns=5, duration_ns=7)]).document()
    keys, old, other = ({figure.key for figure in metrics_of("run", each)} for each in (plain, earlier, slow))
    assert keys == old
    assert keys
    assert not keys & other
    assert all(key.endswith(" incidents=slow@5+7") for key in other)

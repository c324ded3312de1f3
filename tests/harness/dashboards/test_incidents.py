"""The alerts in the incidents that they are for."""

from pathlib import Path

import pytest

from tests.harness.dashboards.test_on_prometheus import demo
from workloads.incidents import KINDS

# Far enough from each other that what one leaves, such as a queue, is gone before the next.
INCIDENTS = (
    "flood@10s+20s", "errors@55s+15s", "long-lines@85s+15s", "slow@115s+20s", "silence@150s+10s", "series@170s+15s",
    "restart@200s",
)  # fmt: skip
PATIENCE_S = 300.0


@pytest.mark.slow
@pytest.mark.prometheus
def test_the_alerts_of_each_incident_fire(tmp_path: Path) -> None:
    """Every alert that an incident announces fires in a demo that has the incident."""
    kinds = {incident.partition("@")[0] for incident in INCIDENTS}
    expected = {alert for kind in kinds for alert in KINDS[kind].alerts}
    assert expected == {alert for kind in KINDS.values() for alert in kind.alerts}
    flags = [word for incident in INCIDENTS for word in ("--incident", incident)]
    with demo(tmp_path, *flags, "--arrivals", "constant:40") as prometheus:
        prometheus.wait_for_alerts(expected, PATIENCE_S)

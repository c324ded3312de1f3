"""Each way of recording in front of the harness's own judge: what the audit finds, and what it does not."""

import pytest

from harness.audit.audit import Audit, audit
from harness.audit.findings import Name
from harness.instruments import create
from harness.load.driver import BURST
from harness.load.pump import drive_workload
from harness.load.truth.ledger import Ledger
from harness.repl import Repl
from harness.scrape.endpoint import serve
from harness.views import QUICKSTART_VIEWS
from tests.fakes import FakeClock
from workloads.workload import Workload, WorkloadSpec

# Nobody scrapes here, and promtool may not be installed.
NO_FAULT = {Name.NOT_STORED, Name.PROMTOOL_MISSING}


class _Nowhere:
    def write(self, text: str, /) -> None:
        pass


def audited(name: str) -> Audit:
    """Send lines whose lengths meet every bound, of several series, some refused, and audit the page."""
    workload = Workload(WorkloadSpec(lengths="edges", errors="10%", series="5", count=600))
    instrument, clock, latencies_ms = create(name, QUICKSTART_VIEWS), FakeClock(), list[float]()
    ledger = Ledger(QUICKSTART_VIEWS, workload.methods)
    repl = Repl(instrument, clock, _Nowhere(), keep=latencies_ms.append)
    drive_workload(workload.blocks(100), repl.evaluate, ledger, clock, BURST, latencies_ms=latencies_ms)
    with serve(instrument.registry) as endpoint:
        found = audit(ledger.expected(), QUICKSTART_VIEWS, endpoint.page())
    instrument.close()
    return found


@pytest.mark.parametrize(
    "name",
    [
        "opencensus-lean",
        "prometheus-client",
        "prometheus-client-cached",
        "prometheus-client-multiprocess",
        "opentelemetry",
        "reference",
    ],
)
def test_the_audit_finds_nothing(name: str) -> None:
    """Every count, bucket and sum equals the ledger's, and the page is as it should be; promtool may be missing."""
    found = audited(name)
    assert {finding.name for finding in found.findings} <= NO_FAULT


def test_the_audit_of_opencensus_finds_what_it_gets_wrong_and_no_lost_line() -> None:
    """No count is lost; lengths on a bound are a bucket too high, and the page repeats itself."""
    found = audited("opencensus")
    assert found.conserved
    names = {finding.name for finding in found.findings} - NO_FAULT
    assert {Name.BUCKET_BOUND_EXCLUSIVE, Name.HELP_TYPE_REPEATED} <= names

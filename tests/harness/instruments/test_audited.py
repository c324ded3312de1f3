"""Each way of recording in front of the harness's own judge: what the audit finds, and what it does not."""

import pytest

from harness.audit.audit import Audit, audit
from harness.audit.findings import Name
from harness.instruments import BUILT_IN, create
from harness.load.driver import BURST
from harness.load.pump import drive_workload
from harness.load.truth.ledger import Ledger
from harness.repl import Repl
from harness.scrape.endpoint import serve
from harness.views import QUICKSTART_VIEWS, Tags
from tests.fakes import FakeClock
from workloads.workload import Workload, WorkloadSpec

# Nobody scrapes here, and promtool may not be installed.
NO_FAULT = {Name.NOT_STORED, Name.PROMTOOL_MISSING, Name.PUSHED}


class _Nowhere:
    def write(self, text: str, /) -> None:
        pass


def audited(name: str, errors: str = "10%", series: str = "5", count: int = 600) -> Audit:
    """Send lines whose lengths meet every bound, of several series, some refused, and audit the page."""
    workload = Workload(WorkloadSpec(lengths="edges", errors=errors, series=series, count=count))
    instrument, clock, latencies_ms = create(name, QUICKSTART_VIEWS), FakeClock(), list[float]()
    ledger = Ledger(QUICKSTART_VIEWS, workload.methods)
    repl = Repl(instrument, clock, _Nowhere(), keep=latencies_ms.append)
    sink = getattr(instrument, "sink", None)

    def evaluate(line: str, tags: Tags) -> object:
        result = repl.evaluate(line, tags)
        if sink is not None:
            sink.settle()  # no buffer of a system holds all of them
        return result

    drive_workload(workload.blocks(100), evaluate, ledger, clock, BURST, latencies_ms=latencies_ms)
    with serve(instrument.registry) as endpoint:
        found = audit(ledger.expected(), QUICKSTART_VIEWS, endpoint.page())
    instrument.close()
    return found


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name not in {"none", "opencensus"}])
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


def test_series_beyond_the_default_limit_are_folded_into_one_and_counted() -> None:
    """A finding for each view that has so many series, with their number and values; nothing else is wrong."""
    found = audited("opentelemetry-default-limit", errors="0", series="2400", count=6_000)
    assert found.conserved is False
    folded = [finding for finding in found.findings if finding.name is Name.SERIES_FOLDED]
    assert {finding.detail["view"] for finding in folded} == {"demo_latency", "demo_lines_in", "demo_line_lengths"}
    assert len({finding.size for finding in folded}) == 1
    assert all(0 < finding.size < finding.detail["values"] <= 4_000 for finding in folded)
    assert {finding.name for finding in found.findings} - NO_FAULT == {Name.SERIES_FOLDED}

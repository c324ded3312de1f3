"""Every line is accounted for, whatever incident happens: real runs with real pages and processes."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from harness.audit.bounds import BoundsChecker
from harness.distributed.choose import open_workers
from harness.errors import UsageError
from harness.exposition.page import Shown
from harness.incidents.triggers import Triggers
from harness.instruments.prometheus_client_ import PrometheusClientInstrument
from harness.load.pump import Snapshot
from harness.run.execute import execute
from harness.run.result import RunResult
from harness.run.shard import workload_of
from harness.run.spec import RunSpec
from harness.run.workers import Single, Workers
from harness.views import LINES_IN, QUICKSTART_VIEWS
from tests.harness.run.broken import Right
from workloads.incidents import KINDS, Incident

pytestmark = pytest.mark.system

S = 10**9
# Slow enough for any machine: what is looked at is what arrives, not how fast.
LOAD = {
    "arrivals": "constant:rate=100",
    "errors": "5%",
    "instrument": "prometheus-client",
    "scraper": "builtin",
    "scrape_interval": "100ms",
    "max_lag": "1h",
    "duration": "1200ms",
}
HERE = f"{__name__}:"


class Quiet:
    """Says nothing; what `heard` does, it does at each progress."""

    def __init__(self, heard: Callable[[Snapshot], object] = lambda _snapshot: None) -> None:
        self.heard = heard
        self.active: set[str] = set()

    def phase(self, text: str) -> None:
        pass

    def progress(self, progress: Snapshot, scrapes: int, failed_scrapes: int) -> None:
        self.active.update(progress.incidents)
        self.heard(progress)


def run(*incidents: str, **more: Any) -> RunResult:
    return execute(RunSpec(**{**LOAD, "incidents": incidents, **more}), Quiet())


class Pages:
    """The pages that were compared, in order, by when they were asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pages: list[tuple[int, Shown]] = []
        observe = BoundsChecker.observe

        def watched(checker: BoundsChecker, begin_ns: int, end_ns: int, shown: Shown) -> None:
            self.pages.append((begin_ns, shown))
            observe(checker, begin_ns, end_ns, shown)

        monkeypatch.setattr(BoundsChecker, "observe", watched)

    def lines_of_each_life(self) -> list[float]:
        """Return the lines on the last page of each life: a page with fewer of them than the one before begins one."""
        lives = [0.0]
        for _, shown in self.pages:
            lines = sum(series.count or 0.0 for series in shown[LINES_IN.name].values())
            if lines < lives[-1]:
                lives.append(lines)
            lives[-1] = lines
        return lives


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_with_an_incident_of_each_kind_is_conserved(kind: str) -> None:
    """Page, store and every scrape equal the ledger, the result lists the incident, and the digest is the spec's."""
    result = run(f"{kind}@300ms+300ms")
    assert result.audit.outcome == "conserved"
    assert [(each.kind, each.start_ns, each.duration_ns, each.triggered) for each in result.incidents] == [
        (kind, 3 * S // 10, 3 * S // 10, False)
    ]
    workload = workload_of(result.spec)
    for _ in workload.blocks():
        pass
    assert result.workload.digest == workload.digest
    assert result.ledger.offered == workload.total
    assert result.ledger.raised == {}


def test_stored_counts_over_all_lives_equal_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two restarts: the last pages of the three lives together have every line, and no scrape is complained about."""
    pages = Pages(monkeypatch)
    result = run("restart@300ms", "restart@800ms")
    lives = pages.lines_of_each_life()
    assert len(lives) == 3
    assert min(lives) > 0
    assert sum(lives) == result.ledger.offered == 120
    assert result.audit.outcome == "conserved"
    assert result.audit.findings == []


@pytest.mark.prometheus
@pytest.mark.slow
def test_prometheus_stores_every_line_of_both_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real server, an errors series that the second life has again, and the quickstart's own library."""
    pages = Pages(monkeypatch)
    result = run("restart@600ms", scraper="prometheus", errors="20%", instrument="opencensus")
    lives = pages.lines_of_each_life()
    assert len(lives) == 2
    assert sum(lives) == result.ledger.offered
    assert result.audit.outcome == "conserved"
    assert not {finding.name for finding in result.audit.findings} & {"counter_decreased", "series_vanished"}


@pytest.mark.slow
def test_workers_restart_each_for_itself() -> None:
    """Their lives come over the wire, and the union is the load of one."""
    spec = RunSpec(**{**LOAD, "incidents": ("restart@400ms", "series@600ms+300ms"), "workers": 2})
    result = execute(spec, Quiet(), open_workers)
    assert result.audit.outcome == "conserved"
    assert not any("other lines" in reason for reason in result.reasons)
    whole = workload_of(spec)
    for _ in whole.blocks():
        pass
    assert result.workload.digest == whole.digest
    assert [each.kind for each in result.incidents] == ["restart", "series"]


class LosesInItsFirstLife(Right):
    """Forgets one line, in the first instrument that a process builds."""

    built = 0

    def __init__(self, views: Any) -> None:
        super().__init__(views)
        type(self).built += 1
        self._left = 1 if self.built == 1 else 0

    def record(self, latency_ms: float, length_bytes: int, tags: Any, /) -> None:
        if self._left:
            self._left -= 1
            return
        super().record(latency_ms, length_bytes, tags)


def test_a_line_lost_before_a_restart_is_found() -> None:
    """Though the page at the end knows nothing of it."""
    LosesInItsFirstLife.built = 0
    result = run("restart@600ms", instrument=f"{HERE}LosesInItsFirstLife")
    assert result.audit.outcome == "not_conserved"
    details = [each.detail for each in result.audit.findings if each.name == "count_mismatch"]
    assert details
    assert all(detail.startswith("restart 1: counts differ from the ledger by 1") for detail in details)
    assert "scrape_behind" in {each.name for each in result.audit.findings}


class StartsAnewByItself(Right):
    """Loses all that it has at its thirtieth line."""

    def wrong(self, latency_ms: float, length_bytes: int, tags: Any) -> None:
        if self.lines == 30:
            self.inner = PrometheusClientInstrument(QUICKSTART_VIEWS)
        super().wrong(latency_ms, length_bytes, tags)


def test_a_reset_that_no_restart_explains_is_found() -> None:
    """However many restarts there are besides."""
    result = run("restart@600ms", instrument=f"{HERE}StartsAnewByItself")
    assert result.audit.outcome == "not_conserved"
    assert {"count_mismatch", "scrape_behind"} <= {each.name for each in result.audit.findings}


class OnlyOne(Right):
    """Cannot be built a second time."""

    built = 0

    def __init__(self, views: Any) -> None:
        type(self).built += 1
        if self.built > 1:
            raise ValueError("one is enough")
        super().__init__(views)


def test_an_instrument_that_cannot_be_built_twice_cannot_restart() -> None:
    """The run says so before it begins."""
    OnlyOne.built = 0
    with pytest.raises(Exception, match="one is enough"):
        run("restart@600ms", instrument=f"{HERE}OnlyOne")


def test_without_a_scraper_the_page_before_the_restart_is_compared() -> None:
    """Nothing is stored, and nothing is waited for."""
    result = run("restart@600ms", scraper="none")
    assert result.audit.outcome == "conserved"
    assert {each.name for each in result.audit.findings} == {"not_stored"}


def test_a_stall_makes_a_run_invalid_and_the_reason_names_it() -> None:
    """By the bound of the lag, from whatever cause."""
    result = run("stall@300ms+500ms", max_lag="100ms")
    assert result.verdict == "invalid"
    assert any("the incident stall@300ms+500ms held lines up" in reason for reason in result.reasons)
    assert result.schedule is not None
    assert result.schedule.lost["incident"] > 0


def triggered(
    kinds: Sequence[str], opening: Callable[[RunSpec, Triggers], Workers] = Single, **more: Any
) -> tuple[RunResult, list[str]]:
    """Run, and switch on each kind once from another thread, when it is first heard of; return the refusals too."""
    triggers, refused = Triggers(), list[str]()
    assert triggers.kinds == ()

    def switch_on() -> None:
        for kind in kinds:
            try:
                triggers.trigger(kind, S // 5)
            except UsageError as error:
                refused.append(str(error))

    thread = threading.Thread(target=switch_on, daemon=True)

    def heard(_snapshot: Snapshot) -> None:
        if thread.ident is None:
            thread.start()
            thread.join(30)

    result = execute(RunSpec(**{**LOAD, **more}), Quiet(heard), lambda given: opening(given, triggers))
    with pytest.raises(UsageError, match="the run is over"):
        triggers.trigger("stall", S)
    assert triggers.kinds == ()
    return result, refused


@pytest.mark.slow
@pytest.mark.parametrize("kinds", [[kind] for kind in KINDS] + [list(KINDS)], ids=lambda kinds: "+".join(kinds)[:12])
def test_an_incident_that_is_switched_on_is_recorded_and_its_load_is_exact(kinds: list[str]) -> None:
    """Digest and counts are those of a spec that had it at its real start, and every line is accounted for."""
    result, refused = triggered(kinds)
    assert not refused
    assert sorted(each.kind for each in result.incidents) == sorted(kinds)
    assert all(each.triggered and 0 <= each.start_ns < 12 * S // 10 for each in result.incidents)
    happened = [Incident(each.kind, each.start_ns, each.duration_ns) for each in result.incidents]
    workload = workload_of(result.spec, happened)
    lines = sum(len(block.lines) for block in workload.blocks())
    assert result.workload.digest == workload.digest
    assert result.ledger.offered == lines
    assert result.audit.outcome == "conserved"


@pytest.mark.slow
def test_workers_begin_what_is_switched_on_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The union is the load of one, digest included, and each worker restarts for itself."""
    # However busy the machine is, each worker hears of it in time.
    monkeypatch.setattr("harness.distributed.relay._INCIDENT_LEAD_NS", 2 * S)
    kinds = ["flood", "errors", "series", "restart", "stall"]
    result, refused = triggered(kinds, open_workers, workers=2, duration="4s")
    assert not refused
    assert sorted(each.kind for each in result.incidents) == sorted(kinds)
    happened = [Incident(each.kind, each.start_ns, each.duration_ns) for each in result.incidents]
    workload = workload_of(result.spec, happened)
    assert result.ledger.offered == sum(len(block.lines) for block in workload.blocks())
    assert result.workload.digest == workload.digest
    assert not any("other lines" in reason for reason in result.reasons)
    assert result.audit.outcome == "conserved"


def test_what_goes_on_is_part_of_the_progress() -> None:
    """Whoever shows how the run stands can name it."""
    quiet = Quiet()
    execute(RunSpec(**{**LOAD, "incidents": ("errors@0s+1h",)}), quiet)
    assert quiet.active == {"errors"}


def test_a_restart_that_cannot_be_made_cannot_be_switched_on() -> None:
    """The run goes on without it, and says so to whoever asks for it."""
    OnlyOne.built = 0
    result, refused = triggered(["restart", "silence"], instrument=f"{HERE}OnlyOne")
    assert [each.kind for each in result.incidents] == ["silence"]
    assert len(refused) == 1
    assert "one is enough" in refused[0]


def test_a_closed_loop_has_no_incidents() -> None:
    """It has no schedule in which they could begin."""
    triggers = Triggers()
    spec = RunSpec(**{**LOAD, "arrivals": "max", "count": 100, "duration": None})
    result = execute(spec, Quiet(), lambda given: Single(given, triggers))
    assert result.ledger.offered == 100
    assert result.incidents == []

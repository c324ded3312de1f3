"""Incidents that act on the service, exact on a clock of its own: every wait, and who is charged for it."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.incidents.affected import affected
from harness.incidents.live import LiveIncidents
from harness.incidents.service import AffectedService
from harness.instruments.none import NoInstrument
from harness.load.driver import BURST, Policy, drop
from harness.load.pump import drive_workload
from harness.load.stop import Stop
from harness.load.truth.ledger import Ledger
from harness.load.validity import Resource, evidence_of, judge, words
from harness.views import QUICKSTART_VIEWS, Tags
from tests.fakes import FakeClock, FakeRunQueue
from workloads.incidents import Incident, of_kinds, parse_incident
from workloads.workload import Workload, WorkloadSpec

MS = 1_000_000
S = 1_000 * MS


class Output:
    """Takes the same time for each line."""

    def __init__(self, clock: FakeClock, took_ns: int) -> None:
        self._clock, self._took_ns = clock, took_ns

    def write(self, text: str, /) -> None:
        self._clock.advance(self._took_ns)


class Driven:
    """A constant load through incidents: when each line began and ended, and the latencies recorded, in ns."""

    def __init__(
        self,
        *texts: str,
        gap_ns: int = 100 * MS,
        took_ns: int = 10 * MS,
        lines: int = 50,
        policy: Policy = BURST,
        renew: Callable[[int], None] = lambda _line: None,
    ) -> None:
        clock = FakeClock()
        latencies: list[float] = []
        spec = WorkloadSpec(
            arrivals=f"constant:rate={S // gap_ns}",
            count=lines,
            duration_ns=lines * gap_ns,
            incidents=tuple(map(parse_incident, texts)),
        )
        workload = Workload(spec)
        self.recorded = list[float]()
        evaluate, live = affected(
            workload,
            NoInstrument(()),
            Output(clock, took_ns),
            lambda ms: (latencies.append(ms), self.recorded.append(ms)),
            clock,
            Stop(),
            renewal=lambda _use: lambda: renew(len(self.begins)),
        )
        assert live is None or texts
        if live is not None:
            # Whatever goes on, lines are watched.
            live.evaluator = lambda evaluate: evaluate  # type: ignore[method-assign]
        self.begins: list[int] = []
        self.ends: list[int] = []

        def watched(line: str, tags: Tags) -> None:
            start = self.start_ns if self.begins else clock.now
            self.start_ns = start
            self.begins.append(clock.now - start)
            evaluate(line, tags)
            self.ends.append(clock.now - start)

        self.result = drive_workload(
            workload.blocks(16),
            watched,
            Ledger(QUICKSTART_VIEWS, workload.methods),
            clock,
            policy,
            latencies_ms=latencies,
            queue=FakeRunQueue(),
            interventions=live,
        )

    @property
    def took(self) -> list[int]:
        return [end - begin for begin, end in zip(self.begins, self.ends, strict=True)]


def test_while_the_service_is_slow_a_line_takes_ten_times_as_long() -> None:
    """Its recorded latency too, and not a nanosecond more; before and afterwards nothing is different."""
    run = Driven("slow@1s+1s", gap_ns=200 * MS, lines=20)
    slow = [1 * S <= begin < 2 * S for begin in run.begins]
    assert run.took == [(100 if one else 10) * MS for one in slow]
    assert run.recorded == [100.0 if one else 10.0 for one in slow]
    assert sum(slow) == 5
    assert run.result.behind.held_ns == 5 * 90 * MS


def test_a_stall_holds_up_the_first_line_that_begins_in_it() -> None:
    """It has the long service time, the others wait behind it, and no latency is recorded for the wait."""
    run = Driven("stall@1s+1s")
    assert run.took == [1010 * MS if line == 10 else 10 * MS for line in range(50)]
    assert run.begins[11] == 2010 * MS
    assert set(run.recorded) == {10.0}
    assert run.begins[22:] == [line * 100 * MS for line in range(22, 50)]


def test_what_waits_for_an_incident_is_charged_to_it() -> None:
    """The wait of each line behind a stall is known from the schedule without it; the reason names the incident."""
    run = Driven("stall@1s+1s", took_ns=1 * MS)
    waits = [max(0, 2 * S + 1 * MS * (line - 10) - line * 100 * MS) for line in range(11, 50)]
    assert run.result.behind.incident_ns == sum(waits)
    evidence = evidence_of(run.result, 0.0)
    assert evidence.shares == {
        Resource.SUBJECT: 0.0, Resource.GENERATOR: 0.0, Resource.MACHINE: 0.0, Resource.INCIDENT: 1.0
    }  # fmt: skip
    assert evidence.lateness is not None
    assert evidence.lateness.max_ns == 0
    (reason,) = words(judge(evidence), ["stall@1s+1s"])
    assert reason.startswith("p99 lag 901 ms, allowed 100 ms: the incident stall@1s+1s held lines up (for 100% of")
    assert reason.endswith("leave incidents out for a valid run")


def test_without_incidents_nobody_is_charged_for_one() -> None:
    """The shares have the three resources that they always had."""
    evidence = evidence_of(Driven().result, 0.0)
    assert Resource.INCIDENT not in evidence.lost


def test_a_line_that_is_given_up_was_not_held_up() -> None:
    """What was held up stays with the line that was, though others were dropped before it."""
    run = Driven("stall@1s+1s", policy=drop())
    assert run.result.ledger.dropped == 9
    assert run.result.timings.service.max == 1010 * MS
    assert run.result.behind.held_ns == 1 * S


@pytest.mark.parametrize("took_ns", [1 * MS, 150 * MS])
def test_a_restart_is_before_the_first_line_at_its_time_and_after_all_before_it(took_ns: int) -> None:
    """Whether the service keeps up or not: every line before it is accounted for, none after it has begun."""
    at: list[int] = []
    run = Driven("restart@1s", "restart@2050ms+500ms", took_ns=took_ns, renew=at.append)
    first = next(line for line, begin in enumerate(run.begins) if begin >= 1 * S)
    assert len(at) == 2
    # Counted before the line that waits for it is begun; a slice is a tenth of a second.
    assert first <= at[0] - 1 <= first + 1
    second = at[1] - 1
    assert 2050 * MS <= run.begins[second] <= 2250 * MS
    assert run.took[second] == pytest.approx(2550 * MS - run.begins[second] + took_ns)


def test_a_bad_deployment_is_slow_and_refuses_lines() -> None:
    """A line that is refused is not written and therefore not slow."""
    run = Driven("bad-deploy@1s+2s", gap_ns=100 * MS, took_ns=5 * MS, lines=100)
    assert run.result.ledger.failed > 0
    inside = [took for begin, took in zip(run.begins, run.took, strict=True) if 1 * S <= begin < 3 * S]
    assert set(inside) == {0, 50 * MS}
    assert inside.count(0) == run.result.ledger.failed


def test_a_stop_ends_a_stall() -> None:
    """Within a twentieth of a second, and the line is evaluated."""
    clock, stop = FakeClock(), Stop()
    service = AffectedService(clock, stop, Output(clock, 0), [Incident("stall", 0, 3600 * S)])
    evaluated: list[str] = []
    service.use(lambda line, _tags: evaluated.append(line))
    service.begin(clock.now)
    began, wait = clock.now, clock.wait_until

    def wait_until(ns: int, /) -> None:
        wait(ns)
        if clock.now - began >= 10 * S:
            stop.request()

    clock.wait_until = wait_until  # type: ignore[method-assign]
    service.evaluate("x", Tags())
    assert evaluated == ["x"]
    assert clock.now - began <= 10 * S + 50 * MS


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.builds(Incident, st.sampled_from(["slow", "stall", "restart"]), st.integers(0, 3 * S), st.integers(1, S)),
        max_size=5,
    )
)
def test_whatever_overlaps_no_line_begins_in_a_stall_and_all_of_it_is_charged(happening: list[Incident]) -> None:
    """The time held is what the lines took more than they would have; lateness stays that of nobody."""
    run = Driven(*map(str, happening), took_ns=20 * MS)
    evaluated = [end - 20 * MS for end in run.ends]
    held = sum(run.took) - 50 * 20 * MS
    assert run.result.behind.held_ns == held
    assert run.result.timings.lateness.max == 0
    if not of_kinds(happening, "slow"):
        for stall in of_kinds(happening, "stall", "restart"):
            assert not any(stall.start_ns <= moment < stall.end_ns for moment in evaluated)


def test_incidents_are_told_of_before_a_line_is_held_up() -> None:
    """Whoever watches learns of a stall when it begins, and which incidents are going on."""
    clock = FakeClock()
    workload = Workload(WorkloadSpec(count=5, duration_ns=9 * S, incidents=(Incident("stall", 0, S),)))
    service = AffectedService(clock, Stop(), Output(clock, 0), workload.spec.incidents)
    service.use(lambda _line, _tags: None)
    told: list[tuple[str, int]] = []
    live = LiveIncidents(workload, service, clock, 16, began=lambda each: told.append((each.kind, clock.now)))
    began = clock.now
    live.begin(began)
    assert live.active() == ("stall",)
    service.evaluate("x", Tags())
    assert told == [("stall", began)]
    assert clock.now == began + S
    assert live.active() == ()
    assert not live.poll()


def test_while_nothing_affects_the_service_nothing_stands_before_the_repl() -> None:
    """Before anything is switched on, and when everything is over; from a time before it until then, the service."""
    clock = FakeClock()
    service = AffectedService(clock, Stop(), Output(clock, 0), [Incident("slow", S, S), Incident("errors", 0, 9 * S)])

    def affected(_line: str, _tags: Tags) -> None:
        pass

    def unaffected(_line: str, _tags: Tags) -> None:
        pass

    service.use(affected, unaffected)
    service.begin(clock.now)
    assert service.evaluator(affected) is affected
    for moment in (0, S, 2 * S):
        clock.now = 1_000_000_000 + moment
        service.evaluate("x", Tags())
        assert service.evaluator(affected) is (unaffected if moment == 2 * S else affected)
    service.add(Incident("stall", 3 * S, S))
    assert service.evaluator(affected) is affected

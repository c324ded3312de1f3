"""The measurement for a described service: pairs and processes with fakes in their place, and one real run."""

from collections.abc import Callable, Sequence

import pytest

from harness.errors import RunError, UsageError
from harness.measure.counts.memory import Footprint
from harness.measure.pairs.pair import BlockPlan
from harness.measure.pairs.schedule import Terms
from harness.measure.questions.answer import Answer, joined, outcome_of, renewed
from harness.measure.questions.described.description import ServiceDescription
from harness.measure.questions.described.estimates import described_of
from harness.measure.questions.described.measure import ServicePlan, default_instruments, measure_service
from harness.measure.result import Experiments
from harness.measure.subject import Subject
from harness.measure.verdict import Comparison
from harness.progress import Progress, Step
from tests.harness.measure.simulated import Pairs

SERVICE = ServiceDescription(series=20, rate=500.0, workers=2)
NAMES = ("prometheus-client", "opencensus-lean")
WHOLE = Footprint(
    before=1000, after=3000, page_ns=(5, 6, 7), page_bytes=10, recorded=42, own=21, shown=42, series=21, shown_series=21
)


class Machine:
    """A clock and both kinds of measurement on it: a pair takes a second, and so does a process."""

    def __init__(self, footprint: Callable[[Subject, int], Footprint] = lambda _subject, _number: WHOLE) -> None:
        self.pairs = Pairs(lambda base, head, _number: 0.0 if base == head else 1.0)
        self._footprint = footprint
        self.processes: list[tuple[str, int, int]] = []
        self.budgets: list[float | None] = []
        self.interrupted = False

    def now(self) -> float:
        """Return the time in seconds."""
        return self.pairs.time

    def compare(self, comparisons: Sequence[Comparison], terms: Terms, progress: Progress) -> Experiments:
        """Measure comparisons with pairs that are made up."""
        self.budgets.append(terms.budget_s)
        document = self.pairs.run(comparisons, progress, budget_s=terms.budget_s, repetitions=0)
        return document.model_copy(update={"interrupted": self.interrupted})

    def footprint(self, subject: Subject, /, *, workers: int = 1, pages: int = 0, core: int | None = None) -> Footprint:
        """Measure a process that is made up."""
        del pages, core
        self.pairs.time += 1.0
        self.processes.append((subject.instrument, subject.series, workers))
        return self._footprint(subject, len(self.processes))

    def measure(self, budget_s: float = 60.0, progress: Progress = lambda _step: None) -> Answer:
        """Measure the service and return the answer, as the command does."""
        plan = ServicePlan(SERVICE, NAMES, Terms(budget_s=budget_s))
        document, records, interrupted = measure_service(
            plan, progress, compare=self.compare, footprint=self.footprint, now=self.now
        )
        return outcome_of(
            "described", {f"described:{SERVICE.text}": document}, interrupted=interrupted,
            described=[described_of(SERVICE, document.experiments, records)],
        )  # fmt: skip


def test_pairs_and_processes_are_those_of_the_service() -> None:
    """Every way of recording against the bare REPL at that number of series, and five processes with all workers."""
    machine = Machine()
    answer = machine.measure()
    (described,) = answer.described
    assert {(base.instrument, base.series) for base, _ in machine.pairs.calls} >= {("none", 20)}
    assert [(each.head, each.factors["series"]) for each in answer.experiments] == [(name, 20) for name in NAMES]
    assert sorted(machine.processes) == sorted((name, 20, 2) for name in NAMES for _ in range(5))
    assert [(cost.instrument, cost.memory.value, cost.stall.value) for cost in described.costs] == [
        (name, 2000, pytest.approx(6)) for name in NAMES
    ]
    # A line of the base takes 1 µs and e times that with recording: at 250 lines/s in each worker.
    assert described.costs[0].core_share.value == pytest.approx(1.718e-6 * 250, rel=0.1)


def test_pairs_take_most_of_the_time_and_processes_the_rest_but_three_of_each_at_least() -> None:
    """Twenty seconds: fourteen for pairs, and the processes go on until the end or until there are three of each."""
    machine = Machine()
    answer = machine.measure(budget_s=20.0)
    assert machine.budgets == [pytest.approx(14.0)]
    assert len(machine.processes) == 6
    assert not answer.interrupted
    assert min(answer.described[0].processes.count(each) for each in answer.described[0].processes) == 3


def test_a_process_that_fails_is_void_and_the_others_go_on() -> None:
    """What fails behind a fork is a result; a mistake of the user is none."""

    def fails(subject: Subject, _number: int) -> Footprint:
        if subject.instrument == NAMES[0]:
            raise RunError("the workers ended")
        return WHOLE

    first, second = Machine(fails).measure().described[0].costs
    assert (first.memory.value, first.memory.why) == (None, "the workers ended")
    assert second.memory.value == 2000

    def wrong(_subject: Subject, _number: int) -> Footprint:
        raise UsageError("there is no such instrument")

    with pytest.raises(UsageError, match="no such instrument"):
        Machine(wrong).measure()


def test_ctrl_c_keeps_what_was_measured() -> None:
    """During the processes those until then, during the pairs the pairs alone; both are said to be interrupted."""

    def interrupt(_subject: Subject, number: int) -> Footprint:
        if number == 4:
            raise KeyboardInterrupt
        return WHOLE

    answer = Machine(interrupt).measure()
    assert answer.interrupted
    assert len(answer.described[0].processes) == 3
    early = Machine()
    early.interrupted = True
    answer = early.measure()
    assert answer.interrupted
    assert (early.processes, answer.described[0].processes) == ([], [])
    assert answer.described[0].costs[0].core_share.value is not None
    assert answer.described[0].costs[0].memory.why == "no process was measured"


def test_the_progress_never_goes_back() -> None:
    """From the first pair to the last process."""
    steps: list[Step] = []
    Machine().measure(progress=steps.append)
    shares = [step.done for step in steps]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1


def test_a_stored_answer_is_computed_anew_from_its_experiments() -> None:
    """As laws are: the figures follow the experiments as they are concluded today, and survive a round trip."""
    answer = Machine().measure()
    stored = answer.model_copy(
        update={"described": [answer.described[0].model_copy(update={"costs": []})]}
    )  # fmt: skip
    assert renewed(Answer.model_validate(stored.document())).described == answer.described
    assert joined("full", [answer, answer]).described == [answer.described[0]] * 2


def test_multiprocess_mode_and_the_default_limit_are_measured_where_they_matter() -> None:
    """Several workers, and more series than the SDK of OpenTelemetry keeps by default."""
    plain = default_instruments(ServiceDescription())
    assert "prometheus-client" in plain
    assert "prometheus-client-multiprocess" not in plain
    assert default_instruments(ServiceDescription(workers=2))[len(plain) :] == ["prometheus-client-multiprocess"]
    more = default_instruments(ServiceDescription(series=2001))
    assert set(more) - set(plain) <= {"opentelemetry-default-limit"}


@pytest.mark.slow
def test_a_real_service_of_two_workers_is_answered_for() -> None:
    """One worker's lines on the page without multiprocess mode, all of them with it, and a figure of everything."""
    terms = Terms(budget_s=1.0, fewest=2, plan=BlockPlan(rounds=3, block_ns=500_000))
    names = ("prometheus-client", "prometheus-client-multiprocess")
    plan = ServicePlan(SERVICE, names, terms, processes=2, pages=3)
    document, records, interrupted = measure_service(plan)
    assert not interrupted
    assert [record.void for record in records] == [""] * 4
    described = described_of(SERVICE, document.experiments, records)
    limits = {cost.instrument: [limit.name for limit in cost.limits] for cost in described.costs}
    assert "workers_counted_apart" in limits["prometheus-client"]
    assert "workers_counted_apart" not in limits["prometheus-client-multiprocess"]
    for cost in described.costs:
        assert (cost.stall.value or 0) > 0
        assert (cost.memory.value or 0) > 0
        assert cost.page_bytes

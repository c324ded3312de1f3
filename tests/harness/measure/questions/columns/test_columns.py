"""The columns on request: arithmetic with fake processes, then one real small run of each."""

import math
import re
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from harness.errors import RunError
from harness.instruments.catalog import BUILT_IN, installed
from harness.measure.counts.memory import Footprint
from harness.measure.questions.columns import columns as measuring
from harness.measure.questions.columns.columns import ColumnsPlan, measure_columns
from harness.measure.questions.columns.figures import ColumnFigure, Repeats, figure_of
from harness.measure.questions.columns.imports import IMPORTS, ImportPlan, import_rounds, import_times, imported_by
from harness.measure.questions.columns.names import COLUMNS
from harness.measure.questions.columns.series import SeriesPlan, series_figures
from harness.measure.questions.columns.share import SharePlan, ShareRound, cpu_shares, share_of
from harness.measure.questions.full import FullPlan, stages_of, table_plan
from harness.measure.questions.table import ALL_ROWS, ROWS
from harness.measure.subject import Subject
from harness.measure.worker.paced import SleepingClock, run_paced
from harness.progress import Step
from harness.views import Tags

CLIENT, LEAN = "prometheus-client", "opencensus-lean"


class Rounds:
    """Counts the rounds that are told to be done."""

    def __init__(self) -> None:
        self.done = 0

    def __call__(self) -> None:
        self.done += 1


def repeats(*values: float, void: int = 0) -> Repeats:
    made = Repeats()
    for value in values:
        made.add(value)
    for _ in range(void):
        made.add(None, "lost lines")
    return made


def test_a_figure_is_the_mean_with_students_interval() -> None:
    """Three repeats of 1, 2 and 3: t(0.975; 2) / sqrt(3) either side of 2."""
    made = figure_of(CLIENT, "import", None, repeats(1, 2, 3))
    assert (made.value, made.values, made.void, made.reason) == (2, [1, 2, 3], 0, "")
    assert made.interval == pytest.approx((2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5))


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (repeats(1, 2, 3, void=1), ""),
        (repeats(1, 2, void=1), "void: 1 of 3 processes do not count (lost lines)"),
        (repeats(void=4), "void: 4 of 4 processes do not count (lost lines)"),
        (repeats(1, math.nan), "void: 1 of 2 processes do not count (it has no figure)"),
        (repeats(), "nothing was measured"),
        (None, "nothing was measured"),
    ],
)
def test_void_repeats_give_no_figure_where_they_are_more_than_a_quarter(made: Repeats | None, reason: str) -> None:
    """As of pairs; what is void is counted, with the first reason."""
    found = figure_of(CLIENT, "page", 100, made)
    assert (found.reason, found.value is None) == (reason, bool(reason))
    assert found.interval == (None, None) or not reason


def shares(*rounds: dict[str, float], void: dict[str, str] | None = None) -> Iterator[ShareRound]:
    """Rounds in which each process takes the given processor time in ns for each of 50 lines."""
    for each in rounds:
        cpu = {(name, rate): round(50 * ns) for name, ns in each.items() for rate in (1_000, 10_000)}
        yield ShareRound(cpu, dict.fromkeys(cpu, 50), void or {})


def test_the_share_of_a_core_is_the_time_by_line_times_the_rate_above_the_bare_repl() -> None:
    """20 µs a line above 5 µs, at 1 000 lines/s: 15 ms each second, so 0.015 cores; ten times that at 10 000."""
    step = Rounds()
    rounds = shares({"none": 5_000, CLIENT: 20_000}, {"none": 6_000, CLIENT: 21_000})
    low, high = cpu_shares([CLIENT], rounds, (1_000, 10_000), step)
    assert (low.at, high.at, step.done) == (1_000, 10_000, 2)
    assert low.value == pytest.approx(0.015)
    assert high.value == pytest.approx(0.15)
    # In both rounds the same above the bare REPL: what moves both is no uncertainty.
    assert low.interval == pytest.approx((0.015, 0.015))


def test_what_does_not_keep_up_takes_more_than_a_core() -> None:
    """200 µs a line at 10 000 lines/s are two cores, though only the lines sent before giving up were measured."""
    (share,) = cpu_shares([CLIENT], shares({"none": 0, CLIENT: 200_000}), (10_000,), Rounds())
    assert share.value == pytest.approx(2.0)


def test_a_round_without_its_lines_does_not_count() -> None:
    """Neither where the way of recording lost lines, nor where the bare REPL did, nor where no line was sent."""
    for void in ({CLIENT: "lost"}, {"none": "lost"}):
        (measured,) = shares({"none": 1, CLIENT: 2}, void=void)
        assert share_of(measured, CLIENT, 1_000) == (None, "lost")
    value, _ = share_of(ShareRound({(CLIENT, 1): 5, ("none", 1): 5}, {}, {}), CLIENT, 1)
    assert value is not None
    assert math.isnan(value)


def test_an_import_is_timed_against_the_bare_interpreter_of_its_round_and_the_first_round_is_discarded() -> None:
    """Interpreters become slower by the round; differences do not."""
    calls: list[tuple[str, ...]] = []

    def timed(modules: tuple[str, ...]) -> float:
        calls.append(modules)
        return 1_000 * ((len(calls) - 1) // 3) + {(): 50, ("a",): 150, ("b",): 250}[modules]

    rounds = list(import_rounds([("a",), ("b",)], ImportPlan(rounds=4), timed))
    assert rounds == [{("a",): 100, ("b",): 200}] * 4
    assert len(calls) == 3 * 5
    assert len({tuple(calls[i : i + 3]) for i in range(0, 15, 3)}) > 1


def test_a_library_that_several_share_is_imported_once_a_round() -> None:
    """Both rows have its time; what is no library has none, and says so."""
    step = Rounds()
    names = [CLIENT, "prometheus-client-cached", "reference"]
    first, second, none = import_times(names, ImportPlan(rounds=3), step, lambda modules: 7.0 * len(modules))
    assert first.value == second.value == 7
    assert (none.value, none.reason) == (None, "there is no library to import")
    assert step.done == 3


def test_an_interpreter_that_fails_is_void() -> None:
    """It has no time, and the others keep theirs."""

    def timed(modules: tuple[str, ...]) -> float:
        if modules == imported_by("statsd"):
            raise RunError("no module")
        return 1.0

    failed, kept = import_times(["statsd", CLIENT], ImportPlan(rounds=2), Rounds(), timed)
    assert (failed.value, failed.void, kept.value) == (None, 2, 0)


def test_it_is_known_what_every_built_in_way_of_recording_imports() -> None:
    """Of an own one its module; of one that another package offers nothing is known."""
    assert IMPORTS.keys() == BUILT_IN.keys()
    assert imported_by("own.module:Name") == ("own.module",)
    assert imported_by("offered") == ()


class Processes:
    """Fake processes: what they were asked for, and a footprint by instrument and number of series."""

    def __init__(self, made: Callable[[Subject], Footprint]) -> None:
        self._made = made
        self.asked: list[tuple[str, int, int]] = []

    def __call__(self, subject: Subject, /, *, workers: int = 1, pages: int = 0, core: int | None = None) -> Footprint:
        assert (workers, core is None) == (1, False)
        self.asked.append((subject.instrument, subject.series, pages))
        return self._made(subject)


def whole(subject: Subject) -> Footprint:
    count = subject.series
    return Footprint(before=0, after=300 * count, page_ns=(10 * count,), series=count + 1, shown_series=count + 1)


def test_memory_and_pages_come_from_the_same_processes() -> None:
    """Memory by series at the largest number, pages at each."""
    processes, step = Processes(whole), Rounds()
    plan = SeriesPlan(series=(10, 100), rounds=3, pages=5)
    figures = series_figures([CLIENT], ["memory", "page"], plan, step, processes)
    assert [(each.column, each.at, each.value) for each in figures] == [
        ("memory", 100, 300), ("page", 10, 100), ("page", 100, 1_000),
    ]  # fmt: skip
    assert sorted(processes.asked) == sorted([(CLIENT, 10, 5), (CLIENT, 100, 5)] * 3)
    assert step.done == 3


def test_memory_alone_needs_no_pages() -> None:
    """One process a round, at the largest number."""
    processes = Processes(lambda subject: whole(subject).model_copy(update={"page_ns": ()}))
    (figure,) = series_figures([CLIENT], ["memory"], SeriesPlan(series=(10, 100), rounds=2), Rounds(), processes)
    assert figure.value == 300
    assert [(name, count) for name, count, _ in processes.asked] == [(CLIENT, 100)] * 2


def test_what_is_pushed_has_no_page() -> None:
    """It says so, and no process is started for it."""
    pytest.importorskip("statsd")
    processes = Processes(whole)
    figures = series_figures(["statsd"], ["page"], SeriesPlan(), Rounds(), processes)
    assert {(each.value, each.reason) for each in figures} == {(None, "it pushes, so that nobody asks for a page")}
    assert not processes.asked


@pytest.mark.parametrize(
    ("made", "word"),
    [
        (lambda subject: whole(subject).model_copy(update={"void": "a line raised"}), "a line raised"),
        (lambda subject: whole(subject).model_copy(update={"shown_series": 7}), "its page shows 7 of 11 series"),
    ],
)
def test_a_page_that_does_not_show_what_was_recorded_has_no_time(
    made: Callable[[Subject], Footprint], word: str
) -> None:
    """Lines lost, or series folded: the time of that page is not the time of a page of so many series."""
    (figure,) = series_figures([CLIENT], ["page"], SeriesPlan(series=(10,)), Rounds(), Processes(made))
    assert figure.value is None
    assert word in figure.reason


def test_a_process_that_fails_leaves_the_others() -> None:
    """One way of recording out of memory costs its own figures only."""

    def made(subject: Subject) -> Footprint:
        if subject.instrument == LEAN:
            raise RunError("killed")
        return whole(subject)

    figures = series_figures([CLIENT, LEAN], ["memory"], SeriesPlan(), Rounds(), Processes(made))
    assert [each.value for each in figures] == [300, None]
    assert "killed" in figures[1].reason


def test_a_sleeping_clock_waits_to_the_end_and_takes_little_processor_time() -> None:
    """Lines start when due or later; waiting a fifth of a second takes a fraction of that in processor time."""
    clock = SleepingClock()
    start = clock.now_ns()
    due = [start + 20_000_000 * (i + 1) for i in range(10)]
    lines = iter([("a", Tags("m"))] * 10)
    trace = run_paced(lambda _line, _tags: None, lines, due, None, clock)
    assert all(began >= when for began, when in zip(trace.starts, due, strict=True))
    assert 0 < trace.cpu_ns < 100_000_000


def test_ctrl_c_keeps_the_columns_that_are_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory was measured, the shares were not: what there is comes back, marked as interrupted."""

    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    memory = figure_of(CLIENT, "memory", 1_000, repeats(1, 2))
    monkeypatch.setattr(measuring, "series_figures", lambda *_: [memory])
    monkeypatch.setattr(measuring, "share_rounds", interrupted)
    assert measure_columns(ColumnsPlan((CLIENT,), ("cpu", "memory"))) == ([memory], True)


def test_shares_that_cannot_be_measured_have_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies does not take the table with it, which was measured before."""

    def failed(*_: object) -> NoReturn:
        raise RunError("the process ended with -9")

    monkeypatch.setattr(measuring, "share_rounds", failed)
    figures, stopped = measure_columns(ColumnsPlan((CLIENT,), ("cpu",)))
    assert [(each.at, each.value, each.reason) for each in figures] == [
        (1_000, None, "the process ended with -9"), (10_000, None, "the process ended with -9"),
    ]  # fmt: skip
    assert not stopped


def test_more_rows_of_the_whole_matrix_add_to_the_time_of_its_table() -> None:
    """Each row keeps its share of pairs and tries, and the laws are those of before."""
    usual, more = FullPlan(), FullPlan(more=(*ROWS, "statsd", "dogstatsd"), columns=COLUMNS)
    assert more.rows == (*ROWS, "statsd", "dogstatsd")
    assert table_plan(more).pairs_s == pytest.approx(usual.table_s * 7 / 5)
    assert table_plan(more).rates_s == pytest.approx(usual.rates_s * 7 / 5)
    stages, before = stages_of(more), stages_of(usual)
    assert [stage.name for stage in stages] == ["the table", "its columns", *(each.name for each in before[1:])]
    assert stages[1].seconds == ColumnsPlan.of(more.rows, COLUMNS, 1).seconds
    assert [stage.seconds for stage in stages[2:]] == [stage.seconds for stage in before[1:]]


def test_every_row_is_a_built_in_way_of_recording_once() -> None:
    """All of them but the bare REPL, and the reference that is never changed."""
    assert set(ALL_ROWS) == BUILT_IN.keys() - {"none", "reference"}
    assert len(ALL_ROWS) == len(set(ALL_ROWS))
    assert ALL_ROWS[: len(ROWS)] == ROWS


@pytest.mark.system
@pytest.mark.slow
def test_every_column_of_real_libraries() -> None:
    """Real processes: figures above nothing, in the order asked for, with progress to the end."""
    names = installed([CLIENT, LEAN])
    plan = ColumnsPlan(
        tuple(names), ("import", "cpu", "page", "memory"), SharePlan(rounds=3, windows=1), ImportPlan(rounds=3),
        SeriesPlan(series=(20, 300), rounds=3),
    )  # fmt: skip
    steps: list[Step] = []
    figures, interrupted = measure_columns(plan, steps.append)
    assert not interrupted
    assert list(dict.fromkeys(each.column for each in figures)) == ["import", "cpu", "page", "memory"]
    assert len(figures) == len(names) * (1 + 2 + 2 + 1)
    assert all(each.value is not None and len(each.values) == 3 for each in figures), figures
    assert (steps[0].done, steps[-1].done) == (0, 1)
    by_cell = {(each.instrument, each.column, each.at): each.value or 0.0 for each in figures}
    for name in names:
        assert by_cell[name, "import", None] > 5e6
        assert by_cell[name, "page", 300] > by_cell[name, "page", 20] > 1e5
        assert 300 < by_cell[name, "memory", 300] < 64 * 1024


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.parametrize("name", ["statsd", "dogstatsd-unix-buffered", "opentelemetry-otlp"])
def test_what_is_pushed_has_a_share_of_a_core(name: str) -> None:
    """Its thread and its socket are in the processor time of the process; the sink is another process."""
    if not installed([name]):
        pytest.skip(f"{name} is not installed")
    plan = ColumnsPlan((name,), ("cpu",), SharePlan(rounds=2, windows=1))
    figures, _ = measure_columns(plan)
    assert [(each.at, each.void, each.reason) for each in figures] == [(1_000, 0, ""), (10_000, 0, "")]


def test_figures_survive_a_document() -> None:
    """What is stored is what was measured, and the units are those of the schema."""
    for name in COLUMNS:
        made = figure_of(CLIENT, name, None, repeats(1, 2))
        assert ColumnFigure.model_validate_json(made.model_dump_json()) == made
    assert re.fullmatch("bytes per series", figure_of(CLIENT, "memory", 1, repeats(1)).unit)

"""Memory that series occupy, counted in fresh processes: arithmetic with a fake process, then real ones."""

import mmap
import os
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import generate_latest

from harness.errors import RunError, UsageError
from harness.instruments.catalog import create
from harness.measure.counts.memory import Footprint, measure_footprint, memory_of_series
from harness.measure.subject import Subject
from harness.measure.worker.body import page_counts, page_series, touched
from harness.measure.worker.footprint import forked, resident_bytes, timed_pages
from harness.views import QUICKSTART_VIEWS, Tags

CLIENT = Subject(instrument="prometheus-client")
VIEWS = touched(QUICKSTART_VIEWS)


class Processes:
    """Hands out one footprint after the other, and keeps what it was asked for."""

    def __init__(self, footprints: Sequence[Footprint]) -> None:
        self.left = list(footprints)
        self.subjects: list[Subject] = []

    def __call__(self, subject: Subject, /, *, workers: int = 1, pages: int = 0, core: int | None = None) -> Footprint:
        del workers, pages, core
        self.subjects.append(subject)
        return self.left.pop(0)


def test_the_memory_is_the_mean_over_processes_with_students_interval() -> None:
    """Three processes of 100, 110 and 120 bytes: t(0.975; 2) * 10 / sqrt(3) either side of 110."""
    processes = Processes([Footprint(before=1000, after=1000 + added) for added in (100, 110, 120)])
    memory = memory_of_series(CLIENT, 50, 3, measure=processes)
    assert memory.value == pytest.approx(110)
    assert memory.half_width == pytest.approx(4.302653 * 10 / 3**0.5)
    assert {subject.series for subject in processes.subjects} == {50}


def test_one_process_has_no_interval_and_less_than_one_is_refused() -> None:
    """Nothing is known of the spread of a single process."""
    assert not memory_of_series(CLIENT, 5, 1, measure=Processes([Footprint(before=10, after=30)])).bounded
    with pytest.raises(ValueError, match="at least one process"):
        memory_of_series(CLIENT, 5, 0, measure=Processes([]))


def test_memory_given_back_meanwhile_is_no_negative_memory_of_series() -> None:
    """The system may take pages back between the two readings."""
    assert Footprint(before=5000, after=4000).series_bytes == 0


def test_a_process_that_lost_lines_gives_no_figure() -> None:
    """A void process is an error with its reason, and never a figure."""
    lossy = Footprint(before=1, after=2, void="the page shows 3 of 5 lines")
    with pytest.raises(RunError, match="the page shows 3 of 5 lines"):
        memory_of_series(CLIENT, 5, 2, measure=Processes([Footprint(before=1, after=2), lossy]))


def test_the_time_of_a_page_is_the_median_over_the_pages_of_a_process() -> None:
    """One page that met something else does not move it; without pages there is none."""
    assert Footprint(before=0, after=0, page_ns=(5, 900, 7)).page_time_ns == 7
    assert Footprint(before=0, after=0).page_time_ns is None


def test_the_tag_sets_on_a_page_are_those_of_the_view_with_the_fewest() -> None:
    """Counted from the page itself, so that series that a library folds into one are seen."""
    instrument = create("prometheus-client", QUICKSTART_VIEWS)
    for name in ("a", "b", "b"):
        instrument.record(1.0, 2, Tags(name))
    page = generate_latest(instrument.registry).decode()
    assert page_series(page, VIEWS) == 2
    assert page_counts(page, VIEWS) == {view.name: 3 for view in VIEWS}
    assert page_series("", VIEWS) == 0


def test_pages_are_timed_as_often_as_asked_and_once_where_each_takes_too_long() -> None:
    """A page that takes longer than all of them should is made twice, and the second one is timed."""
    registry = CollectorRegistry()
    Counter("lines", "Lines.", registry=registry).inc()
    times, size = timed_pages(registry, 7, 10**12)
    assert (len(times), size > 0) == (7, True)
    assert len(timed_pages(registry, 7, 0)[0]) == 1
    assert min(times) > 0


def test_the_resident_memory_grows_by_what_is_written() -> None:
    """Twenty megabytes that are written to are seen, to a megabyte; fresh ones, since a heap may have room already."""
    before = resident_bytes()
    with mmap.mmap(-1, 20_000_000) as block:
        for place in range(0, len(block), 4096):
            block[place] = 1
        assert resident_bytes() - before == pytest.approx(20_000_000, abs=1_500_000)


@pytest.mark.system
@pytest.mark.parametrize("instrument", ["prometheus-client", "opencensus", "opencensus-lean", "opentelemetry"])
def test_a_thousand_series_of_a_real_library_take_a_plausible_amount_of_memory(instrument: str) -> None:
    """Real processes, whose series take what three metrics with two dozen buckets in all can take."""
    if instrument == "opentelemetry":
        pytest.importorskip("opentelemetry.sdk")
    many = memory_of_series(Subject(instrument=instrument), 1000, 2)
    assert many.count == 2
    assert 300 < many.value / 1000 < 64 * 1024


@pytest.mark.system
def test_the_page_of_one_worker_shows_its_own_lines_and_that_of_multiprocess_mode_all() -> None:
    """Three workers with eleven tag sets each: 13 lines on the page of one of them, 12 more of each other on all's."""
    alone = measure_footprint(Subject(instrument="prometheus-client", series=10), workers=3, pages=3)
    assert (alone.shown, alone.own, alone.recorded, alone.void) == (13, 13, 37, "")
    assert (alone.shown_series, alone.series) == (11, 11)
    assert alone.page_time_ns
    every = measure_footprint(Subject(instrument="prometheus-client-multiprocess", series=10), workers=3, pages=3)
    assert (every.shown, every.own, every.recorded, every.void) == (37, 13, 37, "")


@pytest.mark.slow
def test_series_that_a_library_folds_are_counted_on_its_page() -> None:
    """OpenTelemetry's default limit keeps 2 000 series and one of all the others; no line is lost."""
    pytest.importorskip("opentelemetry.sdk")
    folded = measure_footprint(Subject(instrument="opentelemetry-default-limit", series=2100), pages=3)
    assert folded.series == 2101
    assert folded.shown_series == 2001
    assert folded.void == ""


@pytest.mark.system
def test_what_fails_in_the_process_is_one_line_here() -> None:
    """An instrument that does not exist is a usage error, whichever process finds it out."""
    with pytest.raises(UsageError, match="there is no instrument 'nothing-such'"):
        measure_footprint(Subject(instrument="nothing-such"))


@pytest.mark.system
def test_a_worker_that_ends_early_is_an_error() -> None:
    """In a child of this test, since forking a test process with threads is no part of the promise."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with forked(2, lambda: None):
                pass
            try:
                with forked(2, lambda: os._exit(3)):
                    pass
            except RunError as error:
                code = 0 if "2 of 2 forked workers ended" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

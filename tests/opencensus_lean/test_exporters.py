"""Exporters registered with OpenCensus while recording is lean: called with the truth, or refused."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opencensus.stats import aggregation, measure, view
from opencensus.tags.tag_key import TagKey
from opencensus.tags.tag_map import TagMap
from prometheus_client import CollectorRegistry

import opencensus_lean as lean
from harness.instruments.opencensus import PrivateStats
from harness.instruments.opencensus import _exporter as library_exporter
from tests.harness.instruments.pages import page_of

SIZE = measure.MeasureInt("size", "a size", "By")
KEY = TagKey("key")
NEVER = 1e6  # seconds
LONG = 60


class Exporter:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []
        self.called = threading.Event()

    def export(self, view_datas: list[Any]) -> None:
        self.calls.append(view_datas)
        self.called.set()

    def last(self) -> dict[tuple[str, str | None], float]:
        """Return the count, or the sum, of each series in the last call."""
        return {
            (data.view.name, key[0]): getattr(row, "count_data", None) or row.sum_data
            for data in self.calls[-1]
            for key, row in data.tag_value_aggregation_data_map.items()
        }


@pytest.fixture
def stats() -> PrivateStats:
    made = PrivateStats()
    made.view_manager.register_view(view.View("count", "", [KEY], SIZE, aggregation.CountAggregation()))
    made.view_manager.register_view(view.View("sum", "", [KEY], SIZE, aggregation.SumAggregation()))
    return made


def put(stats: Any, size: float, key: str = "k") -> None:
    mmap = stats.stats_recorder.new_measurement_map()
    mmap.measure_int_put(SIZE, size)
    tags = TagMap()
    tags.insert(KEY, key)
    mmap.record(tags)


def export_threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "opencensus-lean-export"]


@contextmanager
def installed(stats: Any, interval: float | None = NEVER) -> Iterator[lean.LeanExporter]:
    with lean.install("ns", port=None, stats=stats, export_interval=interval) as exporter:
        yield exporter


@pytest.mark.parametrize("early", [True, False], ids=["registered before", "registered after"])
def test_an_exporter_is_handed_what_was_recorded(stats: PrivateStats, early: bool) -> None:
    """The views with their series, counts and sums, whether it was there first or came later."""
    exporter = Exporter()
    if early:
        stats.view_manager.register_exporter(exporter)
    with installed(stats) as handle:
        if not early:
            stats.view_manager.register_exporter(exporter)
        handle.export_now()
        assert exporter.calls == [[]]
        for size in (3, 4):
            put(stats, size)
        put(stats, 5, "other")
        handle.export_now()
        assert exporter.last() == {("count", "k"): 2, ("count", "other"): 1, ("sum", "k"): 7, ("sum", "other"): 5}
        assert {type(each).__name__ for each in exporter.calls[-1]} == {"ViewData"}


def test_the_interval_calls_it_without_being_asked(stats: PrivateStats) -> None:
    """A thread of its own does, and ends with `stop`."""
    exporter = Exporter()
    before = export_threads()
    with installed(stats, 0.01):
        assert export_threads() == before, "nobody is there to be called"
        stats.view_manager.register_exporter(exporter)
        put(stats, 3)
        for _ in range(3):
            exporter.called.clear()
            assert exporter.called.wait(LONG)
    assert exporter.last() == {("count", "k"): 1, ("sum", "k"): 3}
    assert export_threads() == before


def test_stop_hands_over_what_the_interval_had_not(stats: PrivateStats) -> None:
    """What was recorded last reaches the exporter too, once; afterwards the library calls it again."""
    exporter = Exporter()
    with installed(stats) as handle:
        stats.view_manager.register_exporter(exporter)
        put(stats, 9)
    assert exporter.last() == {("count", "k"): 1, ("sum", "k"): 9}
    handle.stop()
    assert len(exporter.calls) == 1
    put(stats, 1)
    assert len(exporter.calls) == 2


def test_each_call_and_each_exporter_gets_data_of_its_own(stats: PrivateStats) -> None:
    """One may change what it was given, as with the library's copies."""
    one, other = Exporter(), Exporter()
    with installed(stats) as handle:
        for each in (one, other):
            stats.view_manager.register_exporter(each)
        put(stats, 2)
        handle.export_now()
        for data in one.calls[0]:
            data.tag_value_aggregation_data_map.clear()
        assert other.last() == {("count", "k"): 1, ("sum", "k"): 2}
        handle.export_now()
        assert one.last() == other.last()


def test_one_that_fails_is_logged_and_keeps_nothing_from_the_others(
    stats: PrivateStats, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does it stop the thread."""

    class Failing:
        def export(self, view_datas: object) -> None:
            raise OSError("no route")

    class Unable:
        pass

    exporter = Exporter()
    with caplog.at_level(logging.ERROR), installed(stats, 0.01):
        for each in (Failing(), Unable(), exporter):
            stats.view_manager.register_exporter(each)
        put(stats, 2)
        for _ in range(2):
            exporter.called.clear()
            assert exporter.called.wait(LONG)
    assert exporter.last() == {("count", "k"): 1, ("sum", "k"): 2}
    assert "Failing failed to export" in caplog.text


def test_without_an_interval_an_exporter_that_is_there_is_refused(stats: PrivateStats) -> None:
    """One line that names it and the way out; nothing has changed."""
    stats.view_manager.register_exporter(Exporter())
    before = dict(vars(stats.view_manager.measure_to_view_map))
    with pytest.raises(RuntimeError, match=r"Exporter would never see a value: .* export_interval in seconds"):
        lean.install("ns", port=None, stats=stats, export_interval=None)
    assert vars(stats.view_manager.measure_to_view_map) == before


def test_without_an_interval_an_exporter_that_comes_later_is_refused(stats: PrivateStats) -> None:
    """It is not in the list, and our own may still be registered."""
    with installed(stats, None) as handle:
        exporters = stats.view_manager.measure_to_view_map.exporters
        for add in (
            stats.view_manager.register_exporter,
            lambda each: exporters.extend([each]),
            lambda each: exporters.insert(0, each),
        ):
            with pytest.raises(RuntimeError, match="Exporter would never see a value"):
                add(Exporter())
        assert exporters == []
        stats.view_manager.register_exporter(handle)
        assert exporters == [handle]
        handle.export_now()


def test_an_exporter_that_asks_for_metrics_by_itself_needs_no_interval(stats: PrivateStats) -> None:
    """As Azure's, which has no ``export``: registered before or after, it is neither refused nor given a thread."""

    class Asking:
        def export_metrics(self, metrics: object) -> None:
            pass

    before = export_threads()
    for interval in (None, NEVER):
        stats.view_manager.register_exporter(Asking())
        with installed(stats, interval):
            stats.view_manager.register_exporter(Asking())
            assert export_threads() == before


@pytest.mark.parametrize("interval", [0, -1, float("inf"), float("nan")])
def test_an_interval_is_a_positive_number_of_seconds(stats: PrivateStats, interval: float) -> None:
    with pytest.raises(ValueError, match="export_interval must be a positive number of seconds or None"):
        lean.install("ns", port=None, stats=stats, export_interval=interval)


def test_registrations_outlive_stop(stats: PrivateStats) -> None:
    """The list is the library's own object again, with who came and without who left."""
    first, second = Exporter(), Exporter()
    library = stats.view_manager.measure_to_view_map.exporters
    stats.view_manager.register_exporter(first)
    with installed(stats):
        stats.view_manager.register_exporter(second)
        stats.view_manager.unregister_exporter(first)
    assert stats.view_manager.measure_to_view_map.exporters is library
    assert library == [second]
    assert type(library) is list


def test_views_registered_later_are_announced_as_before(stats: PrivateStats) -> None:
    """``on_register_view`` is called, and the view is among those handed over."""

    class Announced(Exporter):
        def on_register_view(self, each: Any) -> None:
            self.announced = each.name

    exporter = Announced()
    with installed(stats) as handle:
        stats.view_manager.register_exporter(exporter)
        stats.view_manager.register_view(view.View("late", "", [KEY], SIZE, aggregation.CountAggregation()))
        put(stats, 1)
        handle.export_now()
    assert exporter.announced == "late"
    assert ("late", "k") in exporter.last()


def test_the_library_s_prometheus_exporter_shows_the_same_page() -> None:
    """A program that leaves its old exporter registered has both pages right."""
    stats = PrivateStats()
    for name, kind in (("count", aggregation.CountAggregation()), ("sizes", aggregation.DistributionAggregation([5]))):
        stats.view_manager.register_view(view.View(name, "", [KEY], SIZE, kind))
    registry = CollectorRegistry()
    exporter = library_exporter(registry)
    with installed(stats) as handle:
        stats.view_manager.register_exporter(exporter)
        for size in (1, 5, 6):
            put(stats, size)
        handle.export_now()
        theirs, ours = page_of(registry), page_of(handle.registry)
    assert {(name.replace("oc_python", "ns"), labels): value for (name, labels), value in theirs.items()} == ours


def test_an_exporter_may_stop_the_recording_that_calls_it(stats: PrivateStats) -> None:
    """From the thread that calls it; nothing hangs."""
    done = threading.Event()

    class Stopping:
        def export(self, view_datas: object) -> None:
            handle.stop()
            done.set()

    handle = lean.install("ns", port=None, stats=stats, export_interval=0.01)
    stats.view_manager.register_exporter(Stopping())
    assert done.wait(LONG)


PROGRAM = """
import os, threading
from opencensus.stats import aggregation, measure, view
from opencensus.stats.stats import stats
import opencensus_lean

SIZE = measure.MeasureInt("size", "a size", "By")
stats.view_manager.register_view(view.View("count", "", [], SIZE, aggregation.CountAggregation()))


class Exporter:
    def export(self, view_datas):
        for data in view_datas:
            count = data.tag_value_aggregation_data_map[()].count_data
            os.write(1, f"exported {os.getpid() == PARENT} {count}\\n".encode())


PARENT = os.getpid()


def put():
    mmap = stats.stats_recorder.new_measurement_map()
    mmap.measure_int_put(SIZE, 1)
    mmap.record()

"""
AT_EXIT = """
opencensus_lean.install(port=None, export_interval=1e6)
stats.view_manager.register_exporter(Exporter())
for _ in range(5):
    put()
"""
FORKING = """
opencensus_lean.install(port=None, export_interval=1e6)
stop = threading.Event()


def storm():
    while not stop.is_set():
        put()


threads = [threading.Thread(target=storm) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(30):
    child = os.fork()
    if not child:
        before = stats.view_manager.get_view("count").tag_value_aggregation_data_map[()].count_data
        put()
        after = stats.view_manager.get_view("count").tag_value_aggregation_data_map[()].count_data
        os._exit(0 if after == before + 1 else 3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
stop.set()
for thread in threads:
    thread.join()
os.write(1, b"forked\\n")
"""
CHILD = """
called = threading.Event()


class Telling(Exporter):
    def export(self, view_datas):
        super().export(view_datas)
        if view_datas:
            called.set()


opencensus_lean.install(port=None, export_interval=0.01)
stats.view_manager.register_exporter(Telling())
put()
assert called.wait(60)
child = os.fork()
if not child:
    put()
    called.clear()
    os._exit(0 if called.wait(60) else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def ran(program: str) -> list[str]:
    """Run a program in a process of its own and return the lines it wrote."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM + program],
        capture_output=True, text=True, timeout=120, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    return done.stdout.splitlines()


def test_the_end_of_the_program_exports_what_is_left() -> None:
    """Without any call of `stop`."""
    assert ran(AT_EXIT) == ["exported True 5"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_amid_records_leaves_the_child_able_to_record() -> None:
    """No lock stays held by a thread that the child does not have, and what it got is whole."""
    assert ran(FORKING) == ["forked"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_goes_on_exporting() -> None:
    """Under a server that forks its workers the exporters are called in each of them."""
    assert "exported False 2" in ran(CHILD)

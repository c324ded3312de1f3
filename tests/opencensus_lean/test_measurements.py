"""Measurement maps while recording is lean: the library's own, but for where their values go."""

import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest
from opencensus.stats import aggregation, measure, view
from opencensus.stats.measurement_map import MeasurementMap

import opencensus_lean as lean
from harness.instruments.opencensus import PrivateStats

SIZE = measure.MeasureInt("size", "a size", "By")
TIME = measure.MeasureFloat("time", "a time", "ms")


def made() -> PrivateStats:
    stats = PrivateStats()
    for each in (SIZE, TIME):
        stats.view_manager.register_view(view.View(each.name, "", [], each, aggregation.SumAggregation()))
    return stats


def put_twice(mmap: Any) -> None:
    mmap.measure_int_put(SIZE, 1)
    mmap.measure_float_put(TIME, 0.5)
    mmap.measure_int_put(SIZE, 2)


def attach(mmap: Any) -> None:
    mmap.measure_put_attachment("trace", "one")
    mmap.measure_put_attachment("trace", "two")
    mmap.measure_put_attachment("span", "three")


def attach_to_nothing(mmap: Any) -> None:
    mmap.measure_put_attachment(None, "two")


def attach_a_number(mmap: Any) -> None:
    mmap.measure_put_attachment("trace", 2)


def put_negative(mmap: Any) -> None:
    mmap.measure_float_put(TIME, -1.0)
    mmap.measure_int_put(SIZE, -1)


def put_what_has_no_order(mmap: Any) -> None:
    mmap.measure_int_put(SIZE, "text")


def replace_values(mmap: Any) -> None:
    mmap._measurement_map = {SIZE: 7}


def record_copies(mmap: Any) -> None:
    mmap.measure_int_put(SIZE, 1)
    other = copy.copy(mmap)
    other._measurement_map = dict(other._measurement_map)
    other.measure_int_put(SIZE, 5)
    for each in (mmap, other, mmap):
        each.record()


def seen(use: Callable[[Any], None], stats: PrivateStats, caplog: pytest.LogCaptureFixture) -> list[object]:
    """Return what can be seen of a map before and after `use`, what was logged, and the sums after it is recorded."""
    caplog.clear()
    mmap = stats.stats_recorder.new_measurement_map()
    shown: list[object] = [isinstance(mmap, MeasurementMap), type(mmap.measurement_map), dict(mmap.measurement_map)]
    shown += [mmap.attachments, mmap._invalid, mmap.measure_to_view_map is stats.view_manager.measure_to_view_map]
    try:
        use(mmap)
    except TypeError as error:
        shown.append(str(error))
    shown += [list(mmap.measurement_map.items()), mmap.attachments, [(e.levelname, e.message) for e in caplog.records]]
    fresh = stats.stats_recorder.new_measurement_map()
    shown += [dict(fresh.measurement_map), fresh.attachments, mmap == fresh, bool(fresh)]
    if use is not put_negative:  # the one difference, with a test of its own in test_install.py
        mmap.record()
        for name in ("size", "time"):
            rows = stats.view_manager.get_view(name).tag_value_aggregation_data_map
            shown.append({key: row.sum_data for key, row in rows.items()})
    return shown


@pytest.mark.parametrize(
    "use",
    [put_twice, attach, attach_to_nothing, attach_a_number, put_negative, put_what_has_no_order, replace_values,
     record_copies],
    ids=lambda use: use.__name__,
)  # fmt: skip
def test_a_measurement_map_behaves_as_the_library_s(
    use: Callable[[Any], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Order, precedence of the last put, attachments, errors, warnings and what arrives."""
    with caplog.at_level(logging.WARNING):
        plain = seen(use, made(), caplog)
        stats = made()
        with lean.install(port=None, stats=stats):
            assert seen(use, stats, caplog) == plain


def test_a_map_may_outlive_the_installation() -> None:
    """One that was made while recording was lean raises nothing afterwards."""
    stats = made()
    with lean.install(port=None, stats=stats):
        mmap = stats.stats_recorder.new_measurement_map()
        mmap.measure_int_put(SIZE, 1)
        mmap.record()
    mmap.record()
    assert type(stats.stats_recorder.new_measurement_map()) is MeasurementMap

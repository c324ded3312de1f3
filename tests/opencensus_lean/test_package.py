"""The package by itself: its old name, and programs without prometheus-client."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from opencensus.stats import aggregation, measure, view

import opencensus_lean as lean
from harness.instruments.opencensus import PrivateStats

ROOT = Path(__file__).parents[2]


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "order",
    [
        "from harness.instruments import lean; import harness.instruments.lean.install",
        "import harness.instruments.lean.install; from harness.instruments import lean",
        "from harness.instruments.lean.store import LeanStore; from harness.instruments import lean",
    ],
)
def test_the_old_name_leads_to_the_same_objects(order: str) -> None:
    """`harness.instruments.lean` and its modules still import, in any order, and are not copies."""
    program = f"""
{order}
import importlib
import opencensus_lean
assert lean.install is opencensus_lean.install and lean.LeanExporter is opencensus_lean.LeanExporter
for name in ("cell", "install", "store"):
    old = importlib.import_module(f"harness.instruments.lean.{{name}}")
    new = importlib.import_module(f"opencensus_lean.{{name}}")
    assert old.__all__ == new.__all__, name
    assert all(getattr(old, each) is getattr(new, each) for each in old.__all__)
lean.install(port=None).stop()
"""
    assert run(program) == ""


def test_importing_it_brings_nothing_of_the_harness_and_no_prometheus_client() -> None:
    """Whoever asks for no page pays for no page."""
    program = """
import sys
import opencensus_lean
foreign = ("harness", "workloads", "prometheus_client", "numpy")
print([name for name in sys.modules if name.partition(".")[0] in foreign])
"""
    assert run(program) == "[]\n"


WITHOUT = """
import sys
sys.modules["prometheus_client"] = None  # as if it were not installed
import opencensus_lean
from opencensus.stats import aggregation, measure, view
from opencensus.stats.stats import stats
SIZE = measure.MeasureInt("size", "a size", "By")
stats.view_manager.register_view(view.View("count", "", [], SIZE, aggregation.CountAggregation()))
before = dict(vars(stats.view_manager.measure_to_view_map))
"""


def test_without_prometheus_client_views_are_read_through_opencensus() -> None:
    """``port=None`` records; there is no registry to ask for, and the message says what would bring one."""
    program = f"""{WITHOUT}
with opencensus_lean.install(port=None) as exporter:
    mmap = stats.stats_recorder.new_measurement_map()
    mmap.measure_int_put(SIZE, 1)
    mmap.record()
    (metric,) = stats.get_metrics()
    print(metric.time_series[0].points[0].value.value, exporter.port, exporter.url)
    try:
        exporter.registry
    except ImportError as error:
        print(error)
"""
    assert run(program).splitlines() == [
        "1 None None",
        "a registry needs prometheus-client, which is not installed: pip install 'opencensus-lean[prometheus]'",
    ]


def test_without_prometheus_client_a_page_is_refused_and_nothing_changes() -> None:
    """One line that says what to install and what to do without it."""
    program = f"""{WITHOUT}
try:
    opencensus_lean.install()
except ImportError as error:
    print(error)
assert dict(vars(stats.view_manager.measure_to_view_map)) == before
"""
    assert run(program) == (
        "serving a page needs prometheus-client, which is not installed: pip install 'opencensus-lean[prometheus]'; "
        "install(port=None) serves none\n"
    )


def test_a_distribution_s_sum_is_exact_for_whoever_reads_metrics() -> None:
    """Not the mean times the count, which loses it."""
    size = measure.MeasureFloat("size", "a size", "By")
    stats = PrivateStats()
    stats.view_manager.register_view(view.View("sizes", "", [], size, aggregation.DistributionAggregation([1])))
    with lean.install(port=None, stats=stats):
        for value in (0.1, 0.2, 0.3, 0.0, 0.1):
            mmap = stats.stats_recorder.new_measurement_map()
            mmap.measure_float_put(size, value)
            mmap.record()
        (metric,) = stats.view_manager.measure_to_view_map.get_metrics(None)
        (row,) = stats.view_manager.get_view("sizes").tag_value_aggregation_data_map.values()
    assert metric.time_series[0].points[0].value.sum == row.sum == 0.7


def test_views_that_share_a_family_s_name_are_all_read_through_opencensus(caplog: pytest.LogCaptureFixture) -> None:
    """Only the page has to leave one out."""
    size = measure.MeasureInt("size", "a size", "By")
    stats = PrivateStats()
    for name in ("a/b", "a_b"):
        stats.view_manager.register_view(view.View(name, "", [], size, aggregation.CountAggregation()))
    with lean.install(port=None, stats=stats) as exporter:
        mmap = stats.stats_recorder.new_measurement_map()
        mmap.measure_int_put(size, 1)
        mmap.record()
        found = [each.descriptor.name for each in stats.view_manager.measure_to_view_map.get_metrics(None)]
        assert [family.name for family in exporter.registry.collect()] == ["a_b"]
    assert found == ["a/b", "a_b"]
    assert "'a_b' is left out" in caplog.text

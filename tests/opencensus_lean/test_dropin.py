"""An existing OpenCensus program before and after its three changed lines, in processes of their own."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from harness.instruments.opencensus import PrivateStats
from tests.harness.instruments.pages import read

DOCUMENT = Path(__file__).parents[2] / "docs" / "opencensus-lean.md"

PROGRAM = """
import sys
import threading

from opencensus.stats import aggregation as aggregation_module
from opencensus.stats import measure as measure_module
from opencensus.stats import stats as stats_module
from opencensus.stats import view as view_module
from opencensus.tags import tag_key as tag_key_module
from opencensus.tags import tag_map as tag_map_module
from opencensus.tags import tag_value as tag_value_module

m_latency_ms = measure_module.MeasureFloat("repl_latency", "latency", "ms")
m_line_lengths = measure_module.MeasureInt("repl_line_lengths", "lengths", "By")
stats_recorder = stats_module.stats.stats_recorder
key_method = tag_key_module.TagKey("method")
views = [
    view_module.View("demo_latency", "latencies", [key_method], m_latency_ms,
                     aggregation_module.DistributionAggregation([25, 50])),
    view_module.View("demo_lines_in", "lines", [key_method], m_line_lengths, aggregation_module.CountAggregation()),
    view_module.View("demo_line_lengths", "lengths", [key_method], m_line_lengths,
                     aggregation_module.DistributionAggregation([5, 10])),
]


def record(line, method):
    mmap = stats_recorder.new_measurement_map()
    mmap.measure_float_put(m_latency_ms, 0.1)
    mmap.measure_int_put(m_line_lengths, len(line))
    tmap = tag_map_module.TagMap()
    tmap.insert(key_method, tag_value_module.TagValue(method))
    mmap.record(tmap)


def set_up(port):
    view_manager = stats_module.stats.view_manager
{setup}
    for view in views:
        view_manager.register_view(view)


set_up(int(sys.argv[1]))
for length in (0, 4, 5, 6, 10, 11):
    record("x" * length, "main")
thread = threading.Thread(target=record, args=("x" * 5, "thread"))
thread.start()
thread.join()
print("ready", flush=True)
sys.stdin.readline()
{teardown}
"""

BEFORE = """
    from opencensus.ext.prometheus import stats_exporter as prometheus
    exporter = prometheus.new_stats_exporter(
        prometheus.Options(namespace="oc_python", port=port, address="127.0.0.1"))
    view_manager.register_exporter(exporter)
"""
AFTER = """
    global exporter
    import opencensus_lean
    exporter = opencensus_lean.install(namespace="oc_python", port=port)
"""


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def page_of_program(tmp_path: Path, setup: str, teardown: str) -> str:
    """Run the program, return its page as HTTP gave it, and see it end by itself."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(setup=setup, teardown=teardown))
    port = free_port()
    with subprocess.Popen(
        [sys.executable, program, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(DOCUMENT.parents[1])},
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            assert process.stdout.readline() == "ready\n"
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
                page: str = response.read().decode()
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.wait(20) == 0
        finally:
            process.kill()
    return page


def test_a_program_shows_the_same_families_after_three_lines(tmp_path: Path) -> None:
    """Same names, labels, bounds and counts; what differs is what the exporter gets wrong."""
    before = page_of_program(tmp_path, BEFORE, "")
    after = page_of_program(tmp_path, AFTER, "exporter.stop()")
    ours = {line for line in before.splitlines() if "oc_python" in line}
    assert {line.split(" ")[0] for line in after.splitlines() if line[0] != "#"} == {
        line.split(" ")[0] for line in ours if line[0] != "#"
    }
    # Two series: two HELP lines a family from the exporter, one from lean.
    assert before.count("# TYPE oc_python_demo_latency ") == 2
    assert after.count("# TYPE oc_python_demo_latency ") == 1
    # Nothing but the program's views.
    assert "python_info" in before
    assert "python_info" not in after
    main = frozenset({("method", "main")})
    bucket = ("oc_python_demo_line_lengths_bucket", main | {("le", "5.0")})
    assert read("\n".join(sorted(ours)) + "\n")[bucket] == 2
    assert read(after)[bucket] == 3
    assert read(after)["oc_python_demo_lines_in_total", main] == 6
    assert read(after)["oc_python_demo_line_lengths_sum", main] == 36


def test_the_document_shows_what_is_tested() -> None:
    """The before and after of the page are those of the program above, but for the port's name."""
    text = DOCUMENT.read_text()
    for part in ("import opencensus_lean", 'exporter = opencensus_lean.install(namespace="oc_python", port=8000)'):
        assert part in text


@pytest.mark.parametrize("attribute", ["stats_recorder", "view_manager"])
def test_private_stats_are_what_the_library_would_give(attribute: str) -> None:
    """The instrument's own recorder and manager share one map, which is not the process's."""
    from opencensus.stats.stats import stats

    private = PrivateStats()
    assert private.stats_recorder.measure_to_view_map is private.view_manager.measure_to_view_map
    assert type(getattr(private, attribute)) is type(getattr(stats, attribute))
    assert private.stats_recorder.measure_to_view_map is not stats.stats_recorder.measure_to_view_map

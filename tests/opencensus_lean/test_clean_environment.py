"""The wheel of opencensus-lean in environments that have nothing but what it asks for."""

import json
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "opencensus_lean"
CONSTRAINTS = ROOT / "constraints.txt"
SOURCES = ("*.py", "py.typed")

pytestmark = pytest.mark.slow

RECORDING = """
import json, sys, urllib.request
from opencensus.stats import aggregation, measure, view
from opencensus.stats.stats import stats
from opencensus.tags import TagKey, TagMap, TagValue
import opencensus_lean

SIZE = measure.MeasureInt("size", "a size", "By")
KEY = TagKey("key")
for name, kind in (("count", aggregation.CountAggregation()), ("sizes", aggregation.DistributionAggregation([5, 10]))):
    stats.view_manager.register_view(view.View(name, name, [KEY], SIZE, kind))


def put(size):
    mmap = stats.stats_recorder.new_measurement_map()
    mmap.measure_int_put(SIZE, size)
    tags = TagMap()
    tags.insert(KEY, TagValue("k"))
    mmap.record(tags)


found = {"file": opencensus_lean.__file__}
"""
WITHOUT_PAGE = """
try:
    opencensus_lean.install(port=0)
except ImportError as error:
    found["refused"] = str(error)
with opencensus_lean.install(port=None):
    for size in (4, 5, 11):
        put(size)
    for metric in stats.get_metrics():
        value = metric.time_series[0].points[0].value
        found[metric.descriptor.name] = getattr(value, "value", None) or [value.count, value.sum]
print(json.dumps(found))
"""
WITH_PAGE = """
from opencensus.ext.prometheus import stats_exporter

options = stats_exporter.Options(namespace="old", port=int(sys.argv[1]), address="127.0.0.1")
old = stats_exporter.new_stats_exporter(options)
stats.view_manager.register_exporter(old)
with opencensus_lean.install(namespace="ns", port=0) as exporter:
    for size in (4, 5, 11):
        put(size)
    exporter.export_now()
    for name, url in (("lean", exporter.url), ("library", f"http://127.0.0.1:{sys.argv[1]}/metrics")):
        with urllib.request.urlopen(url, timeout=10) as response:
            lines = response.read().decode().splitlines()
        found[name] = [line for line in lines if "sizes_" in line and line[0] != "#"]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as `make lean-wheel` does."""
    built = tmp_path_factory.mktemp("wheel")
    asked = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(built), str(FOLDER)]
    subprocess.run(asked, check=True, timeout=300)
    (found,) = built.glob("*.whl")
    return found


def environment(folder: Path, *what: str) -> Path:
    """Make an environment with `what` and what it requires; return its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
    python = folder / "bin" / "python"
    quiet = ("--quiet", "--disable-pip-version-check", "--constraint", str(CONSTRAINTS))
    subprocess.run([str(python), "-m", "pip", "install", *quiet, *what], check=True, timeout=600)
    return python


def run(python: Path, program: str, *arguments: str) -> dict[str, object]:
    """Run a program far from the checkout; return what it printed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(python), "-c", RECORDING + program, *arguments],
        cwd=python.parent, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def installed(python: Path) -> set[str]:
    listed = subprocess.run(
        [str(python), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"],
        check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    return {each["name"].lower() for each in json.loads(listed)}


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Every module that git knows of, the marker of its types and the licence; opencensus is all that it requires."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith("/METADATA"))
        licences = [archive.read(name) for name in names if name.endswith("/LICENSE")]
    expected = {f"opencensus_lean/{path.name}" for pattern in SOURCES for path in FOLDER.glob(pattern)}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert licences == [(ROOT / "LICENSE").read_bytes()]
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra" not in line]
    assert required == ["Requires-Dist: opencensus>=0.11.4"]


def test_opencensus_alone_is_enough_to_record(wheel: Path, tmp_path: Path) -> None:
    """No harness, no prometheus-client; views are read through OpenCensus, and a page is refused with the way out."""
    python = environment(tmp_path / "clean", str(wheel))
    there = installed(python)
    assert {"opencensus", "opencensus-lean"} <= there
    assert not there & {"recording-harness", "prometheus-client", "prometheus_client", "numpy", "pydantic", "click"}
    found = run(python, WITHOUT_PAGE)
    assert Path(str(found["file"])).is_relative_to(python.parents[1])
    assert "pip install 'opencensus-lean[prometheus]'" in str(found["refused"])
    assert (found["count"], found["sizes"]) == (3, [3, 20])


def test_beside_the_library_s_prometheus_exporter_both_pages_are_right(wheel: Path, tmp_path: Path) -> None:
    """Its exporter may stay registered; the lean page is served beside it."""
    python = environment(tmp_path / "clean", str(wheel), "opencensus-ext-prometheus")
    assert "prometheus-client" in {name.replace("_", "-") for name in installed(python)}
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    found = run(python, WITH_PAGE, str(port))
    expected = [
        'sizes_bucket{key="k",le="5"} 2.0',
        'sizes_bucket{key="k",le="10"} 2.0',
        'sizes_bucket{key="k",le="+Inf"} 3.0',
        'sizes_count{key="k"} 3.0',
        'sizes_sum{key="k"} 20.0',
    ]
    assert found["lean"] == [f"ns_{line}" for line in expected]
    assert found["library"] == [f"old_{line}" for line in expected]

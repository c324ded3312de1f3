"""Everything that an earlier version stored still opens: results, the history, exports and the report.

The documents in `tests/data/earlier` were written by the version before the modules were regrouped, one of each kind.
"""

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.history.exchange.exports import export_pytest_benchmark
from harness.history.figures import metrics_of
from harness.history.queries import list_runs, show_run
from harness.history.store import Store
from harness.report.collect import assembled, read_document
from harness.report.page import render
from harness.run.result import RunResult

pytestmark = pytest.mark.system

EARLIER = Path(__file__).parent / "data" / "earlier"


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress((EARLIER / f"{name}.json.gz").read_bytes()))
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    folder = tmp_path / "runs"
    folder.mkdir()
    for path in (EARLIER / "runs").iterdir():
        (folder / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    return Store(folder)


@pytest.mark.parametrize("name", ["run", "comparison", "compare", "pages", "full"])
def test_a_result_opens_and_is_shown(name: str) -> None:
    """Each as a page, with its figures."""
    page = render(assembled(read_document(document(name), f"{name}.json")))
    assert page.startswith("<!doctype html>")
    assert len(page) > 10_000


def test_a_run_keeps_its_figures() -> None:
    """Whatever keys have come since are null or empty."""
    earlier = document("run")
    result = RunResult.model_validate(earlier)
    now = result.document()
    assert {key: now[key] for key in ("ledger", "rate", "lag_ns", "scrapes", "verdict")} == {
        key: earlier[key] for key in ("ledger", "rate", "lag_ns", "scrapes", "verdict")
    }
    assert now["workload"]["digest"] == earlier["workload"]["digest"]
    assert (now["workers"], now["spec"]["workers"]) == ([], 1)


def test_the_whole_matrix_keeps_its_figures() -> None:
    """Every experiment of the kept full run has the ratio and the cost that it was stored with."""
    earlier = document("full")
    figures = metrics_of("overhead", earlier)
    stored = earlier["experiments"]
    ratios = {round(experiment["ratio"], 12) for experiment in stored if experiment.get("ratio")}
    assert len(figures) > 20
    assert {round(figure.ratio, 12) for figure in figures if figure.ratio} <= ratios


def test_the_history_opens(store: Store) -> None:
    """A load run, a comparison, a comparison of sides and an imported suite: listed, shown and exported."""
    listing = list_runs(store)
    assert listing.problems == ()
    assert {row.kind for row in listing.rows} == {"run", "overhead", "suite"}
    for row in listing.rows:
        shown = show_run(store, row.id)
        assert shown.envelope.kind == row.kind
        # Two pages side by side have nothing that a figure could be made of.
        if row.kind == "suite" or shown.envelope.document.get("experiments"):
            assert shown.metrics
            assert json.loads(export_pytest_benchmark(shown.envelope))["benchmarks"]


def test_the_commands_read_it(store: Store, tmp_path: Path) -> None:
    """Report, list and check take an earlier history as their own."""

    def harness(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "harness.cli", *arguments, "--store", str(store.folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert harness("history").returncode == 0
    target = tmp_path / "page.html"
    assert harness("report", "--output", str(target)).returncode == 0
    assert target.stat().st_size > 10_000
    checked = harness("check", "--json")
    assert checked.returncode == 3
    now, earlier = json.loads(checked.stdout), document("check")
    assert earlier.keys() <= now.keys()
    assert now["outcome"] == earlier["outcome"]


def test_probes_keep_their_keys() -> None:
    """Whoever reads the document of `harness probe` finds what was there."""
    from harness.probe.catalog import ProbeResult
    from harness.probe.runner import document as probe_document

    earlier = document("probe")
    now = probe_document([ProbeResult("sum-inexact", "opencensus", None, "not looked for")])
    assert earlier.keys() <= now.keys()
    assert earlier["outcomes"][0].keys() <= now["outcomes"][0].keys()


def test_the_test_takes_nothing_from_the_machine(store: Store) -> None:
    """The documents are copies: opening them changes none."""
    before = {path.name: path.read_bytes() for path in store.folder.glob("*.json")}
    list_runs(store)
    assert {path.name: path.read_bytes() for path in store.folder.glob("*.json")} == before
    shutil.rmtree(store.folder)

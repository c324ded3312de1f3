import csv
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from harness.errors import UsageError
from harness.history.envelope import Envelope
from harness.history.exchange.exports import FORMATS, export_figures, export_pytest_benchmark, figures_of
from harness.history.exchange.imports import import_benchmarks
from harness.history.fingerprint import epoch_of, fingerprint, git_state
from harness.history.queries import keep, list_runs, remove_runs, show_run
from harness.history.store import Store
from tests.harness.history.makers import HERE, START, THERE, experiment, keep_series, overhead


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def _run(document: dict[str, object], kind: str = "overhead") -> Envelope:
    return Envelope("20260101-x", kind, "2026-01-01T00:00:00.000000Z", "", HERE, {}, document)


def export(runs: Sequence[Envelope], form: str) -> str:
    return export_figures((figure for run in runs for figure in figures_of(run)), form)


BENCHMARKS = {
    "machine_info": {"node": "n", "system": "Linux", "release": "6", "cpu": {"brand_raw": "C", "count": 2}},
    "commit_info": {"id": "abc", "dirty": False, "branch": "main"},
    "benchmarks": [
        {"name": "test_a", "fullname": "t.py::test_a", "stats": {"mean": 2e-6, "stddev": 1e-7, "rounds": 25}}
    ],
    "datetime": "2024-05-01T10:00:00+00:00",
    "version": "4.0.0",
}


def test_csv_has_a_row_for_each_figure(store: Store) -> None:
    """Columns are named, numbers are whole, and what a run did not say is empty."""
    runs = keep_series(store, [2.0, 2.5])
    rows = list(csv.DictReader(io.StringIO(export(runs, "csv"))))
    assert [(row["run"], row["ratio"], row["unit"]) for row in rows] == [
        (runs[0].id, "2.0", "ns"),
        (runs[1].id, "2.5", "ns"),
    ]


@pytest.mark.parametrize("head", ["=1+1", "@cmd", '"quoted", and\nbroken', "+x", "-x"])
def test_csv_carries_odd_names_without_making_formulas(head: str) -> None:
    """A name that a spreadsheet would run is made inert; quotes and newlines come back as they were."""
    (row,) = csv.DictReader(io.StringIO(export([_run({"experiments": [experiment(head=head)]})], "csv"), newline=""))
    assert row["head"].lstrip("'") == head
    assert not row["head"].startswith(("=", "+", "-", "@"))


def test_smaller_is_better_is_what_the_action_reads(store: Store) -> None:
    """Each figure's newest run: name, unit, a number, and the half-width as the range."""
    runs = keep_series(store, [2.0, 2.5])
    (entry,) = json.loads(export(runs, "customSmallerIsBetter"))
    assert (entry["name"], entry["unit"], entry["value"], entry["range"]) == (
        "wall_ns a/none series=1",
        "ns",
        150.0,
        "± 1",
    )
    assert runs[1].id in entry["extra"]


@given(head=st.text(min_size=1), base=st.text(min_size=1), ratio=st.floats(1e-6, 1e6))
def test_openmetrics_parses_whatever_the_names(head: str, base: str, ratio: float) -> None:
    """The reference parser reads the page, and labels and values come back exactly, whatever was in them."""
    document = {"experiments": [{**experiment(ratio, head=head), "base": base}]}
    families = list(text_string_to_metric_families(export([_run(document)], "openmetrics")))
    (sample,) = next(family for family in families if family.name == "recording_ratio").samples
    assert (sample.labels["head"], sample.labels["base"], sample.value) == (head, base, ratio)
    assert float(sample.timestamp) == START.timestamp()


def test_openmetrics_is_valid_without_runs() -> None:
    """An empty history is a page without samples."""
    assert all(not family.samples for family in text_string_to_metric_families(export([], "openmetrics")))


def test_pytest_benchmark_compares_what_was_exported(store: Store, tmp_path: Path) -> None:
    """pytest-benchmark's own command reads the export and shows each figure."""
    path = tmp_path / "0001_export.json"
    path.write_text(export_pytest_benchmark(keep_series(store, [2.0])[0]))
    command = [sys.executable, "-m", "pytest_benchmark", "compare", "--columns=mean,rounds,outliers", str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert "wall_ns a/none series=1" in shown
    assert "203.0000" in shown  # ns, the mean of the four pairs


def test_an_imported_document_is_exported_as_it_came(store: Store, tmp_path: Path) -> None:
    """Nothing is lost between import and export."""
    path = tmp_path / "b.json"
    path.write_text(json.dumps(BENCHMARKS))
    (run,) = import_benchmarks(store, path).new
    assert json.loads(export_pytest_benchmark(store.load(run))) == BENCHMARKS


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_format_takes_every_kind(form: str) -> None:
    """Runs, overheads and suites export without failing, also when they hold nothing known."""
    for kind, document in (("run", {}), ("overhead", {}), ("suite", BENCHMARKS), ("overhead", overhead(2.0))):
        assert export([_run(document, kind)], form).endswith("\n")
        assert "benchmarks" in json.loads(export_pytest_benchmark(_run(document, kind)))


def test_an_unknown_format_names_those_there_are() -> None:
    """A wrong format is a usage error."""
    with pytest.raises(UsageError, match=r"^'xml' is not one of csv") as raised:
        export([], "xml")
    assert raised.value.field == "format"


def test_benchmarks_are_imported_once(store: Store, tmp_path: Path) -> None:
    """A folder's results come in at their own time; a second import, or a copy, adds nothing; bad files are named."""
    folder = tmp_path / ".benchmarks" / "Linux"
    folder.mkdir(parents=True)
    (folder / "0001.json").write_text(json.dumps(BENCHMARKS))
    (folder / "0002_copy.json").write_text(json.dumps(BENCHMARKS, indent=4))
    (folder / "0003.json").write_text("{")
    (folder / "0004.json").write_text('{"benchmarks": [], "datetime": "soon"}')
    first = import_benchmarks(store, folder.parent)
    assert (len(first.new), len(first.known), len(first.problems)) == (1, 1, 2)
    assert "0003.json: not whole JSON" in first.problems[0]
    again = import_benchmarks(store, folder.parent)
    assert (again.new, len(again.known)) == ((), 2)
    kept = store.load(first.new[0])
    assert (kept.kind, kept.created, kept.git["revision"]) == ("suite", "2024-05-01T10:00:00.000000Z", "abc")
    (metric,) = show_run(store, kept.id).metrics
    assert (metric.key, metric.value, metric.unit) == ("suite t.py::test_a", pytest.approx(2000), "ns")


def test_importing_nothing_says_so(store: Store, tmp_path: Path) -> None:
    """A source that is not there is one clear line."""
    with pytest.raises(UsageError, match="give a pytest-benchmark JSON file"):
        import_benchmarks(store, tmp_path / "none")


def test_the_list_is_filtered(store: Store) -> None:
    """By kind, label, time and instrument on either side; the newest of what fits; epochs are marked."""
    store.save("overhead", overhead(2.0), fingerprint=THERE, label="night 1", created=START)
    store.save("run", {}, fingerprint=HERE, label="day", created=START + timedelta(days=1))
    last = store.save(
        "overhead", overhead(2.0, 3.0), fingerprint=HERE, label="night 2", created=START + timedelta(days=2)
    )
    whole = list_runs(store)
    assert [row.label for row in whole.rows] == ["night 1", "day", "night 2"]
    assert whole.opens_epoch == {whole.rows[1].id}
    assert [row.label for row in list_runs(store, kind="run").rows] == ["day"]
    assert [row.label for row in list_runs(store, label="night").rows] == ["night 1", "night 2"]
    assert [row.label for row in list_runs(store, since="2026-01-02").rows] == ["day", "night 2"]
    assert [row.id for row in list_runs(store, instrument="b").rows] == [last.id]
    assert [row.id for row in list_runs(store, instrument="none", newest=1).rows] == [last.id]
    assert list_runs(store, newest=0).rows == ()


@pytest.mark.parametrize("option", [{"kind": "x"}, {"since": "soon"}])
def test_a_bad_filter_names_its_field(store: Store, option: dict[str, str]) -> None:
    """Filters that cannot be meant are usage errors."""
    with pytest.raises(UsageError) as raised:
        list_runs(store, **option)  # type: ignore[arg-type]
    assert [raised.value.field] == list(option)


def test_a_run_is_shown_and_removed_by_name_only(store: Store) -> None:
    """Runs go when they are named; if one of the names fits none, none goes."""
    first, second = keep_series(store, [2.0, 2.1])
    assert show_run(store, "newest").envelope == second
    with pytest.raises(UsageError, match="no run 'nope'"):
        remove_runs(store, [first.id, "nope"])
    with pytest.raises(UsageError, match="name the runs"):
        remove_runs(store, [])
    assert remove_runs(store, [first.id[-8:]]) == (store.path(first.id),)
    assert [row.id for row in list_runs(store).rows] == [second.id]


def test_what_is_kept_here_carries_this_machine_and_project(store: Store) -> None:
    """The fingerprint is that of this process, its epoch follows from the machine alone."""
    kept = keep(store, "overhead", overhead(2.0), "mine")
    assert kept.fingerprint == fingerprint()
    assert kept.epoch == epoch_of(kept.fingerprint["machine"])
    assert set(kept.fingerprint["machine"]) == {
        "cpu", "cpu_count", "machine", "kernel", "python", "python_build", "hash_seed",
    }  # fmt: skip
    assert "prometheus-client" in kept.fingerprint["versions"]
    assert epoch_of({"a": 1, "b": 2}) == epoch_of({"b": 2, "a": 1}) != epoch_of({"a": 1, "b": 3})


def test_the_projects_git_state_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Revision, branch and dirtiness; nulls without repository, without commit, and without git."""
    nothing = {"revision": None, "branch": None, "dirty": None}
    assert git_state(tmp_path) == nothing
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "init", "-q", "-b", "trunk"], check=True)
    assert git_state(tmp_path) == nothing
    (tmp_path / "f").write_text("1")
    subprocess.run([*git, "add", "f"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    clean = git_state(tmp_path)
    assert (len(clean["revision"]), clean["branch"], clean["dirty"]) == (40, "trunk", False)
    (tmp_path / "untracked").write_text("1")
    assert git_state(tmp_path)["dirty"] is False
    (tmp_path / "f").write_text("2")
    assert git_state(tmp_path)["dirty"] is True
    monkeypatch.setenv("PATH", "")
    assert git_state(tmp_path) == nothing

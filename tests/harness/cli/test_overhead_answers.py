"""Whole answers of `harness overhead` with real processes: a described service, columns on request, every row."""

import json
from pathlib import Path

import jsonschema
import pytest

from harness.instruments.catalog import installed
from harness.measure.questions.table import ALL_ROWS
from tests.harness.cli.test_overhead_command import SHORT, harness

pytestmark = pytest.mark.slow


def test_a_described_service_is_answered_stored_and_shown_again(tmp_path: Path) -> None:
    """One real answer, as briefly as it can be had: printed, in a document, and in the history."""
    path, store = tmp_path / "service.json", tmp_path / "store"
    done = harness(
        "overhead", "--for", "series=3,workers=2", "--instruments", "prometheus-client", "--budget", "10ms", "--quiet",
        "--json", str(path), "--store", str(store),
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    assert "already: one worker counted" in done.stdout
    document = json.loads(path.read_text())
    jsonschema.validate(document, json.loads(harness("schema", "overhead").stdout))
    (described,) = document["described"]
    assert described["service"] == {"series": 3, "rate": 1000.0, "workers": 2, "scrape_s": 15.0}
    assert document["parts"][0]["what"] == "described:series=3,rate=1000/s,workers=2,scrape=15s"
    assert [each["void"] for each in described["processes"]] == [""] * 3
    kept = harness("history", "show", "newest", "--store", str(store))
    assert "prometheus-client" in kept.stdout
    page = tmp_path / "report.html"
    shown = harness("report", "--output", str(page), "--store", str(store))
    assert shown.returncode == 0, shown.stderr
    assert "What breaks first" in page.read_text()


def test_a_column_is_in_the_document_in_markdown_and_in_the_history(tmp_path: Path) -> None:
    """A real run with the quickest of them: stored as printed, within the published schema."""
    path, markdown = tmp_path / "f.json", tmp_path / "f.md"
    done = harness(
        "overhead", "--instruments", "prometheus-client", "--budget", "10ms", "--columns", "import", "--quiet",
        "--json", str(path), "--markdown", str(markdown), "--store", str(tmp_path / "store"),
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    document = json.loads(path.read_text())
    jsonschema.validate(document, json.loads(harness("schema", "overhead").stdout))
    (column,) = document["columns"]
    assert (column["instrument"], column["column"], column["at"], column["unit"]) == (
        "prometheus-client", "import", None, "ns",
    )  # fmt: skip
    assert len(column["values"]) == 20
    assert column["interval"][0] < column["value"] < column["interval"][1]
    assert "What else it takes: import" in done.stdout
    assert "| Import, ms |" in markdown.read_text()
    (kept,) = [json.loads(each.read_text()) for each in (tmp_path / "store").rglob("*.json")]
    assert kept["document"]["columns"] == document["columns"]


def test_every_row_of_the_whole_matrix_is_measured_in_pairs(tmp_path: Path) -> None:
    """What is installed of them, each against the bare REPL: a pair that counts, so its page showed every line."""
    path = tmp_path / "f.json"
    rows = installed(ALL_ROWS)
    done = harness("overhead", "--instruments", ",".join(rows), *SHORT, "--json", str(path))
    assert done.returncode in (0, 1), done.stderr
    experiments = {each["head"]: each for each in json.loads(path.read_text())["experiments"]}
    assert list(experiments) == rows
    for each in experiments.values():
        assert not all(pair["void"] for pair in each["raw_pairs"]), each["head"]

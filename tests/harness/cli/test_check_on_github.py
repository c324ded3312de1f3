"""What `harness check` gives GitHub: annotations, a summary of the job, and a workflow to copy."""

import json
from pathlib import Path

import pytest
import yaml

from harness.cli import COMMANDS, _run
from harness.history.store import Store
from tests.harness.history.makers import HERE, START, experiment, keep_series, overhead

DOCS = Path(__file__).parents[3] / "docs"
HOSTILE = "a|b`<script>*_[x](y)\n::error::100%\x1b[31m"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def check(store: Store, *arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = _run(["check", "--store", str(store.folder), *arguments])
    return code, *capsys.readouterr()


def test_github_gets_annotations_that_nothing_can_break_out_of(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name with newlines, percent signs and markup stays one annotation and one table row."""
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    for hour, ratio in enumerate([2.0] * 8 + [2.5]):
        document = {"experiments": [experiment(ratio, head=HOSTILE), *overhead(2.0)["experiments"]]}
        store.save("overhead", document, fingerprint=HERE, created=START.replace(hour=hour))
    code, out, _ = check(store, "--no-remeasure", capsys=capsys)
    assert code == 1
    (annotation,) = (line for line in out.splitlines() if line.startswith("::"))
    assert annotation.startswith("::error title=recording overhead regressed::wall_ns a|b")
    assert "::error::100%25" in annotation
    assert "\x1b" not in out
    text = summary.read_text()
    assert text.startswith("# before\n## Recording overhead: regressed\n")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert {len(row.replace("\\|", "").split("|")) for row in rows} == {9}
    assert "<script>" not in text
    assert "\x1b" not in text


def test_json_stays_json_on_github(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Annotations leave standard output to the JSON; a summary that cannot be written is a warning only."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "folder"))
    keep_series(store, [2.0, 2.5])
    code, out, err = check(store, "--json", capsys=capsys)
    assert (code, json.loads(out)["outcome"]) == (3, "undecided")
    assert "::warning title=" in err
    assert "warning: GITHUB_STEP_SUMMARY" in err


def test_the_documented_workflow_is_valid_and_uses_what_there_is() -> None:
    """The GitHub Actions example is YAML of the right shape, and every harness command in the page exists."""
    text = (DOCS / "ci.md").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    (job,) = workflow["jobs"].values()
    assert {"push", "schedule"} <= set(workflow[True])  # YAML 1.1 reads the key `on` as true
    assert all({"uses", "run"} & set(step) for step in job["steps"])
    used = [line.split("harness ")[1].split()[0] for line in text.splitlines() if line.strip().startswith("harness ")]
    assert used
    assert set(used) <= set(COMMANDS)

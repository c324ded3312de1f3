"""What the page "What a metric costs" promises: every figure on it comes from the pairs kept beside it."""

import shutil
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
DOCS = BENCHMARKS.parent / "docs"
PAGE = "what-a-metric-costs"


def test_the_page_is_what_its_data_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written anew from the stored document, page and pictures come out as they are in docs/, to the letter."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "page_text", raising=False)
    from benchmarks import what_a_metric_costs as script

    (tmp_path / "data").mkdir()
    for name in (f"{PAGE}.json.gz", "validation.jsonl.gz"):
        shutil.copy(DOCS / "data" / name, tmp_path / "data" / name)
    assert script.main(["--render", "--quick", str(tmp_path)]) == 0
    assert (tmp_path / f"{PAGE}.md").read_text(encoding="utf-8") == (DOCS / f"{PAGE}.md").read_text(encoding="utf-8")
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "img").iterdir()}
    assert drawn
    assert drawn == {path.name: path.read_bytes() for path in (DOCS / "img").glob(f"{PAGE}-*.svg")}

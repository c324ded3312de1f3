"""The block of docs/push.md, rendered from stored figures."""

from pathlib import Path
from typing import Any

from benchmarks.cost.push import NAME, PAGE, block
from benchmarks.stored_block import load, store, write_block
from harness.measure.questions.answer import outcome_of


def run(instrument: str, age_ms: float, lost: int) -> dict[str, Any]:
    """Return what is stored of a load run; nothing was pushed where the age is 0."""
    ages = dict.fromkeys(("p50", "p99", "max", "mean"), age_ms)
    push = {
        "transport": "UDP", "arrived": 100, "lost_at_client": 0, "lost_at_sink": lost, "unreadable": 0, "age_ms": ages,
    }  # fmt: skip
    return {
        "instrument": instrument, "arrivals": "poisson:rate=1k", "series": 1, "lines": 100, "verdict": "valid",
        "outcome": "conserved", "response_p99_ns": 200_000, "response_max_ns": 3_000_000,
        "push": push if age_ms else None,
    }  # fmt: skip


def test_the_block_is_rendered_from_what_is_stored(tmp_path: Path) -> None:
    """Stored, read and rendered: ranges over the repeats, dashes where nothing is pushed; the page has the place."""
    runs = [run("statsd", 1.5, 0), run("statsd", 2.5, 25), run("none", 0, 0)]
    store(NAME, {"costs": outcome_of("comparison").document(), "runs": runs}, tmp_path)
    text = block(load(NAME, tmp_path))
    assert "| `statsd` | 1k | 1 | 0 to 20 % | 1.5 to 2.5 | 1.5 to 2.5 | 0.20 | 3 |" in text
    assert "| `none` | 1k | 1 | – | – | – | 0.20 | 3 |" in text
    assert "make push" in text
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    write_block(NAME, text, page)
    assert "`statsd`" in page.read_text(encoding="utf-8")

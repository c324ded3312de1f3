"""The block of docs/event-loops.md, rendered from a stored answer."""

import json
from pathlib import Path

from benchmarks.cost.event_loops import NAME, PAGE, block
from benchmarks.stored_block import load, store, write_block
from harness.measure.questions.answer import Answer, outcome_of
from tests.harness.measure.loop_traces import effect_of


def test_the_block_is_rendered_from_what_is_stored(tmp_path: Path) -> None:
    """Stored, read and rendered: tables, law, date and machine; and the page has the place for it."""
    effects = [effect_of("on-the-loop", 0.3 + 0.08 * size, size, series=size) for size in (10, 100, 1000)]
    store(NAME, outcome_of("loop", loops=effects).document(), tmp_path)
    answer = Answer.model_validate(load(NAME, tmp_path))
    text = block(answer)
    assert "stall = 300 µs" in text
    assert "make event-loops" in text
    assert answer.created[:10] in text
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    write_block(NAME, text, page)
    assert "stall = 300 µs" in page.read_text(encoding="utf-8")
    assert json.loads((tmp_path / f"{NAME}.json").read_text())["mode"] == "loop"

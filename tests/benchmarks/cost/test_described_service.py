"""The block of docs/described-service.md, rendered from a stored answer."""

import json
from pathlib import Path

from benchmarks.cost.described_service import NAME, PAGE, SERVICES, block
from benchmarks.stored_block import load, store, write_block
from harness.measure.questions.answer import Answer, joined, outcome_of
from harness.measure.questions.described.description import parse_service
from harness.measure.questions.described.estimates import FootprintRecord, described_of
from tests.harness.report.samples import document, experiment


def answered(text: str) -> Answer:
    """Return the answer for one service, made up."""
    service = parse_service(text)
    costs = [experiment("prometheus-client", 5_000.0, series=service.series)]
    process = FootprintRecord(
        instrument="prometheus-client", before=0, after=2**20, page_ns=[9_000_000], recorded=2, own=2, shown=2,
        series=1, shown_series=1,
    )  # fmt: skip
    return outcome_of(
        "described",
        {f"described:{service.text}": document(costs)},
        described=[described_of(service, costs, [process] * 3)],
    )


def test_the_block_is_rendered_from_what_is_stored(tmp_path: Path) -> None:
    """Stored, read and rendered: each service with its figures, date and machine; and the page has the place for it."""
    store(NAME, joined("described", [answered(text) for text in SERVICES]).document(), tmp_path)
    answer = Answer.model_validate(load(NAME, tmp_path))
    text = block(answer)
    for words in ("200 series", "4 workers", "3\u202f000 series", "1 worker,", "What breaks first", "1.00 MiB"):
        assert words in text
    assert "make described-service" in text
    assert answer.created[:10] in text
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    write_block(NAME, text, page)
    assert "What breaks first" in page.read_text(encoding="utf-8")
    assert len(json.loads((tmp_path / f"{NAME}.json").read_text())["described"]) == len(SERVICES)

"""What one side of a comparison is, and what its process is told of it."""

import json

from harness.measure.subject import Subject

# What a process of the version before the modules were regrouped accepts (`harness compare git:REV` starts such ones).
EARLIER_FIELDS = {
    "instrument", "series", "views", "tags", "buckets", "threads", "scraped", "interval_ms", "delay_ns", "rung",
    "target", "bare", "python", "path", "folder", "label",
}  # fmt: skip


def test_a_worker_of_an_earlier_revision_understands_what_it_is_sent():
    """Fields that came later are sent only where they matter, and then it has to refuse."""
    assert set(json.loads(Subject(instrument="opencensus", series=3).to_json())) <= EARLIER_FIELDS
    assert set(json.loads(Subject(heap=5).to_json())) - EARLIER_FIELDS == {"heap"}
    assert Subject.from_json(Subject(heap=5).to_json()).heap == 5

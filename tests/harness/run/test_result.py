"""What the schema of a run's result says of its fields is what they are."""

import hashlib

from harness.run.result import RunResult
from workloads.workload import Workload, WorkloadSpec


def test_the_digest_is_made_with_the_hash_that_the_schema_names() -> None:
    """Whoever computes it anew from lines and due times, by the schema's word, finds the same."""
    schema = RunResult.model_json_schema()
    described = schema["$defs"]["WorkloadResult"]["properties"]["digest"]["description"]
    workload = Workload(WorkloadSpec(count=50, arrivals="poisson:rate=100"))
    blocks = list(workload.blocks(7))
    lines = b"".join(f"{line}\n".encode() for block in blocks for line in block.lines)
    due = b"".join(block.due_ns.astype("<i8").tobytes() for block in blocks)
    name = described.split()[0]
    parts = [hashlib.new(name.replace("-", ""), part).digest() for part in (lines, due)]
    assert hashlib.new(name.replace("-", ""), b"".join(parts)).hexdigest() == workload.digest

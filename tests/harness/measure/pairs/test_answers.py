"""An answer of a measured process has what its parent reads of it, or is refused."""

import json
from typing import Any

import pytest

from harness.measure.pairs.answers import AnswerError, answer_in

RIGHT: dict[str, dict[str, Any]] = {
    "load": {
        "ready": 5,
        "ns_per_line": 1000.5,
        "calls_per_line": None,
        "port": 0,
        "loaded": [["a", "b"]],
        "search": [],
    },
    "pin": {},
    "run": {"ns": 10, "cpu_ns": 0, "raised": 0},
    "pace": {"start_ns": 0, "lines": 1, "raised": 0, "served": [], "cpu_ns": 1},
    "finish": {"evaluated": 1, "raised": 0, "shown": {"a": 1}, "scrapes": 0},
}


@pytest.mark.parametrize("do", RIGHT)
def test_right_answers_come_as_they_are(do: str) -> None:
    """Those of every command, and what the process met instead."""
    assert answer_in(json.dumps(RIGHT[do]).encode(), do) == RIGHT[do]
    met = {"error": "it failed", "kind": "UsageError"}
    assert answer_in(json.dumps(met).encode(), do) == met


@pytest.mark.parametrize(
    ("do", "line", "reason"),
    [
        ("run", b"{", "no JSON"),
        ("run", b"[" * 100_000, "no JSON"),
        ("run", b"[]", "no object"),
        ("run", b'{"ns": 0, "cpu_ns": 0, "raised": 0}', "its ns is 0"),
        ("run", b'{"ns": NaN, "cpu_ns": 0, "raised": 0}', "its ns is nan"),
        ("run", b'{"ns": 1e999, "cpu_ns": 0, "raised": 0}', "its ns is inf"),
        ("run", b'{"ns": 1, "cpu_ns": -1, "raised": 0}', "its cpu_ns is -1"),
        ("run", b'{"ns": 1, "cpu_ns": 1}', "its raised is None"),
        ("load", b'{"ns_per_line": "1"}', "its ns_per_line is '1'"),
        ("finish", b'{"evaluated": 1, "raised": 0, "shown": [], "scrapes": 0}', r"its shown is \[\]"),
        ("finish", b'{"error": 5}', "its error is 5"),
    ],
)
def test_other_lines_are_refused_with_a_reason(do: str, line: bytes, reason: str) -> None:
    """Whatever was written to the pipe."""
    with pytest.raises(AnswerError, match=reason):
        answer_in(line, do)

"""Bad input ends in one clear line: inputs that failed once are tried again, and some made anew."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fuzz.__main__ import main, try_inputs
from benchmarks.fuzz.attempt import Attempt, Limits, Surface, attempt, refused
from benchmarks.fuzz.batch import Batch
from benchmarks.fuzz.block import rendered
from benchmarks.fuzz.pieces import document_bytes, to_bytes
from benchmarks.fuzz.surfaces import SURFACES, parts
from benchmarks.stored_block import ROOT
from harness.errors import UsageError

EXAMPLES = sorted((ROOT / "tests" / "data" / "fuzz").glob("*.json"))
# For a machine that does something else as well; `make fuzz` takes the promised ones.
PATIENT = Limits(seconds=60.0)


@pytest.mark.system
@pytest.mark.parametrize("name", SURFACES)
def test_inputs_that_failed_once_end_as_documented(name: str, tmp_path: Path) -> None:
    """Each was found by `make fuzz`; `about` says what it did. In a process of their own, whose memory is theirs."""
    examples = [json.loads(path.read_text(encoding="ascii")) for path in EXAMPLES]
    own = [each["input"] for each in examples if each["surface"] == name]
    result = try_inputs(name, own, tmp_path, PATIENT.seconds)
    assert result["defects"] == []
    assert sum(result["outcomes"].values()) == len(own)


@pytest.mark.slow
def test_two_thousand_inputs_end_as_documented() -> None:
    """The nightly `make fuzz` in short, with a seed of its own each time, which is printed."""
    assert main(["--inputs", "2000", "--patient"]) == 0


def _surface(try_one: Any) -> Surface:
    return Surface("test", "Nothing", 1, lambda: None, lambda: None)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        (lambda _given: [] + 1, "TypeError"),
        (lambda _given: refused(UsageError("two\nlines")), "several lines"),
        (lambda _given: refused(UsageError(" ")), "without a word"),
        (lambda _given: refused("x" * 6000), "6000 characters"),
    ],
)
def test_what_is_undocumented_is_a_defect(does: Any, reason: str) -> None:
    """An exception of any other kind, and an error that is not one clear line."""
    result = attempt(_surface(does), does, None, PATIENT)
    assert result.outcome == "defect"
    assert reason in result.reason


def test_an_input_that_takes_too_long_or_too_much_is_a_defect() -> None:
    """It is given the time several times over, since the machine may have been busy."""
    turns = []

    def hangs(_given: Any) -> str:
        turns.append(1)
        while True:
            pass

    result = attempt(_surface(hangs), hangs, None, Limits(seconds=0.05))
    assert (result.outcome, len(turns)) == ("defect", 3)
    assert result.reason == "took longer than 0.05 s"

    def swells(_given: Any) -> str:
        return "accepted" if bytes(50_000_000).rfind(b"x") < 0 else ""

    result = attempt(_surface(swells), swells, None, Limits(seconds=60, megabytes=49))
    assert result.outcome == "defect"
    assert "more than 49" in result.reason


def test_one_defect_is_kept_once_with_its_shortest_input() -> None:
    """However often it is met."""
    batch = Batch()
    for given in ("long input", "short", "longer still"):
        batch.add(given, Attempt("defect", 0.1, 1.0, "why", "TypeError in a.py:f"))
    batch.add("fine", Attempt("accepted", 0.2, 2.0))
    document = batch.document()
    assert [each["input"] for each in document["defects"]] == ["short"]
    assert document["outcomes"] == {"defect": 3, "accepted": 1}


def test_every_input_has_a_surface() -> None:
    """The counts add up to the budget, and every surface has some."""
    counts = parts(50_000, list(SURFACES.values()))
    assert sum(counts.values()) == 50_000
    assert min(counts.values()) > 100


def test_descriptions_of_bytes_and_documents() -> None:
    """An edit puts raw text in a place, or takes it out; what leads nowhere changes nothing."""
    assert to_bytes([["a\xff", 2], ["", 9]]) == b"a\xffa\xff"
    samples = {"s": {"a": [1, {"b": 2}], "c": 3}}

    def made(*edits: Any, cut: int | None = None) -> bytes:
        return document_bytes({"sample": "s", "edits": list(edits), "cut": cut}, samples)

    assert made([["a", 1, "b"], [["[", 2]]]) == b'{"a": [1, {"b": [[}], "c": 3}'
    assert made([["a", 0], None], [["c"], None]) == b'{"a": [{"b": 2}]}'
    assert made([["a", 7], None], [["x", "y"], [["1", 1]]]) == json.dumps(samples["s"]).encode()
    assert made(cut=0) == b""


def test_the_block_of_the_page_is_made_from_stored_figures() -> None:
    """Counts, seed, budget, limits and the machine."""
    surface = {"about": "Grammar", "tried": 12_000, "accepted": 7_000, "refused": 5_000, "defect": 0,
    "slowest_s": 0.512,
               "most_megabytes": 91.2, "elapsed_s": 60.0, "defects": []}  # fmt: skip
    figures = {
        "command": "make fuzz FUZZ='--inputs 24000 --seed 7'", "date": "2026-01-01 00:00 UTC", "seed": 7,
        "budget": 24_000, "limits": {"seconds": 5.0, "megabytes": 500.0},
        "surfaces": {"grammar": surface, "pages": {**surface, "about": "Pages", "slowest_s": 4.0}},
        "environment": {"cpu": "a processor", "cpu_count": 2, "python": "CPython 3.11.7"},
    }  # fmt: skip
    text = rendered(figures)
    assert "| Grammar | 12 000 | 7 000 | 5 000 | 0 | 0.51 | 91 |" in text
    assert "| together | 24 000 | 14 000 | 10 000 | 0 | 4.00 | 91 |" in text
    assert "24 000 inputs, seed 7" in text
    assert "within 5 s and 500 MB" in text
    assert "a processor, 2 CPUs, CPython 3.11.7" in text

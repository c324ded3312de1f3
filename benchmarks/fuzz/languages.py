"""Surfaces: the grammar of expressions, the language of requirements and thresholds, and scenario files."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from benchmarks.fuzz.attempt import ROOT, Surface, TryOne, refused
from benchmarks.fuzz.commands import checked, dry, in_process
from benchmarks.fuzz.pieces import ODD_TEXT, mutated_text, pieces, to_bytes
from harness.errors import HarnessError

__all__ = ["GRAMMAR", "REQUIREMENTS", "SAMPLES", "SCENARIOS"]

SAMPLES: dict[str, list[str]] = {
    "lengths": [
        "lognormal", "lognormal:median=40,sigma=0.8", "0.9*uniform:min=1,max=80 + 0.1*constant:5000", "80", "zipf",
        "normal:mean=40", "30%*80+70%*uniform",
    ],
    "content": ["words", "log", "names", "json", "unicode", "ascii", "sentences", "file:/dev/zero", "file:missing"],
    "arrivals": [
        "poisson:rate=1k/s", "constant:rate=100/m", "max", "sine:rate=50", "burst:rate=50,period=1m",
        "steps:rates=100:500:1k", "ramp:from=0,to=1k,over=10s", "5000/s",
    ],
    "errors": ["1%", "0", "not_utf8=0.5%,nul=0.1%", "too_long=1%"],
    "series": ["100", "zipf:n=100,s=1.1", "1", "uniform:n=10"],
    "incidents": ["stall@2m+10s", "slow@0s+1ms", "errors@10s+5s", "restart@1m+1s"],
    "duration": ["250ms", "10s", "1.5h", "366d", "1ns"],
    "count": ["10000", "10k", "2M", "1"],
    "share": ["3%", "0.5", "0"],
    "rate": ["5k/s", "10/h", "0.001/s"],
    "size": ["64KiB", "200B", "0"],
}  # fmt: skip
_REQUIREMENTS = [
    "response.p99<2ms", "lag.p999<=250us", "lateness.max<1s", "service.mean>=1ns", "response.count==10k",
    "rate.achieved>990/s", "rate.error<1%", "dropped==0", "failed<1%", "scrapes.failed<=1%", "scrapes.p50<5ms",
    "self_cost<1us", "findings==0", "response.p99.99<1m", "lag.p100<1d", "refused<0.5%",
]  # fmt: skip


def _parse(kind: str, text: str) -> None:
    """Read `text` as what `kind` names, and build what it describes."""
    from workloads import grammar, incidents, units
    from workloads.workload import Workload, WorkloadSpec

    readers = {
        "incidents": incidents.parse_incident, "duration": units.parse_duration_ns, "count": units.parse_count,
        "share": units.parse_share, "rate": units.parse_rate, "size": units.parse_size,
    }  # fmt: skip
    if kind in readers:
        readers[kind](text)
        return
    grammar.parse(kind, text)
    workload = Workload(WorkloadSpec(**{"count": 4, "seed": 1, kind: text}), bounds=(10.0, 100.0))
    if kind in {"errors", "series"} or (kind == "lengths" and len(text) < 40 and "MiB" not in text):
        _ = workload.methods


@contextmanager
def _grammar() -> Iterator[TryOne]:
    def try_one(given: Any) -> str:
        try:
            _parse(str(given["kind"]), str(given["text"]))
        except HarnessError as error:
            return refused(error)
        return "accepted"

    with dry():
        yield try_one


def _grammar_inputs() -> SearchStrategy[Any]:
    return st.sampled_from(sorted(SAMPLES)).flatmap(
        lambda kind: st.fixed_dictionaries({"kind": st.just(kind), "text": mutated_text(SAMPLES[kind])})
    )


@cache
def _result() -> dict[str, Any]:
    import gzip

    whole: dict[str, Any] = json.loads(gzip.decompress((ROOT / "tests/data/earlier/run.json.gz").read_bytes()))
    return whole


@contextmanager
def _requirements() -> Iterator[TryOne]:
    from harness.run.requirements import check

    def try_one(given: Any) -> str:
        try:
            check([str(given)], _result())
        except HarnessError as error:
            return refused(error)
        return "accepted"

    yield try_one


def _scenario_inputs() -> SearchStrategy[Any]:
    shipped = [path.read_bytes() for path in sorted((ROOT / "workloads" / "scenarios").glob("*.toml"))]
    odd = [text for text in ODD_TEXT if all(ord(character) < 256 for character in text)]
    tables = [
        "[a]\n",
        "[[a]]\n",
        "count = ",
        "lengths = ",
        "[" * 200,
        "9" * 5000,
        "1979-13-41",
        '"\\ud800"',
        "'''",
        "#\n",
    ]
    keys = ["incidents = ['stall@1s+1s']\n", "require = ['x']\n", "workers = 3\n", "cluster = 'local'\n", "port = -1\n"]
    return pieces(
        shipped, [*odd, *tables, *keys, "\xff", "\xef\xbb\xbf", "= nan\n", "= inf\n", "= 1e400\n", "= {a = 1}\n"]
    )


@contextmanager
def _scenarios() -> Iterator[TryOne]:
    def try_one(given: Any) -> str:
        path = Path("given.toml")
        path.write_bytes(to_bytes(given))
        return checked(in_process(["run", str(path), "--no-save"]))

    with dry():
        yield try_one


GRAMMAR = Surface("grammar", "Grammar: lengths, content, arrivals, errors, series, incidents, units", 18,
                  _grammar_inputs, _grammar)  # fmt: skip
REQUIREMENTS = Surface("requirements", "Requirements and thresholds, checked against a result", 10,
                       lambda: mutated_text(_REQUIREMENTS), _requirements)  # fmt: skip
SCENARIOS = Surface("scenarios", "Scenario files", 8, _scenario_inputs, _scenarios)

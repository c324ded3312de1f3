"""The benchmarks of load and time run in a tiny size, and their blocks are written from what they store."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.endurance import account, repeats, soak
from benchmarks.endurance.usage import Readings, role_of
from benchmarks.stored_block import ROOT

ORIGIN = {
    "command": "python benchmarks/x.py", "made": "2026-01-01", "seed": 1, "interrupted": False,
    "environment": {"cpu": "a processor", "cpu_count": 2, "kernel": "Linux 6", "python": "CPython 3.11"},
}  # fmt: skip
LEDGER = {"offered": 1000, "processed": 990, "failed": 10, "dropped": 0, "refused": {"nul": 10}, "raised": {}}


def test_roles_come_from_command_lines() -> None:
    """And, for the starter's copies of itself, from who started them."""
    assert role_of(["python", "-I", "/somewhere/keeper.py", "folder"], "harness") == "keeper"
    assert role_of(["/usr/bin/prometheus"], "keeper") == "prometheus"
    forking = ["python", "-m", "harness.distributed.forking"]
    assert (role_of(forking, "harness"), role_of(forking, "starter")) == ("starter", "worker")
    assert role_of(["promtool"], "harness") == "other"


def row(**more: Any) -> dict[str, Any]:
    plain = {
        "instrument": "prometheus-client", "lines": 1000, "reason": "", "ledger": LEDGER, "rate": 1e5, "early_mb": 90.0,
        "compared": ["page", "Prometheus 2.42.0"], "outcome": "conserved", "findings": [], "scrapes": 3,
        "scrapes_compared": 3, "audit_s": 1.0, "memory_mb": {"harness": 100.0, "prometheus": 50.0},
    }  # fmt: skip
    return {**plain, **more}


def test_a_line_that_is_not_accounted_for_is_told() -> None:
    """As is a comparison that is missing, and a run without a result."""
    assert account.missing(row()) == []
    assert "1000 of 1001" in account.missing(row(lines=1001))[0]
    assert "only compared with page" in account.missing(row(compared=["page"]))[0]
    assert "not_conserved" in account.missing(row(outcome="not_conserved", findings=["count_mismatch"]))[0]
    assert "no result" in account.missing(row(reason="it ended"))[0]
    figures = {**ORIGIN, "budget": {"lines": 1000, "errors": "1%", "series": 10}, "runs": [row(), row(reason="x")]}
    text = account.block(json.loads(json.dumps(figures)))
    assert "| 1,000 | all | all | 100,000 |" in text
    assert "no result" in text


def part(growth_kb: float = 0.0, descriptors: int = 9, **more: Any) -> dict[str, Any]:
    """Return a part of ten minutes with a sample each five seconds."""
    count = 120
    memory = [100_000 + round(growth_kb * place) for place in range(count)]
    readings = Readings([5.0 * place for place in range(count)], memory, memory, [9] * 100 + [descriptors] * 20,
                        [4] * count)  # fmt: skip
    durations = {"at_s": " ".join(f"{5 * place}" for place in range(count)), "ns": " ".join(["5000000"] * count)}
    plain = {
        "what": "run", "seconds": 600.0, "warm_up_s": 200.0, "batches": None, "reason": "", "ledger": LEDGER,
        "usage": {"harness": readings.document()}, "lag": durations, "page": durations, "outcome": "conserved",
        "findings": [], "scrapes": 600, "scrapes_compared": 600,
    }  # fmt: skip
    return {**plain, **more}


def test_a_soak_that_does_not_hold_says_why() -> None:
    """Memory, counts, lines, and durations."""
    assert soak.missed_of(part()) == []
    assert soak.undecided_of(part()) == []
    assert "memory grows" in soak.missed_of(part(growth_kb=5.0))[0]
    assert "not_conserved" in soak.missed_of(part(outcome="not_conserved"))[0]
    rising = {"at_s": part()["lag"]["at_s"], "ns": " ".join(str(10**6 + 10**4 * place) for place in range(120))}
    assert "lag p99 rises" in soak.missed_of(part(lag=rising))[0]
    text = soak.block({**ORIGIN, "parts": [part(), part(growth_kb=5.0)]})
    assert "**holds**" in text
    assert "**does not hold**" in text


def repeated(count: int = 100, **more: Any) -> dict[str, Any]:
    columns = {"memory_kb": 100_000, "descriptors": 6, "threads": 3, "children": 0, "files": 0}
    constant = {name: " ".join([str(value)] * count) for name, value in columns.items()}
    return {"asked": count, "interrupted": False, "overdue": False, "lost": [], "took_s": 1.0, **constant, **more}


def test_what_repeats_leave_is_told() -> None:
    """Growth, children, files, and runs that lost something."""
    assert repeats.missed_of("process", repeated()) == []
    assert repeats.undecided_of("process", repeated()) == []
    growing = " ".join(str(100_000 + 50 * place) for place in range(100))
    assert "memory grows" in repeats.missed_of("process", repeated(memory_kb=growing))[0]
    assert "files are left" in repeats.missed_of("calls", repeated(files=" ".join(["0"] * 99 + ["1"])))[0]
    assert "number 4" in repeats.missed_of("calls", repeated(lost=[3]))[0]
    budget = {"lines": 500, "instruments": ["none"], "scraper": "prometheus"}
    text = repeats.block({**ORIGIN, "budget": budget, "parts": {"process": repeated(), "calls": repeated(stored=100)}})
    assert text.count("| flat |") == 2


def script(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "benchmarks" / "endurance" / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
@pytest.mark.prometheus
def test_account_runs() -> None:
    """Every line of a tiny run is accounted for."""
    done = script("account.py", "--lines", "20k")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| 20,000 | all | all |") == 2


@pytest.mark.slow
@pytest.mark.prometheus
@pytest.mark.parametrize("what", soak.PARTS)
def test_soak_runs(what: str) -> None:
    """Too short to decide anything of memory, but nothing is lost."""
    done = script("soak.py", "--duration", "10s", "--every", "0.5", "--what", what)
    assert done.returncode in {1, 3}, done.stderr
    assert ": conserved" in done.stdout, done.stdout


@pytest.mark.slow
@pytest.mark.prometheus
def test_repeats_run() -> None:
    """Nothing is left by a few runs and commands."""
    done = script("repeats.py", "--runs", "3", "--calls", "2")
    assert "are left" not in done.stderr
    assert "not conserved" not in done.stderr
    assert "| 3 |" in done.stdout


@pytest.mark.slow
def test_an_interrupted_session_keeps_what_was_measured(tmp_path: Path) -> None:
    """SIGINT ends it with 130, and what was done until then is printed and stored."""
    path = ROOT / "benchmarks" / "endurance" / "repeats.py"
    command = [sys.executable, str(path), "--scraper", "builtin", "--calls", "0"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("harness-repeats-*")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    printed, told = process.communicate(timeout=120)
    assert process.returncode == 130, told
    assert "runs in one process" in printed
    assert list(tmp_path.iterdir()) == []

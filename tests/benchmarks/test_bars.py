"""What speed bars promise: a missed one is told with its reason, and fails only where that was asked for."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.bars import Bar, why_late
from harness.load.cpu_time import Machine
from harness.load.drive_result import DriveResult
from harness.load.lateness import Behind
from harness.load.recorder import Timings
from harness.load.truth.ledger import Ledger
from harness.views import QUICKSTART_VIEWS

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
SLOW = """
from benchmarks.bars import Bar
def test_quick_bar(hold):
    hold(Bar("a thing", 1.0, 2.0, str))
def test_slow_bar(hold):
    hold(Bar("a loop", 3.0, 2.0, "{:.1f} ms".format, "a neighbour had the core"))
"""


def bars(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_slow.py").write_text(SLOW, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "benchmarks.bars", "-c", os.devnull, "test_slow.py", *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


def test_a_missed_bar_is_told_with_its_reason_and_fails_nothing(tmp_path: Path) -> None:
    """The benchmarks end well on a slow machine, and say what it could not do."""
    done = bars(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "1 speed bar was missed; nothing fails for it" in done.stdout
    assert "a loop: 3.0 ms, and the bar is at most 2.0 ms; a neighbour had the core" in done.stdout
    assert "a thing" not in done.stdout


@pytest.mark.slow
def test_a_strict_run_fails_for_it(tmp_path: Path) -> None:
    """For maintainers a missed bar is a failure, and the others are not."""
    done = bars(tmp_path, "--strict-bars")
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    assert "a loop: 3.0 ms, and the bar is at most 2.0 ms" in done.stdout


@pytest.mark.parametrize(
    ("value", "highest", "held"),
    [(2.0, True, True), (2.1, True, False), (2.0, False, True), (1.9, False, False), (math.nan, True, False)],
)
def test_a_bar_is_held_up_to_its_limit(value: float, highest: bool, held: bool) -> None:
    """At most, or at least, and what is no number holds nothing."""
    assert Bar("x", value, 2.0, str, highest=highest).held is held


@pytest.mark.parametrize(
    ("lost", "making", "says"),
    [
        (6_000_000, 0, "the machine kept the loop from running for 6 ms"),
        (0, 5_000_000, "making one block took 5 ms"),
        (1_000_000, 1_000_000, "the loop itself"),
    ],
)
def test_the_reason_is_what_explains_the_most(lost: int, making: int, says: str) -> None:
    """Of the time that is missing: kept by the machine, spent making lines, or the loop's own."""
    driven = DriveResult(
        timings=Timings(), ledger=Ledger(QUICKSTART_VIEWS, ("repl",)), start_ns=0, elapsed_ns=1, target_rate=None,
        achieved_rate=None, span_ns=0, behind=Behind(), worst_stretch_lag_ns=0, worst_stretch_lateness_ns=0,
        outside_ns=making, longest_outside_ns=making, starved=0,
        machine=Machine(waited_ns=lost), interrupted=False,
    )  # fmt: skip
    assert says in why_late(driven, 6_000_000)


def test_the_makefile_says_what_the_exit_codes_of_check_mean(tmp_path: Path) -> None:
    """Make turns every failure into its own 2, so the meaning is told before it does."""
    for code, meaning in ((0, ""), (1, "regressed"), (3, "undecided; nothing is known to have regressed")):
        stand_in = tmp_path / f"bin{code}" / "harness"
        stand_in.parent.mkdir()
        stand_in.write_text(f"#!/bin/sh\nexit {code}\n", encoding="utf-8")
        stand_in.chmod(0o755)
        # Set up already, as far as this rule can tell.
        ready = tmp_path / "ready"
        ready.touch()
        done = subprocess.run(
            ["make", "-f", str(ROOT / "Makefile"), f"BIN={stand_in.parent}", f"READY={ready}", "--assume-old",
             str(ready), "check-overhead"],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == (2 if code else 0)
        assert meaning in done.stderr
        assert (f"exit code {code}:" in done.stderr) == bool(code)

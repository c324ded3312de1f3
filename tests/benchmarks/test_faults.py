"""Faults around a command: the most important ones in short, and the tools that prove that nothing is left."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.faults.catalog import FAMILIES, FAULTS
from benchmarks.faults.leftovers import MARK, gone, kill_marked, listening, marked
from benchmarks.faults.page import block
from benchmarks.faults.runner import run_fault
from benchmarks.faults.trial import Trial

SHORT = (
    "prometheus-killed",
    "prometheus-too-old",
    "subject-raises",
    "subject-exits",
    "result-disk-full",
    "result-read-only",
    "store-read-only",
    "report-disk-full",
    "cache-read-only",
    "terminal-gone",
    "pipe-closed",
    "ctrl-c-twice",
    "port-taken",
    "worker-lost",
    "store-without-hard-links",
    "two-commands-one-store",
    "killed-report",
    "killed-history-import",
)
# Leaves a child that listens, and goes away itself.
LEAVES = (
    "import subprocess, sys, time\n"
    'code = \'import socket, time; s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(flush=True); '
    "time.sleep(600)'\n"
    "child = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, start_new_session=True)\n"
    "child.stdout.readline()\n"
)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
def test_a_fault_has_its_expected_outcome(name: str) -> None:
    """No stored result is lost or damaged, no traceback is shown, and no process, port or temporary folder is left."""
    report = run_fault(FAULTS[name], seed=1, kills=3)
    if report["state"] == "skipped":
        pytest.skip(report["observed"])
    assert report["state"] == "passed", report


def test_every_family_has_faults() -> None:
    """At least 24 by name, each with what is done and what is expected, in one sentence each."""
    assert len(FAULTS) >= 24
    assert {each.family for each in FAULTS.values()} == set(FAMILIES)
    assert all(each.done and each.expected and "\n" not in each.done + each.expected for each in FAULTS.values())


def test_a_grandchild_and_its_port_are_found() -> None:
    """Whatever inherited the mark is found, also when the one who started it is gone, and ended when it is told to."""
    mark = f"test-{os.getpid()}"
    subprocess.run([sys.executable, "-c", LEAVES], env={**os.environ, MARK: mark}, check=True)
    try:
        left = marked(mark)
        [port] = listening(left)
        with socket.create_connection(("127.0.0.1", port)):
            pass
        _, told = gone(mark, 0.0)
        assert [len(left), told[-1]] == [1, f"port {port}"]
    finally:
        kill_marked(mark)
    assert gone(mark, 0.0)[1] == []


def test_the_mark_of_another_is_not_ours() -> None:
    """One mark that begins like another, or none at all, is somebody else's."""
    process = subprocess.Popen(["sleep", "60"], env={**os.environ, MARK: "test.12"})
    try:
        assert process.pid not in {each.pid for each in marked("test.1")}
        assert process.pid not in {each.pid for each in marked("tes")}
        assert process.pid in {each.pid for each in marked("test")}
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("damage", ["removed", "changed", "half"])
def test_a_damaged_store_fails_a_trial(damage: str, tmp_path: Path) -> None:
    """A stored result that is gone, changed or cut short is noticed."""
    trial = Trial(tmp_path)
    trial.intact()
    path = min(trial.store.glob("*.json"))
    content = path.read_bytes()
    path.unlink()
    if damage != "removed":
        path.write_bytes(content.replace(b"0", b"1") if damage == "changed" else content[: len(content) // 2])
    with pytest.raises(AssertionError, match="stored results"):
        trial.intact()


def sample(**changes: Any) -> dict[str, Any]:
    fault = {
        "name": "port-taken", "family": "sharing", "done": "a port | in use", "expected": "one line", "state": "passed",
        "observed": "--port: taken", "codes": [1], "commands": 3, "kept": "all 4 earlier", "longest_s": 1.25,
        "left_s": 0.0, "seconds": 4.0,
    }  # fmt: skip
    environment = {"python": "CPython 3.11.7", "kernel": "6.1", "cpu": "a processor", "cpu_count": 2}
    return {
        "command": "make faults", "date": "2026-01-01", "seed": 1, "kills": 100, "environment": environment,
        "faults": [fault | changes],
    }  # fmt: skip


def test_the_block_counts_and_lists_the_faults() -> None:
    """One row each, with a failed or skipped one marked, and never counted as passed."""
    passed, skipped = block(sample()), block(sample(state="skipped", observed="no root", codes=[]))
    assert "1 faults by name, 1 passed, 0 failed, 0 skipped; 3 commands" in passed
    assert "| port-taken | a port \\| in use | one line | --port: taken | 1 | all 4 earlier | 1.2 | 0.0 |" in passed
    assert "0 passed, 0 failed, 1 skipped" in skipped
    assert "| **skipped**: no root | – |" in skipped

"""What `harness probe` promises: both ways of recording side by side, with evidence, and exit code 0."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.probe.catalog import Probe, ProbeResult
from harness.report.commands.probes import probes_section
from harness.report.writers.terminal import write_terminal

pytestmark = pytest.mark.system

COMMAND = [sys.executable, "-m", "harness.cli", "probe"]


def probe(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False)


def test_a_defect_is_shown_in_one_and_not_in_the_other(tmp_path: Path) -> None:
    """Real experiments on what is installed: the evidence stands below the word, the versions at the end."""
    path = tmp_path / "found.json"
    done = probe("exclusive-bound", "sum-falls", "--json", str(path), "--quiet")
    assert done.returncode == 0, done.stderr
    found = json.loads(path.read_text())
    states = {(each["probe"], each["instrument"]): each["state"] for each in found["outcomes"]}
    assert states["exclusive-bound", "opencensus"] == "present"
    assert states["exclusive-bound", "opencensus-lean"] == "absent"
    assert all(each["evidence"] for each in found["outcomes"])
    assert "opencensus: 2 of 2 present; opencensus-lean: 0 of 2 present" in done.stdout
    assert f"opencensus {found['environment']['opencensus']}" in done.stdout


def test_one_instrument_alone() -> None:
    """--instruments leaves the other out, and so does the flag's former spelling."""
    for flag in ("--instruments", "--instrument"):
        done = probe("exclusive-bound", flag, "opencensus-lean", "--quiet")
        assert done.returncode == 0
        assert "opencensus-lean: 0 of 1 present\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["nothing-such"], "NAME"), (["--instruments", "none"], "--instruments"), (["--json", "/nowhere/f"], "--json")],
)
def test_a_mistake_is_one_line(arguments: list[str], word: str) -> None:
    """Exit code 2 and the name of what is wrong."""
    done = probe(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert word in done.stderr


def test_what_could_not_be_looked_for_is_counted_apart() -> None:
    """An experiment that could not be made is neither present nor absent."""
    from rich.console import Console

    probes = [Probe("one", "first"), Probe("two", "second")]
    outcomes = [ProbeResult("one", "opencensus", None, "no answer"), ProbeResult("two", "opencensus", False, "fine")]
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(
        write_terminal(probes_section(probes, outcomes, ["opencensus"], {"python": "3", "opencensus": None}).parts)
    )
    printed = console.export_text()
    assert "? unknown" in printed
    assert "0 of 2 present, 1 could not be looked for" in printed
    assert "opencensus absent" in printed


def test_races_that_did_not_show_are_counted_apart() -> None:
    """The summary never counts them as absent."""
    from rich.console import Console

    probes = [Probe("threads-lose", "first", race=True), Probe("sum-falls", "second")]
    outcomes = [
        ProbeResult("threads-lose", "opencensus", False, "not seen in 20 tries"),
        ProbeResult("sum-falls", "opencensus", False, "fine"),
    ]
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(write_terminal(probes_section(probes, outcomes, ["opencensus"], {"python": "3"}).parts))
    printed = console.export_text()
    assert "○ not seen" in printed
    assert "opencensus: 0 of 2 present, 1 race not seen" in printed

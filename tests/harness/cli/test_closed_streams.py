"""A standard stream that is closed is a case like any other: no command ends in a traceback because of it."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.system

HARNESS = f"{sys.executable} -m harness.cli"


def closed(command: str, streams: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"exec {HARNESS} {command} {streams}"], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("command", ["repl --port 0", "repl --port 0 -", "schema", "lines --count 1"])
def test_closed_standard_input_is_empty(command: str) -> None:
    """Nothing comes in, so the REPL ends as at the end of its input."""
    done = closed(command, "<&-")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


@pytest.mark.parametrize("command", ["repl --port 0", "schema", "lines --count 1", "history list"])
def test_closed_standard_output_is_told_before_any_work(command: str) -> None:
    """What would be measured or printed has nowhere to go: one line, exit code 1."""
    done = closed(command, ">&- </dev/null")
    assert (done.returncode, done.stderr) == (
        1,
        "harness: error: standard output is closed; send it to a file, or to /dev/null\n",
    )


def test_closed_standard_error_loses_its_messages_only() -> None:
    """Output and exit code are what they are otherwise."""
    done = closed("repl --port 0", "2>&- <<< hello")
    assert (done.returncode, done.stdout) == (0, "HELLO\n")


def test_all_of_them_closed_end_with_the_code_alone() -> None:
    """There is nobody to tell."""
    assert closed("schema", "<&- >&- 2>&-").returncode == 1

"""Commands that measure say in one line that they need Linux; those that read what was measured work elsewhere."""

import errno
import json
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness import cli
from harness.cli import system

# As on a system without Linux' calls: none of them is there.
ELSEWHERE = """
import ctypes, os, sys, types
for name in ("sched_getaffinity", "sched_setaffinity", "sched_yield"):
    delattr(os, name)
class Without:
    def __init__(self, *_args, **_kwargs):
        pass
ctypes.CDLL = Without
from harness.cli import main, system
system.sys = types.SimpleNamespace(platform="darwin")
main(sys.argv[1:])
"""


def elsewhere(*arguments: str, folder: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *arguments], input=stdin, capture_output=True, text=True, timeout=120,
        check=False, cwd=folder,
    )  # fmt: skip


@pytest.mark.parametrize(
    "command",
    ["run --duration 1s", "overhead", "compare none none", "check", "check --fresh", "demo", "lines --duration 1s"],
)
def test_commands_that_measure_need_linux(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with the command and the system, before anything is started; exit code 1."""
    monkeypatch.setattr(system, "sys", SimpleNamespace(platform="darwin"))
    assert cli._run(command.split()) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"harness: error: harness {command.split()[0]}")
    assert "needs Linux, and this is darwin" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["schema"], '"properties"'),
        (["lines", "--count", "2"], "\n"),
        (["repl", "--port", "0"], "HELLO"),
        (["history", "list"], ""),
        (["run", "--help"], "Usage"),
    ],
)
def test_the_others_work_without_linux(arguments: list[str], shown: str, tmp_path: Path) -> None:
    """Where none of Linux' calls exists, lines, the REPL, schemas and what was kept can still be had."""
    done = elsewhere(*arguments, folder=tmp_path, stdin="hello\n")
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout


def test_elsewhere_no_command_ends_in_a_traceback(tmp_path: Path) -> None:
    """The refusal comes before the first call that is missing there."""
    for arguments in (["run", "--duration", "1s"], ["overhead"], ["compare", "none", "none"], ["check"], ["demo"]):
        done = elsewhere(*arguments, folder=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert "needs Linux" in done.stderr


def test_kept_results_are_read_elsewhere(tmp_path: Path) -> None:
    """A report of what was measured on Linux is written on another system."""
    result = tmp_path / "result.json"
    run = [sys.executable, "-m", "harness.cli", "run", "--count", "20", "--arrivals", "max", "--scraper", "none"]
    subprocess.run([*run, "--json", str(result), "--quiet", "--no-save"], check=True, capture_output=True, timeout=120)
    assert json.loads(result.read_text())["schema_version"] == 1
    done = elsewhere("report", str(result), "--output", str(tmp_path / "page.html"), folder=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (MemoryError(), "ulimit -v"),
        (OSError(errno.ENOMEM, "x"), "ulimit -v"),
        (OSError(errno.EAGAIN, "x"), "ulimit -u"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (OSError(errno.EMFILE, "x"), "ulimit -n"),
        (ImportError("cannot map\nlibx.so"), "(cannot map libx.so)"),
    ],
)
def test_a_limit_that_is_reached_is_one_line_with_a_remedy(
    error: Exception, remedy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Memory, processes and open files: no traceback, exit code 1."""

    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli.cli, "main", fail)
    assert cli._run([]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("harness: error: ")
    assert remedy in line


@pytest.mark.parametrize("error", [RuntimeError("other"), OSError(errno.ENOENT, "x"), ValueError()])
def test_another_exception_tells_of_no_limit(error: Exception) -> None:
    """A defect of ours is not taken for one of the machine."""
    assert system.shortage(error) == ""


@pytest.mark.parametrize("command", ["run", "history", "report", "overhead"])
def test_too_low_a_limit_of_memory_is_told_before_any_work(command: str) -> None:
    """OpenBLAS would hang while it is imported: one line instead, with the limit and what is needed."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (250 << 20, 250 << 20))

    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", command],
        capture_output=True, text=True, timeout=60, check=False, preexec_fn=limit,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "harness: error: the limit of memory is 250 MiB, and at least 320 MiB are needed: raise it (ulimit -v)\n"
    )

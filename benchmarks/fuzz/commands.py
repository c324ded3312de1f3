"""The real command line in this process, with everything that would measure, serve or open a browser taken out."""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self
from unittest.mock import patch

from benchmarks.fuzz.attempt import ROOT, DefectError, refused
from harness.errors import RunError

__all__ = ["Ended", "checked", "dry", "in_process", "in_subprocess"]

# 0 done, 1 failed, 2 wrong usage, 3 undecided; no input interrupts a command.
_CODES = {0, 1, 2, 3}
_NOT_STARTED = "this is where it would start"
_SUBPROCESS_S = 60.0


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    output: str
    complaints: str


def _not_started(*_args: Any, **_more: Any) -> NoReturn:
    raise RunError(_NOT_STARTED)


def _dry_run(spec: Any, *_args: Any, **_more: Any) -> NoReturn:
    """Check what a run checks of its spec, and start nothing."""
    from harness.instruments.catalog import load_factory
    from harness.run.requirements import parse_requirement
    from harness.run.shard import workload_of
    from harness.scrape.choose import check_scraper

    for text in spec.require:
        parse_requirement(text)
    workload_of(spec)
    check_scraper(spec.scraper, spec.scrape_interval_ns)
    load_factory(spec.instrument)
    _not_started()


def _dry_compare(base: str, head: str, *_args: Any, **_more: Any) -> NoReturn:
    from harness.measure.compare.sides import parse_side

    for role, given in (("BASE", base), ("HEAD", head)):
        parse_side(role, given, Path.cwd())
    _not_started()


def _dry_create(name: str, *_args: Any, **_more: Any) -> NoReturn:
    from harness.instruments.catalog import load_factory

    load_factory(name)
    _not_started()


class _NoPage:
    """Stands for a live page that is not served."""

    url, opened, gone = "http://127.0.0.1:1/", None, True

    def __init__(self, *_args: Any, **_more: Any) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        pass

    def tell(self, _message: Any) -> None:
        pass


@contextlib.contextmanager
def dry() -> Iterator[Path]:
    """Let commands stop where they would start something; yields a folder of their own, in which they work."""
    with ExitStack() as stack:
        for where, replacement in {
            "harness.run.execute.execute": _dry_run,
            "harness.actions.overhead.QuestionPlan.__call__": _not_started,
            "harness.measure.compare.compare.compare": _dry_compare,
            "harness.run.demo.show": _not_started,
            "harness.distributed.demo.show_together": _not_started,
            "harness.live.feed.LivePage": _NoPage,
            "harness.cli.commands.check._new": _not_started,
            "harness.probe.runner.run_probes": _not_started,
            "harness.instruments.create": _dry_create,
            "harness.actions.lines.send": _not_started,
        }.items():
            stack.enter_context(patch(where, replacement))
        stack.enter_context(patch("harness.actions.check.measuring_again", lambda *_args, **_more: None))
        stack.enter_context(patch("click.launch", lambda *_args, **_more: 0))
        stack.enter_context(patch.dict(os.environ, {"HARNESS_STORE": "runs"}))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="harness-fuzz-")))
        stack.enter_context(contextlib.chdir(folder))
        yield folder


def in_process(arguments: Sequence[str], given: bytes = b"") -> Ended:
    """Return how ``harness ARGUMENTS`` ends; raises whatever it lets out."""
    from harness.cli import main

    streams = [
        io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"),
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict"),
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace"),
    ]
    code: Any = None
    with patch("sys.stdin", streams[0]), patch("sys.stdout", streams[1]), patch("sys.stderr", streams[2]):
        try:
            main(list(arguments))
        except SystemExit as ended:
            code = ended.code
        for stream in streams[1:]:
            stream.flush()
    output, complaints = (stream.buffer.getvalue().decode(errors="replace") for stream in streams[1:])  # type: ignore[attr-defined]
    return Ended(code if isinstance(code, int) else -1, output, complaints)


def in_subprocess(arguments: Sequence[str]) -> Ended | None:
    """Return how the same ends in a process of its own; None where the system cannot pass the arguments on."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "harness.cli", *arguments], capture_output=True, timeout=_SUBPROCESS_S, check=False,
            stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    except (ValueError, OSError):
        return None
    return Ended(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def checked(ended: Ended) -> str:
    """Return what became of an input by how its command ended; raises `DefectError` for anything undocumented."""
    if ended.code not in _CODES:
        raise DefectError(f"exit code {ended.code}: {ended.complaints[-300:]!r}")
    if "Traceback (most recent call last)" in ended.complaints + ended.output:
        raise DefectError(f"a traceback: {ended.complaints[-300:]!r}")
    lines = ended.complaints.split("\n")
    strange = [line for line in lines if line and not line.startswith("harness: ")]
    if strange:
        raise DefectError(f"a line that is not ours: {strange[0][:200]!r}")
    errors = [line for line in lines if line.startswith("harness: error:")]
    if len(errors) > 1 or (ended.code == 2 and len(errors) != 1):
        raise DefectError(f"{len(errors)} error lines with exit code {ended.code}: {ended.complaints[-300:]!r}")
    if not errors:
        return "accepted"
    refused(errors[0])
    return "accepted" if errors[0].endswith(_NOT_STARTED) else "refused"

"""What is shown while a command works, and what it leaves out."""

import contextlib
import os

import pytest

from harness.cli.console import Bar, note_printer, print_view
from harness.progress import Step


def test_the_plain_progress_speaks_every_five_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a pipe: a line now and then, with the share done and the time left, and none at all when quiet."""
    now = 100.0
    monkeypatch.setattr("harness.cli.console.time.monotonic", lambda: now)
    for quiet in (False, True):
        now = 100.0
        with Bar(quiet=quiet) as bar:
            for second in range(12):
                now = 100.0 + second
                bar(Step(second / 12, 61.0 if second > 6 else None, "none against none"))
        lines = capsys.readouterr().err.splitlines()
        assert lines == ([] if quiet else [
            "harness:  42%, time left not known yet: none against none", "harness:  83%, 1:01 left: none against none",
        ])  # fmt: skip


def test_a_note_is_printed_once_with_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    """What goes on for long is one line, and nothing when quiet."""
    for quiet in (False, True):
        show = note_printer(quiet=quiet)
        for step in (Step(0.1, None, "installing"), Step(0.2, 30.0, "installing"), Step(0.5, 12.4, "measuring")):
            show(step)
        lines = capsys.readouterr().err.splitlines()
        assert lines == ([] if quiet else ["harness: installing", "harness: measuring, about 12 s left"])


def test_a_view_that_nobody_reads_is_a_broken_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line makes one line of it; rich by itself ends the process without a word."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        with pytest.raises(BrokenPipeError):
            print_view("a view")
        monkeypatch.undo()
        with contextlib.suppress(BrokenPipeError):
            stream.close()

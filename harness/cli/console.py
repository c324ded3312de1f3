"""What commands show: views on standard output; a progress bar, the state of a run and notes on standard error."""

import errno
import io
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn, Self

import click

from harness.report.text import inert

if TYPE_CHECKING:
    from rich.live import Live
    from rich.progress import Progress

    from harness.load.pump import Snapshot
    from harness.progress import Step

__all__ = ["Bar", "RunDisplay", "note_printer", "on_github", "print_lines", "print_view", "say"]

# Without a terminal a width must be chosen; one that no figure is cut at.
_PLAIN_WIDTH = 120
_PLAIN_EVERY_S = 5.0
_PLAIN_EVERY_NS = 1_000_000_000


def print_view(view: Any, *, plain_width: int = _PLAIN_WIDTH, least_width: int = 0) -> None:
    """Print what rich renders, at the width of the terminal but at least `least_width`, else at `plain_width`."""
    from rich.console import Console

    class Output(Console):
        """Leaves a closed pipe to the command line; rich would end the process without a word."""

        def on_broken_pipe(self) -> NoReturn:
            raise BrokenPipeError(errno.EPIPE, "nobody reads the output any more")

    width: int | None = plain_width
    if sys.stdout.isatty():
        width = max(least_width, shutil.get_terminal_size().columns) if least_width else None
    if not on_github():
        Output(highlight=False, width=width).print(view)
    else:
        with io.StringIO() as text:
            Console(file=text, highlight=False, width=width).print(view)
            print_lines(text.getvalue().removesuffix("\n"))
    sys.stdout.flush()


def print_lines(text: str) -> None:
    """Print text; in a job of GitHub Actions, nothing in it is taken for a workflow command."""
    if on_github():
        from harness.report.writers.github import without_commands

        text = without_commands(text)
    click.echo(text)


def on_github() -> bool:
    """Return whether this is a job of GitHub Actions, whose log is searched for workflow commands."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def say(text: str) -> None:
    """Print one line to standard error that does nothing to a terminal, whatever `text` holds."""
    line = inert(f"harness: {text}")
    if on_github():
        from harness.report.writers.github import without_commands

        line = without_commands(line)
    click.echo(line, err=True)


def note_printer(*, quiet: bool) -> "Callable[[Step], None]":
    """Return what prints the note of each step once, with the time left where it is known; nothing when `quiet`."""
    printed: set[str] = set()

    def print_note(step: "Step") -> None:
        if not quiet and step.note not in printed:
            printed.add(step.note)
            left = f", about {step.left_s:.0f} s left" if step.left_s else ""
            with suppress(OSError):  # a terminal that is gone costs no result
                say(f"{step.note}{left}")

    return print_note


def _left(seconds: float | None) -> str:
    if seconds is None:
        return "time left not known yet"
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d} left"


class Bar:
    """A context manager that is called with each `Step`; silent when `quiet`.

    It draws when it is called, from the thread that measures, and then only between pairs: no thread of its own takes
    processor time from what is being measured. Time left never says more than it knows.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: Progress | None = None
        self._started_s = self._said_s = time.monotonic()
        self._drawn_s = 0.0

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

            self._bar = Progress(
                BarColumn(bar_width=24),
                TaskProgressColumn(),
                TextColumn("{task.fields[left]}"),
                # Names of sides stand in it: no markup.
                TextColumn("{task.description}", style="dim", markup=False),
                console=Console(stderr=True),
                auto_refresh=False,
                transient=True,
            )
            self._bar.add_task("starting", total=1.0, left="")
            self._bar.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bar is not None:
            with suppress(OSError):
                self._bar.stop()

    def left(self, done: float) -> float | None:
        """Return the seconds left if it goes on as it went, for measurements that do not say so themselves."""
        return (time.monotonic() - self._started_s) * (1 - done) / done if done > 0 else None

    def __call__(self, step: "Step") -> None:
        """Show one step; between two drawings at least a tenth of a second passes."""
        self.show(step.done, step.left_s, step.note)

    def show(self, done: float, left_s: float | None, note: str) -> None:
        """Show the share done, the seconds left (None while unknown) and what is being done.

        Silent from the first one that cannot be written: a terminal that is gone costs no result.
        """
        try:
            self._show(done, left_s, note)
        except OSError:
            self._bar, self._quiet = None, True

    def _show(self, done: float, left_s: float | None, note: str) -> None:
        now = time.monotonic()
        if self._bar is not None and now - self._drawn_s >= 0.1:
            self._drawn_s = now
            task = self._bar.task_ids[0]
            self._bar.update(task, completed=done, description=inert(note), left=_left(left_s))
            self._bar.refresh()
        elif self._bar is None and not self._quiet and now - self._said_s >= _PLAIN_EVERY_S:
            self._said_s = now
            say(f"{done:4.0%}, {_left(left_s)}: {note}")


class RunDisplay:
    """Shows how a run stands on standard error: a table that renews itself on a terminal, else a line a second.

    It draws from the driving thread, between lines, when it is told of progress: a thread of its own would contend
    for the interpreter lock with what is being measured.
    """

    def __init__(self, total_ns: int | None, *, quiet: bool) -> None:
        self._total_ns = total_ns
        self._quiet = quiet
        self._live: Live | None = None
        self._said_ns = 0
        if not quiet:
            # Here: where it is first needed, lines would be late by the time that its import takes.
            import harness.report.live  # noqa: F401

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._live is not None:
            with suppress(OSError):
                self._live.stop()

    @contextmanager
    def _shown(self) -> Iterator[None]:
        """Stay silent from the first line that cannot be written: a terminal that is gone costs no result."""
        try:
            yield
        except OSError:
            self._live, self._quiet = None, True

    def phase(self, text: str) -> None:
        """Say what is going on when no lines are being sent."""
        with self._shown():
            if self._live is not None:
                from rich.text import Text

                self._live.update(Text(f"{inert(text)} …", style="dim"), refresh=True)
            elif not self._quiet:
                say(text)

    def say(self, text: str) -> None:
        """Say one line that stays, above the table."""
        with self._shown():
            if self._live is not None:
                from rich.text import Text

                # A link that a terminal is to open must stay on one line.
                self._live.console.print(Text(inert(text)), soft_wrap=True)
            else:
                say(text)

    def progress(self, progress: "Snapshot", scrapes: int, failed_scrapes: int) -> None:
        """Show one snapshot."""
        if self._quiet:
            return
        from harness.report.live import live_table, plain_line

        with self._shown():
            if self._live is not None:
                self._live.update(live_table(progress, scrapes, failed_scrapes, self._total_ns), refresh=True)
            elif progress.elapsed_ns - self._said_ns >= _PLAIN_EVERY_NS:
                self._said_ns = progress.elapsed_ns
                click.echo(plain_line(progress, scrapes, failed_scrapes), err=True)

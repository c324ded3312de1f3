"""Shows how far a long measurement is: a bar with the time left on a terminal, a plain line now and then elsewhere."""

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from rich.progress import Progress

    from harness.measure.pairs.schedule import Step

__all__ = ["Bar"]

_PLAIN_EVERY_S = 5.0


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
                TextColumn("{task.description}", style="dim"),
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
            self._bar.update(task, completed=done, description=note, left=_left(left_s))
            self._bar.refresh()
        elif self._bar is None and not self._quiet and now - self._said_s >= _PLAIN_EVERY_S:
            self._said_s = now
            click.echo(f"harness: {done:4.0%}, {_left(left_s)}: {note}", err=True)

"""The history as commands use it: opened, read, and added to without losing a result that cannot be kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.console import Bar, say
from harness.cli.files import spare_copy
from harness.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from harness.history.problems import Problem

__all__ = ["keep_result", "open_store", "print_problems"]

# So many take about a second.
_MANY = 1000


def open_store(folder: Path | None) -> Any:
    """Return the store in `folder`, or the default one; raises `UsageError` for a place that cannot be one."""
    from harness.history.store import DEFAULT_FOLDER, Store

    if folder is not None and folder.exists() and not folder.is_dir():
        raise UsageError(f"--store: {str(folder)!r} is a file; name a folder")
    return Store(DEFAULT_FOLDER if folder is None else folder, reading=_Reading())


class _Reading:
    """Says how far the first look at a long history is; nothing where it is short."""

    def __init__(self) -> None:
        self._bar: Bar | None = None

    def __call__(self, done: int, total: int) -> None:
        if total < _MANY:
            return
        if self._bar is None:
            self._bar = Bar().__enter__()
            click.echo(f"harness: reading {total} kept results into the index, once", err=True)
        self._bar.show(done / total, self._bar.left(done / total), f"result {done} of {total}")
        if done == total:
            self._bar.__exit__(None, None, None)
            self._bar = None


def print_problems(problems: "Sequence[Problem]") -> None:
    """Print for each file that was left out, in a line of its own, what is wrong and what would help."""
    for problem in problems:
        say(f"warning: {problem.line}")


def keep_result(
    kind: str,
    document: Mapping[str, Any],
    *,
    store: Path | None = None,
    label: str = "",
    save: bool = True,
    quiet: bool = False,
) -> str | None:
    """Keep a result and say in one line on standard error where; return its id, or None when it was not kept.

    A history that cannot be written costs a warning, never the result: that is put into the temporary folder, and
    what was measured stands as it was found.
    """
    if not save:
        return None
    from harness.history.queries import keep

    try:
        opened = open_store(store)
        stored = keep(opened, kind, document, label)
    except HarnessError as error:
        spare = spare_copy(document)
        where = f"; the result is in {spare}" if spare else ""
        say(f"warning: not kept in the history: {error}{where}")
        return None
    if not quiet:
        click.echo(f"harness: kept as {stored.id} in {opened.folder}", err=True)
    return stored.id

"""``harness report``: everything measured so far as one HTML page, or its essentials on the terminal."""

from collections.abc import Iterable
from pathlib import Path

import click

from harness.cli.command import command, exit_codes
from harness.cli.console import print_view, say
from harness.cli.files import check_writable, write_file
from harness.cli.options import FILE, output, store_option
from harness.cli.store import open_store
from harness.errors import UsageError

__all__ = ["report"]

DEFAULT_OUTPUT = Path("harness-report.html")
_MOST_PROBLEMS = 20


def _tell(problems: Iterable[str]) -> None:
    lines = list(problems)
    for line in lines[:_MOST_PROBLEMS]:
        say(f"warning: {line}")
    if len(lines) > _MOST_PROBLEMS:
        click.echo(f"harness: warning: and {len(lines) - _MOST_PROBLEMS} more", err=True)


@command(
    "harness report",
    "harness report --terminal",
    "harness report newest laws.json --output laws.html",
    exits=exit_codes("written", "a document named could not be read, the rest is in the page")
    | {"2": "nothing to report, or wrong usage"},
)
@click.argument("names", nargs=-1, metavar="[ID|FILE.json]...", help="Kept runs, and documents that --json wrote.")
@output("--output", type=FILE, metavar="FILE", help=f"File to write the page to. [default: {DEFAULT_OUTPUT}]")
@output("--terminal", is_flag=True, help="Print the essentials instead of writing a page.")
@output("--open", "open_page", is_flag=True, help="Open the page in the browser.")
@store_option
def report(names: tuple[str, ...], output: Path | None, store: Path | None, *, terminal: bool, open_page: bool) -> int:
    """Write everything measured so far as one HTML page that needs no network and no other file.

    Without arguments: the newest word of the history on each question (overhead, ladder, cost laws, scrapes,
    saturation, exposition), the newest load runs, and the figures measured last over the whole history. With
    arguments: those runs, by id or the start or end of it (newest is the newest), and documents that --json wrote.
    """
    if terminal and (output is not None or open_page):
        raise UsageError("--terminal: it prints and writes no page; leave out --output and --open")
    from harness.actions.report import gathered

    target = output or DEFAULT_OUTPUT
    if not terminal:
        check_writable(target, "--output")
    opened = open_store(store)
    result, failed = gathered(opened, names)
    _tell(result.problems)
    if not (result.sources or result.trends):
        where = "none of the documents named can be shown" if names else f"nothing is kept in {opened.folder}"
        raise UsageError(f"{where}; measure something first: harness overhead, or harness run --duration 5s")
    if terminal:
        from harness.report.essentials import essentials

        print_view(essentials(result))
    else:
        from harness.report.page import render

        # Text from outside may hold half a surrogate pair; the page has been told how to write it out.
        write_file(render(result), target, "--output")
        click.echo(f"harness: wrote {target}", err=True)
        if open_page:
            click.launch(target.resolve().as_uri())
    return 1 if failed and names else 0

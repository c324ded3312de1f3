"""``harness report``: everything measured so far as one HTML page, or its essentials on the terminal."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.command import command, exit_codes
from harness.cli.console import print_view
from harness.cli.files import check_writable, write_file
from harness.cli.options import FILE, output, store_option
from harness.cli.store import open_store
from harness.errors import HarnessError, UsageError

if TYPE_CHECKING:
    from harness.history.index import Index
    from harness.history.store import Store
    from harness.report.collect import Report, StoredDocument

__all__ = ["report"]

DEFAULT_OUTPUT = Path("harness-report.html")
# Load runs looked through for the newest of each scenario.
_LOAD_RUNS = 6
_MOST_PROBLEMS = 20


def _is_file(text: str) -> bool:
    """Return whether a name is meant as a file; ids have neither a suffix nor a folder."""
    return text.endswith(".json") or "/" in text or Path(text).is_file()


def _read_file(path: Path) -> "list[StoredDocument]":
    from harness.history.envelope import DamagedError, NewerError, decode
    from harness.report.collect import read_document

    try:
        data = path.read_bytes()
        document = json.loads(data)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not whole JSON") from error
    if not isinstance(document, dict):
        raise UsageError(f"{path}: not a result of a harness command")
    if "sha256" not in document:
        return read_document(document, str(path))
    try:
        stored = decode(data)
    except (DamagedError, NewerError) as error:
        raise UsageError(f"{path}: {error}") from error
    return read_document(stored.document, str(path), stored.created, stored.label)


def _read_stored(store: "Store", run_id: str) -> "list[StoredDocument]":
    from harness.report.collect import read_document

    stored = store.load(run_id)
    return read_document(stored.document, stored.id, stored.created, stored.label)


def _chosen(index: "Index", store: "Store", names: Sequence[str]) -> tuple[list[str], list[Path]]:
    """Return the ids of the runs to read, oldest first, and the files; without names the newest runs of each kind."""
    if not names:
        return sorted([*index.newest("overhead"), *index.newest("run", _LOAD_RUNS)]), []
    files = [Path(name) for name in names if _is_file(name)]
    wanted = [name for name in names if not _is_file(name)]
    ids = [index.last() if name == "newest" else store.find(name) for name in wanted]
    return [each for each in ids if each], files


def _gathered(store: "Store", names: Sequence[str]) -> "tuple[Report, int]":
    """Return the report, and how many of the documents named could not be read."""
    from harness.history.index import Index
    from harness.report.collect import assembled
    from harness.report.trends import MOST_TRENDS, trends_of

    with Index(store) as index:
        problems = [problem.line for problem in index.problems] if not names else []
        ids, files = _chosen(index, store, names)
        if names:
            keys = list(dict.fromkeys(metric.key for each in ids for metric in index.metrics(each)))
        else:
            keys = list(index.trending())
        trends = trends_of(index, keys)
    result: list[StoredDocument] = []
    failed = 0
    reads = [*(partial(_read_stored, store, each) for each in ids), *(partial(_read_file, each) for each in files)]
    for read in reads:
        try:
            result += read()
        except HarnessError as error:
            failed += 1
            problems.append(str(error))
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    more = max(0, len(keys) - MOST_TRENDS)
    return assembled(result, problems, trends=trends, more_trends=more, made=made), failed


def _tell(problems: Iterable[str]) -> None:
    from harness.report.text import inert

    lines = list(problems)
    for line in lines[:_MOST_PROBLEMS]:
        click.echo(f"harness: warning: {inert(line)}", err=True)
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
    target = output or DEFAULT_OUTPUT
    if not terminal:
        check_writable(target, "--output")
    opened = open_store(store)
    result, failed = _gathered(opened, names)
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

"""``harness history``: the kept results, listed, shown, removed, exported and imported."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.cli.command import CommandGroup, exit_codes, option_group
from harness.cli.console import print_lines, print_view, say
from harness.cli.files import write_file
from harness.cli.options import COUNT, FILE, label_option, output, store_option
from harness.cli.store import open_store, print_problems
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.history.queries import Listing
    from harness.history.store import Store
    from harness.report.tables import ReportTable

__all__ = ["history"]

F = TypeVar("F", bound=Callable[..., Any])

FORMATS = ("pytest-benchmark", "customSmallerIsBetter", "csv", "openmetrics")
# A terminal shows the newest runs; a pipe or --json gets all of them.
_ON_A_TERMINAL = 30
# Drawing a table of more rows takes rich longer than reading the history does.
_MOST_IN_A_TABLE = 300


chosen = option_group("Runs")


class _Group(CommandGroup):
    """A group that lists when no other command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``list`` before arguments that name no command."""
        asks_help = bool(args) and args[0] in ctx.help_option_names
        if not args or (args[0].startswith("-") and not asks_help):
            args = ["list", *args]
        return super().parse_args(ctx, args)


_FILTERS = (
    chosen("--kind", metavar="KIND", help="Only runs of this kind: run, overhead or suite."),
    chosen("--label", metavar="TEXT", help="Only runs whose label contains this."),
    chosen("--since", metavar="DATE", help="Only runs since then: 2026-01-31, or 2026-01-31T12:00Z."),
    chosen("--instrument", metavar="NAME", help="Only runs that measured this way of recording."),
    chosen("--limit", type=COUNT, metavar="N", help="Only the newest N of them."),
)


def _filters(command: F) -> F:
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def _listed(store: "Store", flags: dict[str, Any], newest: int | None) -> "Listing":
    from harness.history.queries import list_runs

    result = list_runs(store, newest=newest, **{name: flags[name] for name in ("kind", "label", "since", "instrument")})
    print_problems(result.problems)
    return result


@click.group(
    cls=_Group,
    examples=(
        "harness history --kind overhead --limit 10",
        "harness history show newest",
        "harness history export --format csv --output runs.csv",
    ),
    exits=exit_codes("done", "a result could not be read or written"),
)
def history() -> None:
    """List, show, remove, export or import kept results; without a command, list them."""


@history.command(
    "list",
    examples=("harness history list --since 2026-01-31", "harness history list --json"),
    exits=exit_codes("listed"),
)
@_filters
@output("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@store_option
def list_(store: Path | None, as_json: bool, limit: int | None, **flags: Any) -> None:
    """List kept runs, the newest last.

    A revision with a plus sign had changes that were not committed. Machine is the epoch: nanoseconds are compared
    between runs of one epoch only.
    """
    from harness.report.commands.history import runs_table

    on_terminal = sys.stdout.isatty() and not as_json
    opened = open_store(store)
    result = _listed(opened, flags, limit or (_ON_A_TERMINAL if on_terminal else None))
    if as_json:
        _print_json(result)
        return
    if not result.rows:
        chosen = limit is not None or any(value is not None for value in flags.values())
        click.echo(f"harness: no run is kept in {opened.folder}{' that fits' if chosen else ''}", err=True)
        return
    _print_table(runs_table(result), in_table=on_terminal)
    if on_terminal and limit is None and len(result.rows) == _ON_A_TERMINAL:
        click.echo(f"harness: the newest {_ON_A_TERMINAL}; --limit shows more", err=True)


def _print_json(listing: "Listing") -> None:
    runs = [
        {
            **asdict(row), "machine": json.loads(row.machine), "versions": json.loads(row.versions),
            "opens_epoch": row.id in listing.opens_epoch,
        }
        for row in listing.rows
    ]  # fmt: skip
    problems = [
        {"file": str(problem.path), "trouble": problem.trouble.value, "detail": problem.detail}
        for problem in listing.problems
    ]
    print(json.dumps({"runs": runs, "problems": problems}, indent=2))


def _print_table(table: "ReportTable", *, in_table: bool) -> None:
    if not in_table or len(table.rows) > _MOST_IN_A_TABLE:
        from harness.report.writers.plain import write_plain

        print_lines("\n".join(write_plain([table])))
        return
    from harness.report.writers.terminal import write_terminal

    print_view(write_terminal([table]))


@history.command(
    examples=("harness history show newest", "harness history show newest --json"), exits=exit_codes("shown")
)
@click.argument("run", help="Id of the run, its start or end, or newest.")
@output("--json", "as_json", is_flag=True, help="Print the whole document as it is kept, raw pairs included.")
@store_option
def show(run: str, store: Path | None, as_json: bool) -> None:
    """Show one run: RUN is its id, the start or end of it, or `newest`."""
    from harness.history.envelope import encode
    from harness.history.queries import show_run

    shown = show_run(open_store(store), run)
    if as_json:
        print(json.dumps(json.loads(encode(shown.envelope)), indent=2))
        return
    from harness.report.commands.history import stored_run_parts
    from harness.report.writers.plain import write_plain

    print_lines("\n".join(write_plain(stored_run_parts(shown))))


@history.command(
    examples=("harness history rm newest", "harness history rm newest --yes"),
    exits=exit_codes("removed", "a run could not be removed, or the question was answered with no"),
)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", help="Ids of runs, or their starts or ends.")
@option_group("Removing")("--yes", is_flag=True, help="Remove without asking.")
@store_option
def rm(runs: tuple[str, ...], store: Path | None, yes: bool) -> None:
    """Remove the runs named, all of them or none; nothing is ever removed by itself.

    Each RUN is an id, or the start or end of one. Damaged files are named by their file name without `.json`.
    """
    from harness.history.queries import remove_runs

    opened = open_store(store)
    result = list(dict.fromkeys(opened.find(run) for run in runs))
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"--yes: give it to remove {', '.join(result)} without being asked")
        click.confirm(f"Remove {', '.join(result)}?", abort=True, err=True)
    for path in remove_runs(opened, result):
        click.echo(f"harness: removed {path}", err=True)


@history.command(
    examples=(
        "harness history export --format csv --output runs.csv",
        "harness history export --format openmetrics --kind overhead --limit 20",
    ),
    exits=exit_codes("written", "the file could not be written"),
)
@output("--format", "form", required=True, type=click.Choice(FORMATS), help="Format to write.")
@output("--output", type=FILE, metavar="FILE", help="File to write to. [default: standard output]")
@_filters
@store_option
def export(form: str, output: Path | None, store: Path | None, limit: int | None, **flags: Any) -> None:
    """Write kept figures in a format other tools read.

    `csv` and `openmetrics` hold every figure of every run chosen, `customSmallerIsBetter` (of github-action-benchmark)
    the newest of each, `pytest-benchmark` the newest run chosen, with each pair as a round.
    """
    opened = open_store(store)
    result = _listed(opened, flags, limit)
    if not result.rows:
        raise UsageError(f"no run that fits is kept in {opened.folder}; `harness history list` shows those that are")
    from harness.actions.history import exported

    text = exported(opened, result, form)
    if output is None:
        click.echo(text, nl=False)
        return
    write_file(text, output, "--output")


@history.command(
    "import",
    examples=("harness history import", "harness history import .benchmarks/latest.json --label nightly"),
    exits=exit_codes("imported, or known already", "not one file could be read"),
)
@click.argument(
    "paths", nargs=-1, type=FILE, metavar="[PATH]...", help="Files, or folders of them. [default: .benchmarks]"
)
@label_option
@store_option
def import_(paths: tuple[Path, ...], store: Path | None, label: str) -> int:
    """Take pytest-benchmark JSON into the history: files, or folders of them; .benchmarks unless told otherwise.

    Each result is taken once, however often it is asked for.
    """
    from harness.actions.history import imported

    opened = open_store(store)
    done = imported(opened, paths or (Path(".benchmarks"),), label)
    for problem in done.problems:
        say(f"warning: {problem}")
    counts = f"{len(done.new)} imported into {os.fspath(opened.folder)}, {len(done.known)} there already"
    click.echo(f"harness: {counts}", err=True)
    return 1 if done.problems and not (done.new or done.known) else 0

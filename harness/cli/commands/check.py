"""``harness check``: says whether recording has become slower than in the runs kept before."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.command import command, exit_codes, option_group
from harness.cli.console import Bar, on_github, print_lines
from harness.cli.options import DURATION, SHARE, ValueList, history, measuring, output, quiet_option, store_option
from harness.cli.store import keep_result, open_store, print_problems
from harness.cli.system import INTERRUPTED, require_linux
from harness.errors import RunError, UsageError
from harness.interrupts import deferred, held
from workloads.units import parse_duration_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.history.checking.check import CheckResult
    from harness.history.store import Store

__all__ = ["check"]

runs, deciding = option_group("Runs"), option_group("Deciding")


def _new(
    store: "Store", instruments: tuple[str, ...] | None, base: str | None, budget_s: float | None, *, quiet: bool
) -> "dict[str, Any]":
    from harness.actions.check import measure_new

    with Bar(quiet=quiet) as bar:
        return measure_new(store, bar, instruments=instruments, base=base, budget_s=budget_s)


def _announcing(*, quiet: bool) -> "Callable[[int], None]":
    """Return what says that so many figures are about to be measured again; nothing when `quiet`."""

    def announce(count: int) -> None:
        what = "of the figures look slower, are void, or were measured on a busy machine; measuring them again"
        if not quiet:
            click.echo(f"harness: {count} {what}", err=True)

    return announce


def _print_decision(checked: "CheckResult", as_json: bool) -> None:
    """Print the verdict, and hand it to GitHub where it runs there."""
    from harness.report.commands.check import alerts, check_document, check_section
    from harness.report.writers.github import annotation, write_summary
    from harness.report.writers.plain import write_plain

    if as_json:
        print(json.dumps(check_document(checked), indent=2))
    else:
        for line in write_plain([check_section(checked)]):
            print_lines(_coloured(line))
    if on_github():
        for alert in alerts(checked):
            click.echo(annotation(*alert), err=as_json)
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(path).open("a", encoding="utf-8") as out:
                out.write(write_summary(check_section(checked)) + "\n")
        except OSError as error:
            click.echo(f"harness: warning: GITHUB_STEP_SUMMARY: {path!r}: {error.strerror or error}", err=True)


def _print_noise(store: "Store", run: str) -> None:
    """Print what a run could have decided, above the verdicts that rest on it."""
    from harness.measure.resolution import advice_on

    if note := advice_on(store.load(run).document):
        print_lines(note)


def _coloured(line: str) -> str:
    # click takes colours out again where the output is no terminal.
    colours = {"regressed": "red", "improved": "green", "undecided": "yellow", "pass": "green"}
    word = next((word for word in colours if line.startswith(word)), None)
    return line if word is None else click.style(word, fg=colours[word], bold=True) + line[len(word) :]


@command(
    "harness check",
    "harness check --fresh --budget 2m --tolerance 5%",
    "harness check --run newest --json",
    exits=exit_codes("pass or improved", "regressed, or it could not be measured", "undecided"),
)
@runs("--run", "run", metavar="RUN", help="Kept run to check, by its id. [default: the newest of each question]")
@runs("--baseline", metavar="RUN", help="Kept run to compare with instead of the runs before.")
@runs(
    "--kind",
    type=click.Choice(["overhead", "run", "suite"]),
    default="overhead",
    show_default=True,
    help="Kind of the runs to compare.",
)
@measuring("--fresh", is_flag=True, help="Measure first, keep the result, and check that.")
@measuring(
    "--instruments",
    type=ValueList(),
    metavar="A,B",
    help="With --fresh: ways of recording to measure. [default: those of the newest run]",
)
@measuring(
    "--base",
    metavar="NAME",
    help="With --fresh: way of recording to compare with. [default: reference, or as the newest run]",
)
@measuring("--budget", type=DURATION, metavar="TIME", help="Stop measuring after this time. [default: 1m for --fresh]")
@measuring(
    "--wait",
    type=DURATION,
    default="60s",
    metavar="TIME",
    show_default=True,
    help="Longest time that measuring again may wait for a quiet moment.",
)
@measuring("--no-remeasure", is_flag=True, help="Report a suspected regression without measuring it again.")
@deciding("--tolerance", type=SHARE, default="3%", show_default=True, help="Slowdown that does not matter.")
@deciding("--alpha", type=SHARE, default="5%", show_default=True, help="Chance of a false alarm in one check.")
@output("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@quiet_option
@store_option
@history("--label", default="", metavar="TEXT", help="With --fresh: label to find the kept result by.")
def check(
    run: str | None,
    baseline: str | None,
    kind: str,
    fresh: bool,
    instruments: tuple[str, ...] | None,
    base: str | None,
    budget: str | None,
    wait: str,
    no_remeasure: bool,
    store: Path | None,
    label: str,
    as_json: bool,
    quiet: bool,
    tolerance: float,
    alpha: float,
) -> int:
    """Say whether recording has become slower than in the runs kept before: pass, regressed, improved or undecided.

    Each figure of the newest run gets its effect, interval and smallest effect that would have been seen; a table, a
    ladder and a comparison are answered by the newest run of each. A suspected regression is measured again before it
    is reported, in a quiet moment; where that cannot be done here, one run alone is undecided. So is a run with fewer
    than 8 comparable ones before it, on another machine, or on a machine that was busy.

    In GitHub Actions figures are annotated, and a summary is written where GITHUB_STEP_SUMMARY says.
    """
    require_linux("check")
    from harness.actions.check import measuring_again, require_kind
    from harness.history.checking.check import Question
    from harness.history.checking.check import check as judge
    from harness.history.index import Index

    if fresh and (run is not None or kind != "overhead"):
        raise UsageError("--fresh: it measures and keeps an overhead run; leave --run and --kind out")
    for name, value in (("--instruments", instruments), ("--base", base)):
        if value is not None and not fresh:
            raise UsageError(f"{name}: it says what --fresh measures; give both")
    opened = open_store(store)
    budget_s = None if budget is None else parse_duration_ns(budget) / 1e9
    if fresh:
        with deferred():
            whole = _new(opened, instruments, base, budget_s, quiet=quiet)
            with held():
                run = keep_result("overhead", whole, store=store, label=label, quiet=quiet)
        if whole["interrupted"]:
            return INTERRUPTED
        if run is None:
            raise RunError("--fresh: what was measured could not be stored, so there is nothing to check")
    with Index(opened) as index, Bar(quiet=quiet) as bar:
        print_problems(index.problems)
        if run is None or run == "newest":
            require_kind(index, kind)
            run = None
        chosen = None if run is None else opened.load(run).id
        again = None
        if not no_remeasure:
            wait_s = parse_duration_ns(wait) / 1e9
            announce = _announcing(quiet=quiet)
            again = measuring_again(opened, index, bar, budget_s=budget_s, wait_s=wait_s, announce=announce)
        compared = None if baseline is None else opened.load(baseline).id
        result = judge(index, Question(tolerance, alpha, compared, again), run=chosen, kind=kind)
    if not as_json:
        _print_noise(opened, result.run)
    _print_decision(result, as_json)
    return result.outcome.exit_code

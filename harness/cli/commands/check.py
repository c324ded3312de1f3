"""``harness check``: says whether recording has become slower than in the runs kept before."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.command import command, exit_codes, option_group
from harness.cli.console import Bar
from harness.cli.options import DURATION, SHARE, ValueList, history, measuring, output, quiet_option, store_option
from harness.cli.store import keep_result, open_store, print_problems
from harness.cli.system import INTERRUPTED, require_linux
from harness.errors import RunError, UsageError
from harness.interrupts import deferred, held
from workloads.units import parse_duration_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.history.checking.check import CheckResult
    from harness.history.figures import Figure
    from harness.history.index import Index
    from harness.history.store import Store
    from harness.measure.result import Experiments

__all__ = ["check"]

runs, deciding = option_group("Runs"), option_group("Deciding")

_BUDGET_S = 60.0
_WAIT = "60s"
_BASE = "reference"


def _seconds(duration: str) -> float:
    return parse_duration_ns(duration) / 1e9


def _fresh(
    store: "Store", instruments: tuple[str, ...] | None, base: str | None, budget: str | None, *, quiet: bool
) -> "list[Experiments]":
    """Measure what the newest kept run with figures measured, as it did, or the ways of recording named."""
    from harness.history.checking.remeasure import FigureGroup, groups_in, measure, shared
    from harness.history.index import Index
    from harness.instruments.catalog import installed, load_factory
    from harness.measure.pairs.measure import comparisons_for
    from harness.measure.pairs.schedule import Terms
    from harness.measure.questions.table import ROWS

    with Index(store) as index:
        stored = [answer.run for answer in index.answers("overhead") if answer.run is not None]
        seed = len(index.rows("kind = ?", ("overhead",))) + 1
    if instruments is None and base is None and stored:
        groups = groups_in(store.load(stored[-1]).document)
    else:
        against = base or _BASE
        load_factory(against, "base")
        names = list(instruments or installed(ROWS))
        for name in names:
            load_factory(name)
        pairs = comparisons_for([name for name in names if name != against or len(names) == 1], base=against)
        groups = (FigureGroup("wall_ns", tuple(pairs), Terms(budget_s=_BUDGET_S)),)
    if not groups:
        raise UsageError("--fresh: the newest kept run holds no experiment; name what to measure with --instruments")
    with Bar(quiet=quiet) as bar:
        return measure(shared(groups, _BUDGET_S if budget is None else _seconds(budget), seed), bar)


def _joined(documents: "Sequence[Experiments]") -> dict[str, Any]:
    """Return one document of all groups that were measured one after another, each with its own terms."""
    if len(documents) == 1:
        return documents[0].model_dump(mode="json")
    from harness.measure.questions.answer import outcome_of

    parts = {f"comparison:{i}" if i else "comparison": document for i, document in enumerate(documents)}
    return outcome_of("comparison", parts).document()


def _remeasure(
    store: "Store", budget: str | None, wait: str, bearable: "Callable[[str, Sequence[str]], float]", *, quiet: bool
) -> "Callable[[str, Sequence[str]], Sequence[Figure]]":
    def again(run: str, keys: "Sequence[str]") -> "Sequence[Figure]":
        # Looking at what is installed takes as long as the check itself, so it waits for a suspicion.
        from harness.history.checking.quiet import processors, wait_for_quiet
        from harness.history.checking.remeasure import measure_again, why_not
        from harness.history.fingerprint import fingerprint, git_state

        envelope = store.load(run)
        if reason := why_not(envelope, fingerprint(), git_state()):
            raise RunError(reason)
        if not quiet:
            reported = "of the figures look slower, are void, or were measured on a busy machine; measuring them again"
            click.echo(f"harness: {len(keys)} {reported}", err=True)
        with Bar(quiet=quiet) as bar:
            moment = wait_for_quiet(_seconds(wait), processors, bar, bearable=bearable(run, keys))
            if not moment.quiet:
                raise RunError(f"there was no quiet moment in {wait}: a processor was {moment.busy:.0%} busy")
            return measure_again(envelope, keys, bar, budget_s=None if budget is None else _seconds(budget))

    return again


def _bearable(index: "Index") -> "Callable[[str, Sequence[str]], float]":
    """Return how busy processors may be for figures of a run to be measured as those of the runs before were."""

    def limit(run: str, keys: "Sequence[str]") -> float:
        from harness.history.checking.cases import case_of
        from harness.history.checking.quiet import BUSY

        return max([BUSY, *(case_of(index, key, run).limits.off_cpu for key in keys)])

    return limit


def _require_kind(index: "Index", kind: str) -> None:
    """Raise `UsageError` where no run of the kind is kept."""
    if index.answers(kind):
        return
    kinds = sorted({row.kind for row in index.rows()})
    others = f"; --kind {kinds[0]} checks one of the kept runs of kind {', '.join(kinds)}" if kinds else ""
    raise UsageError(f"no run of kind {kind} is kept; `harness overhead` or --fresh measures and keeps one{others}")


def _print_decision(checked: "CheckResult", as_json: bool) -> None:
    """Print the verdict, and hand it to GitHub where it runs there."""
    from harness.report.commands.check import alerts, check_document, check_section
    from harness.report.writers.github import annotation, write_summary
    from harness.report.writers.plain import write_plain

    if as_json:
        print(json.dumps(check_document(checked), indent=2))
    else:
        for line in write_plain([check_section(checked)]):
            click.echo(_coloured(line))
    if os.environ.get("GITHUB_ACTIONS") == "true":
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
        click.echo(note)


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
    default=_WAIT,
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
    from harness.history.checking.check import Question
    from harness.history.checking.check import check as judge
    from harness.history.index import Index

    if fresh and (run is not None or kind != "overhead"):
        raise UsageError("--fresh: it measures and keeps an overhead run; leave --run and --kind out")
    for name, value in (("--instruments", instruments), ("--base", base)):
        if value is not None and not fresh:
            raise UsageError(f"{name}: it says what --fresh measures; give both")
    opened = open_store(store)
    if fresh:
        with deferred():
            whole = _joined(_fresh(opened, instruments, base, budget, quiet=quiet))
            with held():
                run = keep_result("overhead", whole, store=store, label=label, quiet=quiet)
        if whole["interrupted"]:
            return INTERRUPTED
        if run is None:
            raise RunError("--fresh: what was measured could not be stored, so there is nothing to check")
    with Index(opened) as index:
        print_problems(index.problems)
        if run is None or run == "newest":
            _require_kind(index, kind)
            run = None
        chosen = None if run is None else opened.load(run).id
        again = None if no_remeasure else _remeasure(opened, budget, wait, _bearable(index), quiet=quiet)
        compared = None if baseline is None else opened.load(baseline).id
        result = judge(index, Question(tolerance, alpha, compared, again), run=chosen, kind=kind)
    if not as_json:
        _print_noise(opened, result.run)
    _print_decision(result, as_json)
    return result.outcome.exit_code

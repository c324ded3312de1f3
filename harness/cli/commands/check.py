"""``harness check``: says whether recording has become slower than in the runs kept before."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.commands.history import tell_problems
from harness.cli.keeping import keep_result, open_store
from harness.cli.options import DURATION, SHARE, store_option
from harness.cli.progress import Bar
from harness.cli.system import require_linux
from harness.errors import HarnessError, RunError, UsageError
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

INTERRUPTED = 130
_BUDGET_S = 60.0
_WAIT = "60s"
_BASE = "reference"


def _seconds(duration: str) -> float:
    return parse_duration_ns(duration) / 1e9


def _fresh(
    store: "Store", instruments: str | None, base: str | None, budget: str | None, *, quiet: bool
) -> "list[Experiments]":
    """Measure what the newest kept run with figures measured, as it did, or the ways of recording named."""
    from harness.history.checking.remeasure import Group, groups_in, measure, shared
    from harness.history.index import Index
    from harness.instruments.catalog import load_factory
    from harness.measure.pairs.measure import comparisons_for
    from harness.measure.pairs.schedule import Terms

    with Index(store) as index:
        kept = [answer.run for answer in index.answers("overhead") if answer.run is not None]
        seed = len(index.rows("kind = ?", ("overhead",))) + 1
    if instruments is None and base is None and kept:
        groups = groups_in(store.load(kept[-1]).document)
    else:
        against = base or _BASE
        load_factory(against, "--base")
        names = [name.strip() for name in (instruments or "").split(",") if name.strip()] or _usual()
        for name in names:
            load_factory(name, "--instruments")
        pairs = comparisons_for([name for name in names if name != against or len(names) == 1], base=against)
        groups = (Group("wall_ns", tuple(pairs), Terms(budget_s=_BUDGET_S)),)
    if not groups:
        raise UsageError("--fresh: the newest kept run holds no experiment; name what to measure with --instruments")
    with Bar(quiet=quiet) as bar:
        return measure(shared(groups, _BUDGET_S if budget is None else _seconds(budget), seed), bar)


def _usual() -> list[str]:
    """Return the ways of recording of the default table whose libraries are there."""
    from harness.instruments.catalog import load_factory
    from harness.measure.questions.table import ROWS

    def there(name: str) -> bool:
        try:
            load_factory(name)
        except HarnessError:
            return False
        return True

    return [name for name in ROWS if there(name)]


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
            told = "of the figures look slower, are void, or were measured on a busy machine; measuring them again"
            click.echo(f"harness: {len(keys)} {told}", err=True)
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


def _told(found: "CheckResult", as_json: bool) -> None:
    """Print the verdict, and hand it to GitHub where it runs there."""
    from harness.report.commands.check import alerts, check_document, check_section
    from harness.report.writers.github import annotation, write_summary
    from harness.report.writers.plain import write_plain

    if as_json:
        print(json.dumps(check_document(found), indent=2))
    else:
        for line in write_plain([check_section(found)]):
            click.echo(_coloured(line))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for alert in alerts(found):
            click.echo(annotation(*alert), err=as_json)
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(path).open("a", encoding="utf-8") as out:
                out.write(write_summary(check_section(found)) + "\n")
        except OSError as error:
            click.echo(f"harness: warning: GITHUB_STEP_SUMMARY: {path!r}: {error.strerror or error}", err=True)


def _told_of_noise(store: "Store", run: str) -> None:
    """Print what a run could have decided, above the verdicts that rest on it."""
    from harness.measure.resolution import advice_on

    if note := advice_on(store.load(run).document):
        click.echo(note)


def _coloured(line: str) -> str:
    # click takes colours out again where the output is no terminal.
    colours = {"regressed": "red", "improved": "green", "undecided": "yellow", "pass": "green"}
    word = next((word for word in colours if line.startswith(word)), None)
    return line if word is None else click.style(word, fg=colours[word], bold=True) + line[len(word) :]


@click.command()
@click.option(
    "--run", "run", metavar="RUN", help="Check this kept run, by its id. [default: the newest of each question]"
)
@click.option("--baseline", metavar="RUN", help="Compare with this run instead of the runs before.")
@click.option(
    "--kind",
    type=click.Choice(["overhead", "run", "suite"]),
    default="overhead",
    show_default=True,
    help="Which runs to compare.",
)
@click.option("--fresh", is_flag=True, help="Measure first, keep the result, and check that.")
@click.option(
    "--instruments", metavar="A,B", help="With --fresh: what to measure. [default: what the newest run measured]"
)
@click.option(
    "--base",
    metavar="NAME",
    help="With --fresh: what it is measured against. [default: reference, or as the newest run]",
)
@click.option("--budget", type=DURATION, metavar="TIME", help="How long measuring may take. [default: 1m for --fresh]")
@click.option(
    "--wait",
    type=DURATION,
    default=_WAIT,
    metavar="TIME",
    show_default=True,
    help="How long measuring again may wait for a quiet moment.",
)
@click.option("--tolerance", type=SHARE, default="3%", show_default=True, help="The slowdown that does not matter.")
@click.option("--alpha", type=SHARE, default="5%", show_default=True, help="Chance of a false alarm in one check.")
@click.option("--no-remeasure", is_flag=True, help="Report a suspected regression without measuring it again.")
@store_option
@click.option("--label", default="", metavar="TEXT", help="With --fresh: a word to find the kept result by.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.option("--quiet", is_flag=True, help="Do not say how far measuring is.")
def check(
    run: str | None,
    baseline: str | None,
    kind: str,
    fresh: bool,
    instruments: str | None,
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

    \b
    Try it: harness check
            harness check --fresh --budget 2m --tolerance 5%

    Exit codes: 0 pass or improved; 1 regressed; 3 undecided; 2 wrong usage; 130 interrupted, 143 terminated. In GitHub
    Actions figures are annotated, and a summary is written where GITHUB_STEP_SUMMARY says.
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
            raise RunError("--fresh: what was measured could not be kept, so there is nothing to check")
    with Index(opened) as index:
        tell_problems(index.problems)
        if run is None or run == "newest":
            _require_kind(index, kind)
            run = None
        chosen = None if run is None else opened.load(run).id
        again = None if no_remeasure else _remeasure(opened, budget, wait, _bearable(index), quiet=quiet)
        compared = None if baseline is None else opened.load(baseline).id
        found = judge(index, Question(tolerance, alpha, compared, again), run=chosen, kind=kind)
    if not as_json:
        _told_of_noise(opened, found.run)
    _told(found, as_json)
    return found.outcome.exit_code

"""``harness check``: says whether recording has become slower than in the runs kept before."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.history import tell_problems
from harness.cli.keeping import keep_result, open_store
from harness.cli.options import DURATION, SHARE, store_option
from harness.cli.progress import Bar
from harness.cli.system import require_linux
from harness.errors import HarnessError, RunError, UsageError
from harness.interrupts import deferred, held
from workloads.units import parse_duration_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.history.index import Index
    from harness.history.metrics import Metric
    from harness.history.store import Store
    from harness.history.verdict import Check
    from harness.measure.document import Document
    from harness.measure.experiment import Terms

__all__ = ["check"]

INTERRUPTED = 130
_BUDGET_S = 60.0


def _terms(budget: str | None, seed: int) -> "Terms":
    from harness.measure.experiment import Terms

    return Terms(budget_s=_BUDGET_S if budget is None else parse_duration_ns(budget) / 1e9, seed=seed)


def _fresh(store: "Store", instruments: str | None, budget: str | None, *, quiet: bool) -> "list[Document]":
    """Measure what the newest kept run measured, or the ways of recording named."""
    from harness.history.again import Asked, asked_in, measure
    from harness.history.index import Index
    from harness.measure.overhead import comparisons_for

    with Index(store) as index:
        rows = index.rows("kind = ?", ("overhead",))
    if instruments is None and rows:
        asked: Sequence[Asked] = asked_in(store.load(rows[-1].id).document)
    else:
        names = [name.strip() for name in (instruments or "").split(",") if name.strip()] or _usual()
        asked = [Asked("wall_ns", pair) for pair in comparisons_for(names)]
    if not asked:
        raise UsageError("--fresh: the newest kept run holds no experiment; name what to measure with --instruments")
    with Bar(quiet=quiet) as bar:
        return measure(asked, _terms(budget, len(rows) + 1), bar)


def _usual() -> list[str]:
    """Return the ways of recording of the default table whose libraries are there."""
    from harness.instruments.catalog import load_factory
    from harness.measure.table import ROWS

    def there(name: str) -> bool:
        try:
            load_factory(name)
        except HarnessError:
            return False
        return True

    return [name for name in ROWS if there(name)]


def _joined(documents: "Sequence[Document]") -> dict[str, Any]:
    """Return one document of all groups that were measured one after another."""
    whole = documents[0].model_dump(mode="json")
    for document in documents[1:]:
        more = document.model_dump(mode="json")
        whole["experiments"] += more["experiments"]
        whole["elapsed_s"] += more["elapsed_s"]
        whole["interrupted"] = whole["interrupted"] or more["interrupted"]
    return whole


def _remeasure(
    store: "Store", run: str, budget: str | None, *, quiet: bool
) -> "Callable[[Sequence[str]], Sequence[Metric]]":
    def again(keys: "Sequence[str]") -> "Sequence[Metric]":
        # Looking at what is installed takes as long as the check itself, so it waits for a suspicion.
        from harness.history.again import measure_again, why_not
        from harness.history.fingerprint import fingerprint, git_state

        envelope = store.load(run)
        if reason := why_not(envelope, fingerprint(), git_state()):
            raise RunError(reason)
        if not quiet:
            told = "of the figures look slower or are void; measuring them again"
            click.echo(f"harness: {len(keys)} {told}", err=True)
        with Bar(quiet=quiet) as bar:
            return measure_again(envelope, keys, bar, terms=None if budget is None else _terms(budget, 2))

    return again


def _newest(index: "Index", kind: str) -> str:
    rows = index.rows("kind = ?", (kind,))
    if rows:
        return rows[-1].id
    kinds = sorted({row.kind for row in index.rows()})
    others = f"; --kind {kinds[0]} checks one of the kept runs of kind {', '.join(kinds)}" if kinds else ""
    raise UsageError(f"no run of kind {kind} is kept; `harness overhead` or --fresh measures and keeps one{others}")


def _told(found: "Check", as_json: bool) -> None:
    """Print the verdict, and hand it to GitHub where it runs there."""
    from harness.report import check_text

    if as_json:
        print(json.dumps(check_text.as_json(found), indent=2))
    else:
        for line in check_text.lines(found):
            click.echo(_coloured(line))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in check_text.annotations(found):
            click.echo(line, err=as_json)
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(path).open("a", encoding="utf-8") as out:
                out.write(check_text.markdown(found) + "\n")
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
@click.option("--run", "run", metavar="RUN", help="Check this kept run, by its id. [default: the newest]")
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
@click.option("--budget", type=DURATION, metavar="TIME", help="How long measuring may take. [default: 1m for --fresh]")
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
    budget: str | None,
    no_remeasure: bool,
    store: Path | None,
    label: str,
    as_json: bool,
    quiet: bool,
    tolerance: float,
    alpha: float,
) -> int:
    """Say whether recording has become slower than in the runs kept before: pass, regressed, improved or undecided.

    Each figure of the newest run gets its effect, interval and smallest effect that would have been seen. A suspected
    regression is measured again before it is reported; where that cannot be done here, one run alone is undecided.

    \b
    Try it: harness check
            harness check --fresh --budget 2m --tolerance 5%

    Exit codes: 0 pass or improved; 1 regressed; 3 undecided; 2 wrong usage; 130 interrupted, 143 terminated. In GitHub
    Actions figures are annotated, and a summary is written where GITHUB_STEP_SUMMARY says.
    """
    require_linux("check")
    from harness.history.index import Index
    from harness.history.verdict import Question
    from harness.history.verdict import check as judge

    if fresh and (run is not None or kind != "overhead"):
        raise UsageError("--fresh: it measures and keeps an overhead run; leave --run and --kind out")
    if instruments is not None and not fresh:
        raise UsageError("--instruments: it says what --fresh measures; give both")
    opened = open_store(store)
    if fresh:
        with deferred():
            whole = _joined(_fresh(opened, instruments, budget, quiet=quiet))
            with held():
                run = keep_result("overhead", whole, store=store, label=label, quiet=quiet)
        if whole["interrupted"]:
            return INTERRUPTED
        if run is None:
            raise RunError("--fresh: what was measured could not be kept, so there is nothing to check")
    with Index(opened) as index:
        tell_problems(index.problems)
        run = _newest(index, kind) if run in {None, "newest"} else opened.load(str(run)).id
        again = None if no_remeasure else _remeasure(opened, run, budget, quiet=quiet)
        compared = None if baseline is None else opened.load(baseline).id
        found = judge(index, Question(tolerance, alpha, compared, again), run=run)
    if not as_json:
        _told_of_noise(opened, found.run)
    _told(found, as_json)
    return found.outcome.exit_code

"""``harness overhead``: what recording costs, measured in pairs of fresh processes."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import COUNT, DURATION, SHARE, given, keeping_options
from harness.cli.system import require_linux
from harness.errors import SaveError
from harness.interrupts import deferred, held

if TYPE_CHECKING:
    from harness.measure.questions.answer import Answer

__all__ = ["exit_code", "overhead"]

INTERRUPTED = 130
# Without a terminal a width must be chosen; one that no figure is cut at.
_PLAIN_WIDTH = 120


class _List(click.ParamType[Any]):
    """Values between commas, each once; whole numbers where `whole`."""

    def __init__(self, *, whole: bool = False) -> None:
        self.name = "numbers" if whole else "names"
        self._whole = whole

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",")]
        if not all(parts):
            self.fail(f"{value!r} has an empty place between commas", param, ctx)
        if self._whole:
            return tuple(dict.fromkeys(COUNT.convert(part, param, ctx) for part in parts))
        return tuple(dict.fromkeys(parts))


_OPTIONS = (
    click.option("--instruments", type=_List(), metavar="A,B", help="Ways of recording, or package.module:Name."),
    click.option("--base", metavar="NAME", help="What they are compared with. [default: none, the bare REPL]"),
    click.option("--series", type=_List(whole=True), metavar="N,N", help="Tag sets the lines are spread over."),
    click.option("--threads", type=click.IntRange(1, 64), metavar="N", help="Threads that share the lines."),
    click.option("--heap", type=COUNT, metavar="N", help="Objects of an application that live beside it, as 200k."),
    click.option("--scraped", is_flag=True, default=None, help="Measure while the page is scraped."),
    click.option("--axis", type=click.Choice(["wall", "instructions"]), help="Time, or instructions by valgrind."),
    click.option("--precision", type=SHARE, metavar="1%", help="Stop when each ratio is known as closely as this."),
    click.option("--budget", type=DURATION, metavar="TIME", help="Stop after this time, all comparisons together."),
    click.option("--target", metavar="PATH", help="Your own package.module:function, called with each line, against"),
    click.option("--bare", metavar="PATH", help="... this function; else itself with its recording calls muted."),
    click.option("--ladder", is_flag=True, default=None, help="What each step of recording adds, for opencensus."),
    click.option("--laws", metavar="FACTOR", help="Cost by series, views, tags, buckets or threads; series:1,10,100."),
    click.option("--scrape", is_flag=True, default=None, help="Response times with and without scrapes, at random."),
    click.option("--scrapers", type=click.IntRange(1, 16), metavar="N", help="... by this many at a time."),
    click.option("--sweep", is_flag=True, default=None, help="... over intervals, scrapers and numbers of series."),
    click.option("--saturation", is_flag=True, default=None, help="The highest rate with p99 under --bound."),
    click.option("--bound", type=DURATION, metavar="TIME", help="... [default: 5ms]"),
    click.option("--self-test", is_flag=True, default=None, help="Put known delays in and see what comes out."),
    click.option("--trials", type=click.IntRange(1, 1000), metavar="N", help="... this many times, for a power curve."),
    click.option("--diff", type=_List(), metavar="A,B", help="The pages of two libraries after the same lines."),
    click.option("--full", is_flag=True, default=None, help="All of it, with closer intervals: some 30 minutes."),
    click.option("--scraper", type=click.Choice(["auto", "prometheus", "builtin"]), help="Who scrapes."),
    click.option("--scrape-interval", type=DURATION, metavar="TIME", help="Time between two scrapes."),
    click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Fixes orders, hash seeds and lines. [default: 1]"),
    click.option(
        "--json", "json_file", type=click.Path(path_type=Path), metavar="FILE",
        help="Write everything there, raw pairs included.",
    ),
    click.option(
        "--markdown", is_flag=False, flag_value="-", metavar="[FILE]",
        help="The table as Markdown, into FILE or instead of the table here.",
    ),
    click.option("--quiet", is_flag=True, help="No progress; only the result."),
)  # fmt: skip


def _options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def exit_code(outcome: "Answer") -> int:
    """Return 130 after Ctrl-C, 1 where an experiment is void or the self-test missed what was put in, else 0."""
    if outcome.interrupted:
        return INTERRUPTED
    void = any(each.verdict == "void" for each in outcome.experiments)
    missed = outcome.self_test is not None and any(each.close is False for each in outcome.self_test.delays)
    return 1 if void or missed else 0


def _print(outcome: "Answer", markdown: str | None) -> None:
    from rich.console import Console

    from harness.report.answer import answer_markdown, answer_view

    if markdown is not None:
        text = answer_markdown(outcome)
        if markdown == "-":
            sys.stdout.write(text)
            return
        try:
            Path(markdown).write_text(text, encoding="utf-8")
        except OSError as error:
            raise SaveError(f"--markdown: {markdown!r}: {error.strerror}") from error
    Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH).print(answer_view(outcome))


def _check_places(json_file: Path | None, markdown: str | None) -> None:
    """Find out before minutes of measuring that a result could not be written."""
    from harness.cli.commands.run import check_writable

    if json_file is not None:
        check_writable(json_file, "--json")
    if markdown is not None and markdown != "-":
        check_writable(Path(markdown), "--markdown")


@click.command()
@_options
@keeping_options
def overhead(
    json_file: Path | None, markdown: str | None, quiet: bool, store: Path | None, label: str, no_save: bool,
    **flags: Any,
) -> int:  # fmt: skip
    """Measure what recording costs, in pairs of fresh processes that take turns on one core.

    Without flags: a table of ways of recording the quickstart's metrics, in two and a half minutes. With --instruments,
    --series and their like: those, against --base, until --precision (1%) or --budget (120s) is reached. --target,
    --ladder, --laws, --scrape, --saturation, --self-test, --diff and --full each ask another question, one at a time.

    \b
    Try it: harness overhead
            harness overhead --instruments opencensus,opencensus-lean --series 1,100 --budget 60s
            harness overhead --target mypackage.module:handle --precision 1%
            harness overhead --ladder --budget 60s
            harness overhead --laws series --instruments opencensus-lean

    Ctrl-C keeps the pairs measured so far and says what they allow one to conclude.

    An experiment that comes out void (its A/A control missed 1) is measured again, up to twice.

    Exit codes: 0 measured; 1 an experiment stayed void, or something failed; 2 wrong usage; 130 interrupted, 143
    terminated (what there is was printed and saved).
    """
    require_linux("overhead")
    from harness.cli.commands.overhead_modes import MEASURE, checked_mode
    from harness.cli.commands.run import save_json
    from harness.cli.keeping import keep_result
    from harness.cli.progress import Bar

    chosen = given(flags)
    mode = checked_mode(chosen)
    _check_places(json_file, markdown)
    with deferred():
        with Bar(quiet=quiet) as bar:
            outcome = MEASURE[mode](chosen, bar)
        with held():
            try:
                if json_file is not None:
                    save_json(outcome.document(), json_file)
            finally:
                # Delays put in on purpose say nothing about recording; nor does what found nothing.
                found = outcome.experiments or outcome.scrapes or outcome.saturation or outcome.exposition
                save = bool(found) and mode != "self-test" and not no_save
                try:
                    keep_result("overhead", outcome.document(), store=store, label=label, save=save, quiet=quiet)
                finally:
                    _print(outcome, markdown)
                    sys.stdout.flush()
    return exit_code(outcome)

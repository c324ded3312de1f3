"""``harness overhead``: what recording costs, one command for each question that is asked about it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from harness.cli.command import CommandGroup, exit_codes
from harness.cli.options import (
    COUNT,
    DURATION,
    SEED,
    SHARE,
    ValueList,
    given,
    json_option,
    keeping_options,
    load,
    measuring,
    output,
    quiet_option,
    recording,
    scraping,
)
from harness.cli.system import require_linux
from harness.errors import UsageError
from harness.measure.questions.columns.names import COLUMNS

__all__ = ["overhead"]

# Flags of the version before, and the command that each has become; some took values, which are its arguments.
_FORMER = {
    "--ladder": "ladder", "--laws": "laws", "--scrape": "scrapes", "--saturation": "saturation",
    "--self-test": "self-test", "--diff": "pages", "--full": "full",
}  # fmt: skip
_TAKES_VALUES = frozenset({"--laws", "--diff"})
_OUTPUT = frozenset({"json_file", "markdown", "quiet", "store", "label", "no_save"})
_ENDED = "the pairs measured so far are printed and saved"
_PAIRED = exit_codes("measured", "an experiment stayed void, or something failed", ended=_ENDED)
_UNPAIRED = exit_codes("measured", "something failed", ended="what was measured so far is printed and saved")


def _instruments(default: str) -> Any:
    text = f"Ways of recording, or package.module:Name. [default: {default}]"
    return recording("--instruments", type=ValueList(), metavar="A,B", help=text)


_INSTRUMENTS = _instruments("those of the table that are installed")
_SERIES = recording(
    "--series", type=ValueList(COUNT), metavar="N,N", help="Numbers of tag sets that lines spread over."
)
_ONE_SERIES = recording(
    "--series", type=ValueList(COUNT), metavar="N", help="Number of tag sets that lines spread over."
)
_SCRAPER = scraping(
    "--scraper", type=click.Choice(["auto", "prometheus", "builtin"]), help="Scraper of the endpoint. [default: auto]"
)
_INTERVAL = scraping("--scrape-interval", type=DURATION, metavar="TIME", help="Time between two scrapes.")
_SEED = measuring("--seed", type=SEED, help="Seed of the orders, hash seeds and lines. [default: 1]")
_COLUMNS = measuring(
    "--columns",
    type=ValueList(click.Choice(COLUMNS)),
    metavar="A,B",
    help=f"Further columns of the table, each measured after it: {', '.join(COLUMNS)}.",
)
_BOUND = measuring("--bound", type=DURATION, metavar="TIME", help="Limit on p99 of the response time. [default: 5ms]")
_TERMS = (
    measuring(
        "--precision",
        type=SHARE,
        metavar="1%",
        help="Stop when the 95 % interval of every ratio is within ± this share.",
    ),
    measuring("--budget", type=DURATION, metavar="TIME", help="Stop after this time, all comparisons together."),
    _SEED,
)
_RESULT = (
    json_option,
    output(
        "--markdown", is_flag=False, flag_value="-", metavar="[FILE]",
        help="Write the table as Markdown to FILE, or print it so.",
    ),
    quiet_option,
    keeping_options,
)  # fmt: skip


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that adds options in this order, and those of the result."""

    def decorate(command: Any) -> Any:
        for option in reversed((*options, *_RESULT)):
            command = option(command)
        return command

    return decorate


def as_commands(args: Sequence[str]) -> tuple[list[str], str]:
    """Return arguments with a flag of the version before turned into its command, and that flag."""
    former = [flag for arg in args if (flag := arg.partition("=")[0]) in _FORMER]
    if not former or not args[0].startswith("-"):
        return list(args), ""
    if len(former) > 1:
        raise UsageError(f"{former[1]}: not together with {former[0]}; ask for one thing at a time")
    (flag,) = former
    place = next(i for i, arg in enumerate(args) if arg.partition("=")[0] == flag)
    _, equals, value = args[place].partition("=")
    rest = list(args[place + 1 :])
    values: list[str] = []
    if flag in _TAKES_VALUES:
        values = [value] if equals else [rest.pop(0)] if rest else []
        values = values[0].split(",") if values and flag == "--diff" else values
    return [_FORMER[flag], *values, *args[:place], *rest], flag


class _Overhead(CommandGroup):
    """The group, which still takes the flags that its commands were before."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; `ctx.obj` becomes the former flag among them, or stays None."""
        args, flag = as_commands(args)
        ctx.obj = flag or None
        return super().parse_args(ctx, args)


def _ask(question: str, flags: Mapping[str, Any]) -> int:
    """Measure what a question needs with the flags given, print and keep the answer, and return the exit code."""
    require_linux("overhead")
    from harness.cli.commands.overhead.action import ask

    former = click.get_current_context().obj
    chosen = given({name: value for name, value in flags.items() if name not in _OUTPUT})
    code = ask(question, chosen, **{name: flags[name] for name in _OUTPUT})
    if former and not flags["quiet"]:
        click.echo(f"harness: {former} goes with the next version; write harness overhead {_FORMER[former]}", err=True)
    return code


@click.group(
    cls=_Overhead,
    invoke_without_command=True,
    examples=(
        "harness overhead",
        "harness overhead --instruments opencensus,opencensus-lean --series 1,100 --budget 60s",
        "harness overhead --columns memory,cpu,import,page",
        "harness overhead --target mypackage.module:handle --precision 1%",
        "harness overhead --for series=200,rate=2k,workers=4,scrape=15s",
        "harness overhead ladder --budget 60s",
    ),
    exits=_PAIRED,
)
@_options(
    _INSTRUMENTS,
    recording("--base", metavar="NAME", help="Way of recording to compare with. [default: none, the bare REPL]"),
    _SERIES,
    recording("--threads", type=click.IntRange(1, 64), metavar="N", help="Number of threads that share the lines."),
    recording("--heap", type=COUNT, metavar="N", help="Number of objects of an application in memory, as in 200k."),
    recording("--target", metavar="PATH", help="Function package.module:function to measure, called once per line."),
    recording(
        "--bare", metavar="PATH",
        help="Uninstrumented version of --target. [default: --target with recording calls disabled]",
    ),
    recording(
        "--for", "service", metavar="SERVICE",
        help="Service to answer for, as in series=200,rate=2k,workers=4,scrape=15s, where each key may be left out.",
    ),
    scraping("--scraped", is_flag=True, default=None, help="Scrape the endpoint while lines are measured."),
    _SCRAPER,
    _INTERVAL,
    measuring("--axis", type=click.Choice(["wall", "instructions"]), help="Measure time, or instructions by valgrind."),
    *_TERMS,
    _BOUND,
    _COLUMNS,
)  # fmt: skip
@click.pass_context
def overhead(ctx: click.Context, /, **flags: Any) -> int:
    """Measure what recording costs, in pairs of fresh processes that take turns on one core.

    Without options: a table of ways of recording the quickstart's metrics, in two and a half minutes. With
    --instruments, --series and their like: those, against --base, until --precision (1%) or --budget (120s) is
    reached. With --target: a function of your own. With --for: what recording costs one service, and what breaks
    first, in three minutes. Each command below answers another question.

    An experiment that comes out void (its A/A control missed 1) is measured again, up to twice. Ctrl-C keeps the pairs
    measured so far and says what they allow one to conclude.
    """
    if ctx.invoked_subcommand is None:
        return _ask("table", flags)
    for parameter in ctx.command.params:
        if ctx.get_parameter_source(str(parameter.name)) is click.core.ParameterSource.COMMANDLINE:
            raise UsageError(f"{parameter.opts[0]}: write it after {ctx.invoked_subcommand}, if that takes it")
    return 0


@overhead.command(
    examples=("harness overhead ladder --budget 60s", "harness overhead ladder --series 100 --scraper builtin"),
    exits=_PAIRED,
)
@_options(_ONE_SERIES, _SCRAPER, _INTERVAL, *_TERMS)
def ladder(**flags: Any) -> int:
    """Show what each step of recording adds for opencensus, from the bare REPL to a scraped endpoint."""
    return _ask("ladder", flags)


@overhead.command(
    examples=(
        "harness overhead laws series --instruments opencensus-lean",
        "harness overhead laws series:1,10,100 --budget 60s",
    ),
    exits=_PAIRED,
)
@click.argument("factor", help="One of series, views, tags, buckets, threads; values may follow: series:1,10,100.")
@_options(_INSTRUMENTS, *_TERMS)
def laws(**flags: Any) -> int:
    """Show how the cost of a line grows with a factor, and fit a law to it."""
    return _ask("laws", flags)


@overhead.command(
    examples=(
        "harness overhead scrapes --instruments opencensus --scrape-interval 1s",
        "harness overhead scrapes --sweep",
    ),
    exits=_UNPAIRED,
)
@_options(
    _instruments("opencensus,opencensus-lean"),
    _ONE_SERIES,
    scraping("--scrapers", type=click.IntRange(1, 16), metavar="N", help="Number of scrapers at a time. [default: 1]"),
    scraping("--sweep", is_flag=True, default=None, help="Vary the interval and the numbers of scrapers and series."),
    _SCRAPER,
    _INTERVAL,
    _SEED,
)
def scrapes(**flags: Any) -> int:
    """Compare response times during scrapes with those at random moments without one."""
    return _ask("scrapes", flags)


@overhead.command(
    examples=(
        "harness overhead saturation --instruments none,opencensus",
        "harness overhead saturation --bound 20ms --series 1,100",
    ),
    exits=_UNPAIRED,
)
@_options(_INSTRUMENTS, _SERIES, _BOUND)
def saturation(**flags: Any) -> int:
    """Find the highest rate of lines that keeps p99 of the response time within a limit."""
    return _ask("saturation", flags)


@overhead.command(
    "self-test",
    former={"--instruments": "--instrument"},
    examples=("harness overhead self-test", "harness overhead self-test --trials 20 --budget 60s"),
    exits=_PAIRED | {"1": "a known delay was not recovered, an experiment stayed void, or something failed"},
)
@_options(
    recording("--instrument", metavar="NAME", help="Way of recording to be slowed down. [default: prometheus-client]"),
    *_TERMS,
    measuring("--trials", type=click.IntRange(1, 1000), metavar="N", help="Number of trials, for a power curve."),
)
def self_test(**flags: Any) -> int:
    """Insert known delays and show how closely they are measured; the result is not kept in the history."""
    return _ask("self-test", flags)


@overhead.command(
    examples=(
        "harness overhead pages opencensus opencensus-lean",
        "harness overhead pages opencensus prometheus-client --json pages.json",
    ),
    exits=_UNPAIRED,
)
@click.argument("first", help="Instrument, or package.module:Name.")
@click.argument("second", help="Instrument to compare it with.")
@_options(_SEED)
def pages(**flags: Any) -> int:
    """Compare the pages that two ways of recording expose after the same lines."""
    return _ask("pages", flags)


@overhead.command(
    examples=(
        "harness overhead loop --quick",
        "harness overhead loop --deployments prometheus-client-asgi --series 1k,10k",
    ),
    exits=_UNPAIRED,
)
@_options(
    recording(
        "--deployments", type=ValueList(), metavar="A,B",
        help="Ways for a page to leave the service, or package.module:Name. [default: those that are installed]",
    ),
    recording("--series", type=ValueList(COUNT), metavar="N,N", help="Numbers of series. [default: 100,1k,10k,30k]"),
    load("--rate", type=click.IntRange(1, 20_000), metavar="N", help="Requests due per second. [default: 400]"),
    measuring("--processes", type=click.IntRange(1, 100), metavar="N", help="Fresh processes for each. [default: 5]"),
    measuring("--quick", is_flag=True, default=None, help="Measure 1k series in 3 processes only (two minutes)."),
    _SEED,
)  # fmt: skip
def loop(**flags: Any) -> int:
    """Measure how long a scrape or push stalls the event loop of an asyncio service, and delays its requests."""
    return _ask("loop", flags)


@overhead.command(
    examples=("harness overhead full --json everything.json", "harness overhead full --instruments opencensus-lean"),
    exits=_PAIRED,
)
@_options(_instruments("all built-in ones that are installed"), _SCRAPER, _COLUMNS, _SEED)
def full(**flags: Any) -> int:
    """Measure the table, the ladder, all laws, the scrapes and the self-test, with closer intervals (45 minutes).

    Laws are measured of the ways of recording of the default table, or of those given.
    """
    return _ask("full", flags)

"""The command line: parses, calls, prints, exits; the only place that does."""

import contextlib
import os
import signal
import sys
from importlib import import_module
from typing import Any, NoReturn, TextIO

import click

from harness import __version__, interrupts
from harness.cli.command import CommandGroup
from harness.cli.console import say
from harness.cli.system import INTERRUPTED, shortage
from harness.errors import HarnessError, RunError, SaveError, UsageError

__all__ = ["cli", "main"]

# Name -> (module:attribute, one line of help). Listing commands must not import what they need.
COMMANDS: dict[str, tuple[str, str]] = {
    name: (f"harness.cli.commands.{name}:{name}", text)
    for name, text in {
        "run": "Send a load through the instrumented REPL, scraped and audited.",
        "overhead": "Measure what recording costs, in pairs of fresh processes.",
        "probe": "Show which known defects the installed versions have.",
        "check": "Say whether recording has become slower than in the runs kept before.",
        "report": "Write everything measured as one HTML page, or show the essentials.",
        "history": "List, show, remove, export and import kept results.",
        "lines": "Write synthetic lines to standard output, at full speed or on schedule.",
        "repl": "Upper-case each line, record it, and serve /metrics: the quickstart.",
        "demo": "Send day-shaped traffic, scraped by a real Prometheus, until Ctrl-C.",
        "compare": "Tell whether a change made recording slower.",
        "schema": "Print the JSON Schema of specs and results.",
    }.items()
}

# What somebody gave may stand in an error, however long it is.
_MOST_WORDS = 2000


class LazyGroup(CommandGroup):
    """A group that imports a command only when it is called, so that ``--help`` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order a newcomer meets them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or `None` when there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click itself would leave without a word when nobody reads the output any more."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            # The interpreter would complain, at its end, about a pipe that nobody reads any more.
            _discard(sys.stdout)
            raise SaveError("standard output was closed before everything was written") from error
        except OSError as error:
            _discard(sys.stdout)
            if reached := shortage(error):
                raise RunError(reached) from error
            raise SaveError(f"{error.filename or 'standard output'}: {error.strerror or error}") from error
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    examples=("harness run --duration 5s", "harness overhead", "harness report"),
    exits={
        "0": "all held",
        "1": "a requirement, the audit or validity failed, or recording regressed",
        "2": "wrong usage",
        "3": "undecided",
        "130": "interrupted by Ctrl-C; this and the next two end a command within 5 s, what was measured is kept",
        "143": "terminated by SIGTERM",
        "129": "the terminal was lost",
    },
)
@click.version_option(__version__, prog_name="recording-harness")
def cli() -> None:
    """Know what it costs to record a metric.

    Synthetic lines of chosen lengths arrive on a chosen schedule, pass through an instrumented REPL while Prometheus
    scrapes it, and every line is accounted for.
    """


def _say(message: str) -> None:
    """Print one line to standard error, whatever state that is in and whatever stands in it."""
    with contextlib.suppress(OSError):
        say(message if len(message) <= _MOST_WORDS else f"{message[:_MOST_WORDS]}… ({len(message):,} characters)")


def _run(arguments: list[str] | None) -> int:
    try:
        code = cli.main(args=arguments, prog_name="harness", standalone_mode=False)
    except click.ClickException as error:
        hint = (
            ""
            if not isinstance(error, click.UsageError) or error.ctx is None
            else f" (see {error.ctx.command_path} --help)"
        )
        _say(f"error: {' '.join(error.format_message().split())}{hint}")
        return 2
    except UsageError as error:
        _say(f"error: {error}")
        return 2
    except HarnessError as error:
        if interrupts.received() is not None:
            return _interrupted()
        _say(f"error: {error}")
        return 1
    except (KeyboardInterrupt, click.Abort):
        return _interrupted()
    except Exception as error:
        # What a library makes of an interrupt, or of a terminal that is gone.
        if interrupts.received() is not None:
            return _interrupted()
        if not (reached := shortage(error)):
            raise
        _say(f"error: {reached}")
        return 1
    return code if isinstance(code, int) else 0


def _interrupted() -> int:
    _say("interrupted")
    # Whoever reads it may have stopped reading, and what is still buffered would keep us waiting at the end.
    _discard(sys.stdout)
    return INTERRUPTED


def _discard(stream: TextIO) -> None:
    """Let a stream write into nothing, with what is still buffered."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _code(code: int) -> int:
    """Return the exit code: 128 and the signal after a termination, and after Ctrl-C what the command makes of it."""
    number = interrupts.received()
    return code if number in {None, signal.SIGINT} else 128 + number


def _open_streams() -> None:
    """Put the null device where a standard stream was closed; raises `SaveError` where that was standard output.

    Otherwise the next file or socket would take its number, and receive what is printed.
    """
    lost = sys.stdout is None
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - open to the end
    if lost:
        raise SaveError("standard output is closed; send it to a file, or to /dev/null")


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code; nothing but one line ever tells of a mistake.

    Closed standard input is read as empty, and closed standard error goes nowhere.
    """
    interrupts.install()
    try:
        _open_streams()
    except SaveError as error:
        _say(f"error: {error}")
        sys.exit(1)
    result = _run(arguments)
    with contextlib.suppress(KeyboardInterrupt):
        # Whoever reads may keep us waiting, which a signal has to be able to end; after that nothing is left to keep.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        interrupts.finish()
    code = _code(result)
    if interrupts.received() is not None:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                _discard(stream)
        interrupts.leave(code)
    sys.exit(code)

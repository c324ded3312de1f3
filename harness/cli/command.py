"""Commands whose help has groups of options, examples and exit codes, and whose errors name their own flags."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import click

from harness.cli.system import require_memory
from harness.errors import HarnessError

__all__ = ["Command", "CommandGroup", "command", "exit_codes", "flag_of", "option_group"]


F = TypeVar("F", bound=Callable[..., Any])


class _Option(click.Option):
    """An option with the heading that it stands under in the help."""

    def __init__(self, *declarations: Any, heading: str = "", **attributes: Any) -> None:
        super().__init__(*declarations, **attributes)
        self.heading = heading


def option_group(heading: str) -> Callable[..., Callable[[F], F]]:
    """Return `click.option` for options that stand under `heading` in the help of every command."""
    return partial(click.option, cls=_Option, heading=heading)


def exit_codes(success: str, failure: str = "", undecided: str = "", *, ended: str = "") -> dict[str, str]:
    """Return what each exit code means; `ended` says what becomes of the result after Ctrl-C or a termination."""
    stored = f"; {ended}" if ended else ""
    codes = {"0": success, "1": failure, "2": "wrong usage", "3": undecided}
    ends = {"130": f"interrupted by Ctrl-C{stored}", "143": f"terminated by SIGTERM{stored}"}
    return {code: meaning for code, meaning in (codes | ends).items() if meaning}


def flag_of(field: str, parameters: Iterable[click.Parameter]) -> str:
    """Return the flag or argument by which a command takes `field`, several of it or one; empty where it takes none.

    Of a `field` with a slash, such as ``address/port``, the flags of all its parts are returned.
    """
    if "/" in field:
        flags = [flag_of(part, parameters) for part in field.split("/")]
        return "/".join(flags) if all(flags) else ""
    for name in (field, f"{field}s", field.removesuffix("s")) if field else ():
        flag = f"--{name.replace('_', '-')}"
        for parameter in parameters:
            if flag in parameter.opts:
                return flag
            if isinstance(parameter, click.Argument) and parameter.name == name:
                return parameter.human_readable_name.strip("[].")
    return ""


def _can_be_passed(argument: str) -> bool:
    """Tell whether the system can pass an argument on; a program's own may hold half of a surrogate pair."""
    try:
        os.fsencode(argument)
    except UnicodeEncodeError:
        return False
    return True


def _named(error: HarnessError, parameters: Sequence[click.Parameter]) -> HarnessError:
    """Return the error with the flag of its field in front of its text, and the field taken out."""
    flag = flag_of(error.field, parameters)
    where = f"{flag} {error.value}".rstrip()
    return type(error)(f"{where}: {error.text}" if flag else str(error))


class Command(click.Command):
    """A command with examples and exit codes in its help; `former` has earlier spellings of its flags."""

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str] = (),
        exits: Mapping[str, str] | None = None,
        former: Mapping[str, str] | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(*args, **attributes)
        self.examples = examples
        self.exits = exits or exit_codes("done")
        self.former = former or {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, earlier spellings of flags included."""
        if any("\0" in arg for arg in args):
            # No shell passes one on, but a program may, and the system refuses it in the name of a file.
            raise click.UsageError("a NUL character may not stand in an argument", ctx)
        if any(not _can_be_passed(arg) for arg in args):
            raise click.UsageError("half of a surrogate pair may not stand in an argument", ctx)
        parts = [arg.partition("=") for arg in args]
        return super().parse_args(ctx, [self.former.get(flag, flag) + equals + value for flag, equals, value in parts])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error that names a field goes on with the flag by which this command takes it."""
        try:
            if not isinstance(self, click.Group) or self.invoke_without_command:
                require_memory()
            return super().invoke(ctx)
        except HarnessError as error:
            if error.field:
                raise _named(error, self.params) from error
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings, in the order in which the headings come."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(parameter, "heading", "Help"), []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on a line of its own, and the exit codes."""
        del ctx
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {example}\n" for example in self.examples))
        with formatter.section("Exit codes"):
            formatter.write_dl(list(self.exits.items()))


class CommandGroup(Command, click.Group):
    """A group with the same help; its commands come after its options."""

    command_class = Command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings, and the commands."""
        Command.format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first sentence of each command, whole."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(1000)) for name, command in self.commands.items()])


def command(*examples: str, **attributes: Any) -> Callable[[Callable[..., Any]], Command]:
    """Return a decorator that makes a function a command with these examples in its help."""
    return click.command(cls=Command, examples=examples, **attributes)

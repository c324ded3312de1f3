"""What the help of every command promises: what it answers, options in groups, examples that parse, exit codes."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import click
import pytest

from harness import cli
from harness.cli.command import Command


def contexts() -> Iterator[click.Context]:
    """Yield the context of every command, those of groups included."""
    root = click.Context(cli.cli, info_name="harness")
    for name in cli.cli.list_commands(root):
        command = cli.cli.get_command(root, name)
        assert command is not None
        yield (below := click.Context(command, root, info_name=name))
        if isinstance(command, click.Group):
            for inner in command.list_commands(below):
                yield click.Context(command.commands[inner], below, info_name=inner)


CONTEXTS = list(contexts())
every_command = pytest.mark.parametrize("ctx", CONTEXTS, ids=[ctx.command_path for ctx in CONTEXTS])


@every_command
def test_help_has_the_answer_groups_examples_and_exit_codes(ctx: click.Context) -> None:
    """The first sentence is whole, each option stands under one heading, and at least two examples follow."""
    command = ctx.command
    assert isinstance(command, Command)
    text = command.get_help(ctx)
    assert (command.help or "").split("\n\n")[0].strip()[-1] in ".?"
    headings = re.findall(r"^(\S[A-Za-z ]*):$", text, re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert headings[-2:] == ["Examples", "Exit codes"]
    rows = text[text.index(f"\n{headings[0]}:\n") :]
    for parameter in command.get_params(ctx):
        if isinstance(parameter, click.Option) and not parameter.hidden:
            shown = re.findall(rf"^  (?:-., )?{re.escape(parameter.opts[-1])}(?![\w-])", rows, re.MULTILINE)
            assert len(shown) == 1, parameter.opts
    assert set(command.exits) >= {"0", "2", "130", "143"}
    assert len(command.examples) >= 2
    assert all(text.count(f"\n  {example}\n") for example in command.examples)


@every_command
def test_the_help_of_an_option_is_a_sentence_that_stands_alone(ctx: click.Context) -> None:
    """It begins with a capital, goes on from no other row, and ends with a full stop, before its default."""
    for parameter in ctx.command.params:
        text = getattr(parameter, "help", None)
        assert text, parameter.name
        assert re.fullmatch(r"(?:[A-Z]|p99)[^\n]*[^.]\.(?: \[default: [^\]]+\])?", text), text


@every_command
def test_examples_are_taken_as_they_stand(ctx: click.Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the help shows reaches the command that shows it, or one of its own, with nothing to complain of."""
    reached: list[str] = []

    def note(self: click.Context, *_args: Any, **_flags: Any) -> int:
        reached.append(self.command_path)
        return 0

    monkeypatch.setattr(click.Context, "invoke", note)
    assert isinstance(ctx.command, Command)
    for example in ctx.command.examples:
        typed = next(part for part in re.split(r" [|>] ", example) if part.startswith("harness "))
        reached.clear()
        assert cli._run(shlex.split(typed)[1:]) == 0, typed
        assert ctx.command_path in reached or ctx.parent is None, typed


def test_no_command_imports_for_its_help_what_it_needs_to_work() -> None:
    """The help of each command comes at once."""
    heavy = ("numpy", "rich", "pydantic", "opencensus", "scipy", "faker", "httpx")
    code = (
        "import sys, harness.cli as cli\n"
        "for name in cli.COMMANDS: cli.cli.get_command(None, name)\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"

"""Surface: the command line, with flags and values of every command, right and wrong."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from benchmarks.fuzz.attempt import DefectError, Surface, TryOne
from benchmarks.fuzz.commands import checked, dry, in_process, in_subprocess
from benchmarks.fuzz.languages import SAMPLES
from benchmarks.fuzz.pieces import mutated_text

__all__ = ["SURFACE"]

# Of so many inputs that are refused one is tried in a process of its own as well.
_EVERY = 150
_VALUES = [
    *(text for texts in SAMPLES.values() for text in texts), "response.p99<2ms", "findings==0", "3%", "0.5", "12", "0",
    "auto", "local", "tcp://127.0.0.1:1", "opencensus", "none", "reference", "prometheus-client", "no.module:x", "os:x",
    "git:HEAD", "git:--upload-pack=x", "pip:prometheus-client", "prometheus-client==0.20.0", "wall,instructions", "all",
    "127.0.0.1", "::1", "192.0.2.1", "newest", "2026-01-31", "2026-01-31T12:00Z", "0001-01-01T00:00+23:59", "run",
    "suite",
    "overhead", "csv", "builtin", "quickstart", "bursty", "missing/file.json", ".", "/dev/null", "/dev/full",
    "/dev/zero",
    "/proc/self/mem", "a" * 300, "x/" * 3000, "copy-per-record",
]  # fmt: skip


def _commands(group: click.Group, path: Sequence[str] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None:
            continue
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))


def _harmless(text: str) -> bool:
    """Return whether a value leads to no place of this machine, other than those in the list."""
    return text in _VALUES or not ("/" in text or ".." in text)


def _inputs() -> SearchStrategy[Any]:
    from harness.cli import cli

    known = list(_commands(cli))
    text = (st.sampled_from(_VALUES) | mutated_text(_VALUES)).filter(_harmless)

    @st.composite
    def build(draw: DrawFn) -> list[str]:
        path, command = draw(st.sampled_from(known))
        arguments = [*path]
        options = [each for each in command.params if isinstance(each, click.Option)]
        for _ in range(draw(st.integers(0, 4))):
            if not options or draw(st.integers(0, 3)) == 0:
                arguments.append(draw(text))
                continue
            option = draw(st.sampled_from(options))
            flag = draw(st.sampled_from(option.opts))
            choices = list(option.type.choices) if isinstance(option.type, click.Choice) else []
            value = draw(st.sampled_from(choices)) if choices and draw(st.booleans()) else draw(text)
            if option.is_flag and draw(st.integers(0, 9)):
                arguments.append(flag)
            else:
                arguments += [f"{flag}={value}"] if draw(st.booleans()) else [flag, value]
        return arguments

    return build() | st.lists(text, max_size=4)


@contextmanager
def _opened() -> Iterator[TryOne]:
    turn = 0

    def try_one(given: Any) -> str:
        nonlocal turn
        ended = in_process([str(each) for each in given])
        outcome = checked(ended)
        turn += outcome == "refused"
        if outcome == "refused" and turn % _EVERY == 1:
            apart = in_subprocess(given)
            if apart is not None and (checked(apart), apart.code) != (outcome, ended.code):
                raise DefectError(f"in a process of its own it ends with {apart.code}: {apart.complaints[-200:]!r}")
        return outcome

    with dry():
        yield try_one


SURFACE = Surface("command-line", "Command line: every command, its flags and values", 18, _inputs, _opened)

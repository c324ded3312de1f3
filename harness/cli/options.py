"""Flags that several commands share, and the values people write in them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.errors import GrammarError
from workloads import grammar
from workloads.units import parse_count, parse_duration_ns, parse_fraction

__all__ = ["COUNT", "DURATION", "SHARE", "given", "keeping_options", "store_option", "workload_options"]

F = TypeVar("F", bound=Callable[..., Any])


class _Parsed(click.ParamType[Any]):
    """A value kept as it was written, once the parser has found nothing wrong with it."""

    def __init__(self, name: str, parse: Callable[[str], object], *, keep_text: bool) -> None:
        self.name = name
        self._parse = parse
        self._keep_text = keep_text

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            parsed = self._parse(value)
        except GrammarError as error:
            self.fail(str(error), param, ctx)
        return value if self._keep_text else parsed


DURATION = _Parsed("duration", parse_duration_ns, keep_text=True)
COUNT = _Parsed("count", parse_count, keep_text=False)
SHARE = _Parsed("share", parse_fraction, keep_text=False)


def _expression(flag: str, text: str) -> Callable[[F], F]:
    """Return an option whose help lists the names its grammar knows."""
    names = dict.fromkeys(row.name for row in grammar.describe(flag))
    return click.option(f"--{flag}", metavar="EXPR", help=f"{text} One of {', '.join(names)}.")


_WORKLOAD = (
    _expression("lengths", "Line lengths in bytes, as in lognormal:median=40,sigma=0.8; mix as in 0.9*A + 0.1*B."),
    _expression("content", "What lines are made of."),
    _expression("arrivals", "When lines are due, as in poisson:rate=1k/s; max is a closed loop."),
    click.option(
        "--errors", metavar="EXPR", help="Share of lines the REPL must refuse: 1%, or not_utf8=0.5%,nul=0.1%."
    ),
    click.option("--series", metavar="EXPR", help="Values of the tag `method`: 100, or zipf:n=100,s=1.1."),
    click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Fixes lengths, text, errors, tags and due times."),
    click.option("--count", type=COUNT, metavar="N", help="How many lines: 10000, 10k, 2M."),
    click.option("--duration", type=DURATION, metavar="TIME", help="How long: 250ms, 10s, 2m."),
)


def workload_options(command: F) -> F:
    """Add the flags that `lines`, `run` and `demo` share; absent ones arrive as `None`."""
    for option in reversed(_WORKLOAD):
        command = option(command)
    return command


def store_option(command: F) -> F:
    """Add --store, the folder of the history; HARNESS_STORE stands for it where it is not given."""
    return click.option(
        "--store",
        type=click.Path(path_type=Path),
        envvar="HARNESS_STORE",
        metavar="DIR",
        help="Folder of the history. [default: $HARNESS_STORE, or .harness/runs]",
    )(command)


def keeping_options(command: F) -> F:
    """Add the flags of commands that keep their result: `store`, `label` and `no_save` (see `keep_result`)."""
    command = click.option("--no-save", is_flag=True, help="Do not keep the result in the history.")(command)
    command = click.option("--label", default="", metavar="TEXT", help="A word to find the kept result by.")(command)
    return store_option(command)


def given(flags: dict[str, Any]) -> dict[str, Any]:
    """Return only the flags the user gave."""
    return {key: value for key, value in flags.items() if value is not None and value != ()}

"""Flags that several commands share, and the values people write in them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.cli.command import option_group
from harness.errors import GrammarError
from workloads import grammar
from workloads.incidents import KINDS
from workloads.units import parse_count, parse_duration_ns, parse_fraction

__all__ = [
    "COUNT",
    "DURATION",
    "FILE",
    "SEED",
    "SHARE",
    "ValueList",
    "given",
    "history",
    "incident_option",
    "json_option",
    "keeping_options",
    "label_option",
    "load",
    "measuring",
    "output",
    "quiet_option",
    "recording",
    "scraping",
    "store_option",
    "workload_options",
]

F = TypeVar("F", bound=Callable[..., Any])

# One for each heading that the options of a command stand under.
load, recording, scraping = option_group("Load"), option_group("Recording"), option_group("Scraping")
measuring, output, history = option_group("Measuring"), option_group("Output"), option_group("History")


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


class ValueList(click.ParamType[Any]):
    """Values between commas, each once and each of one type."""

    name = "list"

    def __init__(self, each: click.ParamType[Any] = click.STRING) -> None:
        self._each = each

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the values as a tuple."""
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",")]
        if not all(parts):
            self.fail(f"{value!r} has an empty place between commas", param, ctx)
        return tuple(dict.fromkeys(self._each.convert(part, param, ctx) for part in parts))


DURATION = _Parsed("duration", parse_duration_ns, keep_text=True)
COUNT = _Parsed("count", parse_count, keep_text=False)
SHARE = _Parsed("share", parse_fraction, keep_text=False)
SEED = click.IntRange(0, 2**63 - 1)
FILE: click.Path = click.Path(path_type=Path)


def _expression(flag: str, text: str) -> Callable[[F], F]:
    """Return an option whose help lists the names its grammar knows."""
    names = dict.fromkeys(row.name for row in grammar.describe(flag))
    return load(f"--{flag}", metavar="EXPR", help=f"{text} ({', '.join(names)}).")


_WORKLOAD = (
    _expression("lengths", "Line lengths in bytes, as in lognormal:median=40,sigma=0.8 or the mix 0.9*A + 0.1*B"),
    _expression("content", "Text of the lines"),
    _expression("arrivals", "Schedule of the lines, as in poisson:rate=1k/s, where max is a closed loop"),
    load("--errors", metavar="EXPR", help="Share of lines that the REPL must refuse: 1%, or not_utf8=0.5%,nul=0.1%."),
    load("--series", metavar="EXPR", help="Values of the tag `method`: 100, or zipf:n=100,s=1.1."),
    load("--seed", type=SEED, help="Seed of lengths, text, errors, tags and due times."),
    load("--count", type=COUNT, metavar="N", help="Number of lines: 10000, 10k, 2M."),
    load("--duration", type=DURATION, metavar="TIME", help="Time to send lines for: 250ms, 10s, 2m."),
)


def workload_options(command: F) -> F:
    """Add the flags that `lines`, `run` and `demo` share; absent ones arrive as `None`."""
    for option in reversed(_WORKLOAD):
        command = option(command)
    return command


def incident_option(command: F) -> F:
    """Add --incident, which may be repeated, as `incidents`."""
    names = ", ".join(KINDS)
    return load(
        "--incident",
        "incidents",
        multiple=True,
        metavar="KIND@START+TIME",
        help=f"Incident on the way, as in stall@2m+10s; may be repeated ({names}).",
    )(command)


def json_option(command: F) -> F:
    """Add --json, the file that the result is written to, as `json_file`."""
    return output("--json", "json_file", type=FILE, metavar="FILE", help="Write the result to FILE as JSON.")(command)


def quiet_option(command: F) -> F:
    """Add --quiet, for commands that show how far they are."""
    return output("--quiet", is_flag=True, help="Show no progress, only the result.")(command)


def store_option(command: F) -> F:
    """Add --store, the folder of the history; HARNESS_STORE stands for it where it is not given."""
    return history(
        "--store",
        type=FILE,
        envvar="HARNESS_STORE",
        metavar="DIR",
        help="Folder of the history. [default: $HARNESS_STORE, or .harness/runs]",
    )(command)


def label_option(command: F) -> F:
    """Add --label, a word that the kept result is found by."""
    return history("--label", default="", metavar="TEXT", help="Label to find the kept result by.")(command)


def keeping_options(command: F) -> F:
    """Add the flags of commands that keep their result: `store`, `label` and `no_save` (see `keep_result`)."""
    command = history("--no-save", is_flag=True, help="Do not keep the result in the history.")(command)
    return store_option(label_option(command))


def given(flags: dict[str, Any]) -> dict[str, Any]:
    """Return only the flags the user gave."""
    return {key: value for key, value in flags.items() if value is not None and value != ()}

"""``harness compare``: tells whether a change made recording slower."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import DURATION
from harness.cli.system import require_linux
from harness.errors import UsageError
from harness.interrupts import deferred, held

if TYPE_CHECKING:
    from harness.measure.compare.compare import Compared
    from harness.measure.pairs.schedule import Progress, Step

__all__ = ["compare"]

INTERRUPTED = 130
_NS_PER_S = 1e9


def _share(flag: str, text: str) -> float:
    from workloads.units import parse_fraction

    try:
        found = parse_fraction(text)
    except UsageError as error:
        raise UsageError(f"{flag}: {error}") from error
    if found >= 1:
        raise UsageError(f"{flag}: {text} is not below 100%")
    return found


def _axes(text: str) -> tuple[str, ...]:
    from harness.measure.compare.compare import AXES

    found = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for axis in found:
        if axis not in AXES:
            raise UsageError(f"--axis: there is no axis {axis!r}; choose of {', '.join(AXES)}")
    return found


def _clear(folder: Path | None) -> int:
    from harness.measure.compare.venvs import Cache

    removed, kept = Cache(folder).clear()
    in_use = f", {kept} in use and kept" if kept else ""
    click.echo(f"{removed} environments removed{in_use}")
    return 0


def _teller(quiet: bool) -> "Progress":
    """Return what says on standard error, once for each thing under way, what it is."""
    said: set[str] = set()

    def tell(step: "Step") -> None:
        if not quiet and step.note not in said:
            said.add(step.note)
            left = f", about {step.left_s:.0f} s left" if step.left_s else ""
            with suppress(OSError):  # a terminal that is gone costs no result
                click.echo(f"harness: {step.note}{left}", err=True)

    return tell


def _print(compared: "Compared") -> None:
    from rich.console import Console

    from harness.report.commands.compare import compared_section
    from harness.report.writers.terminal import write_terminal

    view = write_terminal(compared_section(compared).parts)
    Console(highlight=False, width=None if sys.stdout.isatty() else 140).print(view)


@click.command()
@click.argument("base", required=False)
@click.argument("head", required=False)
@click.option("--instrument", default="", metavar="NAME", help="What runs on a side that does not tell.")
@click.option("--target", default="", metavar="MODULE:FUNC", help="Your own function, called with each line, instead.")
@click.option("--with", "extra", multiple=True, metavar="REQ", help="Install this on both sides too; may be repeated.")
@click.option("--axis", default="wall", metavar="LIST", help="Of wall, instructions, allocated. [default: wall]")
@click.option("--tolerance", default="3%", metavar="SHARE", help="The slowdown that does not matter. [default: 3%]")
@click.option("--precision", default="1%", metavar="SHARE", help="Stop when the interval is ± this. [default: 1%]")
@click.option("--budget", default="60s", type=DURATION, metavar="TIME", help="Or after this time. [default: 60s]")
@click.option("--seed", default=1, type=click.IntRange(0), help="Fixes the order of pairs and blocks. [default: 1]")
@click.option("--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write the result there.")
@click.option("--cache", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Where environments are kept.")
@click.option("--clear-cache", is_flag=True, help="Remove all environments that are not in use, and end.")
@click.option("--quiet", is_flag=True, help="Only the summary.")
def compare(
    base: str | None,
    head: str | None,
    instrument: str,
    target: str,
    extra: tuple[str, ...],
    axis: str,
    tolerance: str,
    precision: str,
    budget: str,
    seed: int,
    json_file: Path | None,
    folder: Path | None,
    clear_cache: bool,
    quiet: bool,
) -> int:
    """Answer "did this change make recording slower?" with pairs of fresh processes.

    A side is an instrument's name, a set of requirements, a git revision (git:REV), or the path of an interpreter.
    Requirements and revisions get environments of their own, kept for the next time.

    \b
    Try it: harness compare prometheus-client prometheus-client-cached
            harness compare 'prometheus-client==0.20.0' 'prometheus-client==0.21.0' --axis wall,instructions
            harness compare git:main git:HEAD --target shop.metrics:observe

    Exit codes: 0 pass or improved; 1 regressed, or it could not be measured; 2 wrong usage; 3 undecided; 130
    interrupted, 143 terminated (what there is was printed and saved).
    """
    if clear_cache:
        return _clear(folder)
    require_linux("compare")
    if not base or not head:
        raise UsageError(
            f"{'HEAD' if base else 'BASE'}: it is missing; name two sides, as in: compare git:main git:HEAD"
        )
    from harness.cli.commands.run import check_writable, save_json
    from harness.history.checking.check import Decision
    from harness.measure.compare.compare import compare as measure
    from harness.measure.compare.sides import SideCode
    from harness.measure.compare.venvs import Cache
    from harness.measure.pairs.schedule import Terms
    from workloads.units import parse_duration_ns

    if instrument and target:
        raise UsageError("--instrument and --target: choose one")
    if json_file is not None:
        check_writable(json_file)
    terms = Terms(
        precision=_share("--precision", precision),
        budget_s=parse_duration_ns(budget) / _NS_PER_S,
        tolerance=_share("--tolerance", tolerance),
        seed=seed,
    )
    tell = _teller(quiet)
    cache = Cache(folder, say=lambda text: None if quiet else click.echo(f"harness: {text}", err=True))
    driven = SideCode(instrument, target, extra)
    with deferred():
        compared = measure(base, head, driven, terms, cache, axes=_axes(axis), progress=tell)
        with held():
            try:
                if json_file is not None:
                    save_json(compared.model_dump(mode="json"), json_file)
            finally:
                _print(compared)
                sys.stdout.flush()
    return INTERRUPTED if compared.interrupted else Decision(compared.outcome).exit_code

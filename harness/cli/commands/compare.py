"""``harness compare``: tells whether a change made recording slower."""

from pathlib import Path

import click

from harness.cli.command import command, exit_codes, option_group
from harness.cli.console import note_printer, print_view, say
from harness.cli.files import check_writable, save_json
from harness.cli.options import DURATION, FILE, SHARE, ValueList, json_option, measuring, quiet_option, recording
from harness.cli.system import INTERRUPTED, require_linux
from harness.errors import UsageError
from harness.interrupts import deferred, held

__all__ = ["compare"]

environments = option_group("Environments")

_NS_PER_S = 1e9
_AXES = click.Choice(["wall", "instructions", "allocated"])


def _clear(folder: Path | None) -> int:
    from harness.measure.compare.venvs import Cache

    removed, stored = Cache(folder).clear()
    in_use = f", {stored} in use and kept" if stored else ""
    click.echo(f"{removed} environments removed{in_use}")
    return 0


@command(
    "harness compare prometheus-client prometheus-client-cached",
    "harness compare 'prometheus-client==0.20.0' 'prometheus-client==0.21.0' --axis wall,instructions",
    "harness compare git:main git:HEAD --target shop.metrics:observe",
    exits=exit_codes(
        "pass or improved",
        "regressed, or it could not be measured",
        "undecided",
        ended="what there is is printed and saved",
    ),
)
@click.argument("base", required=False, help="Side to compare with.")
@click.argument("head", required=False, help="Side that may be slower.")
@recording("--instrument", default="", metavar="NAME", help="Way of recording on a side that does not tell its own.")
@recording(
    "--target", default="", metavar="PATH", help="Function package.module:function to measure, called once per line."
)
@recording(
    "--with", "extra", multiple=True, metavar="REQ", help="Install this requirement on both sides too; may be repeated."
)
@measuring(
    "--axis",
    default="wall",
    type=ValueList(_AXES),
    metavar="LIST",
    help="What to measure of wall, instructions, allocated. [default: wall]",
)
@measuring(
    "--tolerance", default="3%", type=SHARE, metavar="SHARE", help="Slowdown that does not matter. [default: 3%]"
)
@measuring(
    "--precision", default="1%", type=SHARE, metavar="SHARE", help="Stop when the interval is ± this. [default: 1%]"
)
@measuring("--budget", default="60s", type=DURATION, metavar="TIME", help="Stop after this time. [default: 60s]")
@measuring("--seed", default=1, type=click.IntRange(0), help="Seed of the order of pairs and blocks. [default: 1]")
@environments("--cache", "folder", type=FILE, metavar="DIR", help="Folder that environments are kept in.")
@environments("--clear-cache", is_flag=True, help="Remove all environments that are not in use, and end.")
@json_option
@quiet_option
def compare(
    base: str | None,
    head: str | None,
    instrument: str,
    target: str,
    extra: tuple[str, ...],
    axis: tuple[str, ...],
    tolerance: float,
    precision: float,
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
    """
    if clear_cache:
        return _clear(folder)
    require_linux("compare")
    if not base or not head:
        raise UsageError(
            f"{'HEAD' if base else 'BASE'}: it is missing; name two sides, as in: compare git:main git:HEAD"
        )
    from harness.history.checking.check import Decision
    from harness.measure.compare.compare import compare as measure
    from harness.measure.compare.sides import SideCode
    from harness.measure.compare.venvs import Cache
    from harness.measure.pairs.schedule import Terms
    from harness.report.commands.compare import compared_section
    from harness.report.writers.terminal import write_terminal
    from workloads.units import parse_duration_ns

    if instrument and target:
        raise UsageError("--instrument and --target: choose one")
    if json_file is not None:
        check_writable(json_file)
    terms = Terms(
        precision=precision,
        budget_s=parse_duration_ns(budget) / _NS_PER_S,
        tolerance=tolerance,
        seed=seed,
    )
    tell = note_printer(quiet=quiet)
    cache = Cache(folder, say=lambda text: None if quiet else say(text))
    driven = SideCode(instrument, target, extra)
    with deferred():
        compared = measure(base, head, driven, terms, cache, axes=axis, progress=tell)
        with held():
            try:
                if json_file is not None:
                    save_json(compared.model_dump(mode="json"), json_file)
            finally:
                print_view(write_terminal(compared_section(compared).parts), plain_width=140)
    return INTERRUPTED if compared.interrupted else Decision(compared.outcome).exit_code

"""``harness probe``: which of OpenCensus' known defects the installed versions have, each shown by an experiment."""

import sys
from pathlib import Path

import click

from harness.interrupts import deferred, held, interruptible

__all__ = ["probe"]

INTERRUPTED = 130
_PLAIN_WIDTH = 120


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--instrument",
    type=click.Choice(["opencensus", "opencensus-lean", "all"]),
    default="all",
    show_default=True,
    help="What to look for them in.",
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write what was found there."
)
@click.option("--quiet", is_flag=True, help="No progress; only the table.")
def probe(names: tuple[str, ...], instrument: str, json_file: Path | None, quiet: bool) -> int:
    """Show by small experiments which of OpenCensus' known defects are present in the versions installed.

    Each runs in a fresh process, on opencensus and on opencensus-lean. NAMEs choose some of them; without any, all.
    Run it before and after an upgrade: what changed is what the table says. A race that did not show is "not seen",
    with the number of tries and the chance that all of them miss it, and never absent.

    \b
    Try it: harness probe
            harness probe copy-per-record sum-falls
            harness probe --instrument opencensus --json defects.json

    Exit code 0 whatever is found; 2 wrong usage; 130 interrupted, 143 terminated (what was found is printed and
    written).
    """
    from rich.console import Console

    from harness.cli.commands.run import check_writable, save_json
    from harness.cli.progress import Bar
    from harness.measure.pairs.schedule import Step
    from harness.probe.catalog import INSTRUMENTS, ProbeResult
    from harness.probe.runner import document, run_probes, select
    from harness.report.commands.probes import probes_section
    from harness.report.writers.terminal import write_terminal

    probes = select(names)
    if json_file is not None:
        check_writable(json_file, "--json")
    instruments = INSTRUMENTS if instrument == "all" else (instrument,)
    wanted = [(probe.name, name) for probe in probes for name in instruments]
    made: dict[tuple[str, str], ProbeResult] = {}
    interrupted = False
    with deferred():
        with Bar(quiet=quiet) as bar:

            def tell(outcome: ProbeResult) -> None:
                made[outcome.probe, outcome.instrument] = outcome
                done = len(made) / len(wanted)
                bar(Step(done, bar.left(done), outcome.probe))

            try:
                with interruptible():
                    run_probes(probes, instruments, on_outcome=tell)
            except KeyboardInterrupt:
                if not made:
                    raise
                interrupted = True
        with held():
            outcomes = [made.get(each) or ProbeResult(*each, None, "not looked for: interrupted") for each in wanted]
            found = document(outcomes) | ({"interrupted": True} if interrupted else {})
            try:
                if json_file is not None:
                    save_json(found, json_file)
            finally:
                view = write_terminal(probes_section(probes, outcomes, instruments, found["environment"]).parts)
                Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH).print(view)
                sys.stdout.flush()
    return INTERRUPTED if interrupted else 0

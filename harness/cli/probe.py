"""``harness probe``: which of OpenCensus' known defects the installed versions have, each shown by an experiment."""

import sys
from pathlib import Path

import click

__all__ = ["probe"]

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

    Exit code 0 whatever is found; 2 wrong usage; 130 interrupted.
    """
    from rich.console import Console

    from harness.cli.progress import Bar
    from harness.cli.run import check_writable, save_json
    from harness.measure.experiment import Step
    from harness.probe.catalog import INSTRUMENTS, Outcome
    from harness.probe.run import document, run_probes, select
    from harness.report.probe_table import probe_view

    probes = select(names)
    if json_file is not None:
        check_writable(json_file, "--json")
    instruments = INSTRUMENTS if instrument == "all" else (instrument,)
    total, done = len(probes) * len(instruments), 0
    with Bar(quiet=quiet) as bar:

        def tell(outcome: Outcome) -> None:
            nonlocal done
            done += 1
            bar(Step(done / total, bar.left(done / total), outcome.probe))

        outcomes = run_probes(probes, instruments, on_outcome=tell)
    found = document(outcomes)
    try:
        if json_file is not None:
            save_json(found, json_file)
    finally:
        view = probe_view(probes, outcomes, instruments, found["environment"])
        Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH).print(view)
    return 0

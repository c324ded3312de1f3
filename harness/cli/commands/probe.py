"""``harness probe``: which of OpenCensus' known defects the installed versions have, each shown by an experiment."""

from pathlib import Path

import click

from harness.cli.command import command, exit_codes
from harness.cli.console import Bar, print_view
from harness.cli.files import check_writable, save_json
from harness.cli.options import ValueList, json_option, quiet_option, recording
from harness.cli.system import INTERRUPTED
from harness.interrupts import deferred, held, interruptible

__all__ = ["probe"]


@command(
    "harness probe",
    "harness probe copy-per-record sum-falls",
    "harness probe --instruments opencensus --json defects.json",
    former={"--instrument": "--instruments"},
    exits=exit_codes("whatever is found", ended="what was found is printed and written"),
)
@click.argument("names", nargs=-1, metavar="[NAME]...", help="Defects to look for. [default: all]")
@recording(
    "--instruments",
    type=ValueList(click.Choice(["opencensus", "opencensus-lean", "all"])),
    default="all",
    metavar="A,B",
    help="Ways of recording to look for them in: opencensus, opencensus-lean or all. [default: all]",
)
@json_option
@quiet_option
def probe(names: tuple[str, ...], instruments: tuple[str, ...], json_file: Path | None, quiet: bool) -> int:
    """Show by small experiments which of OpenCensus' known defects are present in the versions installed.

    Each runs in a fresh process, on opencensus and on opencensus-lean. Run it before and after an upgrade: what
    changed is what the table says. A race that did not show is "not seen", with the number of tries and the chance that
    all of them miss it, and never absent.
    """
    from harness.probe.catalog import INSTRUMENTS, ProbeResult
    from harness.probe.runner import document, run_probes, select
    from harness.progress import Step
    from harness.report.commands.probes import probes_section
    from harness.report.writers.terminal import write_terminal

    probes = select(names)
    if json_file is not None:
        check_writable(json_file)
    instruments = INSTRUMENTS if "all" in instruments else instruments
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
            result = document(outcomes) | ({"interrupted": True} if interrupted else {})
            try:
                if json_file is not None:
                    save_json(result, json_file)
            finally:
                section = probes_section(probes, outcomes, instruments, result["environment"])
                print_view(write_terminal(section.parts))
    return INTERRUPTED if interrupted else 0

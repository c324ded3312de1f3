"""``harness run``: one load run, live display while it runs, summary and JSON at the end."""

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.command import command, exit_codes, option_group
from harness.cli.console import RunDisplay, print_view
from harness.cli.files import check_writable, save_json
from harness.cli.live import incident_facts, live_option, page_options, served_page, stay
from harness.cli.options import (
    COUNT,
    DURATION,
    given,
    incident_option,
    json_option,
    keeping_options,
    load,
    quiet_option,
    recording,
    scraping,
    workload_options,
)
from harness.cli.store import keep_result
from harness.cli.system import INTERRUPTED, require_linux
from harness.interrupts import deferred, held

if TYPE_CHECKING:
    from harness.live.feed import LivePage
    from harness.run.result import RunResult
    from harness.run.spec import RunSpec

__all__ = ["exit_code", "run"]

checking = option_group("Requirements")


def exit_code(result: "RunResult") -> int:
    """Return 130 for an interrupted run, 1 where a requirement, the audit or validity failed, else 0."""
    if result.interrupted:
        return INTERRUPTED
    held = all(requirement.held for requirement in result.requirements)
    return (
        0 if held and result.audit.conserved is not False and not _errors(result) and result.verdict == "valid" else 1
    )


def _errors(result: "RunResult") -> bool:
    return any(finding.severity == "error" for finding in result.audit.findings)


def _print(result: "RunResult") -> None:
    # Imported only now: what is loaded lies in the memory of the process that is measured.
    from harness.report.sections.runs import run_parts
    from harness.report.writers.terminal import write_terminal

    # Below 80 columns figures would be cut; a narrower terminal wraps the lines itself.
    print_view(write_terminal(run_parts(result)), least_width=80)


def _about(spec: "RunSpec") -> dict[str, Any]:
    """Return what the live page says of the run."""
    from harness.live.messages import about_run
    from harness.run.shard import planned_ns

    load = f"{spec.arrivals}, {spec.lengths} {spec.content}, through {spec.instrument}"
    title = "Load run" if spec.name == "run" else f"Load run {spec.name}"
    facts = incident_facts(spec.incident_times)
    return about_run(title, load, duration_ns=planned_ns(spec), count=spec.count, **facts)


def _executed(spec: "RunSpec", page: "LivePage | None", *, quiet: bool) -> "RunResult":
    """Return the result of a run that is shown while it goes on."""
    from harness.distributed.choose import open_workers
    from harness.run.execute import execute

    with RunDisplay(spec.duration_ns, quiet=quiet) as display:
        if page is None:
            return execute(spec, display, partial(open_workers, tell=display.phase))
        from harness.incidents.triggers import Triggers
        from harness.live.observer import LiveObserver

        triggers = Triggers()
        observer = LiveObserver(page, display, triggers)
        return execute(spec, observer, partial(open_workers, triggers=triggers, tell=display.phase))


def _conclude(page: "LivePage", result: "RunResult", *, quiet: bool) -> None:
    """Show the result on the page, and let it stay for whoever looks at it."""
    from harness.live.messages import result_message

    page.tell(result_message(result))
    # One that was interrupted is over for whoever interrupted it.
    if not result.interrupted:
        stay(page, quiet=quiet)


@command(
    "harness run --duration 5s",
    "harness run quickstart --json result.json",
    "harness run --instrument none --arrivals constant:rate=100k --require 'lag.p99<1ms'",
    "harness run --errors 1% --series 10 --latency-buckets fine",
    "harness run --workers 2 --arrivals poisson:rate=20k --instrument prometheus-client",
    "harness run --fork 4 --recycle 1000 --instrument prometheus-client-multiprocess",
    "harness run --duration 2m --open",
    exits=exit_codes(
        "all held",
        "a requirement, the audit or validity failed",
        ended="the summary is printed and the result saved",
    ),
)
@click.argument("scenario", required=False, help="TOML file with a spec, or the name of one that ships.")
@workload_options
@load(
    "--policy",
    type=click.Choice(["burst", "drop"]),
    help="Send late lines at once, or drop and count them. [default: burst]",
)
@incident_option
@load(
    "--workers",
    metavar="N",
    help="Number of processes that share the lines; auto: one less than the cores. [default: 1]",
)
@load(
    "--cluster",
    metavar="ADDRESS",
    help="Dask scheduler that starts the workers, such as tcp://10.0.0.1:8786; local: a cluster of this machine.",
)
@load(
    "--fork",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Number of workers forked from one process that has built the instrument, behind one page, as with gunicorn.",
)
@load("--recycle", type=COUNT, metavar="LINES", help="Lines after which a forked worker is replaced by a new one.")
@recording("--instrument", metavar="NAME", help="Way of recording, or package.module:Name. [default: opencensus]")
@recording(
    "--latency-buckets",
    type=click.Choice(["quickstart", "fine"]),
    help="Bounds of the latency view, where fine adds bounds from 1 µs. [default: quickstart]",
)
@scraping(
    "--scraper",
    type=click.Choice(["auto", "prometheus", "builtin", "sink", "none"]),
    help="Scraper of the endpoint during the run, where sink is for instruments that push. [default: auto]",
)
@scraping("--scrape-interval", type=DURATION, metavar="TIME", help="Time between two scrapes or pushes. [default: 1s]")
@scraping("--address", metavar="ADDR", help="Address that the endpoint is served on. [default: 127.0.0.1]")
@scraping("--port", type=click.IntRange(0, 65535), help="Port of the endpoint. [default: any free one]")
@checking(
    "--max-lag",
    type=DURATION,
    metavar="TIME",
    help="Lag above which, or lateness above a part of which, the run is INVALID. [default: 100ms]",
)
@checking(
    "--require",
    multiple=True,
    metavar="COND",
    help="Condition on the result, as in 'response.p99<2ms'; may be repeated.",
)
@json_option
@quiet_option
@live_option
@page_options
@keeping_options
def run(
    scenario: str | None,
    json_file: Path | None,
    store: Path | None,
    label: str,
    no_save: bool,
    quiet: bool,
    live: bool,
    live_port: int | None,
    open_page: bool,
    **flags: Any,
) -> int:
    """Send a load through the instrumented REPL while it is scraped, and account for every line.

    Options take the place of what SCENARIO says. Without either: lognormal word lines at Poisson 1000/s for ten seconds
    through opencensus, scraped every second.

    --require takes lag, lateness, service or response with .p50 ... .p999, .max, .mean or .count; rate.achieved,
    rate.error; offered, processed, failed, dropped, refused, raised; scrapes.count, .failed, .p50, .max; self_cost;
    findings.
    """
    require_linux("run")
    from harness.run.spec import load_spec, spec_from

    if json_file is not None:
        check_writable(json_file)
    spec = load_spec(scenario, given(flags)) if scenario else spec_from(given(flags))
    shown = live or live_port is not None or open_page
    with served_page(_about(spec), live_port, open_page=open_page) if shown else nullcontext() as page:
        with deferred():
            result = _executed(spec, page, quiet=quiet)
            with held():
                try:
                    if json_file is not None:
                        save_json(result.document(), json_file)
                finally:
                    # Kept even when the file could not be written, and shown whatever becomes of both.
                    try:
                        keep_result("run", result.document(), store=store, label=label, save=not no_save, quiet=quiet)
                    finally:
                        _print(result)
        if page is not None:
            _conclude(page, result, quiet=quiet)
    return exit_code(result)

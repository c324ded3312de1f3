"""``harness demo``: believable traffic on a dashboard and a live page, until Ctrl-C."""

from typing import TYPE_CHECKING, Any

import click

from harness.cli.command import command, exit_codes
from harness.cli.console import RunDisplay
from harness.cli.live import incident_facts, page_options, served_page
from harness.cli.options import (
    DURATION,
    given,
    incident_option,
    load,
    quiet_option,
    recording,
    scraping,
    workload_options,
)
from harness.cli.system import require_linux
from workloads.incidents import TOUR

if TYPE_CHECKING:
    from harness.run.demo import DemoSpec

__all__ = ["demo"]


def _about(spec: "DemoSpec") -> dict[str, Any]:
    """Return what the live page says of the demo."""
    from harness.live.messages import about_run
    from workloads.units import parse_duration_ns

    lasts = spec.tour or spec.duration
    duration_ns = None if lasts is None else parse_duration_ns(lasts)
    load = f"{spec.arrivals}, {spec.errors} errors, service time {spec.service_time}, through {spec.instrument}"
    return about_run(
        "Demo", load, duration_ns=duration_ns, count=spec.count, rolling=True, stoppable=True, audited=False,
        **incident_facts(spec.incident_times()),
    )  # fmt: skip


@command(
    "harness demo",
    "harness demo --open",
    "harness demo --arrivals burst:rate=50,period=1m --errors 10%",
    "harness demo --tour",
    "harness demo --workers 3",
    exits=exit_codes("ended by Ctrl-C, or by itself", "something failed") | {"130": "a second Ctrl-C"},
)
@workload_options
@incident_option
@load(
    "--tour",
    is_flag=False,
    flag_value=TOUR,
    type=DURATION,
    metavar="[TIME]",
    help="Go through all incidents within TIME, each with a line of explanation, and end. [default: 10m]",
)
@load(
    "--workers",
    metavar="N",
    help="Number of processes that share the lines; auto: one less than the cores. [default: this one alone]",
)
@recording("--instrument", metavar="NAME", help="Way of recording, or package.module:Name. [default: opencensus]")
@recording("--service-time", type=DURATION, metavar="TIME", help="Median of the simulated service time. [default: 2ms]")
@scraping("--address", metavar="ADDR", help="Address to serve /metrics on. [default: 127.0.0.1]")
@scraping(
    "--port", type=click.IntRange(0, 65535), help="Port to serve /metrics on; 0 takes a free one. [default: 8000]"
)
@quiet_option
@page_options
def demo(quiet: bool, workers: str | None, live_port: int | None, open_page: bool, **flags: Any) -> int:
    """Send day-shaped traffic through the REPL while a real Prometheus scrapes it, until Ctrl-C.

    A day lasts twenty minutes, two lines in a hundred are refused, and a simulated service time spreads the latencies
    over the quickstart's buckets. A live page on 127.0.0.1 shows it at once. Prometheus serves a dashboard with the
    quickstart's four pictures and alerts; its address is printed. Without Prometheus the demo says how to get it and
    goes on serving.

    With --workers the lines are shared among processes that serve a page each, on the port and those after it; one
    Prometheus finds them all and labels their series `worker`.
    """
    require_linux("demo")
    from harness.incidents.triggers import Triggers
    from harness.live.observer import LiveObserver
    from harness.run.demo import DemoSpec, show

    spec = DemoSpec(**given(flags))
    with served_page(_about(spec), live_port, open_page=open_page) as page:
        with RunDisplay(None, quiet=quiet) as display:
            triggers = Triggers()
            observer = LiveObserver(page, display, triggers, stoppable=True)
            if workers is None:
                driven = show(spec, observer, triggers)
            else:
                from harness.distributed.demo import run_spec_of, show_together

                driven = show_together(spec, run_spec_of(spec, workers), observer, triggers)
        page.tell({"end": "The demo has ended"})
    ledger = driven.ledger
    click.echo(
        f"{ledger.offered:,} lines: {ledger.processed:,} processed, {ledger.failed:,} failed. Everything is stopped."
    )
    return 0

"""``harness demo``: believable traffic on a dashboard, until Ctrl-C."""

from typing import Any

import click

from harness.cli.command import command, exit_codes
from harness.cli.console import RunDisplay
from harness.cli.options import DURATION, given, load, quiet_option, recording, scraping, workload_options
from harness.cli.system import require_linux

__all__ = ["demo"]


@command(
    "harness demo",
    "harness demo --arrivals burst:rate=5,period=1m --errors 10%",
    "harness demo --workers 2 --arrivals day:rate=50,period=10m,from=8,jitter=poisson",
    exits=exit_codes("ended by Ctrl-C", "something failed") | {"130": "a second Ctrl-C"},
)
@workload_options
@load(
    "--workers",
    metavar="N",
    help="Number of processes that share the lines; auto: one less than the cores. [default: this one alone]",
)
@recording("--instrument", metavar="NAME", help="Way of recording, or package.module:Name. [default: opencensus]")
@recording(
    "--service-time", type=DURATION, metavar="TIME", help="Median of the simulated service time. [default: 30ms]"
)
@scraping("--address", metavar="ADDR", help="Address to serve /metrics on. [default: 127.0.0.1]")
@scraping(
    "--port", type=click.IntRange(0, 65535), help="Port to serve /metrics on; 0 takes a free one. [default: 8000]"
)
@quiet_option
def demo(quiet: bool, workers: str | None, **flags: Any) -> int:
    """Send day-shaped traffic through the REPL while a real Prometheus scrapes it, until Ctrl-C.

    A day lasts ten minutes, two lines in a hundred are refused, and a simulated service time spreads the latencies over
    the quickstart's buckets. Prometheus runs from promconfig.yaml; the links printed open it on the quickstart's four
    pictures. Without Prometheus the demo says how to get it and goes on serving.

    With --workers the lines are shared among processes that serve a page each, on the port and those after it; one
    Prometheus finds them all and labels their series `worker`.
    """
    require_linux("demo")
    from harness.run.demo import DemoSpec, show

    spec = DemoSpec(**given(flags))
    with RunDisplay(None, quiet=quiet) as display:
        if workers is None:
            driven = show(spec, display)
        else:
            from harness.distributed.demo import run_spec_of, show_together

            driven = show_together(spec, run_spec_of(spec, workers), display)
    ledger = driven.ledger
    click.echo(
        f"{ledger.offered:,} lines: {ledger.processed:,} processed, {ledger.failed:,} failed. Everything is stopped."
    )
    return 0

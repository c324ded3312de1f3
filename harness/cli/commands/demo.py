"""``harness demo``: believable traffic on a dashboard, until Ctrl-C."""

from typing import Any

import click

from harness.cli.command import command, exit_codes
from harness.cli.console import RunDisplay
from harness.cli.options import DURATION, given, quiet_option, recording, scraping, workload_options
from harness.cli.system import require_linux

__all__ = ["demo"]


@command(
    "harness demo",
    "harness demo --arrivals burst:rate=50,period=1m --errors 10%",
    exits=exit_codes("ended by Ctrl-C", "something failed") | {"130": "a second Ctrl-C"},
)
@workload_options
@recording("--instrument", metavar="NAME", help="Way of recording, or package.module:Name. [default: opencensus]")
@recording("--service-time", type=DURATION, metavar="TIME", help="Median of the simulated service time. [default: 2ms]")
@scraping("--address", metavar="ADDR", help="Address to serve /metrics on. [default: 127.0.0.1]")
@scraping(
    "--port", type=click.IntRange(0, 65535), help="Port to serve /metrics on; 0 takes a free one. [default: 8000]"
)
@quiet_option
def demo(quiet: bool, **flags: Any) -> int:
    """Send day-shaped traffic through the REPL while a real Prometheus scrapes it, until Ctrl-C.

    A day lasts twenty minutes, two lines in a hundred are refused, and a simulated service time spreads the latencies
    over the quickstart's buckets. Prometheus serves a dashboard with the quickstart's four pictures and alerts; its
    address is printed. Without Prometheus the demo says how to get it and goes on serving.
    """
    require_linux("demo")
    from harness.run.demo import DemoSpec, show

    spec = DemoSpec(**given(flags))
    with RunDisplay(None, quiet=quiet) as display:
        driven = show(spec, display)
    ledger = driven.ledger
    click.echo(
        f"{ledger.offered:,} lines: {ledger.processed:,} processed, {ledger.failed:,} failed. Everything is stopped."
    )
    return 0

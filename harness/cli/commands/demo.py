"""``harness demo``: believable traffic on a dashboard, until Ctrl-C."""

from typing import Any

import click

from harness.cli.console import RunDisplay
from harness.cli.options import DURATION, given, workload_options
from harness.cli.system import require_linux

__all__ = ["demo"]


@click.command()
@workload_options
@click.option("--instrument", metavar="NAME", help="Way of recording, or package.module:Name. [default: opencensus]")
@click.option(
    "--service-time", type=DURATION, metavar="TIME", help="Median of the simulated service time. [default: 30ms]"
)
@click.option("--address", metavar="ADDR", help="Address to serve /metrics on. [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one. [default: 8000]")
@click.option("--quiet", is_flag=True, help="No live display.")
def demo(quiet: bool, **flags: Any) -> int:
    """Send day-shaped traffic through the REPL while a real Prometheus scrapes it, until Ctrl-C.

    A day lasts ten minutes, two lines in a hundred are refused, and a simulated service time spreads the latencies over
    the quickstart's buckets. Prometheus runs from promconfig.yaml; the links printed open it on the quickstart's four
    pictures. Without Prometheus the demo says how to get it and goes on serving.

    \\b
    Try it: harness demo
            harness demo --arrivals burst:rate=5,period=1m --errors 10%
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

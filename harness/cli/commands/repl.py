"""``harness repl``: the quickstart as a program."""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from harness.cli.command import command, exit_codes
from harness.cli.options import DURATION, recording, scraping
from harness.errors import UsageError
from workloads.units import parse_duration_ns

__all__ = ["repl"]

# A line without an end must not eat the memory; what lies beyond is skipped, and the line refused as too long anyway.
READ_LIMIT = 16 * 2**20
PROMPT = "> "


def _interactive() -> Iterator[str]:
    """Yield lines typed at a prompt, with the line editing that `readline` gives."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - importing it is what turns editing on
    while True:
        try:
            yield input(PROMPT)
        except EOFError:
            print()
            return


def _from_stream(stream: BinaryIO) -> Iterator[str]:
    while raw := stream.readline(READ_LIMIT):
        complete = raw.endswith(b"\n")
        while not complete and (rest := stream.readline(READ_LIMIT)):
            complete = rest.endswith(b"\n")
        yield raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def _source(file: str | None) -> Iterator[Iterator[str]]:
    if file is not None and file != "-":
        try:
            with Path(file).open("rb") as stream:
                yield _from_stream(stream)
        except OSError as error:
            raise UsageError(f"FILE: {file!r} cannot be read: {error.strerror}") from error
    elif sys.stdin.isatty() and sys.stdout.isatty():
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
        yield _interactive()
    else:
        yield _from_stream(sys.stdin.buffer)


@command(
    r"printf 'hello\nworld\n' | harness repl --linger 30s",
    "harness repl lines.txt --instrument prometheus-client",
    exits=exit_codes("the input has ended, or Ctrl-C was pressed", "the endpoint could not be served")
    | {"130": "a second Ctrl-C"},
)
@click.argument("file", required=False, help="File to read lines from. [default: standard input]")
@recording("--instrument", default="opencensus", show_default=True, help="Way of recording, or package.module:Name.")
@recording(
    "--latency-buckets",
    type=click.Choice(["quickstart", "fine"]),
    default="quickstart",
    show_default=True,
    help="Bounds of the latency view, where fine adds bounds from 1 µs.",
)
@scraping("--address", default="127.0.0.1", show_default=True, help="Address to serve /metrics on.")
@scraping(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to serve /metrics on; 0 takes a free one.",
)
@scraping("--linger", type=DURATION, metavar="TIME", help="Go on serving this long after the input has ended.")
def repl(file: str | None, address: str, port: int, linger: str | None, instrument: str, latency_buckets: str) -> None:
    """Upper-case each line of FILE or standard input, record it, and serve /metrics meanwhile.

    On a terminal there is a prompt; end with Ctrl-D or Ctrl-C. Where the metrics are served is said on standard error,
    and so is each line that was refused and why.
    """
    from harness.instruments import create
    from harness.load.clock import MonotonicClock
    from harness.repl import Repl
    from harness.scrape.endpoint import serve
    from harness.views import Tags, views_for

    def complain(kind: str, length: int) -> None:
        click.echo(f"harness: a line of {length} bytes was refused: {kind}", err=True)

    with contextlib.ExitStack() as stack:
        built = create(instrument, views_for(latency_buckets))
        stack.callback(built.close)
        endpoint = serve(built.registry, address, port)
        stack.callback(endpoint.stop)
        # Ctrl-C is one of the two ways to leave, so it is no failure.
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        click.echo(f"harness: serving {endpoint.url}", err=True)
        core = Repl(built, MonotonicClock(), sys.stdout, complain=complain)
        tags = Tags()
        for line in stack.enter_context(_source(file)):
            core.evaluate(line, tags)
        sys.stdout.flush()
        if linger is not None:
            click.echo(f"harness: the input has ended; serving {linger} more, Ctrl-C ends it", err=True)
            time.sleep(parse_duration_ns(linger) / 1e9)

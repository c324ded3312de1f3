"""``harness run``: one load run, live display while it runs, summary and JSON at the end."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from harness.cli.options import DURATION, given, keeping_options, workload_options
from harness.cli.system import require_linux
from harness.errors import SaveError, UsageError
from harness.interrupts import deferred, held

if TYPE_CHECKING:
    from rich.live import Live

    from harness.load.pump import Snapshot
    from harness.run.result import RunResult

__all__ = ["Display", "check_writable", "exit_code", "run", "save_json", "write_whole"]

INTERRUPTED = 130
_PLAIN_EVERY_NS = 1_000_000_000


class Display:
    """Shows how a run stands on standard error: a table that renews itself on a terminal, else a line a second.

    It draws from the driving thread, between lines, when it is told of progress: a thread of its own would contend
    for the interpreter lock with what is being measured.
    """

    def __init__(self, total_ns: int | None, *, quiet: bool) -> None:
        self._total_ns = total_ns
        self._quiet = quiet
        self._live: Live | None = None
        self._said_ns = 0

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._live is not None:
            with suppress(OSError):
                self._live.stop()

    @contextmanager
    def _shown(self) -> Iterator[None]:
        """Stay silent from the first line that cannot be written: a terminal that is gone costs no result."""
        try:
            yield
        except OSError:
            self._live, self._quiet = None, True

    def phase(self, text: str) -> None:
        """Say what is going on when no lines are being sent."""
        with self._shown():
            if self._live is not None:
                from rich.text import Text

                self._live.update(Text(f"{text} …", style="dim"), refresh=True)
            elif not self._quiet:
                click.echo(f"harness: {text}", err=True)

    def say(self, text: str) -> None:
        """Say one line that stays, above the table."""
        with self._shown():
            if self._live is not None:
                from rich.text import Text

                # A link that a terminal is to open must stay on one line.
                self._live.console.print(Text(text), soft_wrap=True)
            else:
                click.echo(f"harness: {text}", err=True)

    def progress(self, progress: "Snapshot", scrapes: int, failed_scrapes: int) -> None:
        """Show one snapshot."""
        from harness.report.live import live_table, plain_line

        with self._shown():
            if self._live is not None:
                self._live.update(live_table(progress, scrapes, failed_scrapes, self._total_ns), refresh=True)
            elif not self._quiet and progress.elapsed_ns - self._said_ns >= _PLAIN_EVERY_NS:
                self._said_ns = progress.elapsed_ns
                click.echo(plain_line(progress, scrapes, failed_scrapes), err=True)


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


def check_writable(path: Path, flag: str = "--json") -> None:
    """Find out before the run, not after it, that the result cannot be written."""
    folder = path.parent
    if path.is_dir():
        raise UsageError(f"{flag}: {str(path)!r} is a folder; name a file")
    if not folder.is_dir():
        raise UsageError(f"{flag}: there is no folder {str(folder)!r}")
    target = path if path.exists() else folder
    if not os.access(target, os.W_OK):
        raise UsageError(f"{flag}: {str(target)!r} is not writable")


def save_json(document: dict[str, Any], path: Path) -> None:
    """Write `document` whole or not at all; where that fails, save it in the temporary folder and say where."""
    text = json.dumps(document, indent=2) + "\n"
    try:
        write_whole(text, path)
    except OSError as error:
        with suppress(OSError):
            handle, spare = tempfile.mkstemp(prefix="harness-result-", suffix=".json")
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(text)
            raise SaveError(f"--json: {str(path)!r}: {error.strerror}; the result is kept in {spare}") from error
        raise SaveError(f"--json: {str(path)!r}: {error.strerror}; free some space and run again") from error


def write_whole(text: str, path: Path) -> None:
    """Write a file whole or not at all; raises `OSError`."""
    if path.exists() and not path.is_file():
        # A device or a pipe, such as /dev/stdout, cannot be replaced.
        path.write_text(text, encoding="utf-8")
        return
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}-", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(partial).chmod(0o666 & ~umask)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _print(result: "RunResult") -> None:
    from rich.console import Console

    from harness.report.run_summary import summary

    # Below 80 columns figures would be cut; a narrower terminal wraps the lines itself.
    width = max(80, shutil.get_terminal_size().columns) if sys.stdout.isatty() else 120
    Console(highlight=False, width=width).print(summary(result))
    sys.stdout.flush()


@click.command()
@click.argument("scenario", required=False, metavar="[SCENARIO]")
@workload_options
@click.option("--instrument", metavar="NAME", help="Way of recording, or package.module:Name. [default: opencensus]")
@click.option("--latency-buckets", type=click.Choice(["quickstart", "fine"]), help="fine adds bounds from 1 µs.")
@click.option(
    "--scraper",
    type=click.Choice(["auto", "prometheus", "builtin", "none"]),
    help="Who scrapes meanwhile. [default: auto]",
)
@click.option("--scrape-interval", type=DURATION, metavar="TIME", help="Time between two scrapes. [default: 1s]")
@click.option(
    "--policy",
    type=click.Choice(["burst", "drop"]),
    help="Send late lines at once, or drop and count them. [default: burst]",
)
@click.option(
    "--max-lag",
    type=DURATION,
    metavar="TIME",
    help="A lag above this, or a lateness above a part of it, makes the run INVALID. [default: 100ms]",
)
@click.option(
    "--require",
    multiple=True,
    metavar="COND",
    help="A condition on the result, as in 'response.p99<2ms'; may be repeated.",
)
@click.option("--address", metavar="ADDR", help="Address the views are served on. [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port the views are served on. [default: any free one]")
@click.option("--json", "json_file", type=click.Path(path_type=Path), metavar="FILE", help="Write the result there.")
@keeping_options
@click.option("--quiet", is_flag=True, help="No live display; only the summary.")
def run(
    scenario: str | None,
    json_file: Path | None,
    store: Path | None,
    label: str,
    no_save: bool,
    quiet: bool,
    **flags: Any,
) -> int:
    """Send a load through the instrumented REPL while it is scraped, and account for every line.

    SCENARIO is a TOML file, or the name of one that ships (quickstart, ...); flags go over it. Without anything:
    lognormal word lines at Poisson 1000/s for ten seconds through opencensus, scraped every second.

    \b
    Try it: harness run --duration 5s
            harness run quickstart --json result.json
            harness run --instrument none --arrivals constant:rate=100k --require 'lag.p99<1ms'
            harness run --errors 1% --series 10 --latency-buckets fine

    --require takes lag, lateness, service or response with .p50 ... .p999, .max, .mean or .count; rate.achieved,
    rate.error; offered, processed, failed, dropped, refused, raised; scrapes.count, .failed, .p50, .max; self_cost;
    findings.

    Exit codes: 0 all held; 1 a requirement, the audit or validity failed; 2 wrong usage; 130 interrupted, 143
    terminated (the summary is printed and the result saved).
    """
    require_linux("run")
    from harness.cli.keeping import keep_result
    from harness.run.execute import execute
    from harness.run.spec import load_spec, spec_from

    if json_file is not None:
        check_writable(json_file)
    spec = load_spec(scenario, given(flags)) if scenario else spec_from(given(flags))
    with deferred():
        with Display(spec.duration_ns, quiet=quiet) as display:
            result = execute(spec, display)
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
    return exit_code(result)

"""Shows one small run of several workers: ``shown_runs.py four-workers`` of this machine, or ``three-hosts``.

The three hosts are network namespaces of this machine, with a Dask scheduler and two Dask workers; that has to be run
as root. With ``--docs`` the output goes into docs/distributed.md.
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.stored_block import write_block
from tests.harness.distributed.clusters import DaskCluster
from tests.harness.distributed.hosts import hosts, why_not

PAGE = Path(__file__).resolve().parents[2] / "docs" / "distributed.md"
FOUR_WORKERS = (
    "--workers 4 --duration 10s --arrivals poisson:rate=2k --errors 2% --series 3 --instrument prometheus-client "
    "--no-save"
)
TWO_WORKERS = (
    "--workers 2 --duration 5s --arrivals poisson:rate=200 --instrument prometheus-client --max-lag 1s --no-save"
)


def machine(number: int) -> list[str]:
    """Return what goes before a command so that its host has a name and a monotonic clock of its own."""
    booted = str(1_000 * number)
    spaces = ["--uts", "--time", "--fork", "--kill-child", "--monotonic", booted, "--boottime", booted]
    return ["unshare", *spaces, "sh", "-c", f'hostname host-{number}; exec "$@"', "sh"]


def four_workers(folder: Path) -> str:
    """Return the command and what it printed, of four workers of this machine."""
    return output_of([], shlex.split(FOUR_WORKERS), folder)


def three_hosts(folder: Path) -> str:
    """Return the command and what it printed, of two workers on hosts of their own."""
    if why := why_not():
        sys.exit(why)
    with hosts(2) as network:
        cluster = DaskCluster(folder)
        try:
            cluster.start_scheduler(network.address(0), network.at(0))
            for number in (1, 2):
                cluster.start_worker(network.address(number), [*network.at(number), *machine(number)])
            cluster.ready()
            return output_of(network.at(0), [*shlex.split(TWO_WORKERS), "--cluster", cluster.address], folder)
        finally:
            cluster.end()


def output_of(before: list[str], options: list[str], folder: Path) -> str:
    """Return the command and what it printed; `before` is what leads to the host that it is run on."""
    done = subprocess.run(
        [*before, sys.executable, "-m", "harness.cli", "run", *options],
        capture_output=True, text=True, cwd=folder, check=False, timeout=120,
    )  # fmt: skip
    told = "".join(line for line in done.stderr.splitlines(keepends=True) if "lines/s" not in line)
    shown = "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
    return f"$ harness run {' '.join(options)}\n{told}{shown}"


RUNS = {"four-workers": four_workers, "three-hosts": three_hosts}


def main() -> None:
    """Make the run, print what it printed, and put it into the page where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", choices=RUNS, help="the run to show")
    parser.add_argument("--docs", action="store_true", help="put the output into docs/distributed.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        output = RUNS[arguments.run](Path(folder))
    print(output)
    if arguments.docs:
        write_block(arguments.run, f"```console\n{output.rstrip()}\n```", PAGE)


if __name__ == "__main__":
    main()

"""Shows one small run through Dask on three hosts, which are network namespaces of this machine: ``three_hosts.py``.

It has to be run as root. With ``--docs`` the output goes into docs/distributed.md.
"""

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.harness.distributed.clusters import DaskCluster
from tests.harness.distributed.hosts import hosts, why_not

PAGE = Path(__file__).resolve().parents[1] / "docs" / "distributed.md"
BEGIN, END = "<!-- three-hosts: begin -->", "<!-- three-hosts: end -->"
OPTIONS = "--workers 2 --duration 5s --arrivals poisson:rate=200 --instrument prometheus-client --max-lag 1s --no-save"


def machine(number: int) -> list[str]:
    """Return what goes before a command so that its host has a name and a monotonic clock of its own."""
    booted = str(1_000 * number)
    spaces = ["--uts", "--time", "--fork", "--kill-child", "--monotonic", booted, "--boottime", booted]
    return ["unshare", *spaces, "sh", "-c", f'hostname host-{number}; exec "$@"', "sh"]


def output_of(folder: Path) -> str:
    """Return the command and what it printed."""
    with hosts(2) as network:
        cluster = DaskCluster(folder)
        try:
            cluster.start_scheduler(network.address(0), network.at(0))
            for number in (1, 2):
                cluster.start_worker(network.address(number), [*network.at(number), *machine(number)])
            cluster.ready()
            arguments = ["run", *shlex.split(OPTIONS), "--cluster", cluster.address]
            done = subprocess.run(
                [*network.at(0), sys.executable, "-m", "harness.cli", *arguments],
                capture_output=True, text=True, cwd=folder, check=False, timeout=120,
            )  # fmt: skip
        finally:
            cluster.end()
    told = "".join(line for line in done.stderr.splitlines(keepends=True) if "lines/s" not in line)
    shown = "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())
    return f"$ harness {' '.join(arguments)}\n{told}{shown}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", action="store_true", help="put the output into docs/distributed.md")
    arguments = parser.parse_args()
    if why := why_not():
        sys.exit(why)
    with tempfile.TemporaryDirectory() as folder:
        output = output_of(Path(folder))
    print(output)
    if arguments.docs:
        block = f"{BEGIN}\n```console\n{output.rstrip()}\n```\n{END}"
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: block, text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()

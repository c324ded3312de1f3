"""A Dask cluster of this machine, in a process of its own that ends, and leaves nothing, however the harness ends.

Run as ``python -m harness.distributed.dask.local_cluster COUNT FOLDER``: prints the scheduler's address and lasts until
standard input ends, which the system brings about even where the harness is killed. In a process group of its own,
since Ctrl-C on the terminal would end Dask's workers before what they run beside them has handed over its results.
"""

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from harness.children import ISOLATED, end_group, has_ended, own_folder, python_path
from harness.deadline import Deadline, call_within
from harness.errors import RunError
from harness.interrupts import uninterrupted

__all__ = ["local_cluster", "main"]

# For the cluster to start, and to end by itself; then it is killed.
_START_S, _START_EACH_S, _END_S = 30.0, 2.0, 1.5


@contextlib.contextmanager
def local_cluster(count: int) -> Iterator[str]:
    """Start a scheduler and `count` Dask workers for a block, and yield the scheduler's address; raises `RunError`."""
    folder = tempfile.mkdtemp(prefix="harness-dask-")
    process: subprocess.Popen[bytes] | None = None
    try:
        with uninterrupted():
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, *ISOLATED, "-m", "harness.distributed.dask.local_cluster", str(count), folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": python_path(own_folder())},
                process_group=0,
            )
        yield _address(process, Deadline(_START_S + _START_EACH_S * count))
    finally:
        if process is not None:
            _end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _address(process: "subprocess.Popen[bytes]", deadline: Deadline) -> str:
    said = b"" if process.stdout is None else call_within(deadline, "Dask does not start", process.stdout.readline)
    if not said:
        raise RunError("Dask does not start a cluster of this machine", field="cluster", value="local")
    return said.decode().strip()


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()
    has_ended(process, _END_S)
    end_group(process)
    if process.stdout is not None:
        process.stdout.close()


def main() -> None:
    """Serve a cluster until standard input ends."""
    import distributed

    start: Any = distributed.LocalCluster
    count, folder = int(sys.argv[1]), sys.argv[2]
    try:
        with start(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=None,
            local_directory=folder,
            silence_logs=logging.CRITICAL,
            # A task whose Dask worker died is not run again.
            scheduler_kwargs={"allowed_failures": 0, "local_directory": folder, "needs_workdir": False},
        ) as cluster:
            sys.stdout.write(f"{cluster.scheduler_address}\n")
            sys.stdout.flush()
            sys.stdin.read()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

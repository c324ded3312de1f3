"""The process that exposes the metrics of prometheus-client's multiprocess mode."""

import os
import sys
from contextlib import suppress

__all__ = ["main"]

# The sender of the requests shares this process's processor, and must not wait for a page.
_NICENESS = 10


def main(core: int) -> None:
    """Serve the page of the folder in PROMETHEUS_MULTIPROC_DIR on `core`, print the port, and wait to be ended."""
    from harness.measure.worker.blocks import die_with_parent

    die_with_parent(int(sys.argv[1]))
    with suppress(OSError):
        os.sched_setaffinity(0, {core})
    os.nice(_NICENESS)
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    server, thread = start_http_server(0, "127.0.0.1", registry)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    thread.join()

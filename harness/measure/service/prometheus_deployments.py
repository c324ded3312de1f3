"""prometheus-client in an asyncio service: scraped on its loop, in a thread, from another process, and pushed."""

import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from harness.children import ISOLATED
from harness.errors import RunError
from harness.measure.service.deployments import BOUNDS, COUNTER, HELP, HISTOGRAM, Application, Surroundings, in_thread

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

__all__ = ["InProcess", "InThread", "OnTheLoop", "Pushed"]


class _Recording:
    """Counter and histogram by path in a registry, as the library's documentation shows them."""

    app: Application | None = None
    port = 0

    def __init__(self, registry: "CollectorRegistry | None") -> None:
        # Only here: in multiprocess mode the library looks at its environment while it is imported.
        from prometheus_client import Counter, Histogram

        self._requests = Counter(COUNTER, HELP[COUNTER], ["path"], registry=registry)
        self._duration = Histogram(HISTOGRAM, HELP[HISTOGRAM], ["path"], buckets=BOUNDS, registry=registry)

    def record(self, path: str, seconds: float, /) -> None:
        """Record one request."""
        self._requests.labels(path).inc()
        self._duration.labels(path).observe(seconds)

    def close(self) -> None:
        """Hold nothing that has to be released."""


def _registry() -> "CollectorRegistry":
    from prometheus_client import CollectorRegistry

    return CollectorRegistry()


class OnTheLoop(_Recording):
    """The library's ASGI application, which makes the page on the event loop of the service."""

    def __init__(self, _surroundings: Surroundings) -> None:
        registry = _registry()
        super().__init__(registry)
        from prometheus_client import make_asgi_app

        self.app = make_asgi_app(registry)


class InThread(_Recording):
    """The library's HTTP server in a thread of the service."""

    def __init__(self, _surroundings: Surroundings) -> None:
        registry = _registry()
        super().__init__(registry)
        from prometheus_client import start_http_server

        self._server, self._thread = start_http_server(0, "127.0.0.1", registry)
        self.port = int(self._server.server_port)

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class InProcess(_Recording):
    """Multiprocess mode: the service records into files, and another process makes the page from them."""

    def __init__(self, surroundings: Surroundings) -> None:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = surroundings.folder
        super().__init__(_registry())
        command = f"from harness.measure.service.exporter import main; main({surroundings.home})"
        self._exporter = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, *ISOLATED, "-c", command, str(os.getpid())], stdout=subprocess.PIPE
        )
        assert self._exporter.stdout is not None  # noqa: S101 - Popen is called with PIPE
        # The end of the process ends this wait as well, and the parent of this process has a deadline.
        line = self._exporter.stdout.readline()
        if not line:
            raise RunError("the process that exposes the metrics of multiprocess mode did not start")
        self.port = int(line)

    def close(self) -> None:
        """End the other process."""
        self._exporter.kill()
        self._exporter.communicate()


class Pushed(_Recording):
    """A push to a gateway, from a thread of the loop's pool whenever ``/metrics`` is requested."""

    def __init__(self, surroundings: Surroundings) -> None:
        registry = _registry()
        super().__init__(registry)
        from prometheus_client import push_to_gateway

        self.app = in_thread(partial(push_to_gateway, surroundings.gateway, job="service", registry=registry))

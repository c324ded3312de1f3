"""Deployments: a metrics library in an asyncio service, and the way by which its page leaves the service."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol, cast

from harness.errors import UsageError
from harness.instruments.catalog import load_object

__all__ = [
    "BOUNDS", "COUNTER", "DEPLOYMENTS", "INSTALL", "Application", "Deployment", "Surroundings", "available",
    "load_deployment", "missing_library", "paths_for",
]  # fmt: skip

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

COUNTER = "http_requests_total"
HISTOGRAM = "http_request_duration_seconds"
HELP = {COUNTER: "Requests answered.", HISTOGRAM: "Time to answer a request."}
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# A path has a counter, the buckets with +Inf, the sum and the count; a library may add further samples of its own.
_SERIES_A_PATH = len(BOUNDS) + 4

INSTALL = "pip install 'recording-harness[loop]'"
_HERE = "harness.measure.service"
DEPLOYMENTS: dict[str, str] = {
    "prometheus-client-asgi": f"{_HERE}.prometheus_deployments:OnTheLoop",
    "prometheus-client-thread": f"{_HERE}.prometheus_deployments:InThread",
    "prometheus-client-process": f"{_HERE}.prometheus_deployments:InProcess",
    "prometheus-client-push": f"{_HERE}.prometheus_deployments:Pushed",
    "aioprometheus-asgi": f"{_HERE}.other_deployments:AioprometheusOnTheLoop",
    "opentelemetry-asgi": f"{_HERE}.other_deployments:OpenTelemetryOnTheLoop",
    "opentelemetry-push": f"{_HERE}.other_deployments:OpenTelemetryPushed",
}
# The module that each needs beside the requirements of this project, and what installs it.
_NEEDS = {
    "aioprometheus-asgi": ("aioprometheus", INSTALL),
    "opentelemetry-asgi": ("opentelemetry.exporter.prometheus", "pip install 'recording-harness[opentelemetry]'"),
    "opentelemetry-push": ("opentelemetry.exporter.otlp.proto.http", "pip install 'recording-harness[otlp]'"),
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a deployment is given: a private folder, the processor for processes of its own, and the push address."""

    folder: str
    home: int
    gateway: str = ""


class Deployment(Protocol):
    """One way to record the metrics of requests and to expose them.

    `app` is the ASGI application that the service answers ``/metrics`` with; None where the page is served on a `port`
    of its own (0: none). `record` is called on the event loop for each request. `close` releases everything.
    """

    app: Application | None
    port: int

    def record(self, path: str, seconds: float, /) -> None:
        """Record one request: its path and the seconds that it took."""

    def close(self) -> None:
        """Release everything."""


Factory = Callable[[Surroundings], Deployment]


def paths_for(series: int) -> list[str]:
    """Return the paths whose metrics have `series` series in all, or the next higher number that whole paths have."""
    return [f"/items/{i}" for i in range(max(1, -(-series // _SERIES_A_PATH)))]


def missing_library(name: str) -> str:
    """Return what to install before a deployment can be measured; empty where nothing is missing."""
    if find_spec("uvicorn") is None:
        return f"needs uvicorn: {INSTALL}"
    module, install = _NEEDS.get(name, ("", ""))
    try:
        there = not module or find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it
        there = False
    return "" if there else f"needs {module.partition('.')[0]}: {install}"


def available() -> list[str]:
    """Return the built-in deployments whose libraries are installed."""
    return [name for name in DEPLOYMENTS if not missing_library(name)]


def load_deployment(name: str) -> Factory:
    """Return the factory of a built-in deployment, or of ``package.module:Name``.

    Raise `UsageError` of `deployments` for an unknown name, a missing library, and a module that does not load.
    """
    path = DEPLOYMENTS.get(name, name)
    if ":" not in path:
        text = f"there is no deployment {name!r}; choose one of {', '.join(DEPLOYMENTS)}, or give package.module:Name"
        raise UsageError(text, field="deployments")
    if missing := missing_library(name):
        raise UsageError(f"{name} {missing}", field="deployments")
    return cast("Factory", load_object(path, "deployments"))


async def respond(send: Send, body: bytes, headers: Sequence[tuple[bytes, bytes]] = (), status: int = 200) -> None:
    """Send a whole response."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def in_thread(work: Callable[[], object]) -> Application:
    """Return an application that runs `work` in a thread of the event loop's pool and then answers."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await asyncio.to_thread(work)
        await respond(send, b"done")

    return app

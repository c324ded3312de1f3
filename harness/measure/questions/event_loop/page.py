"""The page of a measured service as a scraper or a gateway gets it."""

import gzip
import http.client
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness.errors import RunError
from harness.exposition.headers import SCRAPE_HEADERS
from harness.measure.questions.background import BackgroundServer
from harness.measure.service.deployments import COUNTER

__all__ = ["FetchedPage", "OtlpRequest", "PushSink", "fetch_page"]

_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """A page with the start and the end of the request for it, ns of ``time.monotonic_ns``; `body` is uncompressed."""

    start_ns: int
    end_ns: int
    good: bool
    body: bytes

    @property
    def series(self) -> int:
        """Number of samples."""
        return sum(1 for line in self.body.splitlines() if line and not line.startswith(b"#"))

    @property
    def requests(self) -> int:
        """Number of requests that the page shows, all paths together; raise `RunError` for a page without them."""
        prefix = f"{COUNTER}{{".encode()
        values = [line.partition(b"} ")[2].split()[0] for line in self.body.splitlines() if line.startswith(prefix)]
        if not values:
            raise RunError(f"the service's page has no {COUNTER}")
        return round(sum(map(float, values)))


class OtlpRequest(FetchedPage):
    """A request of OTLP in place of a page."""

    __slots__ = ()

    @property
    def series(self) -> int:
        """Number of samples that a page would have."""
        return sum(len(getattr(point, "bucket_counts", ())) + 2 if hasattr(point, "bucket_counts") else 1
                   for metric in self._metrics() for point in _points(metric))  # fmt: skip

    @property
    def requests(self) -> int:
        """Number of requests that the counter shows, all paths together; raise `RunError` where it is not there."""
        counters = [metric for metric in self._metrics() if metric.name == COUNTER]
        if not counters:
            raise RunError(f"the service's push has no {COUNTER}")
        return sum(point.as_int for metric in counters for point in _points(metric))

    def _metrics(self) -> list[Any]:
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

        request = ExportMetricsServiceRequest.FromString(self.body)
        return [metric for each in request.resource_metrics for scope in each.scope_metrics for metric in scope.metrics]


def _points(metric: Any) -> Any:
    return getattr(metric, metric.WhichOneof("data")).data_points


def fetch_page(port: int) -> FetchedPage:
    """Fetch ``/metrics`` with the headers of Prometheus; a failure is a page that is not `good`."""
    start_ns = time.monotonic_ns()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_WITHIN_S)
    try:
        connection.request("GET", "/metrics", headers=SCRAPE_HEADERS)
        answer = connection.getresponse()
        body = answer.read()
        end_ns = time.monotonic_ns()
        packed = answer.headers.get("Content-Encoding") == "gzip"
        return FetchedPage(start_ns, end_ns, answer.status == 200, gzip.decompress(body) if packed else body)
    except (OSError, http.client.HTTPException):
        return FetchedPage(start_ns, time.monotonic_ns(), good=False, body=b"")
    finally:
        connection.close()


class _Sink(BaseHTTPRequestHandler):
    server: "_SinkServer"

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_PUT(self) -> None:
        """Keep the page."""
        self._keep(FetchedPage)

    def do_POST(self) -> None:
        """Keep the request of OTLP, which nobody decodes before its service has been measured."""
        self._keep(OtlpRequest)

    def _keep(self, kind: type[FetchedPage]) -> None:
        self.server.body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.kind = kind
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Log nothing."""


class _SinkServer(ThreadingHTTPServer):
    daemon_threads = True
    body = b""
    kind: type[FetchedPage] = FetchedPage


class PushSink(BackgroundServer["_SinkServer"]):
    """The receiving end of a push on a free port, for Prometheus or OTLP; a context manager that ends it."""

    def __init__(self) -> None:
        super().__init__(_SinkServer(("127.0.0.1", 0), _Sink))

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def page(self, answer: FetchedPage) -> FetchedPage:
        """Return what was pushed last, with the times of the request that caused it; its answer where nothing was."""
        server = self._server
        return server.kind(answer.start_ns, answer.end_ns, answer.good, server.body) if server.body else answer

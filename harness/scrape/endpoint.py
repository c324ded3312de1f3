"""Serves a registry on /metrics, notes when each scrape was being served, and stops when told to."""

import contextlib
import errno
import gzip
import http.client
import io
import socket
import socketserver
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from harness.errors import EndpointError
from harness.scrape.exposition import TEXT, Page, parse_page

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from prometheus_client.registry import CollectorRegistry

__all__ = ["Endpoint", "Window", "serve"]

MAX_WINDOWS = 65_536  # 18 hours of one scrape a second; some 10 MB
MAX_CONNECTIONS = 128
SILENCE_S = 10.0  # how long a client may say nothing, or read nothing
STOP_S = 1.0  # how long a scrape under way may go on after stop()

# What the harness itself asks for is no scrape; this header tells the two apart.
_OWN = "X-Harness-Own"
_OWN_KEY = "HTTP_X_HARNESS_OWN"
_STARTED = "harness.started_ns"

_LINK_PAGE = b"<!doctype html><title>harness</title><p>Metrics are at <a href='/metrics'>/metrics</a>.\n"


class Window(NamedTuple):
    """When a scrape was being served: from its request line read to its last byte written, ``time.monotonic_ns``.

    `size_bytes` is the body as sent (compressed, if it was); `status` the HTTP status, 200 for a page.
    """

    start_ns: int
    end_ns: int
    size_bytes: int
    status: int

    @property
    def duration_ns(self) -> int:
        """How long it took to serve."""
        return self.end_ns - self.start_ns


class Endpoint:
    """A running server; made by `serve`, ended by `stop` or by leaving its ``with`` block."""

    def __init__(self, server: "_Server", recorder: "_Recorder") -> None:
        self._server = server
        self._recorder = recorder
        self.address = str(server.server_address[0])
        self.port = server.server_port
        # A short poll, since stop() waits for the next one.
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="harness-endpoint", daemon=True
        )
        self._stopping = threading.Lock()
        self._stopped = False
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the page is, as a scraper or a browser asks for it."""
        return f"http://{_bracketed(self.address)}:{self.port}/metrics"

    @property
    def windows(self) -> list[Window]:
        """The scrapes served until now, the last `MAX_WINDOWS` of them, in order of their end."""
        return self._recorder.snapshot()

    def rendering_since(self, moment_ns: int) -> list[tuple[int, int]]:
        """Return start and end of each time a scrape's page was being made, at `moment_ns` or later, newest first.

        One that is being made now ends now. Cheap, since it is asked for between lines.
        """
        return self._recorder.since(moment_ns)

    @property
    def served(self) -> int:
        """How many scrapes were answered, failed ones included; exact however long the run was."""
        return self._recorder.served

    @property
    def failed(self) -> int:
        """How many of them were answered with anything but a page."""
        return self._recorder.failed

    def page(self) -> Page:
        """Fetch and read the page over HTTP, in the text format; does not count as a scrape.

        Raises `EndpointError` when it is not served, `ExpositionError` when it is no page of metrics.
        """
        return parse_page(self._ask({"Accept": TEXT}), TEXT)

    def rest_durations_ns(self, repeats: int = 5) -> list[int]:
        """Serve the page `repeats` times, as to a scraper, and return how long each took in nanoseconds.

        To be called while nothing is driven, after the run rather than before, when the page is as large as it was
        for the scrapes it is to be compared with. Does not count as scrapes.
        """
        from harness.scrape.asking import SCRAPE_HEADERS

        self._recorder.own.clear()
        for _ in range(repeats):
            self._ask(SCRAPE_HEADERS)
        # The client may see the last byte just before the server notes that it is written.
        deadline = time.monotonic() + SILENCE_S
        while len(self._recorder.own) < repeats and time.monotonic() < deadline:
            time.sleep(0.001)
        return [window.duration_ns for window in list(self._recorder.own)]

    def stop(self) -> None:
        """Stop serving and free the port; scrapes under way may finish; calling it again does nothing."""
        with self._stopping:
            if self._stopped:
                return
            self._stopped = True
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server.close_connections(STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _ask(self, headers: dict[str, str]) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.address, self.address)  # noqa: S104 - compared, not bound
        connection = http.client.HTTPConnection(host, self.port, timeout=30)
        try:
            connection.request("GET", "/metrics", headers={**headers, _OWN: "1"})
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise EndpointError(f"{self.url} does not answer: {_reason(error)}") from error
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            detail = body.decode(errors="replace").strip()
            raise EndpointError(f"{self.url} answered {response.status} {response.reason}: {detail[:200]}")
        if response.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return body.decode()


def serve(registry: "CollectorRegistry", address: str = "127.0.0.1", port: int = 0) -> Endpoint:
    """Serve `registry`, and nothing else, on ``http://address:port/metrics``; port 0 takes any free one.

    Each scrape runs on a thread of its own, so a client that stalls holds up nobody. Raises `EndpointError`, one line
    that names --address or --port, when nothing can be served there.
    """
    if not 0 <= port <= 65_535:
        raise EndpointError(f"--port: {port} is not a port; choose one between 0 (any free one) and 65535")
    recorder = _Recorder()
    family, host = _resolve(address, port)
    server_class = type("_Bound", (_Server,), {"address_family": family})
    try:
        server = server_class((host, port), _Handler)
    except (OSError, OverflowError) as error:
        raise EndpointError(_refusal(error, address, port)) from error
    server.set_app(_application(registry, recorder))
    return Endpoint(server, recorder)


def _resolve(address: str, port: int) -> tuple[int, str]:
    if not address:
        raise EndpointError("--address: is empty; write 127.0.0.1, or 0.0.0.0 for every interface")
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise EndpointError(f"--address: {address!r} is no address of this machine ({_reason(error)})") from error
    family, _, _, _, where = found[0]
    return family, str(where[0])


def _refusal(error: Exception, address: str, port: int) -> str:
    code = getattr(error, "errno", None)
    if code == errno.EADDRINUSE:
        return f"--port: {port} is already in use on {address}; choose another, or 0 for any free one"
    if code in (errno.EACCES, errno.EPERM):
        return f"--port: {port} may not be used without privileges; choose one from 1024, or 0 for any free one"
    if code in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return f"--address: {address!r} is no address of this machine; write 127.0.0.1 or 0.0.0.0"
    return f"--address/--port: cannot serve on {_bracketed(address)}:{port}: {_reason(error)}"


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


class _Recorder:
    """Keeps the windows; written by the threads that serve."""

    def __init__(self) -> None:
        self._windows: deque[Window] = deque(maxlen=MAX_WINDOWS)
        self._lock = threading.Lock()
        self.own: deque[Window] = deque(maxlen=MAX_WINDOWS)
        # When pages were being made: that holds the interpreter, while writing them out does not.
        self._making: dict[int, int] = {}
        self._made: deque[tuple[int, int]] = deque(maxlen=MAX_CONNECTIONS)
        self.served = 0
        self.failed = 0

    @contextlib.contextmanager
    def making(self) -> Iterator[None]:
        """Note that the calling thread makes a page."""
        thread, began_ns = threading.get_ident(), time.monotonic_ns()
        with self._lock:
            self._making[thread] = began_ns
        try:
            yield
        finally:
            with self._lock:
                del self._making[thread]
                self._made.append((began_ns, time.monotonic_ns()))

    def since(self, moment_ns: int) -> list[tuple[int, int]]:
        with self._lock:
            if not self._making and (not self._made or self._made[-1][1] <= moment_ns):
                return []
            now_ns = time.monotonic_ns()
            found = [(began_ns, now_ns) for began_ns in self._making.values()]
            return found + [each for each in reversed(self._made) if each[1] > moment_ns]

    def add(self, window: Window, *, own: bool) -> None:
        with self._lock:
            if own:
                self.own.append(window)
                return
            self._windows.append(window)
            self.served += 1
            self.failed += window.status != http.HTTPStatus.OK

    def snapshot(self) -> list[Window]:
        with self._lock:
            return list(self._windows)


class _Body:
    """A response's body; wsgiref calls `close` when its last byte is written, or its client is gone."""

    def __init__(self, chunks: Iterable[bytes], done: Callable[[], None]) -> None:
        self._chunks = chunks
        self._done = done

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        self._done()


_Application = Callable[["WSGIEnvironment", "StartResponse"], Iterable[bytes]]


def _application(registry: "CollectorRegistry", recorder: _Recorder) -> _Application:
    """Return prometheus-client's own application, limited to /metrics, with each scrape's window noted."""
    metrics: _Application = make_wsgi_app(registry)

    def respond(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            return scrape(environ, start_response)
        if path == "/":
            start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
            return [_LINK_PAGE]
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"Only /metrics is served here.\n"]

    def scrape(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        started_ns = environ.get(_STARTED, time.monotonic_ns())
        statuses: list[int] = []

        def noting(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            statuses.append(int(status.split()[0]))
            return start_response(status, headers, *rest)

        try:
            with recorder.making():
                chunks = list(metrics(environ, noting))
        except Exception as error:
            noting("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
            chunks = [f"collecting the metrics raised {type(error).__name__}: {error}\n".encode(errors="replace")]
        size = sum(map(len, chunks))
        own = _OWN_KEY in environ

        def done() -> None:
            recorder.add(Window(started_ns, time.monotonic_ns(), size, statuses[-1]), own=own)

        return _Body(chunks, done)

    return respond


class _Handler(WSGIRequestHandler):
    """Serves one request quietly, and gives up on a client that says or reads nothing."""

    timeout = SILENCE_S
    _started_ns = 0

    def parse_request(self) -> bool:
        self._started_ns = time.monotonic_ns()
        return super().parse_request()

    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), _STARTED: self._started_ns}

    def address_string(self) -> str:
        return str(self.client_address[0])

    def get_stderr(self) -> Any:
        # wsgiref would print a traceback there for a client that is gone.
        return io.StringIO()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Log nothing."""

    def handle(self) -> None:
        # The client hung up or stayed silent; nobody is left to be told.
        with contextlib.suppress(OSError):
            super().handle()


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """One thread per connection; remembers the open ones so that they can be ended."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, where: tuple[str, int], handler: type[WSGIRequestHandler]) -> None:
        self._open: dict[socket.socket, threading.Thread | None] = {}
        self._guard = threading.Lock()
        super().__init__(where, handler)

    def server_bind(self) -> None:
        # HTTPServer asks the name service for the host's full name here, which may take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - the base class's signature
        with self._guard:
            if len(self._open) >= MAX_CONNECTIONS:
                return False
            self._open[request] = None
        return True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open[request] = threading.current_thread()
        super().process_request_thread(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: what matters stands in the window's status."""

    def close_connections(self, grace_s: float) -> None:
        """End what is still open: those who only listen at once, those being answered after `grace_s` seconds."""
        with self._guard:
            open_ones = dict(self._open)
        deadline = time.monotonic() + grace_s
        for how in (socket.SHUT_RD, socket.SHUT_RDWR):
            for connection in open_ones:
                with contextlib.suppress(OSError):
                    connection.shutdown(how)
            for thread in filter(None, open_ones.values()):
                thread.join(max(0.05, deadline - time.monotonic()))

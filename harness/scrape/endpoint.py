"""The `/metrics` server: serves a registry and records when each scrape was being served."""

import contextlib
import io
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from harness.deadline import Deadline
from harness.exposition.page import TEXT, Page, parse_page
from harness.scrape.disconnects import ClientGoneError, PageTurns, WatchedRegistry
from harness.scrape.fetch import OWN, fetch_own, page_url
from harness.scrape.listening import MAX_CONNECTIONS, listen
from harness.scrape.windows import CLIENT_GONE, Window, WindowLog

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from prometheus_client.registry import CollectorRegistry

__all__ = ["Endpoint", "Window", "fetch_page", "listen", "page_url", "serve"]

SILENCE_S = 10.0  # how long a client may say nothing, or read nothing
STOP_S = 0.5  # how long a scrape under way may go on after stop()
_NAP_S = 0.005
PAGE_S = 30.0  # how long the harness itself waits for a page unless told otherwise

_OWN_KEY = f"HTTP_{OWN.upper().replace('-', '_')}"
_STARTED = "harness.started_ns"
_CONNECTION = "harness.connection"

_LINK_PAGE = b"<!doctype html><title>harness</title><p>Metrics are at <a href='/metrics'>/metrics</a>.\n"


class Endpoint:
    """A running server; created by `serve`, ended by `stop` or by leaving its ``with`` block."""

    def __init__(self, server: "_Server", log: WindowLog) -> None:
        self._server = server
        self._log = log
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
        return page_url(self.address, self.port)

    @property
    def windows(self) -> list[Window]:
        """The scrapes served until now, the last 65 536 of them, in order of their end."""
        return self._log.snapshot()

    def rendering_since(self, moment_ns: int) -> list[tuple[int, int]]:
        """Return start and end of each time a scrape's page was being made, at `moment_ns` or later, newest first.

        A page in progress ends now. Cheap, since it is called between lines.
        """
        return self._log.rendering_since(moment_ns)

    @property
    def served(self) -> int:
        """The number of scrapes answered, failed ones included; exact however long the run was."""
        return self._log.served

    @property
    def failed(self) -> int:
        """The number of scrapes answered with anything but a page."""
        return self._log.failed

    @property
    def last_good_ns(self) -> int:
        """When the last scrape that was answered with a page began, -1 where there was none."""
        return self._log.last_good_ns

    def between_pages(self, action: Callable[[], object]) -> int | None:
        """Perform `action` while no page is being made and none can begin; return the moment, None where one is."""
        return self._log.between_pages(action)

    def take(self) -> tuple[list[int], list[int]]:
        """Return when pages were begun and finished since the last call, in ns and in order."""
        return self._log.take()

    def page(self, deadline: Deadline | None = None) -> Page:
        """Fetch and read the page over HTTP, in the text format; does not count as a scrape.

        Raises `EndpointError` when it is not served, `ExpositionError` when it is not a page of metrics,
        `DeadlineError` when there is none in time (30 s by default).
        """
        return fetch_page(self.address, self.port, deadline)

    def rest_durations_ns(self, repeats: int = 5, deadline: Deadline | None = None) -> list[int]:
        """Serve the page `repeats` times, as to a scraper, and return how long each took in nanoseconds.

        To be called while nothing is driven, after the run rather than before, when the page is as large as it was for
        the scrapes it is compared with. Does not count as scrapes. Raises as `page` does.
        """
        from harness.exposition.headers import SCRAPE_HEADERS

        deadline = deadline or Deadline(PAGE_S * repeats)
        self._log.own.clear()
        for _ in range(repeats):
            self._ask(SCRAPE_HEADERS, deadline)
        # The client may see the last byte just before the server notes that it is written.
        while len(self._log.own) < repeats:
            deadline.check(f"{self.url} was not read")
            time.sleep(0.001)
        return [window.duration_ns for window in list(self._log.own)]

    def stop(self, patience_s: float = 0.0) -> None:
        """Stop serving and free the port; scrapes in progress may finish; a second call does nothing.

        Clients that are connected already may take `patience_s` seconds for their requests and answers.
        """
        with self._stopping:
            if self._stopped:
                return
            self._stopped = True
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server.close_connections(patience_s, STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _ask(self, headers: dict[str, str], deadline: Deadline) -> str:
        return fetch_own(self.address, self.port, headers, deadline)


def fetch_page(address: str, port: int, deadline: Deadline | None = None) -> Page:
    """Fetch and read the page of an endpoint, of this process or another; does not count as a scrape.

    Raises as `Endpoint.page` does.
    """
    return parse_page(fetch_own(address, port, {"Accept": TEXT}, deadline or Deadline(PAGE_S)), TEXT)


def serve(
    registry: "CollectorRegistry",
    address: str = "127.0.0.1",
    port: int = 0,
    now_ns: Callable[[], int] = time.monotonic_ns,
    listener: socket.socket | None = None,
) -> Endpoint:
    """Serve `registry`, and nothing else, on ``http://address:port/metrics``; port 0 takes any free one.

    Each scrape runs on a separate thread, so a client that stalls delays nobody; a page is abandoned when its client
    has gone away, or pages slower than a scraper's timeout would accumulate. `now_ns` is the clock of the windows. A
    `listener` of `listen` takes the place of address and port.
    Raises `EndpointError`, of `address` or `port`, when nothing can be served there.
    """
    log = WindowLog(now_ns)
    server = _Server(listener or listen(address, port), _Handler)
    server.now_ns = now_ns
    server.set_app(_application(registry, log))
    return Endpoint(server, log)


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


def _application(registry: "CollectorRegistry", log: WindowLog) -> _Application:
    """Return prometheus-client's own application, limited to /metrics, with each scrape's window recorded."""
    turns = PageTurns()

    def respond(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            return scrape(environ, start_response)
        if path == "/":
            start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
            return [_LINK_PAGE]
        start_response("404 Not Found", _plain())
        return [b"Only /metrics is served here.\n"]

    def scrape(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        started_ns = environ.get(_STARTED, log.now_ns())
        statuses: list[int] = []

        def noting(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            statuses.append(int(status.split()[0]))
            return start_response(status, headers, *rest)

        own = _OWN_KEY in environ
        try:
            with turns.take(environ.get(_CONNECTION), own=own):
                chunks = _made(registry, environ, noting, log)
        except ClientGoneError:
            noting(f"{CLIENT_GONE} Client Closed Request", _plain())
            chunks = []
        size = sum(map(len, chunks))

        def done() -> None:
            log.add(Window(started_ns, log.now_ns(), size, statuses[-1]), own=own)

        return _Body(chunks, done)

    return respond


def _plain() -> list[tuple[str, str]]:
    # A new list each time: whoever answers adds headers of its own to it.
    return [("Content-Type", "text/plain; charset=utf-8")]


def _made(registry: "CollectorRegistry", environ: "WSGIEnvironment", respond: Any, log: WindowLog) -> list[bytes]:
    """Make one page and return it in pieces; a collector that raises becomes a status and its reason."""
    metrics: _Application = make_wsgi_app(WatchedRegistry(registry, environ.get(_CONNECTION)))
    log.note_begun()
    try:
        return list(metrics(environ, respond))
    except ClientGoneError:
        raise
    except Exception as error:
        respond("500 Internal Server Error", _plain())
        return [f"collecting the metrics raised {type(error).__name__}: {error}\n".encode(errors="replace")]
    finally:
        log.note_made()


class _Handler(WSGIRequestHandler):
    """Serves one request without logging, and gives up on a client that neither sends nor reads."""

    server: "_Server"
    timeout = SILENCE_S
    _started_ns = 0

    def parse_request(self) -> bool:
        self._started_ns = self.server.now_ns()
        return super().parse_request()

    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), _STARTED: self._started_ns, _CONNECTION: self.connection}

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
    """One thread per connection; stores the open ones so that they can be ended."""

    daemon_threads = True
    block_on_close = False
    now_ns: Callable[[], int] = staticmethod(time.monotonic_ns)

    def __init__(self, listener: socket.socket, handler: type[WSGIRequestHandler]) -> None:
        self._open: dict[socket.socket, threading.Thread | None] = {}
        self._guard = threading.Lock()
        super().__init__(listener.getsockname(), handler, bind_and_activate=False)
        self.socket.close()
        # HTTPServer would ask the name service for the host's full name, which may take seconds.
        self.socket, self.server_address = listener, listener.getsockname()
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
        """Log nothing: the status is in the window."""

    def close_connections(self, patience_s: float, grace_s: float) -> None:
        """End open connections: idle ones after `patience_s` seconds, those being answered `grace_s` later."""
        until = time.monotonic() + patience_s
        while self._open and time.monotonic() < until:
            time.sleep(_NAP_S)
        with self._guard:
            open_ones = dict(self._open)
        deadline = time.monotonic() + grace_s
        for how in (socket.SHUT_RD, socket.SHUT_RDWR):
            for connection in open_ones:
                with contextlib.suppress(OSError):
                    connection.shutdown(how)
            for thread in filter(None, open_ones.values()):
                thread.join(max(0.05, deadline - time.monotonic()))

"""The web server of the live page: the page, its stream of events, and two requests that a button may send.

Only browsers on this machine are meant. A page of another origin can neither read nor ask for anything: the host must
be a loopback name (against DNS rebinding), a request that names an origin must name this one, and what changes
something needs the token that is in the page.
"""

import contextlib
import hmac
import json
import queue
import secrets
import socketserver
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from harness.live.page import live_page, script, style
from harness.live.state import LiveEvent, LiveState

__all__ = ["LiveServer"]

_MOST_CONNECTIONS = 64
_MOST_BODY = 1024
_SILENCE_S = 10.0
# Where nothing happens, an event says so often that the connection stands.
_BEAT_S = 2.0
_LONGEST_NS = 10 * 60 * 10**9
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

# Sends what a button asks for to the run; returns whether there was room for it.
Ask = Callable[[Mapping[str, Any]], bool]


class LiveServer(ThreadingHTTPServer):
    """Serves one page on 127.0.0.1; raises `OSError` where the port cannot be had.

    `about` is what the run is (see `harness.live.messages`), `ask` what a button's request is handed to.
    """

    daemon_threads = True
    block_on_close = False
    # The port of a run that has just ended can be had again, one that is in use cannot.
    allow_reuse_address = True

    def __init__(self, port: int, about: Mapping[str, Any], state: LiveState, ask: Ask) -> None:
        self.state, self.ask = state, ask
        self.kinds = frozenset(about.get("kinds") or ())
        self.token = secrets.token_urlsafe(24)
        self.documents = {
            "/": ("text/html; charset=utf-8", live_page(about, self.token)),
            "/live.css": ("text/css; charset=utf-8", style()),
            "/live.js": ("text/javascript; charset=utf-8", script("live.js")),
            "/chart.js": ("text/javascript; charset=utf-8", script("chart.js")),
        }
        # Requests of buttons that have not been answered yet: one to close ends this process.
        self.answering: set[BaseHTTPRequestHandler] = set()
        self._connections = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking the name service for the host's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server_port}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection from a thread of its own, unless there are too many."""
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: nobody is there to read it."""


class _Handler(BaseHTTPRequestHandler):
    server: LiveServer
    server_version = "harness"
    sys_version = ""
    timeout = _SILENCE_S

    def do_GET(self) -> None:
        if not self._allowed():
            return
        path = self._asked_path()
        if path == "/events":
            self._stream()
        elif path in self.server.documents:
            kind, text = self.server.documents[path]
            self._answer(HTTPStatus.OK, text, kind)
        elif path in _ACTIONS:
            self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "Only POST is understood here.\n", Allow="POST")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "Only the live page is served here.\n")

    def do_POST(self) -> None:
        self.server.answering.add(self)
        try:
            self._act()
        finally:
            self.server.answering.discard(self)

    def _act(self) -> None:
        if not self._allowed(changes=True):
            return
        action = _ACTIONS.get(self._asked_path())
        if action is None:
            self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET is understood here.\n", Allow="GET")
            return
        body = self._body()
        if body is None:
            return
        wish = action(self.server, body)
        if wish is None:
            self._answer(HTTPStatus.BAD_REQUEST, "There is no such incident, or no such duration.\n")
        elif self.server.ask(wish):
            self._answer(HTTPStatus.ACCEPTED, "Handed to the run.\n")
        else:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "The run has not taken earlier requests yet.\n")

    def _asked_path(self) -> str:
        """Return the path that is asked for; empty where the address is none."""
        try:
            return urlsplit(self.path).path
        except ValueError:
            return ""

    def _refuse_method(self) -> None:
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and POST are understood here.\n", Allow="GET, POST")

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request, or has an unknown method, without repeating any of it."""
        del message, explain
        self.close_connection = True
        self._answer(HTTPStatus(code), "Only GET and POST are understood here.\n")

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = do_TRACE = _refuse_method  # noqa: N815 - the base class's

    def _allowed(self, *, changes: bool = False) -> bool:
        """Return whether the request comes from the page itself; else it is answered with 403."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        with contextlib.suppress(ValueError):
            if urlsplit(f"//{host}").hostname in _LOOPBACK and self._same(host, origin, changes=changes):
                return True
        self._answer(HTTPStatus.FORBIDDEN, "Only this machine's own page may ask for this.\n")
        return False

    def _same(self, host: str, origin: str | None, *, changes: bool) -> bool:
        if self.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            return False
        if origin is not None and origin != f"http://{host}":
            return False
        token = self.headers.get("X-Harness-Token", "")
        return not changes or (origin is not None and hmac.compare_digest(token.encode(), self.server.token.encode()))

    def _body(self) -> dict[str, Any] | None:
        """Return the JSON object that was sent; None, and an answer, where there is none."""
        try:
            length = int(self.headers.get("Content-Length", ""))
            if not 0 <= length <= _MOST_BODY:
                self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {_MOST_BODY} bytes are read.\n")
                return None
            body = json.loads(self.rfile.read(length))
            if isinstance(body, dict):
                return body
        except (ValueError, RecursionError):
            pass
        self._answer(HTTPStatus.BAD_REQUEST, "A JSON object is expected.\n")
        return None

    def _answer(self, status: HTTPStatus, text: str, kind: str = "text/plain; charset=utf-8", **more: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {**_HEADERS, **more, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self) -> None:
        watcher = self.server.state.watch()
        if watcher is None:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "Too many watch already.\n")
            return
        try:
            self.send_response(HTTPStatus.OK)
            for name, value in {**_HEADERS, "Content-Type": "text/event-stream"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"retry: 500\n\n")
            while self.server.state.is_watching(watcher):
                try:
                    event: LiveEvent | None = watcher.get(timeout=_BEAT_S)
                except queue.Empty:
                    event = None
                self.wfile.write(_written(event))
                if event is not None and event[1] == "bye":
                    return
        finally:
            self.server.state.leave(watcher)

    def handle(self) -> None:
        # The browser hung up or stayed silent; nobody is left to be told.
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Log nothing."""


def _written(event: LiveEvent | None) -> bytes:
    if event is None:
        return b"event: beat\ndata: 0\n\n"
    number, name, data = event
    return f"id: {number}\nevent: {name}\ndata: {data}\n\n".encode()


def _incident(server: LiveServer, body: Mapping[str, Any]) -> dict[str, Any] | None:
    kind, duration = body.get("kind"), body.get("duration_ns")
    known = isinstance(kind, str) and kind in server.kinds
    if not known or not isinstance(duration, int) or isinstance(duration, bool) or not 0 < duration <= _LONGEST_NS:
        return None
    return {"trigger": {"kind": kind, "duration_ns": duration}}


def _close(_server: LiveServer, _body: Mapping[str, Any]) -> dict[str, Any]:
    return {"close": True}


_ACTIONS: dict[str, Callable[[LiveServer, Mapping[str, Any]], dict[str, Any] | None]] = {
    "/incident": _incident,
    "/close": _close,
}

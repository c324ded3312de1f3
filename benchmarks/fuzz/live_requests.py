"""Surface: requests to the live page and to the page of metrics, sent to their real servers."""

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from benchmarks.fuzz.attempt import DefectError, Surface, TryOne
from benchmarks.fuzz.pieces import pieces, to_bytes
from harness.live.messages import about_run

__all__ = ["SURFACE"]

_ANSWER_S = 3.0
_TOKEN = "TOKEN"  # noqa: S105 - stands for the token of the page
_BODY = '{"kind": "stall", "duration_ns": 10000000}'
_REQUESTS = [
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nConnection: close\r\n\r\n",
    "GET /live.js HTTP/1.1\r\nHost: localhost:PORT\r\nConnection: close\r\n\r\n",
    "GET /events HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nLast-Event-ID: 3\r\nConnection: close\r\n\r\n",
    ("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nAccept: application/openmetrics-text;q=0.5,*/*;q=0.1\r\n"
     "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n"),
    "GET /metrics?name[]=a&name[]=b HTTP/1.0\r\n\r\n",
    ("POST /incident HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: http://127.0.0.1:PORT\r\nX-Harness-Token: TOKEN\r\n"
     f"Content-Length: {len(_BODY)}\r\nConnection: close\r\n\r\n{_BODY}"),
    ("POST /close HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: http://127.0.0.1:PORT\r\nX-Harness-Token: TOKEN\r\n"
     "Content-Length: 2\r\nConnection: close\r\n\r\n{}"),
    "OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
]  # fmt: skip
_ODD = [
    "HTTP/0.9", "HTTP/2.0", "HTTP/1.999999999999", "HTTP/x", "GET", "http://[", "http://[::1", "//[", "//evil/", "/%00",
    "/..%2f", "?", "#", ";", "Host: [::1\r\n", "Host: evil.example\r\n", "Host:\r\n", "Origin: null\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: 99999999\r\n", "Content-Length: x\r\n", "Transfer-Encoding: chunked\r\n", "X: \xff\r\n", ": \r\n",
    " \r\n", "\n", "\0", "\x1b[31m", "a" * 70000, "X: y\r\n", "{", "[", "[" * 900, "null", "1e999", "NaN", "true",
    '"\\ud800"',
    '{"kind": []}', "Accept: q=x\r\n", "Accept: ;q=\r\n", "Accept-Encoding: gzip;q=\r\n", "Expect: 100-continue\r\n",
    "Connection: keep-alive\r\n", "Sec-Fetch-Site: cross-site\r\n",
]  # fmt: skip


def _inputs() -> SearchStrategy[Any]:
    # A line repeated fifty times may make a hundred header lines, which is where the library gives up.
    request = pieces([each.encode("latin-1") for each in _REQUESTS], _ODD)
    return st.fixed_dictionaries({"to": st.sampled_from(["live", "live", "metrics"]), "request": request})


def _ask(port: int, request: bytes) -> bytes:
    """Send a request and return the beginning of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_S) as peer:
        with contextlib.suppress(OSError):
            peer.sendall(request)
            peer.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while len(answer) < 1 << 20:
                piece = peer.recv(1 << 16)
                answer += piece
                if not piece or b"text/event-stream" in answer:
                    break
        return answer


class _Watched:
    """What the handlers of a server let out."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []

    def hear(self, *_args: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError | TimeoutError):
            self.errors.append(error)


@contextmanager
def _live_server(watched: _Watched) -> Iterator[tuple[int, str]]:
    from harness.live.server import LiveServer
    from harness.live.state import LiveState

    about = {**about_run("Run", "a load", kinds={"stall": "It stalls."}, stoppable=True)}
    with patch.object(LiveServer, "handle_error", watched.hear), ExitStack() as stack:
        server = LiveServer(0, about, LiveState(about), lambda _wish: True)
        stack.callback(server.server_close)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        stack.callback(server.shutdown)
        yield server.server_port, server.token


@contextmanager
def _metrics_server(watched: _Watched) -> Iterator[int]:
    from prometheus_client import CollectorRegistry, Counter

    from harness.scrape import endpoint

    registry = CollectorRegistry()
    Counter("a", "A counter.", registry=registry).inc()
    with patch.object(endpoint._Server, "handle_error", watched.hear):  # noqa: SLF001 - nothing else hears of them
        served = endpoint.serve(registry, "127.0.0.1", 0)
        try:
            yield served.port
        finally:
            served.stop()


@contextmanager
def _opened() -> Iterator[TryOne]:
    watched = _Watched()
    with _live_server(watched) as (live_port, token), _metrics_server(watched) as metrics_port:

        def try_one(given: Any) -> str:
            port = live_port if given["to"] == "live" else metrics_port
            request = to_bytes(given["request"]).replace(b"PORT", str(port).encode())
            answer = _ask(port, request.replace(_TOKEN.encode(), token.encode()))
            if watched.errors:
                raise DefectError(f"a request handler let out {watched.errors.pop()!r:.300}")
            if b"Traceback (most recent call last)" in answer:
                raise DefectError("a traceback in the answer")
            well = _ask(live_port, _REQUESTS[0].replace("PORT", str(live_port)).encode())
            if not well.startswith(b"HTTP/1.0 200 "):
                raise DefectError(f"after it the page is answered with {well[:60]!r}")
            return "accepted" if answer.split(b" ", 2)[1:2] and answer.split(b" ", 2)[1][:1] == b"2" else "refused"

        yield try_one


SURFACE = Surface("live-page", "Requests to the live page and to the page of metrics", 8, _inputs, _opened)

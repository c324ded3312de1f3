"""A real HTTP server that answers with whatever bytes it is told to, at whatever speed."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

__all__ = ["Answer", "http_answer", "serving"]

# Bytes to send, and seconds to wait in between.
Answer = Iterable[bytes | float]
_MOST_REQUEST = 1 << 16
_PATIENCE_S = 10.0


def http_answer(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    """Return an answer as it should be, with further header lines that end with CR LF."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode("latin-1") + body


@contextmanager
def serving(answer: Callable[[str], Answer]) -> Iterator[int]:
    """Answer each request for a path with what `answer` returns for it, then hang up; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ending = threading.Event()
        thread = threading.Thread(target=_accept, args=(listener, answer, ending), name="fuzz-server", daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            ending.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(_PATIENCE_S)


def _accept(listener: socket.socket, answer: Callable[[str], Answer], ending: threading.Event) -> None:
    while not ending.is_set():
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(peer, answer, ending), name="fuzz-answer", daemon=True).start()


def _serve(peer: socket.socket, answer: Callable[[str], Answer], ending: threading.Event) -> None:
    with peer, contextlib.suppress(OSError):
        peer.settimeout(_PATIENCE_S)
        asked = b""
        while b"\r\n\r\n" not in asked and len(asked) < _MOST_REQUEST:
            piece = peer.recv(4096)
            if not piece:
                return
            asked += piece
        words = asked.split(b"\r\n", 1)[0].decode("latin-1").split()
        for part in answer(words[1] if len(words) > 1 else ""):
            if ending.is_set():
                return
            if isinstance(part, bytes):
                peer.sendall(part)
            else:
                time.sleep(part)

"""One thread that reads from all workers: a thread for each would spend its time waiting for the interpreter."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable

from harness.distributed.protocol.wire import Incoming, Message, WireError

__all__ = ["Reader"]

_PIECE_BYTES = 1 << 18
_END_S = 5.0

# Hears each message of a connection; None is its end.
Take = Callable[[Message | None], object]


class Reader:
    """Reads messages from connections until each ends, and closes it then; `close` ends all of them."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="harness-reader", daemon=True)
        self._thread.start()

    def add(self, peer: socket.socket, take: Take) -> None:
        """Hand what comes in from `peer` to `take`, from this reader's thread."""
        self._selector.register(peer, selectors.EVENT_READ, (Incoming(), take))

    def close(self) -> None:
        """End every connection and the thread; may be called again."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._wake.send(b"x")
        self._thread.join(_END_S)
        self._wake.close()

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                if key.data is not None and isinstance(key.fileobj, socket.socket):
                    self._read(key.fileobj, *key.data)
        for key in list(self._selector.get_map().values()):
            if key.data is not None and isinstance(key.fileobj, socket.socket):
                self._end(key.fileobj, key.data[1])
        self._selector.close()
        self._woken.close()

    def _read(self, peer: socket.socket, incoming: Incoming, take: Take) -> None:
        try:
            # The socket blocks, for whoever sends; here it must not.
            piece = peer.recv(_PIECE_BYTES, socket.MSG_DONTWAIT)
            for message in incoming.add(piece):
                take(message)
        except BlockingIOError:
            return
        except (OSError, WireError):
            piece = b""
        if not piece:
            self._end(peer, take)

    def _end(self, peer: socket.socket, take: Take) -> None:
        self._selector.unregister(peer)
        peer.close()
        take(None)

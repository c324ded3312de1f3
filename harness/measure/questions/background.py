"""A server that runs in a thread of this process, and ends with its block."""

import threading
from socketserver import BaseServer
from types import TracebackType
from typing import Generic, Self, TypeVar

__all__ = ["BackgroundServer"]

_ServerT = TypeVar("_ServerT", bound=BaseServer)
_GLANCE_S = 0.05


class BackgroundServer(Generic[_ServerT]):
    """A context manager that serves from its start to its end, and closes the socket then."""

    def __init__(self, server: _ServerT) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(_GLANCE_S,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

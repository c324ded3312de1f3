"""A listening socket, or one line about the address or port that cannot be had."""

import errno
import socket

from harness.errors import EndpointError
from harness.scrape.fetch import bracketed

__all__ = ["MAX_CONNECTIONS", "listen"]

MAX_CONNECTIONS = 128


def listen(address: str, port: int) -> socket.socket:
    """Return a listening socket, on which forked processes may `serve` together; raises `EndpointError` as it does."""
    if not 0 <= port <= 65_535:
        raise EndpointError(f"{port} is not a port; choose one between 0 (any free one) and 65535", field="port")
    family, host = _resolve(address, port)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(MAX_CONNECTIONS)
    except (OSError, OverflowError) as error:
        listener.close()
        raise _refusal(error, address, port) from error
    # Another process may have taken the connection that this one was woken for.
    listener.setblocking(False)
    return listener


def _resolve(address: str, port: int) -> tuple[int, str]:
    if not address:
        raise EndpointError("is empty; write 127.0.0.1, or 0.0.0.0 for every interface", field="address")
    try:
        result = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        text = f"{address!r} is no address of this machine ({_reason(error)})"
        raise EndpointError(text, field="address") from error
    family, _, _, _, where = result[0]
    return family, str(where[0])


def _refusal(error: Exception, address: str, port: int) -> EndpointError:
    code = getattr(error, "errno", None)
    if code == errno.EADDRINUSE:
        text = f"{port} is already in use on {address}; choose another, or 0 for any free one"
        return EndpointError(text, field="port")
    if code in (errno.EACCES, errno.EPERM):
        text = f"{port} may not be used without privileges; choose one from 1024, or 0 for any free one"
        return EndpointError(text, field="port")
    if code in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        text = f"{address!r} is no address of this machine; write 127.0.0.1 or 0.0.0.0"
        return EndpointError(text, field="address")
    return EndpointError(f"cannot serve on {bracketed(address)}:{port}: {_reason(error)}", field="address/port")


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()

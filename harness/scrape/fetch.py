"""Requests of the harness itself for a page, within a deadline and interruptible by Ctrl-C."""

import contextlib
import gzip
import http.client
import socket
from collections.abc import Mapping

from harness.deadline import Deadline, call_within
from harness.errors import EndpointError

__all__ = ["fetch"]


def fetch(address: str, port: int, headers: Mapping[str, str], deadline: Deadline, url: str) -> str:
    """Return the text of ``/metrics``; `url` is its name in messages.

    Raises `EndpointError` when there is no answer or the answer is not a page, and `DeadlineError`.
    """
    connection = http.client.HTTPConnection(address, port)

    def ask() -> tuple[http.client.HTTPResponse, bytes]:
        try:
            connection.request("GET", "/metrics", headers=dict(headers))
            response = connection.getresponse()
            return response, response.read()
        finally:
            # By the one who opened it: whoever waits may have given up long ago.
            connection.close()

    try:
        response, body = call_within(deadline, f"{url} was not read", ask)
    except (OSError, http.client.HTTPException) as error:
        raise EndpointError(f"{url} does not answer: {_reason(error)}") from error
    finally:
        _end_read(connection)
    if response.status != http.HTTPStatus.OK:
        detail = body.decode(errors="replace").strip()
        raise EndpointError(f"{url} answered {response.status} {response.reason}: {detail[:200]}")
    try:
        return (gzip.decompress(body) if response.headers.get("Content-Encoding") == "gzip" else body).decode()
    except (UnicodeDecodeError, OSError, EOFError) as error:
        raise EndpointError(f"{url} answered what is no text: {_reason(error)}") from error


def _end_read(connection: http.client.HTTPConnection) -> None:
    """End a read that is still in progress in another thread."""
    connected = connection.sock
    if connected is not None:
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()

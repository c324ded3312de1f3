"""Requests of the harness itself for a page, within a deadline and interruptible by Ctrl-C."""

import contextlib
import http.client
import socket
from collections.abc import Mapping

from harness.deadline import Deadline, call_within
from harness.errors import EndpointError
from harness.scrape.body import BodyError, read_body, unpacked

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
            return response, read_body(response)
        finally:
            # By the one who opened it: whoever waits may have given up long ago.
            connection.close()

    try:
        response, body = call_within(deadline, f"{url} was not read", ask)
    except BodyError as error:
        raise EndpointError(f"{url} answered what is no page: it {error}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise EndpointError(f"{url} does not answer: {_reason(error)}") from error
    finally:
        _end_read(connection)
    if response.status != http.HTTPStatus.OK:
        detail = body.decode(errors="replace").strip()
        answered = " ".join(f"{response.status} {response.reason}: {detail[:200]}".split())
        raise EndpointError(f"{url} answered {answered}")
    try:
        return unpacked(body, response.headers.get("Content-Encoding")).decode()
    except (UnicodeDecodeError, BodyError) as error:
        raise EndpointError(f"{url} answered what is no text: {_reason(error)}") from error


def _end_read(connection: http.client.HTTPConnection) -> None:
    """End a read that is still in progress in another thread."""
    connected = connection.sock
    if connected is not None:
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)


def _reason(error: Exception) -> str:
    said = " ".join((getattr(error, "strerror", None) or str(error)).split())
    return (said or type(error).__name__).lower()

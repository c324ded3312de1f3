"""Requests of the harness itself for a page, within a deadline and interruptible by Ctrl-C."""

import contextlib
import http.client
import socket
import time
from collections.abc import Mapping

from harness.deadline import Deadline, call_within
from harness.errors import EndpointError
from harness.scrape.body import BodyError, read_body, unpacked

__all__ = ["OWN", "bracketed", "fetch", "fetch_own", "page_url", "time_page"]

# What the harness itself asks for is no scrape; this header tells the two apart.
OWN = "X-Harness-Own"


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


def bracketed(address: str) -> str:
    """Return an address as it stands in a URL."""
    return f"[{address}]" if ":" in address else address


def page_url(address: str, port: int) -> str:
    """Return where the page of an endpoint is, as a scraper or a browser asks for it."""
    return f"http://{bracketed(address)}:{port}/metrics"


def time_page(address: str, port: int, deadline: Deadline) -> int:
    """Return how long a page takes its client (ns); does not count as a scrape. Raises as `fetch` does."""
    from harness.exposition.headers import SCRAPE_HEADERS

    began_ns = time.monotonic_ns()
    fetch_own(address, port, SCRAPE_HEADERS, deadline)
    return time.monotonic_ns() - began_ns


def fetch_own(address: str, port: int, headers: dict[str, str], deadline: Deadline) -> str:
    """Return the text of a page, in a way that does not count as a scrape; raises as `fetch` does."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - compared, not bound
    return fetch(host, port, {**headers, OWN: "1"}, deadline, page_url(address, port))

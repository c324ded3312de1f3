"""Readers of the files that workload expressions name: text files, timestamp files and /metrics pages."""

import http.client
import re
import time
import urllib.request
from pathlib import Path

from workloads.errors import GrammarError
from workloads.grammar import quoted

__all__ = ["read_lines", "read_page"]

_MAX_FILE_BYTES = 2**28
_TIMEOUT_S = 10
# A server that sends a byte now and then must not keep us waiting for ever.
_WHOLE_S = 60
_LINE_ENDING = re.compile(rb"\r\n|\n|\r")


def read_lines(path: str) -> list[bytes]:
    r"""Return the lines of a file without their endings (``\n``, ``\r\n`` or ``\r``).

    Raises `GrammarError` if it cannot be read, has no line at all, or is larger than 256 MiB.
    """
    lines = _LINE_ENDING.split(_read(path))
    if not lines[-1]:
        lines.pop()  # what follows the last line ending is not a line
    if not lines:
        raise GrammarError(f"the file {quoted(path)} is empty; it needs at least one line")
    return lines


def read_page(source: str) -> str:
    """Return the text of a /metrics page, from a file or from an ``http://`` or ``https://`` URL.

    Raises `GrammarError` if it cannot be read or is not UTF-8.
    """
    page = _fetch(source) if source.startswith(("http://", "https://")) else _read(source)
    try:
        return page.decode()
    except UnicodeDecodeError:
        raise GrammarError(f"{quoted(source)} is not a /metrics page: it is not UTF-8 text") from None


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise GrammarError(f"cannot read the file {quoted(path)}: {reason}") from None
    if len(data) > _MAX_FILE_BYTES:
        raise GrammarError(f"the file {quoted(path)} is larger than 256 MiB; give a part of it")
    return data


def _fetch(url: str) -> bytes:
    # urllib follows no scheme here but http and https: the caller looked, and it is what the user typed.
    request = urllib.request.Request(url, headers={"Accept": "text/plain;version=0.0.4"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            data = _body(response)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise GrammarError(f"cannot read the page {quoted(url)}: {quoted(reason)}") from None
    return data


def _body(response: http.client.HTTPResponse) -> bytes:
    pieces, size, until = [], 0, time.monotonic() + _WHOLE_S
    while size <= _MAX_FILE_BYTES and (piece := response.read1(1 << 20)):
        pieces.append(piece)
        size += len(piece)
        if time.monotonic() > until:
            raise TimeoutError(f"it took longer than {_WHOLE_S} s")
    if size > _MAX_FILE_BYTES:
        raise ValueError("it is larger than 256 MiB")
    return b"".join(pieces)

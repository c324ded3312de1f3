"""The body of an answer over HTTP: of bounded size, unpacked where it is compressed."""

import gzip
import http.client
import io
import zlib

__all__ = ["MOST_BYTES", "BodyError", "read_body", "unpacked"]

# Some 80 000 series of the quickstart's views; a compressed page may claim to be a thousand times its size.
MOST_BYTES = 256 << 20
_PIECE_BYTES = 1 << 20


class BodyError(ValueError):
    """A body is too long, or not what its headers say."""


def read_body(response: http.client.HTTPResponse, most: int = MOST_BYTES) -> bytes:
    """Return the whole body of a response; raises `BodyError` for more than `most` bytes, and what the library does."""
    pieces, size = [], 0
    while piece := response.read(_PIECE_BYTES):
        size += len(piece)
        if size > most:
            raise BodyError(_too_long(most))
        pieces.append(piece)
    body = b"".join(pieces)
    if response.length:
        # What the library raises when it reads everything at once.
        raise http.client.IncompleteRead(body, response.length)
    return body


def unpacked(body: bytes, encoding: str | None, most: int = MOST_BYTES) -> bytes | bytearray:
    """Return a body as it was before its ``Content-Encoding``; raises `BodyError` for more than `most` bytes."""
    if (encoding or "").strip().lower() != "gzip":
        return body
    # Grown in place: pieces that are joined would take their room twice.
    result = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
            while piece := packed.read(_PIECE_BYTES):
                result += piece
                if len(result) > most:
                    raise BodyError(_too_long(most))
    except (OSError, EOFError, zlib.error) as error:
        raise BodyError(f"is not compressed as it says: {str(error).lower() or type(error).__name__}") from error
    return result


def _too_long(most: int) -> str:
    return f"has more than {most >> 20} MiB"

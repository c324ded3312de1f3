"""A body is read whole, up to a size, whatever its server says of it."""

import gzip
import http.client
import io
import zlib
from typing import Any, cast

import pytest

from harness.scrape.body import BodyError, read_body, unpacked


def response(text: bytes) -> http.client.HTTPResponse:
    class _Socket:
        def makefile(self, *_args: Any) -> io.BytesIO:
            return io.BytesIO(text)

    result = http.client.HTTPResponse(cast("Any", _Socket()))
    result.begin()
    return result


def test_a_body_comes_whole() -> None:
    """With its length, in chunks, and until the connection ends."""
    assert read_body(response(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")) == b"abc"
    assert read_body(response(b"HTTP/1.0 200 OK\r\n\r\nabc")) == b"abc"
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    assert read_body(response(chunks)) == b"abc"


def test_a_body_that_is_cut_is_none() -> None:
    """As when the library reads everything at once."""
    with pytest.raises(http.client.IncompleteRead):
        read_body(response(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000\r\n\r\nabc"))


def test_a_body_that_is_too_long_is_refused() -> None:
    """Before it is in memory; compressed or not."""
    with pytest.raises(BodyError, match="more than 1 MiB"):
        read_body(response(b"HTTP/1.0 200 OK\r\n\r\n" + bytes((1 << 20) + 1)), 1 << 20)
    with pytest.raises(BodyError, match="more than 1 MiB"):
        unpacked(gzip.compress(bytes(1 << 24)), "gzip", 1 << 20)


@pytest.mark.parametrize("spoil", [lambda data: data[:-4], lambda data: data[:12], lambda _: b"not", lambda _: b""])
def test_what_is_not_compressed_as_it_says_is_refused(spoil: Any) -> None:
    """Cut, or something else; an empty body is empty."""
    packed = spoil(gzip.compress(b"a" * 1000))
    if not packed:
        assert unpacked(packed, "gzip") == b""
        return
    with pytest.raises(BodyError, match="not compressed as it says"):
        unpacked(packed, "gzip")


def test_a_compressed_body_that_is_damaged_is_refused() -> None:
    """Within the data the library raises an error of its own kind."""
    packed = bytearray(gzip.compress(bytes(range(256)) * 40))
    # The first block is of a kind that there is not.
    packed[10] = 0xFF
    with pytest.raises(zlib.error):
        gzip.decompress(bytes(packed))
    with pytest.raises(BodyError, match="not compressed as it says"):
        unpacked(bytes(packed), "gzip")
    assert unpacked(b"plain", None) == b"plain"

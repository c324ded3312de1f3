"""Messages between coordinator and workers: JSON with arrays beside it, never pickled, of bounded size."""

import json
import math
import socket
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import RunError

__all__ = ["Message", "WireError", "encode", "receive", "send"]

Message = dict[str, Any]

# Bytes of JSON and of arrays that follow.
_HEAD = struct.Struct("!IQ")
_MOST_JSON = 64 << 20
_MOST_ARRAYS = 1 << 30
_ARRAY = "$array"
_TYPES: dict[str, np.dtype[Any]] = {
    "int64": np.dtype("<i8"),
    "float64": np.dtype("<f8"),
    "uint8": np.dtype("u1"),
}


class WireError(RunError):
    """What came in is no message, or the connection ended within one."""


def encode(message: Message) -> bytes:
    """Return one message as it is sent; raises `TypeError` for what cannot be."""
    arrays: list[NDArray[Any]] = []
    text = json.dumps(_without(message, arrays)).encode()
    blobs = [array.astype(_TYPES[array.dtype.name], copy=False).tobytes() for array in arrays]
    return b"".join([_HEAD.pack(len(text), sum(map(len, blobs))), text, *blobs])


def send(connection: socket.socket, message: Message) -> None:
    """Send one message whose values are plain JSON or arrays of numbers (`_TYPES`); raises `OSError`."""
    connection.sendall(encode(message))


def receive(connection: socket.socket, most: int = _MOST_ARRAYS) -> Message | None:
    """Return the next message, of `most` bytes, None at the end of the connection; raises `WireError`, `OSError`."""
    head = _read(connection, _HEAD.size, first=True)
    if head is None:
        return None
    size, extra = _sizes(head, most)
    # The arrays of a message may be written to.
    return _decode(_read(connection, size) or b"", memoryview(bytearray(_read(connection, extra) or b"")))


class Incoming:
    """Messages from the pieces in which they arrive, for whoever reads from many connections."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._sizes: tuple[int, int] | None = None

    def add(self, piece: bytes) -> Iterator[Message]:
        """Yield the messages that are complete now; raises `WireError`."""
        self._buffer += piece
        while True:
            if self._sizes is None and len(self._buffer) >= _HEAD.size:
                self._sizes = _sizes(self._buffer[: _HEAD.size], _MOST_ARRAYS)
                del self._buffer[: _HEAD.size]
            if self._sizes is None or len(self._buffer) < sum(self._sizes):
                return
            size, extra = self._sizes
            text, blob = bytes(self._buffer[:size]), self._buffer[size : size + extra]
            del self._buffer[: size + extra]
            self._sizes = None
            yield _decode(text, memoryview(blob))


def _sizes(head: bytes | bytearray, most: int) -> tuple[int, int]:
    size, extra = _HEAD.unpack(head)
    if size > min(most, _MOST_JSON) or extra > most:
        raise WireError(f"a message of {size + extra} bytes is longer than any of ours")
    return size, extra


def _decode(text: bytes, blob: memoryview) -> Message:
    try:
        message = _with(json.loads(text), blob, [0])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise WireError(f"what came in is no message of ours: {error}") from error
    if not isinstance(message, dict):
        raise WireError("what came in is no message of ours: it is no object")
    return message


def _read(connection: socket.socket, size: int, *, first: bool = False) -> bytes | None:
    pieces, left = [], size
    while left:
        piece = connection.recv(min(left, 1 << 20))
        if not piece:
            if first and left == size:
                return None
            raise WireError("the connection ended within a message")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _without(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """Return `value` with each array replaced by its shape and type, and the arrays, in order, added to `arrays`."""
    if isinstance(value, np.ndarray):
        if value.dtype.name not in _TYPES:
            raise TypeError(f"an array of {value.dtype.name} cannot be sent")
        arrays.append(value)
        return {_ARRAY: value.dtype.name, "shape": list(value.shape)}
    if isinstance(value, dict):
        return {key: _without(each, arrays) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without(each, arrays) for each in value]
    return value


def _with(value: Any, blob: memoryview, place: list[int]) -> Any:
    if isinstance(value, list):
        return [_with(each, blob, place) for each in value]
    if not isinstance(value, dict):
        return value
    if _ARRAY not in value:
        return {key: _with(each, blob, place) for key, each in value.items()}
    kind, shape = _TYPES[value[_ARRAY]], [int(size) for size in value["shape"]]
    count = math.prod(shape)
    begin, end = place[0], place[0] + count * kind.itemsize
    if min(shape, default=0) < 0 or end > len(blob):
        raise ValueError("an array is longer than what came with the message")
    place[0] = end
    return np.frombuffer(blob[begin:end], dtype=kind).reshape(shape)

"""One thread hears all workers, each in the order in which it speaks."""

import queue
import socket

import pytest

from harness.distributed.protocol.reader import Reader
from harness.distributed.protocol.wire import encode, send

PATIENCE_S = 60.0


class Line:
    """A connection to a reader, and what was heard over it."""

    def __init__(self, reader: Reader) -> None:
        self.near, self.far = socket.socketpair()
        self.heard: queue.Queue = queue.Queue()
        reader.add(self.far, self.heard.put)

    def next(self):
        return self.heard.get(timeout=PATIENCE_S)


@pytest.fixture
def reader():
    reader = Reader()
    yield reader
    reader.close()
    assert not reader._thread.is_alive()


def test_each_is_heard_and_its_end_as_well(reader: Reader) -> None:
    """Messages in pieces and several at once; another's end ends nobody else's."""
    one, other = Line(reader), Line(reader)
    text = encode({"a": 1})
    one.near.sendall(text[:5])
    other.near.sendall(encode({"b": 1}) + encode({"b": 2}))
    assert (other.next(), other.next()) == ({"b": 1}, {"b": 2})
    assert one.heard.empty()
    one.near.sendall(text[5:])
    assert one.next() == {"a": 1}
    other.near.close()
    assert other.next() is None
    assert other.far.fileno() == -1
    send(one.near, {"a": 2})
    assert one.next() == {"a": 2}
    one.near.close()
    assert one.next() is None


def test_what_is_no_message_ends_its_connection_only(reader: Reader) -> None:
    """Nothing of it is handed on."""
    one, other = Line(reader), Line(reader)
    one.near.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert one.next() is None
    send(other.near, {"b": 1})
    assert other.next() == {"b": 1}
    for line in (one, other):
        line.near.close()


def test_closing_it_ends_all(reader: Reader) -> None:
    """Whoever waits for an answer is told; a second time does nothing."""
    lines = [Line(reader) for _ in range(3)]
    reader.close()
    assert [line.next() for line in lines] == [None] * 3
    reader.close()
    for line in lines:
        line.near.close()

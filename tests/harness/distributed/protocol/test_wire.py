"""Messages arrive as they were sent, and what is none is refused in one line."""

import socket
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.distributed.protocol.wire import Incoming, WireError, encode, receive, send

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=8).filter(lambda key: key != "$array"), PLAIN, max_size=5))
def test_plain_values_arrive_as_they_were_sent(message):
    """Whatever they hold; a dictionary that could be taken for an array is not among them."""
    one, other = socket.socketpair()
    with one, other:
        send(one, message)
        assert receive(other) == message


@given(st.lists(st.integers(0, 2**20), max_size=6), st.lists(st.integers(1, 60), min_size=1))
def test_messages_are_whole_however_they_are_cut(sizes, cuts):
    """One reader takes what comes from many connections in pieces of any size."""
    messages = [{"number": size, "array": np.arange(size % 50)} for size in sizes]
    text, incoming, got, at = b"".join(map(encode, messages)), Incoming(), [], 0
    for i in range(len(text)):
        cut = cuts[i % len(cuts)]
        got += list(incoming.add(text[at : at + cut]))
        at += cut
    assert [message["number"] for message in got] == sizes
    for message in got:
        assert message["array"].tolist() == list(range(message["number"] % 50))
        message["array"] += 1


def test_a_piece_that_is_no_message_is_refused():
    """A stranger who dials costs no memory."""
    with pytest.raises(WireError, match="longer than any of ours"):
        list(Incoming().add(b"GET / HTTP/1.1\r\n\r\n"))


@pytest.mark.parametrize("shape", [(0,), (3,), (0, 2), (4, 2)])
@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_arrays_arrive_with_shape_and_type(shape, kind):
    """Empty ones included, several in one message, and they may be written to."""
    array = np.arange(np.prod(shape), dtype=kind).reshape(shape)
    one, other = socket.socketpair()
    with one, other:
        send(one, {"a": array, "list": [array, {"b": array * 2}]})
        got = receive(other)
    assert got is not None
    for value, right in ((got["a"], array), (got["list"][0], array), (got["list"][1]["b"], array * 2)):
        assert (value.shape, value.dtype) == (right.shape, right.dtype)
        assert np.array_equal(value, right)
        value += 1


def test_other_arrays_cannot_be_sent():
    """An array of objects would have to be pickled."""
    one, other = socket.socketpair()
    with one, other, pytest.raises(TypeError, match="cannot be sent"):
        send(one, {"a": np.array([object()])})


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "longer than any of ours"),
        (b"\0\0\0\x02" + bytes(8) + b"[]", "no object"),
        (b"\0\0\0\x02" + bytes(8) + b"{]", "no message of ours"),
        (b"\0\0\0\x09" + bytes(8) + b"{}", "ended within a message"),
        (b"\0\0", "ended within a message"),
        (
            b"\0\0\0\x2b" + bytes(8) + b'{"a": {"$array": "int64", "shape": [1000]}}',
            "longer than what came with the message",
        ),
        (b"\0\0\0\x29" + bytes(8) + b'{"a": {"$array": "object", "shape": [0]}}', "no message of ours"),
    ],
)
def test_what_is_no_message_is_refused(said, why):
    """A stranger who dials, and a message that was cut off."""
    one, other = socket.socketpair()
    with one, other:
        one.sendall(said)
        one.shutdown(socket.SHUT_WR)
        with pytest.raises(WireError, match=why):
            receive(other)


def test_the_end_between_two_messages_is_no_error():
    """A peer that closes says that it is done."""
    one, other = socket.socketpair()
    with other:
        sender = threading.Thread(target=lambda: (send(one, {"a": 1}), one.close()))
        sender.start()
        assert receive(other) == {"a": 1}
        assert receive(other) is None
        sender.join()

"""Datagrams of StatsD and DogStatsD, decoded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.push.arrived import ArrivedViews
from harness.push.statsd import DatagramDecoder, path_of
from harness.views import Tags

BOUNDS = {"latency": (1.0, 10.0), "lines": None}


def decoded(*datagrams: bytes) -> tuple[ArrivedViews, DatagramDecoder]:
    views = ArrivedViews(BOUNDS)
    decoder = DatagramDecoder(views)
    for datagram in datagrams:
        decoder.take(datagram)
    return views, decoder


@pytest.mark.parametrize(
    ("datagram", "rows"),
    [
        (b"latency.repl.OK:0.500000|ms", {"latency": [["repl", "OK", "", 1, 0.5, [1.0, 10.0], [1, 0, 0]]]}),
        (b"lines.repl.OK:1|c\nlines.repl.OK:2|c\n", {"lines": [["repl", "OK", "", 3]]}),
        (b"lines.repl.ERROR.nul:1|c", {"lines": [["repl", "ERROR", "nul", 1]]}),
        (b"lines:1|c", {"lines": [["", "", "", 1]]}),
        (b"lines:1|c|#method:a,status:OK,error:nul", {"lines": [["a", "OK", "nul", 1]]}),
        (b"latency:12|d|#method:a,status:OK|c:ci-01", {"latency": [["a", "OK", "", 1, 12, [1.0, 10.0], [0, 0, 1]]]}),
        (b"latency:1|h|#status:OK,method:a", {"latency": [["a", "OK", "", 1, 1, [1.0, 10.0], [1, 0, 0]]]}),
        (b"lines:1|c|#method:http://x:80/", {"lines": [["http://x:80/", "", "", 1]]}),
        (b"of.another:1|c", {}),
    ],
)
def test_a_datagram_is_what_it_says(datagram: bytes, rows: dict[str, list[object]]) -> None:
    """Counters add up, timings, histograms and distributions are values; tags from the name or from the tags."""
    views, _ = decoded(datagram)
    assert {family: found for family, found in views.rows().items() if found} == rows
    assert views.unreadable == 0


@pytest.mark.parametrize(
    "datagram",
    [
        b"lines",
        b"lines:1",
        b"lines:x|c",
        b"lines:1|ms",
        b"latency:1|c",
        b"lines:1|c|@0.5",
        b"\xff:1|c",
        b"latency:1:2|d",
    ],
)
def test_what_is_no_value_of_a_view_is_counted_as_unreadable(datagram: bytes) -> None:
    """Once each time, and the rest of the datagram is taken."""
    views, _ = decoded(datagram, datagram + b"\nlines.a:1|c")
    assert views.unreadable == 2
    assert views.series("lines", Tags("a", "", "")).row() == [1]


def test_what_the_client_says_of_itself_is_kept_apart() -> None:
    """DogStatsD's client counts what it could not send, and tells it like any other counter."""
    views, decoder = decoded(*2 * [b"datadog.dogstatsd.client.packets_dropped:3|c|#client:py"])
    assert decoder.telemetry == {"packets_dropped": 6}
    assert views.unreadable == 0
    assert not any(views.rows().values())


@given(st.tuples(st.text(max_size=20), st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20)))
def test_any_tag_survives_in_a_name(values: tuple[str, str, str]) -> None:
    """Whatever it consists of: dots, colons, lines, letters outside of ASCII."""
    views, _ = decoded(f"{path_of('lines', values)}:1|c".encode("ascii"))
    assert views.rows()["lines"] == [[*values, 1]]

"""Sinks as real processes: what is sent arrives, what is lost is counted, and nothing is left behind."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from harness.errors import InstrumentError
from harness.instruments import create
from harness.push import process
from harness.push.sink import PushOutcome, SinkProcess
from harness.views import QUICKSTART_VIEWS, Tags

PATIENCE_S = 30.0
# Many more than the buffer of a socket holds.
MANY = 5_000


@pytest.fixture
def udp() -> Iterator[SinkProcess]:
    sink = SinkProcess("udp", QUICKSTART_VIEWS)
    yield sink
    sink.close()


def send(sink: SinkProcess, datagram: bytes, times: int = 1) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(times):
            sender.sendto(datagram, (sink.address, sink.port))


def test_what_was_sent_is_on_the_page(udp: SinkProcess) -> None:
    """At once: the sink reads all that is there before it answers."""
    send(udp, b"oc_python_demo_lines_in.repl.OK:1|c", 20)
    page = generate_latest(udp.registry).decode()
    assert 'oc_python_demo_lines_in_total{error="",method="repl",status="OK"} 20.0' in page
    outcome = udp.pushed()
    assert (outcome.arrived, outcome.lost, outcome.unreadable) == (20, 0, 0)
    assert all(sent <= read for sent, read in outcome.arrivals)


def test_every_datagram_that_the_system_drops_is_counted(udp: SinkProcess) -> None:
    """Arrived and lost together are as many as were sent, while the sink did not read at all."""
    os.kill(udp.pid, signal.SIGSTOP)
    try:
        send(udp, b"oc_python_demo_lines_in.repl.OK:1|c", MANY)
    finally:
        os.kill(udp.pid, signal.SIGCONT)
    outcome = udp.pushed()
    assert 0 < outcome.arrived < MANY
    assert outcome.lost_at_sink == MANY - outcome.arrived
    assert outcome.lost_at_client == 0


@pytest.mark.parametrize("name", ["dogstatsd-unix", "dogstatsd-unix-buffered"])
def test_every_datagram_that_the_client_drops_is_counted(name: str) -> None:
    """A full Unix socket is an error for the client, which drops the datagram and counts it."""
    instrument = create(name, QUICKSTART_VIEWS)
    sink = instrument.sink  # type: ignore[attr-defined]
    lines = 20_000
    try:
        instrument.record(1.0, 5, Tags())
        before = sink.pushed()
        os.kill(sink.pid, signal.SIGSTOP)
        try:
            for _ in range(lines):
                instrument.record(1.0, 5, Tags())
        finally:
            os.kill(sink.pid, signal.SIGCONT)
        outcome = sink.pushed()
    finally:
        instrument.close()
    assert before.lost == 0
    assert outcome.lost_at_client > 0
    assert outcome.lost_at_sink == 0
    if name == "dogstatsd-unix":
        assert outcome.arrived + outcome.lost_at_client >= 3 * (lines + 1)


def test_a_sink_that_has_ended_is_one_line(udp: SinkProcess) -> None:
    """Whoever asks it is told, and closing it is still possible."""
    os.kill(udp.pid, signal.SIGKILL)
    with pytest.raises(InstrumentError, match="the sink's process ended with -9"):
        udp.pushed()
    udp.close()
    with pytest.raises(InstrumentError, match="the sink is stopped"):
        udp.pushed()


def test_nothing_is_left_of_a_sink_that_is_closed() -> None:
    """Neither its process nor the folder of its socket; it may be closed twice."""
    sink = SinkProcess("unix", QUICKSTART_VIEWS)
    folder = Path(sink.path).parent
    assert folder.is_dir()
    assert folder.stat().st_mode & 0o777 == 0o700
    sink.close()
    sink.close()
    assert not folder.exists()
    assert not Path(f"/proc/{sink.pid}").exists()


def test_a_sink_ends_with_its_parent() -> None:
    """Its input ends, however its parent does."""
    sink = SinkProcess("unix", QUICKSTART_VIEWS)
    folder = Path(sink.path).parent
    assert sink._process.stdin is not None
    sink._process.stdin.close()
    assert sink._process.wait(PATIENCE_S) == 0
    assert not folder.exists()
    sink.close()


def test_moments_can_be_told_on_another_clock() -> None:
    """As those of a worker on another machine."""
    outcome = PushOutcome("udp", 2, arrivals=((10, 12), (20, 21)))
    assert outcome.earlier(5).arrivals == ((5, 7), (15, 16))


def test_values_were_sent_when_the_system_had_them(udp: SinkProcess) -> None:
    """A sink that stands still reads late, and says so: the age is that of the value, not of its reading."""
    os.kill(udp.pid, signal.SIGSTOP)
    try:
        send(udp, b"oc_python_demo_lines_in.repl.OK:1|c")
        before = time.monotonic_ns()
        held = time.monotonic() + 0.3
        while time.monotonic() < held:
            os.sched_yield()
    finally:
        os.kill(udp.pid, signal.SIGCONT)
    ((sent, read),) = udp.pushed().arrivals
    assert sent <= before
    assert read - sent >= 250_000_000


def test_a_system_that_does_not_stamp_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than ages that are those of the reading; a socket without the option is such a system."""
    monkeypatch.setattr(process, "_STAMPING_S", 0.02)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        with pytest.raises(TimeoutError, match="does not stamp datagrams"):
            process._await_stamps(receiver)

"""Workers get ready at the same time, but for what would be disturbed: workers of threads that watch each other."""

import socket
import threading
import time
from typing import Any

import pytest

from harness.distributed import coordinator
from harness.distributed.coordinator import Fleet
from harness.distributed.protocol.wire import Message, encode, receive, send
from harness.distributed.worker import versions
from harness.errors import RunError, to_answer
from harness.load.stop import Stop
from harness.run.spec import RunSpec
from harness.run.workers import Lost

pytestmark = pytest.mark.system

PATIENCE_S = 60.0


class Crew:
    """Workers that open only when all of them were asked to, and note who measures when."""

    address = "127.0.0.1"

    def __init__(self, machines: list[str], fails: int | None = None) -> None:
        self.machines, self.fails = machines, fails
        self.all_open = threading.Barrier(len(machines))
        self.measuring = {machine: threading.Lock() for machine in machines}
        self.disturbed: list[int] = []
        self.asked: list[tuple[int, str]] = []
        self._threads: list[threading.Thread] = []

    def start(self, port: int, token: str, count: int) -> None:
        self._threads = [threading.Thread(target=self._serve, args=(port, token, number)) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def _serve(self, port: int, token: str, number: int) -> None:
        machine = self.machines[number]
        with socket.create_connection((self.address, port)) as peer:
            about = {"pid": 1, "host": machine, "boot": machine, "versions": versions()}
            send(peer, {"hello": token, "number": number, **about})
            while (message := receive(peer)) is not None:
                send(peer, self._answer(number, machine, message))

    def _answer(self, number: int, machine: str, message: Message) -> dict[str, Any]:
        self.asked.append((number, next(iter(message))))
        if "probe" in message:
            return {"now_ns": time.monotonic_ns(), "wall_ns": time.time_ns()}
        if "open" in message:
            self.all_open.wait(PATIENCE_S)
            if number == self.fails:
                return to_answer(RunError("worker has no port"))
            return {"address": self.address, "port": 1}
        if not self.measuring[machine].acquire(blocking=False):
            self.disturbed.append(number)
            return {"self_cost_ns": 0.0}
        try:
            # Whoever is asked meanwhile has time to come.
            threading.Event().wait(0.01)
            return {"self_cost_ns": 1.0}
        finally:
            self.measuring[machine].release()

    def reason(self, number: int) -> str:
        return ""

    def close(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def test_endpoints_open_at_the_same_time_and_loops_are_measured_one_after_the_other() -> None:
    """None waits for another to open; none measures its loop while another of its machine does."""
    crew = Crew(["one", "one", "other", "one", "other"])
    fleet = Fleet(RunSpec(), 5, crew)
    try:
        assert [info.number for info in fleet.infos] == [0, 1, 2, 3, 4]
        assert crew.disturbed == []
        kinds = [kind for _, kind in crew.asked]
        assert kinds.count("cost") == 5
        # Clocks come first, while nobody has anything else to do.
        assert max(i for i, kind in enumerate(kinds) if kind == "probe") < kinds.index("open")
    finally:
        fleet.close()


def test_a_worker_that_cannot_open_ends_the_start() -> None:
    """With what it met, and the others' connections are closed."""
    crew = Crew(["one", "one", "one"], fails=1)
    with pytest.raises(RunError, match="worker has no port"):
        Fleet(RunSpec(), 3, crew)
    assert "cost" not in [kind for _, kind in crew.asked]


def test_workers_that_are_gone_before_the_start_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many, they hold up nobody: each is named, and the run ends."""
    monkeypatch.setattr("harness.distributed.coordinator._MOST_WAITING", 2)
    fleet = Fleet(RunSpec(), 6, Crew(["one"] * 6))
    try:
        for connection in fleet._connections.values():
            connection.close()
        deadline = time.monotonic() + PATIENCE_S
        while not all(connection._ended for connection in fleet._connections.values()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        outcomes = fleet.drive(Stop(), lambda *_: None)
    finally:
        fleet.close()
    assert [type(outcome) for outcome in outcomes] == [Lost] * 6
    assert {outcome.reason for outcome in outcomes if isinstance(outcome, Lost)} == {"the connection to it broke"}


class Approached(Crew):
    """A crew before whose workers a stranger dials, who says whatever the test says."""

    def __init__(self, *says: bytes) -> None:
        super().__init__(["one", "one"])
        self.says = says
        self.answered: list[bytes] = []

    def start(self, port: int, token: str, count: int) -> None:
        self.stranger = socket.create_connection((self.address, port))
        self.dripping = threading.Thread(target=self._drip)
        self.dripping.start()
        super().start(port, token, count)

    def _drip(self) -> None:
        self.stranger.settimeout(0.05)
        until_s = time.monotonic() + PATIENCE_S
        pieces = iter(self.says)
        # Byte by byte, each in time for whoever waits for the next one only, until the connection is closed.
        while time.monotonic() < until_s:
            try:
                self.stranger.sendall(next(pieces, b"x"))
                self.answered.append(self.stranger.recv(1))
            except TimeoutError:
                continue
            except OSError:
                return
            if self.answered[-1] == b"":
                return

    def close(self) -> None:
        super().close()
        self.dripping.join(PATIENCE_S)
        assert not self.dripping.is_alive()
        self.stranger.close()


@pytest.mark.parametrize(
    "says",
    [
        encode({"hello": "\u00e9\ud800", "number": 0}),
        encode({"hello": None, "number": True}),
        encode({"hello": {}, "number": "0"}),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0\xff\xff\0\0\0\0\0\0\0\0",
        b"",
    ],
    ids=["no ASCII", "nothing", "an object", "HTTP", "drips", "drips from the start"],
)
def test_a_stranger_is_turned_away_and_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch, says: bytes) -> None:
    """Whoever dials without the run's token, neither ends the run nor holds it up, and is told nothing."""
    monkeypatch.setattr(coordinator, "_HELLO_S", 0.5)
    crew = Approached(says)
    fleet = Fleet(RunSpec(), 2, crew)
    try:
        assert [info.number for info in fleet.infos] == [0, 1]
    finally:
        fleet.close()
    assert b"".join(crew.answered) == b""

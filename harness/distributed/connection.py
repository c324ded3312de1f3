"""The coordinator's end of the connection to one worker."""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable

from harness.deadline import Deadline
from harness.distributed.clocks import ClockProbe, Clocks, compare_clocks
from harness.distributed.wire import Message, WireError, receive, send
from harness.errors import RunError, from_answer

__all__ = ["Connection", "GoneError"]

_PROBES = 20
# What comes without having been asked for.
_EVENTS = ("snapshot", "record")


class GoneError(RunError):
    """The connection to a worker has ended."""


class Connection:
    """Asks one worker, and hands on what it says by itself to `tell`, from a thread of its own; None is its end."""

    def __init__(self, number: int, peer: socket.socket, hello: Message) -> None:
        self.number, self.hello = number, hello
        self._peer = peer
        self._replies: queue.Queue[Message | None] = queue.Queue()
        self._tell: Callable[[int, Message | None], object] = lambda _number, _message: None
        self._ended = False
        threading.Thread(target=self._read, name=f"harness-worker-{number}", daemon=True).start()

    def on_event(self, tell: Callable[[int, Message | None], object]) -> None:
        """Let `tell` hear of events from now on; of the end at once where it has come already."""
        self._tell = tell
        if self._ended:
            tell(self.number, None)

    def send(self, message: Message) -> None:
        """Send a message that has no answer; raises `GoneError`."""
        try:
            send(self._peer, message)
        except OSError as error:
            raise GoneError(f"worker {self.number} is gone: {error.strerror or error}") from error

    def ask(self, message: Message, deadline: Deadline, what: str) -> Message:
        """Return the answer to a message; raises `GoneError`, `DeadlineError` or what the worker met."""
        self.send(message)
        while True:
            try:
                answer = self._replies.get(timeout=deadline.glance_s(what))
            except queue.Empty:
                continue
            if answer is None:
                self._replies.put(None)
                raise GoneError(f"worker {self.number} is gone")
            if "error" in answer:
                raise from_answer(answer)
            return answer

    def clocks(self, deadline: Deadline, *, same_clock: bool) -> Clocks:
        """Compare clocks by some round trips; raises as `ask` does."""
        probes = []
        for _ in range(_PROBES):
            sent, wall = time.monotonic_ns(), time.time_ns()
            answer = self.ask({"probe": True}, deadline, f"worker {self.number} does not tell its time")
            received = time.monotonic_ns()
            probes.append(
                ClockProbe(sent, received, wall + (received - sent) // 2, int(answer["now_ns"]), int(answer["wall_ns"]))
            )
        return compare_clocks(probes, same_clock=same_clock)

    def close(self) -> None:
        """End the connection; the worker ends with it."""
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)
        self._peer.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError, WireError):
            while (message := receive(self._peer)) is not None:
                if any(event in message for event in _EVENTS):
                    self._tell(self.number, message)
                else:
                    self._replies.put(message)
        self._ended = True
        self._replies.put(None)
        self._tell(self.number, None)

"""The coordinator's end of the connection to one worker."""

import contextlib
import queue
import socket
import time
from collections.abc import Callable, Iterator

from harness.deadline import Deadline
from harness.distributed.clocks import ClockProbe, Clocks, compare_clocks
from harness.distributed.protocol.reader import Reader
from harness.distributed.protocol.values import whole
from harness.distributed.protocol.wire import Message, WireError, receive, send
from harness.errors import RunError, from_answer

__all__ = ["Connection", "GoneError", "understood"]

_PROBES = 20
# A trip so quick that the clock is known to within a tenth of a millisecond, after which no others are needed.
_FEWEST_PROBES, _QUICK_NS = 5, 200_000
# For workers with the same clock, of which only the time of day is told.
_PROBES_SAME_CLOCK = 3
# What comes without having been asked for.
_EVENTS = ("snapshot", "record")
_MOST_WORDS = 300


class GoneError(RunError):
    """The connection to a worker has ended."""


@contextlib.contextmanager
def understood(number: int) -> Iterator[None]:
    """Raise `RunError` where what a worker said does not have the form that is read inside."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:_MOST_WORDS]
        raise RunError(f"worker {number} said what is not understood ({reason})") from error


class Connection:
    """Asks one worker. From `listen` on what it says by itself is handed on to `tell`; None is its end.

    Before that whoever asks reads the answer: clocks are compared then, without a thread that hands it on.
    """

    def __init__(self, number: int, peer: socket.socket, hello: Message) -> None:
        self.number, self.hello = number, hello
        self._peer = peer
        self._replies: queue.Queue[Message | None] = queue.Queue()
        self._tell: Callable[[int, Message | None], object] = lambda _number, _message: None
        self._ended = self._listening = False

    def listen(self, reader: Reader) -> None:
        """Hear from now on what the worker says, from the thread of `reader`."""
        self._listening = True
        self._peer.settimeout(None)
        reader.add(self._peer, self._take)

    def on_event(self, tell: Callable[[int, Message | None], object]) -> bool:
        """Let `tell` hear of events from now on; returns False where the end has come already, and there are none."""
        self._tell = tell
        return not self._ended

    def send(self, message: Message) -> None:
        """Send a message that has no answer; raises `GoneError`."""
        try:
            send(self._peer, message)
        except OSError as error:
            raise GoneError(f"worker {self.number} is gone: {error.strerror or error}") from error

    def ask(self, message: Message, deadline: Deadline, what: str) -> Message:
        """Return the answer to a message; raises `GoneError`, `DeadlineError` or what the worker met."""
        self.send(message)
        answer = self._reply(deadline, what) if self._listening else self._read(deadline, what)
        if answer is None:
            raise GoneError(f"worker {self.number} is gone")
        if "error" in answer:
            with understood(self.number):
                met = from_answer(answer)
            raise met
        return answer

    def _reply(self, deadline: Deadline, what: str) -> Message | None:
        while True:
            try:
                answer = self._replies.get(timeout=deadline.glance_s(what))
            except queue.Empty:
                continue
            if answer is None:
                self._replies.put(None)
            return answer

    def _read(self, deadline: Deadline, what: str) -> Message | None:
        self._peer.settimeout(deadline.check(what))
        try:
            return receive(self._peer)
        except TimeoutError:
            deadline.check(what)
            return None
        except (OSError, WireError):
            return None

    def clocks(self, deadline: Deadline, *, same_clock: bool) -> Clocks:
        """Compare clocks by some round trips, fewer where one is quick enough; raises as `ask` does."""
        probes: list[ClockProbe] = []
        for _ in range(_PROBES_SAME_CLOCK if same_clock else _PROBES):
            if len(probes) >= _FEWEST_PROBES and min(each.received_ns - each.sent_ns for each in probes) < _QUICK_NS:
                break
            sent, wall = time.monotonic_ns(), time.time_ns()
            answer = self.ask({"probe": True}, deadline, f"worker {self.number} does not tell its time")
            received = time.monotonic_ns()
            with understood(self.number):
                probes.append(
                    ClockProbe(
                        sent, received, wall + (received - sent) // 2, whole(answer["now_ns"]), whole(answer["wall_ns"])
                    )
                )
        return compare_clocks(probes, same_clock=same_clock)

    def close(self) -> None:
        """End the connection; the worker ends with it."""
        with contextlib.suppress(OSError):
            self._peer.shutdown(socket.SHUT_RDWR)
        if not self._listening:
            self._peer.close()

    def _take(self, message: Message | None) -> None:
        if message is None:
            self._ended = True
            self._replies.put(None)
            self._tell(self.number, None)
        elif any(event in message for event in _EVENTS):
            self._tell(self.number, message)
        else:
            self._replies.put(message)

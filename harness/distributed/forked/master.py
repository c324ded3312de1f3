"""The process that builds the instrument, listens, and forks workers: gunicorn's arbiter, with a schedule.

Run as ``python -m harness.distributed.forked.master FD``, with the socket to the coordinator. It has one thread, since
others would not survive in the copies. Commands and answers are messages of `harness.distributed.protocol.wire`:

{"open": spec}                   -> {"address", "port"} when all are ready, or an error
{"go": start_ns, "every_ns"}     -> later, from workers: {"snapshot"}, {"record"}, {"killed"}, {"left"}, {"failed"}
{"windows": true}                -> {"windows": those of all workers that run}
{"stop": true}

What comes from a worker has its ``worker`` (its number), and with a record or a kill also ``first`` (the line of the
workload that it began with) and ``last`` (whether its share of the load ends there). It ends all workers and itself
when its connection ends.
"""

import contextlib
import os
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

# Threads of a numerical library would not survive in the copies either.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from harness.distributed.forked.journal import Journal
from harness.distributed.forked.worker import Inherited, work
from harness.distributed.protocol.wire import Incoming, Message, WireError, send
from harness.distributed.worker import versions
from harness.errors import HarnessError, to_answer
from harness.instruments import create
from harness.load.clock import MonotonicClock
from harness.load.selfcost import measure_self_cost
from harness.run.shard import workload_of
from harness.run.spec import RunSpec
from harness.scrape.listening import listen
from harness.views import views_for

__all__ = ["Master", "main"]

_PIECE = 1 << 20


@dataclass(slots=True)
class _Child:
    """A worker as its parent sees it; `first` is the line that it began with, None before it was told to begin."""

    number: int
    pid: int
    connection: socket.socket
    journal: Journal
    incoming: Incoming = field(default_factory=Incoming)
    first: int | None = None
    count: int | None = None
    since_ns: int = 0
    # Lines that it has sent, once it has said so, whether others follow, and whether it handed over its record.
    done: int | None = None
    last: bool = False
    recorded: bool = False


class Master:
    """The workers of one run; raises `UsageError`, `InstrumentError` or `EndpointError` where they cannot begin."""

    def __init__(self, coordinator: socket.socket, spec: RunSpec) -> None:
        self._coordinator, self._spec = coordinator, spec
        self._of = spec.fork or 1
        self._total = workload_of(spec).total or 0
        versions()  # imports what a record needs
        self._listener = listen(spec.address, spec.port)
        self._instrument = create(spec.instrument, views_for(spec.latency_buckets))
        self._self_cost_ns = measure_self_cost(MonotonicClock()).paced_ns
        self._selector = selectors.DefaultSelector()
        self._selector.register(coordinator, selectors.EVENT_READ, None)
        self._from_coordinator = Incoming()
        self._spares: dict[int, _Child] = {}
        self._running: dict[int, _Child] = {}
        self._windows: list[Any] | None = None
        self._waiting: set[int] = set()
        self._go: tuple[int, int] | None = None
        self._stopped = False
        for number in range(self._of):
            self._running[number] = self._fork(number)
        self._unready = {child.pid for child in self._running.values()}

    def _fork(self, number: int) -> _Child:
        mine, theirs = socket.socketpair()
        journal, parent = Journal(), os.getpid()
        pid = os.fork()
        if not pid:
            # Copies of these would keep the connections open when this process has ended.
            for key in list(self._selector.get_map().values()):
                os.close(key.fd)
            mine.close()
            inherited = Inherited(self._spec, number, self._of, self._instrument, self._listener, self._self_cost_ns)
            work(inherited, theirs, journal, parent)
        theirs.close()
        child = _Child(number, pid, mine, journal)
        self._selector.register(mine, selectors.EVENT_READ, child)
        return child

    def run(self) -> None:
        """Serve the coordinator until its connection ends."""
        while True:
            for key, _ in self._selector.select():
                child: _Child | None = key.data
                piece = b""
                with contextlib.suppress(ConnectionError):
                    piece = key.fileobj.recv(_PIECE)  # type: ignore[union-attr]
                if child is None and not piece:
                    return
                if child is None:
                    for message in self._from_coordinator.add(piece):
                        self._obey(message)
                elif piece:
                    for message in child.incoming.add(piece):
                        self._hear(child, message)
                else:
                    self._bury(child)

    def _obey(self, message: Message) -> None:
        if "go" in message:
            self._go = message["go"], message["every_ns"]
            for number, child in self._running.items():
                self._begin(child, number)
                self._prepare(number)
        elif "stop" in message:
            self._stopped = True
            for child in self._running.values():
                self._tell(child, {"stop": True})
        elif "windows" in message:
            self._windows, self._waiting = [], set()
            for child in self._running.values():
                if self._tell(child, {"windows": True}):
                    self._waiting.add(child.pid)
            self._answer_windows()

    def _begin(self, child: _Child, first: int) -> None:
        if self._go is not None:
            start_ns, every_ns = self._go
            child.first, child.count, child.since_ns = first, self._spec.recycle, time.monotonic_ns()
            self._tell(child, {"go": start_ns, "first": first, "count": child.count, "every_ns": every_ns})

    def _prepare(self, number: int) -> None:
        """Fork the one that will take over, so that no line waits for it."""
        if self._spec.recycle is not None and not self._stopped:
            self._spares[number] = self._fork(number)

    def _succeed(self, child: _Child, following: int) -> None:
        """Let another one go on with line `following`; where there is none, or after a stop, `child` was the last."""
        child.last = self._stopped or following >= self._total
        if child.last:
            return
        successor = self._spares.pop(child.number, None) or self._fork(child.number)
        self._running[child.number] = successor
        self._begin(successor, following)
        self._prepare(child.number)

    def _get_ready(self, child: _Child) -> None:
        """Tell the coordinator once every worker is ready."""
        if child.pid in self._unready:
            self._unready.remove(child.pid)
            if not self._unready:
                address, port = self._listener.getsockname()[:2]
                send(self._coordinator, {"address": address, "port": port})

    def _hear(self, child: _Child, message: Message) -> None:
        if "ready" in message:
            self._get_ready(child)
        elif "done" in message and child.first is not None:
            child.done = message["done"]
            self._succeed(child, child.first + message["done"] * self._of)
        elif "windows" in message:
            if self._windows is not None:
                self._windows += message["windows"]
            self._waiting.discard(child.pid)
            self._answer_windows()
        elif "snapshot" not in message or child.done is None:
            message["worker"] = child.number
            if "record" in message:
                child.recorded = True
                message |= {"first": child.first, "last": child.last}
                if not child.last:
                    # It ends when it has read everything.
                    child.connection.shutdown(socket.SHUT_WR)
            send(self._coordinator, message)

    def _answer_windows(self) -> None:
        if self._windows is not None and not self._waiting:
            send(self._coordinator, {"windows": self._windows})
            self._windows = None

    def _bury(self, child: _Child) -> None:
        """Note the end of a worker, tell what one that was killed had recorded, and let another one serve."""
        self._selector.unregister(child.connection)
        child.connection.close()
        code = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
        self._waiting.discard(child.pid)
        self._answer_windows()
        if code > 0 and not child.recorded:
            # It cannot work at all, so another one would not either.
            send(self._coordinator, {"failed": child.number, "code": code})
            return
        if child.first is not None and not child.recorded:
            self._tell_killed(child, child.first, code)
        if self._spares.get(child.number) is child:
            self._spares[child.number] = self._fork(child.number)
        elif self._running[child.number] is child:
            self._running[child.number] = self._fork(child.number)
        child.journal.close()

    def _tell_killed(self, child: _Child, first: int, code: int) -> None:
        latencies_ms = child.journal.latencies_ms()
        # The line after the last one whose record returned: it may have been recorded, wholly or in part.
        doubtful = int(child.done is None and first + latencies_ms.size * self._of < self._total)
        if child.done is None:
            self._succeed(child, first + (latencies_ms.size + doubtful) * self._of)
        message = {"killed": code, "worker": child.number, "first": first, "latencies_ms": latencies_ms}
        times = {"since_ns": child.since_ns, "until_ns": time.monotonic_ns()}
        send(self._coordinator, {**message, **times, "doubtful": doubtful, "last": child.last})

    def _tell(self, child: _Child, message: Message) -> bool:
        try:
            send(child.connection, message)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Kill every worker and close the instrument."""
        for child in [*self._running.values(), *self._spares.values()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
        self._instrument.close()


def main() -> None:
    """Open what the coordinator asks for and serve it."""
    coordinator = socket.socket(fileno=int(sys.argv[1]))
    incoming, messages = Incoming(), list[Message]()
    while not messages:
        piece = coordinator.recv(_PIECE)
        if not piece:
            return
        messages = list(incoming.add(piece))
    try:
        master = Master(coordinator, RunSpec.model_validate(messages[0]["open"]))
    except HarnessError as error:
        send(coordinator, to_answer(error))
        return
    try:
        with contextlib.suppress(ConnectionError, WireError):
            master.run()
    finally:
        master.close()


if __name__ == "__main__":
    main()

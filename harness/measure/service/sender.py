"""The sender: requests at due times fixed in advance (an open loop), over connections that stay open.

Commands and answers are lines of JSON on standard input and output:

{"do": "connect", "port", "core"}                       -> {}
{"do": "send", "file", "start_ns", "paths", "grace_s"}  -> {"sent", "failed"}

`send` reads the due times in `file`, int64 in ns from `start_ns`, and writes the start and the end of each request to
``file.out``: all starts, then all ends, 0 where the request failed or had no answer within `grace_s` seconds after the
last due time.
"""

import asyncio
import json
import os
import sys
import time
from array import array
from collections import deque
from collections.abc import Sequence
from typing import Any

from harness.load.clock import fine_timers
from harness.measure.service.timer import Timer
from harness.measure.worker.blocks import die_with_parent, private_output

__all__ = ["main"]

# A request that finds every connection in use waits for the first that is free: its time counts from when it was due,
# and the service could not have begun it any sooner.
_CONNECTIONS = 64
_DONE = b"\r\n\r\nok"
_OK = b"HTTP/1.1 200"


class _Connection(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, sender: "_Sender") -> None:
        self._sender = sender
        self._transport: asyncio.WriteTransport | None = None
        self._answer = b""
        self._index = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - a socket can be written to
        self._transport = transport

    def request(self, index: int, path: str) -> None:
        """Send request `index`."""
        self._index, self._answer = index, b""
        assert self._transport is not None  # noqa: S101 - connected before it is used
        self._transport.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if self._answer.endswith(_DONE):
            self._sender.answered(self, self._index, good=self._answer.startswith(_OK))

    def connection_lost(self, _exc: Exception | None) -> None:
        self._sender.lost(self, self._index)

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()


class _Sender:
    """Sends the requests of a schedule, each when it is due."""

    def __init__(self) -> None:
        self._free: deque[_Connection] = deque()
        self._waiting: deque[int] = deque()
        self._paths: Sequence[str] = ()
        self._due: list[int] = []
        self.starts: array[int] = array("q")
        self.ends: array[int] = array("q")
        self._next = self._answered = self.failed = 0
        self._finished = asyncio.Event()
        self._timer = Timer()

    async def connect(self, port: int) -> None:
        """Open the connections."""
        loop = asyncio.get_running_loop()
        for _ in range(_CONNECTIONS):
            _, connection = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", port)
            self._free.append(connection)

    async def send(self, due: list[int], paths: Sequence[str], grace_s: float) -> None:
        """Send a request at each of `due` (``time.monotonic_ns``), and wait for the last answer."""
        self._due, self._paths = due, paths
        self.starts, self.ends = array("q", [0]) * len(due), array("q", [0]) * len(due)
        if not due:
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(self._timer.fileno(), self._on_time)
        self._timer.set(due[0])
        deadline_s = max(0.0, (due[-1] - time.monotonic_ns()) / 1e9) + grace_s
        try:
            await asyncio.wait_for(self._finished.wait(), deadline_s)
        except TimeoutError:
            self.failed += len(due) - self._answered
        finally:
            loop.remove_reader(self._timer.fileno())

    def _on_time(self) -> None:
        self._timer.clear()
        due = self._due
        while self._next < len(due) and due[self._next] <= time.monotonic_ns():
            self._dispatch(self._next)
            self._next += 1
        if self._next < len(due):
            self._timer.set(due[self._next])

    def _dispatch(self, index: int) -> None:
        if not self._free:
            self._waiting.append(index)
            return
        self.starts[index] = time.monotonic_ns()
        self._free.popleft().request(index, self._paths[index % len(self._paths)])

    def answered(self, connection: _Connection, index: int, *, good: bool) -> None:
        """Note the end of request `index`, and use its connection for the next that waits."""
        if good:
            self.ends[index] = time.monotonic_ns()
        else:
            self.failed += 1
        self._free.append(connection)
        self._count()
        if self._waiting:
            self._dispatch(self._waiting.popleft())

    def lost(self, connection: _Connection, index: int) -> None:
        """Note that a connection is gone; its request, where it has one, failed."""
        if connection in self._free:
            self._free.remove(connection)
        elif index >= 0:
            self.failed += 1
            self._count()

    def _count(self) -> None:
        self._answered += 1
        if self._answered == len(self._due):
            self._finished.set()

    def close(self) -> None:
        """Close all connections that are free, and the timer."""
        for connection in list(self._free):
            connection.close()
        self._timer.close()


def _due_in(file: str, start_ns: int) -> list[int]:
    offsets = array("q")
    with open(file, "rb") as source:  # noqa: PTH123 - array reads from a plain file
        offsets.frombytes(source.read())
    return [start_ns + offset for offset in offsets]


async def _answer(sender: _Sender, command: dict[str, Any]) -> dict[str, Any]:
    if command["do"] == "connect":
        os.sched_setaffinity(0, {command["core"]})
        await sender.connect(command["port"])
        return {}
    due = _due_in(command["file"], command["start_ns"])
    await sender.send(due, command["paths"], command["grace_s"])
    with open(f"{command['file']}.out", "wb") as target:  # noqa: PTH123 - array writes to a plain file
        sender.starts.tofile(target)
        sender.ends.tofile(target)
    return {"sent": len(due), "failed": sender.failed}


async def _serve(output: Any) -> None:
    sender = _Sender()
    loop = asyncio.get_running_loop()
    try:
        # A thread reads the commands, since none comes while requests are sent.
        while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
            try:
                answer = await _answer(sender, json.loads(line))
            except OSError as error:
                answer = {"error": f"the sender: {error.strerror or error}", "kind": "RunError"}
            output.write(json.dumps(answer).encode() + b"\n")
    finally:
        sender.close()


def main() -> None:
    """Serve commands from standard input until it ends."""
    die_with_parent(int(sys.argv[1]))
    with fine_timers():
        asyncio.run(_serve(private_output()))

"""The process of one worker: dials the coordinator, opens its shard, sends its lines from the instant it is given.

Run as ``python -m harness.distributed.worker``, with one line of JSON on standard input: ``address``, ``port``,
``token`` and ``number``, and ``parent``, a process to end with, where there is one. It ends when the connection does,
whichever way the coordinator goes.
"""

import contextlib
import ctypes
import json
import os
import platform
import queue
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from harness.distributed.display import Increments
from harness.distributed.protocol.records import state_of
from harness.distributed.protocol.wire import Message, WireError, receive, send
from harness.distributed.silence import end_when_silent
from harness.errors import HarnessError, UsageError, to_answer
from harness.host.environment import environment
from harness.incidents.triggers import Triggers
from harness.load.pump import Snapshot
from harness.load.stop import Stop
from harness.repl import TextSink
from harness.run.shard import Shard
from harness.run.spec import RunSpec
from workloads.incidents import Incident
from workloads.units import parse_duration_ns

__all__ = ["Inbox", "Outbox", "Reporter", "dial", "main", "serve_coordinator", "versions"]

# After the connection has ended a line under way may take so long; then the process ends with it.
_LEAVE_S = 3.0
# A coordinator's machine that gives no sign for so long is gone or cut off. Whoever merges the results of a thousand
# workers may be slow to read them, so a result is given more time.
_SILENCE_S, _RESULT_SILENCE_S = 4.0, 30.0
_PR_SET_PDEATHSIG = 1
_DIAL_S = 10.0


def versions() -> dict[str, str]:
    """Return what has to be the same on both sides of a run."""
    return {"python": platform.python_version(), **environment().libraries}


def boot_id() -> str:
    """Return what names the running system, whose processes share one monotonic clock; empty where it does not tell."""
    with contextlib.suppress(OSError):
        # A time namespace of its own would have another monotonic clock.
        space = Path("/proc/self/ns/time").readlink()
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text(encoding='ascii').strip()} {space}"
    return ""


class Inbox:
    """Takes what comes in: an order to stop and an incident take effect at once, all else waits for its turn."""

    def __init__(self, connection: socket.socket, stop: Stop, triggers: Triggers) -> None:
        self._connection, self._stop, self._triggers = connection, stop, triggers
        self._messages: queue.Queue[Message | None] = queue.Queue()
        threading.Thread(target=self._read, name="harness-inbox", daemon=True).start()

    def next(self) -> Message | None:
        """Return the next message, None at the end of the connection."""
        return self._messages.get()

    def _read(self) -> None:
        with contextlib.suppress(OSError, WireError):
            while (message := receive(self._connection)) is not None:
                if "stop" in message:
                    self._stop.request()
                elif "incident" in message:
                    self._triggers.put(Incident(*message["incident"]))
                else:
                    self._messages.put(message)
        # Without a coordinator nobody asks for the rest.
        self._stop.request()
        self._messages.put(None)
        time.sleep(_LEAVE_S)
        os._exit(1)


class Outbox:
    """Sends how the shard stands from a thread of its own: a coordinator that reads slowly holds up no line."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._newest: queue.Queue[Message] = queue.Queue(maxsize=1)
        threading.Thread(target=self._run, name="harness-outbox", daemon=True).start()

    def send(self, message: Message) -> None:
        """Send a message and return when the system has it."""
        if "record" in message:
            end_when_silent(self._connection, _RESULT_SILENCE_S)
        with self._sending:
            send(self._connection, message)

    def offer(self, message: Message) -> bool:
        """Send a message soon; returns False, and never sends it, where the one before still waits."""
        try:
            self._newest.put_nowait(message)
        except queue.Full:
            return False
        return True

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.send(self._newest.get())


def serve_coordinator(connection: socket.socket, token: str, number: int) -> None:
    """Answer a coordinator until it closes the connection; raises `OSError` when that breaks."""
    stop, triggers, outbox = Stop(), Triggers(), Outbox(connection)
    outbox.send(
        {
            "hello": token,
            "number": number,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "boot": boot_id(),
            "versions": versions(),
        }
    )
    inbox = Inbox(connection, stop, triggers)
    shard: Shard | None = None
    try:
        while (message := inbox.next()) is not None:
            if "probe" in message:
                outbox.send({"now_ns": time.monotonic_ns(), "wall_ns": time.time_ns()})
            elif "open" in message:
                shard = _open(message, outbox, triggers if message.get("switchable") else None)
            elif shard is not None:
                _answer(message, shard, stop, outbox)
    finally:
        if shard is not None:
            shard.close()


def _service(message: Message) -> TextSink:
    """Return the simulated consumer of a demo's worker, whose times are its own."""
    from harness.run.demo import SimulatedService

    spec = message["open"]
    return SimulatedService(parse_duration_ns(message["service_time"]), spec["seed"] + message["number"])


def _open(message: Message, outbox: Outbox, triggers: Triggers | None) -> Shard | None:
    try:
        spec = RunSpec.model_validate(message["open"])
        shard = Shard(spec, message["number"], message["of"], triggers=triggers)
        if "service_time" in message:
            shard.output = _service(message)
        shard.open(message["address"], message["port"])
    except HarnessError as error:
        outbox.send(to_answer(error))
        return None
    except ValueError as error:
        outbox.send(to_answer(UsageError(f"the coordinator's spec is not understood here: {error}")))
        return None
    excluded = {} if triggers is None else triggers.excluded
    outbox.send({"address": shard.endpoint.address, "port": shard.endpoint.port, "excluded": excluded})
    return shard


class Reporter:
    """Tells the coordinator how the shard stands, at most every `every_ns`; called between two lines."""

    def __init__(self, shard: Shard, outbox: Outbox, every_ns: int) -> None:
        self._endpoint, self._outbox, self._every_ns = shard.endpoint, outbox, every_ns
        self._increments = Increments(shard.timings)
        self._served, self._failed = self._endpoint.served, self._endpoint.failed
        # The first report is due at once, so that the display does not stay empty.
        self._told_ns = -every_ns

    def __call__(self, snapshot: Snapshot) -> None:
        """Tell it, unless it is too early or the message before still waits."""
        if snapshot.elapsed_ns - self._told_ns < self._every_ns:
            return
        message = self._increments.message(snapshot)
        message["scrapes"] = self._endpoint.served - self._served
        message["failed_scrapes"] = self._endpoint.failed - self._failed
        if self._outbox.offer(message):
            self._increments.told(message)
            self._told_ns = snapshot.elapsed_ns


def _answer(message: Message, shard: Shard, stop: Stop, outbox: Outbox) -> None:
    if "cost" in message:
        outbox.send({"self_cost_ns": shard.measure_self_cost()})
    elif "go" in message:
        record = shard.drive(stop, Reporter(shard, outbox, message["every_ns"]), message["go"])
        outbox.send({"record": state_of(record)})
    elif "rest" in message:
        outbox.send(_rest(shard, message["rest"]))
    elif "windows" in message:
        outbox.send({"windows": [list(window) for window in shard.endpoint.windows]})


def _rest(shard: Shard, repeats: int) -> dict[str, Any]:
    try:
        return {"rest_ns": shard.endpoint.rest_durations_ns(repeats)}
    except HarnessError as error:
        return to_answer(error)


def _end_with(parent: int) -> None:
    """Let the system kill this process when the one that started it ends; leave at once where it has ended already."""
    with contextlib.suppress(OSError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def main() -> None:
    """Dial the coordinator named on standard input and serve it."""
    about = json.loads(sys.stdin.readline())
    if "parent" in about:
        _end_with(about["parent"])
    dial(about)


def dial(about: dict[str, Any]) -> None:
    """Dial the coordinator described by `about` and serve it until the connection ends."""
    try:
        dialled = socket.create_connection((about["address"], about["port"]), timeout=_DIAL_S)
    except OSError as error:
        sys.exit(f"it cannot reach the coordinator at {about['address']}:{about['port']}: {error}")
    with dialled as connection:
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end_when_silent(connection, _SILENCE_S)
        with contextlib.suppress(ConnectionError, TimeoutError, KeyboardInterrupt):
            serve_coordinator(connection, about["token"], about["number"])


if __name__ == "__main__":
    main()

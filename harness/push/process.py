"""The process of a sink: takes in what is pushed on a socket of its own, and answers in JSON lines what has arrived.

Run as ``python -m harness.push.process SPEC``, where SPEC is one JSON object: ``kind`` (``udp``, ``unix`` or ``otlp``),
``bounds`` (for each family its view's bounds, null for one that counts) and ``parent`` (its process id). The first line
of its output is where it listens: ``port``, or ``path`` of a socket in the file system.

Commands, one a line: ``settle``, ``shown`` and ``arrivals``. Before it answers, it has read whatever was sent before
the command; that is all that ``settle`` is for. The other answers have ``packets`` (datagrams or requests),
``unreadable`` (values, and whole requests), ``overflowed`` (datagrams that the system dropped because the socket's
buffer was full) and ``telemetry`` (what the client said of itself); ``shown`` also has the ``series`` of each family,
``arrivals`` the moments ``arrivals``. It ends when its input does.
"""

import json
import os
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any, Protocol

from harness.push.arrived import ArrivalTimes, ArrivedViews
from harness.push.statsd import DatagramDecoder

__all__ = ["main"]

# Not in the socket module: the moment at which a datagram was queued, as ``struct timespec`` (socket(7)).
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("ll")
_MOST_BYTES = 65_536
_A_TURN = 1024
# What was sent over the loopback may need a moment to be in the socket's queue.
_QUIET_S = 0.01
_LOOKS = 3
_DRAIN_S = 10.0
_GLANCE_S = 1.0
# Longest wait for the system to begin stamping, and how long a trial lies in the queue.
_STAMPING_S = 10.0
_A_TRIAL_S = 0.002
# Bytes of a request; some 100 000 series.
_MOST_REQUEST = 256 << 20


class _Receiver(Protocol):
    where: dict[str, Any]

    def serve(self) -> None:
        """Take in and answer until the input ends."""


def _report(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class _Answers:
    """What a sink answers, from what has arrived."""

    def __init__(self, bounds: dict[str, list[float] | None], parent: int) -> None:
        self.arrived = ArrivedViews(bounds)
        self.arrivals = ArrivalTimes()
        self.packets = self.bad_packets = 0
        self.telemetry: dict[str, float] = {}
        self.overflowed = 0
        self._parent = parent
        self._unread = b""

    def listen(self, prepare: Callable[[str], object] = str) -> bool:
        """Answer the commands that can be read, after `prepare` for each; return False at the end of input."""
        said = os.read(0, 4096)
        *commands, self._unread = (self._unread + said).split(b"\n")
        for command in commands:
            prepare(command.decode())
            self.answer(command.decode())
        return bool(said)

    def abandoned(self) -> bool:
        """Return whether the parent is gone; a fork of it may hold our input open."""
        return os.getppid() != self._parent

    def answer(self, command: str) -> None:
        """Answer a command."""
        if command == "settle":
            _report()
            return
        with self.arrived.lock:
            more = {"arrivals": self.arrivals.pairs()} if command == "arrivals" else {"series": self.arrived.rows()}
            _report(
                packets=self.packets,
                unreadable=self.arrived.unreadable + self.bad_packets,
                overflowed=self.overflowed,
                telemetry=self.telemetry,
                **more,
            )


class _Datagrams:
    """A socket for datagrams, over UDP or in the file system, with the buffer that the system gives by default."""

    def __init__(self, answers: _Answers, path: str = "") -> None:
        self._answers, self._decoder = answers, DatagramDecoder(answers.arrived)
        self._socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(path or ("127.0.0.1", 0))
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.where = {"path": path} if path else {"port": self._socket.getsockname()[1]}
        self._inode = os.fstat(self._socket.fileno()).st_ino
        if not path:
            _await_stamps(self._socket)

    def serve(self) -> None:
        """Read datagrams and commands as they come."""
        answers, listening = self._answers, True
        while listening and not answers.abandoned():
            readable, _, _ = select.select([self._socket.fileno(), 0], [], [], _GLANCE_S)
            self._take(_A_TURN)
            if 0 in readable:
                listening = answers.listen(self._prepare)

    def _prepare(self, command: str) -> None:
        """Read all that is there, and what comes in the next moments; whoever sends on is not waited for."""
        deadline = time.monotonic() + _DRAIN_S
        for _ in range(_LOOKS):
            while self._take(_A_TURN) == _A_TURN and time.monotonic() < deadline:
                pass
            if command == "settle":
                return
            if not select.select([self._socket], [], [], _QUIET_S)[0]:
                break
        self._answers.telemetry = dict(self._decoder.telemetry)
        self._answers.overflowed = self._overflowed()

    def _take(self, most: int) -> int:
        """Read so many datagrams at most; return how many there were."""
        now_ns, arrivals, take = time.monotonic_ns, self._answers.arrivals, self._decoder.take
        receive, count = self._socket.recv, 0
        try:
            for count in range(most):  # noqa: B007 - how many there were
                if now_ns() < arrivals.due_ns:
                    take(receive(_MOST_BYTES))
                    continue
                datagram, ancillary, _, _ = self._socket.recvmsg(_MOST_BYTES, 64)
                take(datagram)
                arrivals.note(_moment_in(ancillary))
            count = most
        except BlockingIOError:
            pass
        self._answers.packets += count
        return count

    def _overflowed(self) -> int:
        """Return how many datagrams the system dropped because the buffer was full; it counts them for UDP alone."""
        for line in Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[9] == str(self._inode):
                return int(fields[-1])
        return 0


def _await_stamps(receiver: socket.socket) -> None:
    """Send trials to a new UDP socket until one is stamped when it is queued; raise TimeoutError after ten seconds.

    Linux begins to stamp a little after the option is set (``net_enable_timestamp`` defers it); until then a datagram
    gets the moment of its reading. A Unix socket stamps at once.
    """
    deadline = time.monotonic() + _STAMPING_S
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while time.monotonic() < deadline:
            sender.sendto(b"", receiver.getsockname())
            sent_ns = time.time_ns()
            time.sleep(_A_TRIAL_S)
            if select.select([receiver], [], [], _STAMPING_S)[0]:
                _, ancillary, _, _ = receiver.recvmsg(1, 64)
                if _moment_in(ancillary) <= sent_ns:
                    return
    raise TimeoutError("the system does not stamp datagrams when they are queued (SO_TIMESTAMPNS)")


def _moment_in(ancillary: list[tuple[int, int, bytes]]) -> int:
    """Return when a datagram was queued, ns of the time of day; now where the system does not say."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(data) >= _TIMESPEC.size:
            seconds, ns = _TIMESPEC.unpack_from(data)
            return int(seconds) * 1_000_000_000 + int(ns)
    return time.time_ns()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # The class above asks the name service for the full name of the host, which may take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])


class _Requests:
    """A server for OTLP over HTTP."""

    def __init__(self, answers: _Answers) -> None:
        from harness.push.otlp import ANSWER, take_request

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body of an answer leave together, or the second would wait for an acknowledgement.
            wbufsize = -1

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(min(length, _MOST_REQUEST))
                with answers.arrived.lock:
                    try:
                        newest_ns = take_request(body, answers.arrived)
                    except ValueError:
                        answers.bad_packets += 1
                        newest_ns = -1
                    else:
                        answers.packets += 1
                        answers.arrivals.note(newest_ns or time.time_ns())
                self.send_response(200 if newest_ns >= 0 else 400)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(ANSWER) if newest_ns >= 0 else 0))
                self.end_headers()
                if newest_ns >= 0:
                    self.wfile.write(ANSWER)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
                """Log nothing."""

        self._answers = answers
        self._server = _Server(("127.0.0.1", 0), Handler)
        self.where = {"port": self._server.server_address[1]}

    def serve(self) -> None:
        """Serve requests in threads, and read commands."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        listening = True
        while listening and not self._answers.abandoned():
            if select.select([0], [], [], _GLANCE_S)[0]:
                listening = self._answers.listen()


def main(arguments: list[str]) -> int:
    """Serve until the input ends; `arguments` holds the specification as one JSON object."""
    # Ctrl-C goes to the whole foreground group; the parent ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    spec = json.loads(arguments[0])
    answers = _Answers(spec["bounds"], spec["parent"])
    folder = tempfile.mkdtemp(prefix="harness-sink-") if spec["kind"] == "unix" else ""
    try:
        receiver: _Receiver
        if spec["kind"] == "otlp":
            receiver = _Requests(answers)
        else:
            receiver = _Datagrams(answers, f"{folder}/socket" if folder else "")
        _report(**receiver.where)
        receiver.serve()
    except BrokenPipeError:
        pass
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
